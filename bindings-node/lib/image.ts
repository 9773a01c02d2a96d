/** An image: dockerode's `Image`. A name and nothing else, so it is never out of date. */

import type { Readable } from 'node:stream';
import type { HistoryRow, ImageInspect, ImagePush, ImagePushed, ImageRemoved, Progress } from './types.generated';
import type { Abortable, Api } from './api';
import { type Credentials, credentials } from './credentials';

/** How to push. */
export interface PushOptions extends Abortable {
  /** The tag, when the image was asked for by a name without one. */
  tag?: string;
  /** Credentials, or a function that gives them for the image's name; else those that `docker login` left. */
  authconfig?: Credentials;
  /** Called with each line. */
  onProgress?: (line: Progress) => void;
}

/** An image. */
export class Image {
  /** The name, digest or id it was asked for by. */
  readonly name: string;
  readonly #api: Api;

  /** @internal */
  constructor(api: Api, name: string) {
    this.#api = api;
    this.name = name;
  }

  /** Its name, by dockerode's other word. */
  get id(): string {
    return this.name;
  }

  /** Everything about it. */
  inspect(options: Abortable = {}): Promise<ImageInspect> {
    return this.#api.call('image.inspect', { Name: this.name }, options);
  }

  /** The instructions it was made by, newest first. */
  history(options: Abortable = {}): Promise<HistoryRow[]> {
    return this.#api.call('image.history', { Name: this.name }, options);
  }

  /** Save it: a Node stream of an archive's bytes. */
  async get(options: Abortable = {}): Promise<Readable> {
    const stream = await this.#api.stream('image.save', { Names: [this.name] }, options);
    return stream.readable('stdout');
  }

  /** Give it another name: `{ repo: 'registry/name', tag: 'v1' }`. */
  async tag(options: { repo: string; tag?: string } & Abortable): Promise<void> {
    const request = { Name: this.name, Reference: reference(options.repo, options.tag) };
    await this.#api.call('image.tag', request, options);
  }

  /** Bring it to its registry, which its name tells; it is there when the promise resolves. */
  async push(options: PushOptions = {}): Promise<ImagePushed> {
    const name = reference(this.name, options.tag);
    const request: ImagePush = { Name: name, Auth: await credentials(options.authconfig, name) };
    const stream = await this.#api.imagePush(request, options);
    return stream.wait(options.onProgress);
  }

  /** Remove the name, and the image when that was its last; what was untagged and deleted. */
  remove(options: { force?: boolean; noprune?: boolean } & Abortable = {}): Promise<ImageRemoved[]> {
    const request = { Name: this.name, Force: options.force ?? false, NoPrune: options.noprune ?? false };
    return this.#api.call('image.remove', request, options);
  }
}

/** `repo` or `repo:tag`. */
export function reference(repo: string, tag: string | undefined): string {
  return repo && tag ? `${repo}:${tag}` : repo;
}
