/** Streams of documents: events, statistics. Nothing is read that was not asked for. */

import { onAbort } from './abort';
import { AbortError, fromNative } from './errors';
import type { NativeStream } from './native';

/** Documents as they come. Iterate (`for await`), or `read`; either way there is one reader. Leaving the loop closes it. */
export class DocumentStream<Document> implements AsyncIterable<Document> {
  readonly #native: NativeStream;
  readonly #signal: AbortSignal | undefined;
  readonly #release: () => void;
  #ready: Document[] = [];
  #closed = false;
  #ended = false;

  /** @internal */
  constructor(native: NativeStream, signal?: AbortSignal) {
    this.#native = native;
    this.#signal = signal;
    this.#release = onAbort(signal, () => this.close());
    if (signal?.aborted) this.close();
  }

  /** The next document; `undefined` when there will be no more. */
  async read(): Promise<Document | undefined> {
    for (;;) {
      const document = this.#ready.shift();
      if (document !== undefined) return document;
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
      if (typeof item === 'string') this.#ready.push(JSON.parse(item) as Document);
    }
  }

  #finish(): void {
    this.#ended = true;
    this.#release();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Document, void, undefined> {
    try {
      for (let next = await this.read(); next !== undefined; next = await this.read()) yield next;
    } finally {
      this.close();
    }
  }

  /** Let go of it. Closing twice is no error. */
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
