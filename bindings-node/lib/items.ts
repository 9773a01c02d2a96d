/** What all streams have in common: items of the native stream, taken as they are wanted, until the end, a close or an abort. */

import { onAbort } from './abort';
import { AbortError, fromNative } from './errors';
import type { NativeChunk, NativeStream } from './native';

/** Reads a native stream. `take` makes of its items what the reader gets, or keeps them to itself. */
export class Items<Item extends object> {
  readonly #native: NativeStream;
  readonly #signal: AbortSignal | undefined;
  readonly #take: (item: NativeChunk | string) => Item | undefined;
  readonly #release: () => void;
  #ready: Item[] = [];
  #closed = false;
  #ended = false;

  constructor(
    native: NativeStream,
    signal: AbortSignal | undefined,
    take: (item: NativeChunk | string) => Item | undefined,
  ) {
    this.#native = native;
    this.#signal = signal;
    this.#take = take;
    this.#release = onAbort(signal, () => this.close());
    if (signal?.aborted) this.close();
  }

  /** The next item; `undefined` when there will be no more. */
  async read(): Promise<Item | undefined> {
    for (;;) {
      const item = this.#ready.shift();
      if (item) return item;
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
    for (const native of items) {
      const item = this.#take(native);
      if (item) this.#ready.push(item);
    }
  }

  #finish(): void {
    this.#ended = true;
    this.#release();
  }

  /** All that are left; leaving the loop closes the stream. */
  async *iterate(): AsyncGenerator<Item, void, undefined> {
    try {
      for (let item = await this.read(); item; item = await this.read()) yield item;
    } finally {
      this.close();
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#release();
    this.#native.close();
  }

  get closed(): boolean {
    return this.#closed;
  }
}
