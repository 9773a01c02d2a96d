/** Streams of operations that take their time and tell how they go. */

import { errorOf } from './errors';
import { Items } from './items';
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

  readonly #items: Items<Progress>;

  /** @internal */
  constructor(native: NativeStream, signal?: AbortSignal) {
    this.#items = new Items(native, signal, (item) => {
      if (typeof item !== 'string') return undefined;
      const document = JSON.parse(item) as Progress | Result;
      // A line has a status, the last document has none.
      if (isLine(document)) return document;
      this.result = document;
      return undefined;
    });
  }

  /** The next line; `undefined` when there will be no more. */
  read(): Promise<Progress | undefined> {
    return this.#items.read();
  }

  [Symbol.asyncIterator](): AsyncGenerator<Progress, void, undefined> {
    return this.#items.iterate();
  }

  /** Read to the end; what came of it. */
  async wait(onProgress?: (line: Progress) => void): Promise<Result> {
    for await (const line of this) onProgress?.(line);
    if (this.result === undefined) throw errorOf('cancelled', 500, 'the stream was closed before its end');
    return this.result;
  }

  /** Let go of it, which ends it. Closing twice is no error. */
  close(): void {
    this.#items.close();
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#items.closed;
  }
}

function isLine(document: unknown): document is Progress {
  return typeof document === 'object' && document !== null && 'status' in document;
}
