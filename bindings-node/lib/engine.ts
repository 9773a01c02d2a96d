/** Operations by name, documents as objects: what every class here is made of. */

import type { Operations } from './types.generated';
import { AbortError, BarqueError, errorOf, fromNative } from './errors';
import { native, type NativeCanceller, type NativeEngine } from './native';
import { OutputStream } from './streams';

/** An operation's name. */
export type OperationName = keyof Operations;

/** Names of the operations that answer with a document. */
export type UnaryName = {
  [Name in OperationName]: Operations[Name]['kind'] extends 'unary' ? Name : never;
}[OperationName];

/** Names of the operations that answer with a stream. */
export type StreamName = Exclude<OperationName, UnaryName>;

/** Every asynchronous call can be aborted. */
export interface Abortable {
  /** Aborts the operation in the engine; the promise is rejected with an `AbortError`. */
  abortSignal?: AbortSignal | undefined;
}

/** The operations of an engine. */
export class Engine {
  readonly #root: string | undefined;
  readonly #run: string | undefined;
  #opened: Promise<NativeEngine> | undefined;
  #closed = false;

  constructor(root?: string, run?: string) {
    this.#root = root;
    this.#run = run;
  }

  /** Open it, once. A failure is not remembered: the next call tries again. */
  open(): Promise<NativeEngine> {
    if (this.#closed) return Promise.reject(errorOf('conflict', 409, 'the engine is closed'));
    this.#opened ??= native.open(this.#root, this.#run).catch((rejection: unknown) => {
      this.#opened = undefined;
      throw fromNative(rejection);
    });
    return this.#opened;
  }

  /** Carry out an operation by name that answers with a document. */
  async call<Name extends UnaryName>(
    name: Name,
    request: Operations[Name]['request'],
    { abortSignal }: Abortable = {},
  ): Promise<Operations[Name]['answer']> {
    const text = dump(request);
    const answer = await this.#carryOut(abortSignal, (engine, canceller) =>
      engine.call(name, text, canceller),
    );
    return JSON.parse(answer) as Operations[Name]['answer'];
  }

  /** Carry out an operation by name that answers with a stream. The signal goes on to end the stream. */
  async stream<Name extends StreamName>(
    name: Name,
    request: Operations[Name]['request'],
    { abortSignal }: Abortable = {},
  ): Promise<OutputStream> {
    const text = dump(request);
    const stream = await this.#carryOut(abortSignal, (engine, canceller) =>
      engine.stream(name, text, canceller),
    );
    return new OutputStream(stream, abortSignal);
  }

  /** Let go of the engine. Containers go on. */
  close(): void {
    this.#closed = true;
    this.#opened = undefined;
  }

  async #carryOut<T>(
    signal: AbortSignal | undefined,
    work: (engine: NativeEngine, canceller: NativeCanceller) => Promise<T>,
  ): Promise<T> {
    if (signal?.aborted) throw new AbortError(signal.reason);
    const engine = await this.open();
    if (signal?.aborted) throw new AbortError(signal.reason);
    const canceller = new native.NativeCanceller();
    const abort = () => canceller.cancel();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      return await work(engine, canceller);
    } catch (rejection) {
      const error = fromNative(rejection);
      const cancelled = error instanceof BarqueError && error.code === 'CANCELLED';
      throw cancelled && signal?.aborted ? new AbortError(signal.reason) : error;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }
}

/** A request as text. What JSON cannot say is refused here instead of being left out. */
function dump(request: unknown): string {
  const text = JSON.stringify(request, (name: string, value: unknown) => {
    if (typeof value === 'number' && !Number.isFinite(value)) {
      throw errorOf('invalid_argument', 400, `${name}: ${value} is not a number that can be sent`);
    }
    if (typeof value === 'function' || typeof value === 'symbol' || typeof value === 'bigint') {
      throw errorOf('invalid_argument', 400, `${name}: a ${typeof value} cannot be sent`);
    }
    if (typeof value === 'string' && !wellFormed(value)) {
      throw errorOf('invalid_argument', 400, `${name}: text that is not Unicode (a lone surrogate)`);
    }
    return value;
  });
  return text ?? '{}';
}

const LONE_SURROGATE = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/;

function wellFormed(text: string): boolean {
  return !LONE_SURROGATE.test(text);
}
