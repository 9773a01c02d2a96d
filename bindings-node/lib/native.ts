/** The native addon: finds it, and says what it has. Private: documents cross it as JSON text. */

export interface NativeChunk {
  /** 1: standard output, 2: standard error. */
  output: number;
  data: Buffer;
  /** Nanoseconds since 1970, where the stream tells. */
  time?: bigint;
}

export interface NativeStream {
  /** The next items, at least one; none when there will be no more. */
  next(): Promise<Array<NativeChunk | string>>;
  write(data: Buffer): Promise<void>;
  end(): Promise<void>;
  close(): void;
}

export interface NativeCanceller {
  cancel(): void;
}

export interface NativeEngine {
  call(operation: string, request: string, canceller?: NativeCanceller): Promise<string>;
  stream(operation: string, request: string, canceller?: NativeCanceller): Promise<NativeStream>;
}

export interface NativeModule {
  version(): string;
  operations(): Array<{ name: string; request: string; answer: string; kind: string }>;
  open(root?: string, run?: string): Promise<NativeEngine>;
  NativeCanceller: new () => NativeCanceller;
}

function load(): NativeModule {
  if (process.platform !== 'linux') {
    throw new Error(`barque runs on Linux only, not on ${process.platform}`);
  }
  const failures: string[] = [];
  // glibc first; where only musl is, that one cannot be loaded and the next one can.
  for (const libc of ['gnu', 'musl']) {
    const name = `linux-${process.arch}-${libc}`;
    for (const place of [`./barque.${name}.node`, `barque-${name}`]) {
      try {
        return require(place) as NativeModule;
      } catch (error) {
        failures.push(`${place}: ${String((error as Error).message).split('\n', 1)[0]}`);
      }
    }
  }
  throw new Error(`barque has no addon for this platform:\n${failures.join('\n')}`);
}

export const native: NativeModule = load();
