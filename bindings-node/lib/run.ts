/** Running to the end in one call. */

import type { ContainerCreate, ContainerExit, ContainerRun } from './types.generated';
import { BarqueError, errorOf } from './errors';
import { Capture, type OutputStream, put } from './streams';

/** What can be sent to a container's standard input. */
export type RunInput = string | Uint8Array | AsyncIterable<Uint8Array | string> | Iterable<Uint8Array | string>;

/** How to run. Names with a capital are fields of Docker's create document: `{ Env: { A: '1' }, HostConfig: { Memory: '64m' } }`. */
export interface RunOptions extends Omit<ContainerCreate, 'Image' | 'Cmd'> {
  /** The container's name; the same as `Name`. */
  name?: string;
  /** Ends the container; the promise is rejected with an `AbortError`. */
  signal?: AbortSignal | undefined;
  /** The same by dockerode's name. */
  abortSignal?: AbortSignal | undefined;
  /** End it when it still runs after so many milliseconds: the reason is then `timeout`. */
  timeout?: number;
  /** What to send to its standard input. */
  input?: RunInput;
  /** Where to send its standard output as it comes, beside the result. */
  stdout?: NodeJS.WritableStream;
  /** Where to send its standard error as it comes. */
  stderr?: NodeJS.WritableStream;
  /** Remove it when it has ended; `true` unless said otherwise. */
  remove?: boolean;
  /** How many bytes of each output the result keeps: 64 MiB unless said otherwise, none when they are sent elsewhere. */
  limit?: number;
}

/** What a container wrote and how it ended. */
export interface RunResult {
  /** The container's id. */
  id: string;
  /** Its exit code: the process's own, or 128 + the signal that killed it. */
  exitCode: number;
  /** Why it ended: `exited`, `signaled`, `oom-killed`, `timeout`, … */
  reason: string;
  /** Standard output (or the terminal), up to the limit. */
  stdout: Buffer;
  /** Standard error, up to the limit. */
  stderr: Buffer;
  /** Whether it wrote more than was kept. */
  truncated: boolean;
  /** The end as the engine's document. */
  exit: ContainerExit;
}

const LIMIT = 64 << 20;

/** The request of a run that ends with its caller. */
export function runRequest(image: string, command: string | string[] | undefined, options: RunOptions): ContainerRun {
  const { name, signal, abortSignal, timeout, input, stdout, stderr, remove, limit, ...fields } = options;
  void [signal, abortSignal, stdout, stderr, limit];
  if (timeout !== undefined && !(timeout > 0)) {
    throw errorOf('invalid_argument', 400, 'a timeout is more than 0 milliseconds');
  }
  const create: ContainerCreate = {
    ...fields,
    Image: image,
    HostConfig: { ...fields.HostConfig, AutoRemove: remove ?? fields.HostConfig?.AutoRemove ?? true },
  };
  if (name !== undefined) create.Name = name;
  if (command !== undefined) create.Cmd = command;
  if (input !== undefined) create.OpenStdin = create.StdinOnce = create.AttachStdin = true;
  return { Create: create, Tied: true, ...(timeout === undefined ? {} : { TimeoutMs: Math.max(1, Math.round(timeout)) }) };
}

/** Send the input and keep the output until the container has ended. */
export async function runToEnd(stream: OutputStream, options: RunOptions): Promise<RunResult> {
  const limit = options.limit ?? LIMIT;
  const outputs = {
    stdout: { capture: new Capture(options.stdout ? options.limit ?? 0 : limit), target: options.stdout },
    stderr: { capture: new Capture(options.stderr ? options.limit ?? 0 : limit), target: options.stderr },
  };
  // Whatever goes wrong with the input ends the run.
  let failed: { error: unknown } | undefined;
  const fed = feed(stream, options.input).catch((error: unknown) => {
    failed = { error };
    stream.close();
  });
  for await (const { stream: which, data } of stream) {
    const { capture, target } = outputs[which];
    capture.take(data);
    if (target) await put(target, data);
  }
  if (stream.exit === undefined) {
    await fed;
    throw failed ? failed.error : errorOf('internal', 500, 'the stream ended without saying how the run did');
  }
  const exit = stream.exit;
  const { stdout, stderr } = outputs;
  const cut = ({ capture, target }: typeof stdout) => !target && capture.total > capture.limit;
  return {
    id: exit.Id,
    exitCode: exit.StatusCode,
    reason: exit.Reason,
    stdout: stdout.capture.bytes(),
    stderr: stderr.capture.bytes(),
    truncated: cut(stdout) || cut(stderr),
    exit,
  };
}

/** Send input to a stream, and end it. */
export async function feed(stream: OutputStream, input: RunInput | undefined): Promise<void> {
  if (input === undefined) return;
  const pieces = typeof input === 'string' || input instanceof Uint8Array ? [input] : input;
  // A container that closed its input or ended is no error: as with a pipe, how it ended is the answer.
  const gone = (error: unknown) => error instanceof BarqueError;
  for await (const piece of pieces) {
    try {
      await stream.write(piece);
    } catch (error) {
      if (gone(error)) return;
      throw error;
    }
  }
  await stream.end().catch((error: unknown) => {
    if (!gone(error)) throw error;
  });
}
