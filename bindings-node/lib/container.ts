/** A container: dockerode's `Container`. An id and nothing else, so it is never out of date. */

import type {
  ContainerAttach,
  ContainerExit,
  ContainerInspect,
  ContainerLogs,
} from './types.generated';
import { BarqueError } from './errors';
import type { Abortable, Api } from './api';
import type { OutputStream } from './streams';

/** What to read of a log. */
export interface LogsOptions extends Abortable {
  /** Go on until the container ends. */
  follow?: boolean;
  /** Standard output; `true` unless said otherwise. */
  stdout?: boolean;
  /** Standard error; `true` unless said otherwise. */
  stderr?: boolean;
  /** Only what was written at or after: a `Date`, seconds since 1970, RFC 3339, or a duration ago (`10m`). */
  since?: Date | number | string;
  /** Only what was written before; the same forms. */
  until?: Date | number | string;
  /** Begin every line with its time. */
  timestamps?: boolean;
  /** Only the last so many lines. */
  tail?: number | string;
}

/** What to attach. */
export interface AttachOptions extends Abortable {
  /** Send standard input. */
  stdin?: boolean;
  /** Receive standard output; `true` unless said otherwise. */
  stdout?: boolean;
  /** Receive standard error; `true` unless said otherwise. */
  stderr?: boolean;
}

/** A container. */
export class Container {
  /** Its id, or the name it was asked for by. */
  readonly id: string;
  readonly #api: Api;

  /** @internal */
  constructor(api: Api, id: string) {
    this.#api = api;
    this.id = id;
  }

  /** Everything about it. */
  inspect(options: Abortable = {}): Promise<ContainerInspect> {
    return this.#api.call('container.inspect', { Id: this.id }, options);
  }

  /** Start it. If it runs, it is left so. */
  async start(options: Abortable = {}): Promise<void> {
    await unlessSoAlready(this.#api.call('container.start', { Id: this.id }, options));
  }

  /** Ask it to end with a signal, and kill it after `t` seconds (its own, else 10). If it doesn't run, it is left so. */
  async stop(options: { t?: number; signal?: string } & Abortable = {}): Promise<void> {
    const request = { Id: this.id, Timeout: options.t ?? null, Signal: options.signal ?? '' };
    await unlessSoAlready(this.#api.call('container.stop', request, options));
  }

  /** Send it a signal, SIGKILL if none is named. */
  async kill(options: ({ signal?: string | number } & Abortable) | string = {}): Promise<void> {
    const { signal, ...rest } = typeof options === 'string' ? { signal: options } : options;
    await this.#api.call('container.kill', { Id: this.id, Signal: String(signal ?? '') }, rest);
  }

  /** Wait until it has ended (`next-exit`, `removed`: see `docs/documents.md`) and say how. Aborting leaves it as it is. */
  async wait(options: { condition?: string } & Abortable = {}): Promise<ContainerExit> {
    const request = { Id: this.id, Condition: options.condition ?? '' };
    const stream = await this.#api.stream('container.wait', request, options);
    try {
      return await stream.wait();
    } finally {
      stream.close();
    }
  }

  /** Remove it; `force`: kill it first when it runs; `v`: its anonymous volumes too. */
  async remove(options: { force?: boolean; v?: boolean } & Abortable = {}): Promise<void> {
    const request = { Id: this.id, Force: options.force ?? false, Volumes: options.v ?? false };
    await this.#api.call('container.remove', request, options);
  }

  /** Set the size of its terminal: `h` rows, `w` columns. */
  async resize(options: { h: number; w: number } & Abortable): Promise<void> {
    await this.#api.call('container.resize', { Id: this.id, H: options.h, W: options.w }, options);
  }

  /** What it has written: its bytes, or with `follow` a stream that ends with it. */
  logs(options: LogsOptions & { follow: true }): Promise<OutputStream>;
  logs(options?: LogsOptions & { follow?: false }): Promise<Buffer>;
  async logs(options: LogsOptions = {}): Promise<OutputStream | Buffer> {
    const request: ContainerLogs = {
      Id: this.id,
      Follow: options.follow ?? false,
      Stdout: options.stdout ?? true,
      Stderr: options.stderr ?? true,
      Since: moment(options.since),
      Until: moment(options.until),
      Timestamps: options.timestamps ?? false,
      Tail: String(options.tail ?? ''),
    };
    const stream = await this.#api.stream('container.logs', request, options);
    if (options.follow) return stream;
    const pieces: Buffer[] = [];
    for await (const { data } of stream) pieces.push(data);
    return Buffer.concat(pieces);
  }

  /** Attach to it while it runs. */
  attach(options: AttachOptions = {}): Promise<OutputStream> {
    const request: ContainerAttach = {
      Id: this.id,
      Stdin: options.stdin ?? false,
      Stdout: options.stdout ?? true,
      Stderr: options.stderr ?? true,
    };
    return this.#api.stream('container.attach', request, options);
  }
}

/** An operation that found nothing to do has succeeded. */
async function unlessSoAlready(operation: Promise<unknown>): Promise<void> {
  try {
    await operation;
  } catch (error) {
    if (!(error instanceof BarqueError && error.code === 'NOT_MODIFIED')) throw error;
  }
}

function moment(at: Date | number | string | undefined): string {
  return at instanceof Date ? at.toISOString() : String(at ?? '');
}
