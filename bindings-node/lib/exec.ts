/** A further process in a container: dockerode's `Exec`. An id and nothing else. */

import type { ExecCreate, ExecInspect, ExecStart } from './types.generated';
import type { Abortable, Api } from './api';
import type { OutputStream } from './streams';

/** What to run: Docker's document. Both outputs are wanted unless it says otherwise. */
export interface ExecOptions extends Omit<ExecCreate, 'Container'>, Abortable {}

/** How to start it: Docker's document, with dockerode's `hijack` and `stdin`, which go without saying here. */
export interface ExecStartOptions extends Omit<ExecStart, 'Id'>, Abortable {
  hijack?: boolean;
  stdin?: boolean;
}

/** How a command did in a container. */
export interface ExecResult {
  /** Its exit code: the process's own, or 128 + the signal that killed it. */
  exitCode: number;
  /** Why it ended: `exited`, `signaled`, `killed`, `timeout`. */
  reason: string;
  /** Standard output (or the terminal). */
  stdout: Buffer;
  /** Standard error. */
  stderr: Buffer;
}

/** A further process in a container. */
export class Exec {
  /** Its id. */
  readonly id: string;
  readonly #api: Api;

  /** @internal */
  constructor(api: Api, id: string) {
    this.#api = api;
    this.id = id;
  }

  /** Start it. Closing the stream kills it and all that it has started, unless it was started with `Detach`. */
  start(options: ExecStartOptions = {}): Promise<OutputStream> {
    const { abortSignal, hijack, stdin, ...document } = options;
    return this.#api.stream('exec.start', { ...document, Id: this.id }, { abortSignal });
  }

  /** Everything about it. */
  inspect(options: Abortable = {}): Promise<ExecInspect> {
    return this.#api.call('exec.inspect', { Id: this.id }, options);
  }

  /** Send it a signal; SIGKILL, if none is named, goes to all that it has started. */
  async kill(options: { signal?: string | number } & Abortable = {}): Promise<void> {
    const request = { Id: this.id, Signal: String(options.signal ?? '') };
    await this.#api.call('exec.kill', request, options);
  }

  /** Set the size of its terminal: `h` rows, `w` columns. */
  async resize(options: { h: number; w: number } & Abortable): Promise<void> {
    await this.#api.call('exec.resize', { Id: this.id, H: options.h, W: options.w }, options);
  }
}
