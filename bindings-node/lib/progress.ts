/** Streams of operations that take their time and tell how they go. */

import { onAbort } from './abort';
import { AbortError, errorOf, fromNative } from './errors';
import type { NativeStream } from './native';
import type { Progress } from './types.generated';

/**
 * How something goes: iterate (`for await`) for lines such as `{ status: 'Downloading', id: … }`, or wait for what comes of it.
 *
 * It goes on whether it is read or not. Leaving the loop ends it.
 */
export class ProgressStream<Result> implements AsyncIterable<Progress> {
  /** What came of it; `undefined` before the end. */
  result: Result | undefined;

  readonly #native: NativeStream;
  readonly #signal: AbortSignal | undefined;
  readonly #release: () => void;
  #ready: Progress[] = [];
  #closed = false;
  #ended = false;

  /** @internal */
  constructor(native: NativeStream, signal?: AbortSignal) {
    this.#native = native;
    this.#signal = signal;
    this.#release = onAbort(signal, () => this.close());
    if (signal?.aborted) this.close();
  }

  /** The next line; `undefined` when there will be no more. */
  async read(): Promise<Progress | undefined> {
    for (;;) {
      const line = this.#ready.shift();
      if (line) return line;
      if (this.#signal?.aborted) throw new AbortError(this.#signal.reason);
      if (this.#closed || this.#ended) return undefined;
      await this.#pull();
    }
  }

  async #pull(): Promise<void> {
    let items;
    try {
      items = await this.#native.next();
    } catch (rejection) {
      this.#finish();
      if (this.#signal?.aborted) throw new AbortError(this.#signal.reason);
      if (this.#closed) return;
      throw fromNative(rejection);
    }
    if (items.length === 0) this.#finish();
    for (const item of items) {
      if (typeof item !== 'string') continue;
      const document = JSON.parse(item) as Progress | Result;
      // A line has a status, the last document has none.
      if (isLine(document)) this.#ready.push(document);
      else this.result = document;
    }
  }

  #finish(): void {
    this.#ended = true;
    this.#release();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Progress, void, undefined> {
    try {
      for (let line = await this.read(); line; line = await this.read()) yield line;
    } finally {
      this.close();
    }
  }

  /** Read to the end; what came of it. */
  async wait(onProgress?: (line: Progress) => void): Promise<Result> {
    for await (const line of this) onProgress?.(line);
    if (this.result === undefined) throw errorOf('cancelled', 500, 'the stream was closed before its end');
    return this.result;
  }

  /** Let go of it, which ends it. Closing twice is no error. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#release();
    this.#native.close();
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#closed;
  }
}

function isLine(document: unknown): document is Progress {
  return typeof document === 'object' && document !== null && 'status' in document;
}
