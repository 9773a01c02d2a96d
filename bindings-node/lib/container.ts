/** A container: dockerode's `Container`. An id and nothing else, so it is never out of date. */

import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import type {
  ContainerAttach,
  ContainerExit,
  ContainerInspect,
  ContainerLogs,
  ContainerUpdate,
  ContainerUpdated,
  ContainerTopResponse,
  ExecExit,
  FileCopied,
  FilesystemChange,
  ImageCreated,
  PathStat,
  StatsResponse,
} from './types.generated';
import type { DocumentStream } from './documents';
import { BarqueError, errorOf } from './errors';
import { reference } from './image';
import { type ImageSource, withInput } from './input';
import type { Abortable, Api } from './api';
import { Exec, type ExecOptions, type ExecResult } from './exec';
import { feed, type RunInput } from './run';
import type { OutputStream } from './streams';

/** What to read of a log. */
export interface LogsOptions extends Abortable {
  /** Go on until the container ends. */
  follow?: boolean;
  /** Standard output; `true` unless said otherwise. */
  stdout?: boolean;
  /** Standard error; `true` unless said otherwise. */
  stderr?: boolean;
  /** Only what was written at or after: a `Date`, seconds since 1970, RFC 3339, or a duration ago (`10m`). */
  since?: Date | number | string;
  /** Only what was written before; the same forms. */
  until?: Date | number | string;
  /** Begin every line with its time. */
  timestamps?: boolean;
  /** Only the last so many lines. */
  tail?: number | string;
  /** Begin every line with the labels and variables that the log options `labels` and `env` name. */
  details?: boolean;
}

/** How to measure. */
export interface StatsOptions extends Abortable {
  /** Go on to its end; `true` unless said otherwise. */
  stream?: boolean;
  /** With `stream: false`: at once, without a sample a second older to compare with. */
  'one-shot'?: boolean;
}

/** What to attach. */
export interface AttachOptions extends Abortable {
  /** Send standard input. */
  stdin?: boolean;
  /** Receive standard output; `true` unless said otherwise. */
  stdout?: boolean;
  /** Receive standard error; `true` unless said otherwise. */
  stderr?: boolean;
}

/** How an archive is unpacked. */
export interface PutArchiveOptions extends Abortable {
  /** The directory. */
  path: string;
  /** A directory does not replace anything else, nor anything else a directory. */
  noOverwriteDirNonDir?: boolean;
  /** Everything belongs to the container's user. */
  copyUIDGID?: boolean;
}

/** How to copy. */
export interface CopyOptions extends Abortable {
  /** Keep owners. */
  archive?: boolean;
  /** Follow a symbolic link that is the source. */
  followLink?: boolean;
}

/** How to write a file. */
export interface WriteFileOptions extends Abortable {
  /** Its permissions; otherwise those of the file that was there, or 0644. */
  mode?: number;
  /** Its owner: `user`, `uid`, `user:group`; otherwise that of the file that was there, or root. */
  user?: string;
  /** Make directories that are missing. */
  parents?: boolean;
}

/** How to make an image of a container. */
export interface CommitOptions extends Abortable {
  /** Its name. */
  repo?: string;
  /** Its tag. */
  tag?: string;
  /** Commit message. */
  comment?: string;
  /** Who made it. */
  author?: string;
  /** Freeze the container while its files are read; `true` unless said otherwise. */
  pause?: boolean;
  /** Dockerfile instructions, one a line or one an item. */
  changes?: string | string[];
}

/** A container. */
export class Container {
  /** Its id, or the name it was asked for by. */
  readonly id: string;
  readonly #api: Api;

  /** @internal */
  constructor(api: Api, id: string) {
    this.#api = api;
    this.id = id;
  }

  /** Everything about it; `size`: how large it is too. */
  inspect(options: Abortable & { size?: boolean } = {}): Promise<ContainerInspect> {
    const request = { Id: this.id, Size: options.size ?? false };
    return this.#api.call('container.inspect', request, options);
  }

  /** Start it. If it runs, it is left so. `tied`: it is killed when this process dies, in whatever way. */
  async start(options: { tied?: boolean } & Abortable = {}): Promise<void> {
    const { tied, ...rest } = options;
    const request = { Id: this.id, Tied: tied ?? false };
    await unlessSoAlready(this.#api.call('container.start', request, rest));
  }

  /** Ask it to end with a signal, and kill it after `t` seconds (its own, else 10). If it doesn't run, it is left so. */
  async stop(options: { t?: number; signal?: string } & Abortable = {}): Promise<void> {
    const request = { Id: this.id, Timeout: options.t ?? null, Signal: options.signal ?? '' };
    await unlessSoAlready(this.#api.call('container.stop', request, options));
  }

  /** Stop it and start it again; one that does not run is started. */
  async restart(options: { t?: number; signal?: string } & Abortable = {}): Promise<void> {
    const request = { Id: this.id, Timeout: options.t ?? null, Signal: options.signal ?? '' };
    await this.#api.call('container.restart', request, options);
  }

  /** Freeze its processes. */
  async pause(options: Abortable = {}): Promise<void> {
    await this.#api.call('container.pause', { Id: this.id }, options);
  }

  /** Let its processes go on. */
  async unpause(options: Abortable = {}): Promise<void> {
    await this.#api.call('container.unpause', { Id: this.id }, options);
  }

  /**
   * A connected socket to one of its TCP ports, published or not, with any network or none. Waits at most `timeout` milliseconds until
   * somebody listens; rejects with `UNAVAILABLE` when nobody does.
   */
  async connect(options: { port: number; timeout?: number } & Abortable): Promise<Socket> {
    const { port, timeout, ...rest } = options;
    const request = { Id: this.id, Port: port, TimeoutMs: timeout ?? 0 };
    const { Descriptor } = await this.#api.call('container.connect', request, rest);
    return new Socket({ fd: Descriptor, readable: true, writable: true });
  }

  /** Give it another name. */
  async rename(options: { name: string } & Abortable): Promise<void> {
    await this.#api.call('container.rename', { Id: this.id, Name: options.name }, options);
  }

  /** Change its limits, at once where it runs, and its restart policy. */
  update(options: Omit<ContainerUpdate, 'Id'> & Abortable): Promise<ContainerUpdated> {
    const { abortSignal, ...document } = options;
    return this.#api.call('container.update', { ...document, Id: this.id }, { abortSignal });
  }

  /** Send it a signal, SIGKILL if none is named. */
  async kill(options: ({ signal?: string | number } & Abortable) | string = {}): Promise<void> {
    const { signal, ...rest } = typeof options === 'string' ? { signal: options } : options;
    await this.#api.call('container.kill', { Id: this.id, Signal: String(signal ?? '') }, rest);
  }

  /** Wait until it has ended (`next-exit`, `removed`: see `docs/documents.md`) and say how. Aborting leaves it as it is. */
  async wait(options: { condition?: string } & Abortable = {}): Promise<ContainerExit> {
    const request = { Id: this.id, Condition: options.condition ?? '' };
    const stream = await this.#api.stream('container.wait', request, options);
    try {
      return await stream.wait();
    } finally {
      stream.close();
    }
  }

  /** Remove it; `force`: kill it first when it runs; `v`: its anonymous volumes too. */
  async remove(options: { force?: boolean; v?: boolean } & Abortable = {}): Promise<void> {
    const request = { Id: this.id, Force: options.force ?? false, Volumes: options.v ?? false };
    await this.#api.call('container.remove', request, options);
  }

  /** Set the size of its terminal: `h` rows, `w` columns. */
  async resize(options: { h: number; w: number } & Abortable): Promise<void> {
    await this.#api.call('container.resize', { Id: this.id, H: options.h, W: options.w }, options);
  }

  /** What it has written: its bytes, or with `follow` a stream that ends with it. */
  logs(options: LogsOptions & { follow: true }): Promise<OutputStream>;
  logs(options?: LogsOptions & { follow?: false }): Promise<Buffer>;
  async logs(options: LogsOptions = {}): Promise<OutputStream | Buffer> {
    const request: ContainerLogs = {
      Id: this.id,
      Follow: options.follow ?? false,
      Stdout: options.stdout ?? true,
      Stderr: options.stderr ?? true,
      Since: moment(options.since),
      Until: moment(options.until),
      Timestamps: options.timestamps ?? false,
      Tail: String(options.tail ?? ''),
      Details: options.details ?? false,
    };
    const stream = await this.#api.stream('container.logs', request, options);
    if (options.follow) return stream;
    const pieces: Buffer[] = [];
    for await (const { data } of stream) pieces.push(data);
    return Buffer.concat(pieces);
  }

  /** What is at a path of it as a tar archive. */
  async getArchive(options: { path: string } & Abortable): Promise<Readable> {
    const request = { Id: this.id, Path: options.path };
    return (await this.#api.stream('archive.get', request, options)).readable('stdout');
  }

  /** What is at a path of it. */
  infoArchive(options: { path: string } & Abortable): Promise<PathStat> {
    return this.#api.call('file.stat', { Id: this.id, Path: options.path }, options);
  }

  /** Unpack a tar archive (plain, gzip or zstd) into a directory of it. */
  async putArchive(source: ImageSource, options: PutArchiveOptions): Promise<void> {
    await withInput(source, (input) => {
      const request = {
        Id: this.id,
        Path: options.path,
        Input: input,
        NoOverwriteDirNonDir: options.noOverwriteDirNonDir ?? false,
        CopyUIDGID: options.copyUIDGID ?? false,
      };
      return this.#api.call('archive.put', request, options);
    });
  }

  /** Copy a file or directory of this host to a path of it, as `docker cp` does. */
  copyTo(source: string, path: string, options: CopyOptions = {}): Promise<FileCopied> {
    const request = {
      Source: { Path: source },
      Destination: { Id: this.id, Path: path },
      Archive: options.archive ?? false,
      FollowLink: options.followLink ?? false,
    };
    return this.#api.call('file.copy', request, options);
  }

  /** Copy a file or directory of it to a path of this host, as `docker cp` does. */
  copyFrom(path: string, destination: string, options: CopyOptions = {}): Promise<FileCopied> {
    const request = {
      Source: { Id: this.id, Path: path },
      Destination: { Path: destination },
      Archive: options.archive ?? false,
      FollowLink: options.followLink ?? false,
    };
    return this.#api.call('file.copy', request, options);
  }

  /** The content of a file of it, whole or at most `limit` bytes from `offset` on. */
  async readFile(
    path: string,
    options: { offset?: number; limit?: number } & Abortable = {},
  ): Promise<Buffer> {
    if (options.limit === 0) return Buffer.alloc(0);
    const request = {
      Id: this.id,
      Path: path,
      Offset: options.offset ?? 0,
      Limit: options.limit ?? 0,
    };
    const stream = await this.#api.stream('file.read', request, options);
    return (await stream.collect()).stdout;
  }

  /** Make a file in it, or replace one, whole or not at all. Text is the content itself, in UTF-8. */
  async writeFile(path: string, data: ImageSource, options: WriteFileOptions = {}): Promise<void> {
    const content = typeof data === 'string' ? Buffer.from(data) : data;
    await withInput(content, (input) => {
      const request = {
        Id: this.id,
        Path: path,
        Input: input,
        Mode: options.mode ?? null,
        User: options.user ?? '',
        Parents: options.parents ?? false,
      };
      return this.#api.call('file.write', request, options);
    });
  }

  /** What is in a directory of it, by name. */
  listFiles(path = '/', options: Abortable = {}): Promise<PathStat[]> {
    return this.#api.call('file.list', { Id: this.id, Path: path }, options);
  }

  /** Remove what is at a path of it; `recursive`: a directory with everything in it. */
  async removeFile(path: string, options: { recursive?: boolean } & Abortable = {}): Promise<void> {
    const request = { Id: this.id, Path: path, Recursive: options.recursive ?? false };
    await this.#api.call('file.remove', request, options);
  }

  /** What it has changed of its image: `Kind` 0 changed, 1 added, 2 deleted. */
  changes(options: Abortable = {}): Promise<FilesystemChange[]> {
    return this.#api.call('container.diff', { Id: this.id }, options);
  }

  /** Its root file system as a tar archive. */
  async export(options: Abortable = {}): Promise<Readable> {
    return (await this.#api.stream('container.export', { Id: this.id }, options)).readable('stdout');
  }

  /** Make an image of it. */
  commit(options: CommitOptions = {}): Promise<ImageCreated> {
    const { changes = [] } = options;
    const request = {
      Id: this.id,
      Reference: reference(options.repo ?? '', options.tag),
      Message: options.comment ?? '',
      Author: options.author ?? '',
      Pause: options.pause ?? true,
      Changes: typeof changes === 'string' ? changes.split('\n').filter((line) => line.trim()) : changes,
    };
    return this.#api.call('container.commit', request, options);
  }

  /** Its processes; `ps_args` are options of `ps`. */
  top(options: { ps_args?: string } & Abortable = {}): Promise<ContainerTopResponse> {
    return this.#api.call('container.top', { Id: this.id, PsArgs: options.ps_args ?? '' }, options);
  }

  /** What it uses: once a second to its end, or with `stream: false` once. */
  stats(options: StatsOptions & { stream: false }): Promise<StatsResponse>;
  stats(options?: StatsOptions & { stream?: true }): Promise<DocumentStream<StatsResponse>>;
  async stats(options: StatsOptions = {}): Promise<StatsResponse | DocumentStream<StatsResponse>> {
    const stream = options.stream ?? true;
    const request = { Id: this.id, Stream: stream, OneShot: options['one-shot'] ?? false };
    const samples = await this.#api.documents('container.stats', request, options);
    if (stream) return samples;
    try {
      const sample = await samples.read();
      if (!sample) throw errorOf('cancelled', 500, 'the stream was closed before there was a sample');
      return sample;
    } finally {
      samples.close();
    }
  }

  /** Attach to it while it runs. */
  attach(options: AttachOptions = {}): Promise<OutputStream> {
    const request: ContainerAttach = {
      Id: this.id,
      Stdin: options.stdin ?? false,
      Stdout: options.stdout ?? true,
      Stderr: options.stderr ?? true,
    };
    return this.#api.stream('container.attach', request, options);
  }

  /** Make ready a further process in it: `start` runs it. */
  async exec(options: ExecOptions): Promise<Exec> {
    const { abortSignal, ...document } = options;
    const request = { AttachStdout: true, AttachStderr: true, ...document, Container: this.id };
    const created = await this.#api.call('exec.create', request, { abortSignal });
    return new Exec(this.#api, created.Id);
  }

  /**
   * Run a command in it to its end: both outputs, the exit code and why it ended. It is killed, with all that it has started, when
   * the call is aborted, and after `timeout` milliseconds: the reason is then `timeout`.
   */
  async execRun(
    command: string[],
    options: Omit<ExecOptions, 'Cmd'> & { input?: RunInput; timeout?: number; limit?: number } = {},
  ): Promise<ExecResult> {
    const { input, timeout, limit, ...rest } = options;
    const { abortSignal } = options;
    const exec = await this.exec({ ...rest, Cmd: command, AttachStdin: input !== undefined });
    const stream = await exec.start({ TimeoutMs: timeout ?? 0, abortSignal });
    const sent = input === undefined ? undefined : feed(stream, input);
    const [{ stdout, stderr }] = await Promise.all([stream.collect(limit), sent]);
    const exit = stream.exit as unknown as ExecExit | undefined;
    return { exitCode: exit?.ExitCode ?? 125, reason: exit?.Reason ?? '', stdout, stderr };
  }
}

/** An operation that found nothing to do has succeeded. */
async function unlessSoAlready(operation: Promise<unknown>): Promise<void> {
  try {
    await operation;
  } catch (error) {
    if (!(error instanceof BarqueError && error.code === 'NOT_MODIFIED')) throw error;
  }
}

export function moment(at: Date | number | string | undefined): string {
  return at instanceof Date ? at.toISOString() : String(at ?? '');
}
