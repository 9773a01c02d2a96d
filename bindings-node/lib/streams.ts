/** Streams: what a container writes, as it writes it, and its input. Nothing is read that was not asked for. */

import { Duplex, Readable, Writable } from 'node:stream';
import type { ContainerExit } from './types.generated';
import { AbortError, errorOf, fromNative } from './errors';
import { Items } from './items';
import type { NativeStream } from './native';

/** Bytes a container wrote. */
export interface Chunk {
  /** Which output. A terminal is `stdout`. */
  stream: 'stdout' | 'stderr';
  /** The bytes, as they were written. */
  data: Buffer;
  /** When they were read, nanoseconds since 1970, where the stream tells. */
  time?: bigint;
}

/** Both outputs, whole. */
export interface Output {
  stdout: Buffer;
  stderr: Buffer;
}

/** Which outputs a byte stream carries. */
export type Wanted = 'stdout' | 'stderr' | 'both';

/**
 * The output of a container, and its input where the stream was opened with it.
 *
 * Iterate (`for await`) for chunks, or take a Node stream of bytes from it; either way there is one reader. Leaving the loop closes it.
 */
export class OutputStream implements AsyncIterable<Chunk> {
  /** How the container ended: the last document of a run, attach or wait. `undefined` before that. */
  exit: ContainerExit | undefined;

  readonly #native: NativeStream;
  readonly #signal: AbortSignal | undefined;
  readonly #items: Items<Chunk>;

  /** @internal */
  constructor(native: NativeStream, signal?: AbortSignal) {
    this.#native = native;
    this.#signal = signal;
    this.#items = new Items(native, signal, (item) => {
      if (typeof item === 'string') {
        this.exit = JSON.parse(item) as ContainerExit;
        return undefined;
      }
      const { output, data, time } = item;
      const chunk: Chunk = { stream: output === 1 ? 'stdout' : 'stderr', data };
      if (time !== undefined && time !== null) chunk.time = time;
      return chunk;
    });
  }

  /** The next chunk; `undefined` when there will be no more. */
  read(): Promise<Chunk | undefined> {
    return this.#items.read();
  }

  [Symbol.asyncIterator](): AsyncGenerator<Chunk, void, undefined> {
    return this.#items.iterate();
  }

  /** Read to the end and keep it all, or the first `limit` bytes of each output. */
  async collect(limit = Infinity): Promise<Output> {
    const stdout = new Capture(limit);
    const stderr = new Capture(limit);
    for await (const { stream, data } of this) (stream === 'stdout' ? stdout : stderr).take(data);
    return { stdout: stdout.bytes(), stderr: stderr.bytes() };
  }

  /** Read to the end, keep nothing, and say how the container ended. */
  async wait(): Promise<ContainerExit> {
    while (await this.read());
    if (!this.exit) throw errorOf('cancelled', 500, 'the stream was closed before the container ended');
    return this.exit;
  }

  /** A Node stream of the bytes of one output or both. The other output's are dropped. */
  readable(wanted: Wanted = 'both', options: { highWaterMark?: number } = {}): Readable {
    const source = this;
    return new Readable({
      ...options,
      async read() {
        try {
          for (;;) {
            const chunk = await source.read();
            if (!chunk) return void this.push(null);
            if (wanted !== 'both' && chunk.stream !== wanted) continue;
            return void this.push(chunk.data);
          }
        } catch (error) {
          this.destroy(error as Error);
        }
      },
      destroy(error, done) {
        source.close();
        done(error);
      },
    });
  }

  /** Give the container's standard input these bytes. Waits while it does not read: read what it writes meanwhile. */
  async write(data: Uint8Array | string): Promise<void> {
    if (this.closed) throw errorOf('conflict', 409, 'the stream is closed');
    try {
      await this.#native.write(Buffer.from(data as Uint8Array));
    } catch (rejection) {
      throw this.#signal?.aborted ? new AbortError(this.#signal.reason) : fromNative(rejection);
    }
  }

  /** End the container's standard input; its output goes on. */
  async end(): Promise<void> {
    if (this.closed) return;
    try {
      await this.#native.end();
    } catch (rejection) {
      throw fromNative(rejection);
    }
  }

  /** The container's standard input as a Node stream. */
  writable(): Writable {
    return new Writable({
      write: (data: Buffer, _encoding, done) => void this.write(data).then(() => done(), done),
      final: (done) => void this.end().then(() => done(), done),
    });
  }

  /** Input and output as one Node stream. Ending it ends the input; the output goes on (`allowHalfOpen`). */
  duplex(wanted: Wanted = 'both'): Duplex {
    const output = this.readable(wanted);
    const duplex = Duplex.from({ readable: output, writable: this.writable() });
    duplex.once('close', () => this.close());
    return duplex;
  }

  /** Let go of it. A run that is tied to its stream ends. Closing twice is no error. */
  close(): void {
    this.#items.close();
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#items.closed;
  }
}

/**
 * Give each output of a stream to a writable of its own, as dockerode's `modem.demuxStream`. Waits for slow writables; resolves
 * when the stream has ended. It does not end the writables.
 */
export async function demuxStream(
  stream: AsyncIterable<Chunk>,
  stdout: NodeJS.WritableStream,
  stderr: NodeJS.WritableStream,
): Promise<void> {
  for await (const chunk of stream) await put(chunk.stream === 'stdout' ? stdout : stderr, chunk.data);
}

/** Write and wait for room. */
export async function put(target: NodeJS.WritableStream, data: Buffer): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    target.write(data, (error?: Error | null) => (error ? reject(error) : resolve()));
  });
}

/** The first bytes of an output. What is beyond the limit is read and counted, so that nothing waits for room. */
export class Capture {
  total = 0;
  #kept = 0;
  #pieces: Buffer[] = [];

  constructor(readonly limit: number) {}

  take(data: Buffer): void {
    this.total += data.length;
    const room = this.limit - this.#kept;
    if (room <= 0) return;
    const piece = data.length > room ? data.subarray(0, room) : data;
    this.#kept += piece.length;
    this.#pieces.push(piece);
  }

  bytes(): Buffer {
    return Buffer.concat(this.#pieces);
  }
}
