/** Streams of documents: events, statistics. Nothing is read that was not asked for. */

import { Items } from './items';
import type { NativeStream } from './native';

/** Documents as they come. Iterate (`for await`), or `read`; either way there is one reader. Leaving the loop closes it. */
export class DocumentStream<Document extends object> implements AsyncIterable<Document> {
  readonly #items: Items<Document>;

  /** @internal */
  constructor(native: NativeStream, signal?: AbortSignal) {
    this.#items = new Items(native, signal, (item) =>
      typeof item === 'string' ? (JSON.parse(item) as Document) : undefined,
    );
  }

  /** The next document; `undefined` when there will be no more. */
  read(): Promise<Document | undefined> {
    return this.#items.read();
  }

  [Symbol.asyncIterator](): AsyncGenerator<Document, void, undefined> {
    return this.#items.iterate();
  }

  /** Let go of it. Closing twice is no error. */
  close(): void {
    this.#items.close();
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#items.closed;
  }
}
