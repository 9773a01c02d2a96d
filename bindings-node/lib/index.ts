/**
 * barque runs containers from inside your program. There is no daemon: open a directory, start a container.
 *
 *     import { Barque } from 'barque';
 *     const { stdout } = await new Barque().run('hello', ['echo', 'ahoy']);
 *
 * The shapes are dockerode's, with promises only. The manual is `docs/node.md`.
 */

import { Barque } from './barque';
import { native } from './native';

export default Barque;
export { Barque, type BarqueOptions, type BuildOptions, type CreateOptions, type EventsOptions, type Filters } from './barque';
export {
  Container,
  type AttachOptions,
  type CommitOptions,
  type CopyOptions,
  type LogsOptions,
  type PutArchiveOptions,
  type StatsOptions,
  type WriteFileOptions,
} from './container';
export { type Abortable, Api, type OperationName, type StreamName, type UnaryName } from './api';
export type { Credentials } from './credentials';
export { DocumentStream } from './documents';
export { AbortError, BarqueError, type ErrorDocument } from './errors';
export { Exec, type ExecOptions, type ExecResult, type ExecStartOptions } from './exec';
export { Image } from './image';
export type { Files, ImageSource } from './input';
export { Network } from './network';
export { ProgressStream } from './progress';
export type { RunInput, RunOptions, RunResult } from './run';
export { type Chunk, demuxStream, type Output, OutputStream, type Wanted } from './streams';
export * from './types.generated';
export { Volume } from './volume';
export type { Network as NetworkDocument, Volume as VolumeDocument } from './types.generated';

/** barque's version. */
export const version: string = native.version();

/** Every operation of the engine: its name, request, answer and kind. */
export const operations = native.operations;
