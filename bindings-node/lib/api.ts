/** The operations one to one, documents as objects: what every class here is made of (`docs/operations.md`). */

import type * as t from './types.generated';
import type { Operations } from './types.generated';
import { onAbort } from './abort';
import { DocumentStream } from './documents';
import { AbortError, BarqueError, errorOf, fromNative } from './errors';
import { native, type NativeCanceller, type NativeEngine } from './native';
import { ProgressStream } from './progress';
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
export class Api {
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

  /** Pack what is at a path of a container: its `PathStat`, then the archive. */
  archiveGet(request: t.ArchiveGet, options?: Abortable): Promise<OutputStream> {
    return this.stream('archive.get', request, options);
  }

  /** Unpack an archive into a directory of a container. */
  archivePut(request: t.ArchivePut, options?: Abortable): Promise<t.Nothing> {
    return this.call('archive.put', request, options);
  }

  /** Carry out an operation by name whose stream tells how it goes. The signal goes on to end it. */
  async progress<Name extends StreamName>(
    name: Name,
    request: Operations[Name]['request'],
    { abortSignal }: Abortable = {},
  ): Promise<ProgressStream<Operations[Name]['answer']>> {
    const text = dump(request);
    const stream = await this.#carryOut(abortSignal, (engine, canceller) =>
      engine.stream(name, text, canceller),
    );
    return new ProgressStream(stream, abortSignal);
  }

  /** Carry out an operation by name that answers with a stream of documents. The signal goes on to end the stream. */
  async documents<Name extends StreamName>(
    name: Name,
    request: Operations[Name]['request'],
    { abortSignal }: Abortable = {},
  ): Promise<DocumentStream<Operations[Name]['answer']>> {
    const text = dump(request);
    const stream = await this.#carryOut(abortSignal, (engine, canceller) =>
      engine.stream(name, text, canceller),
    );
    return new DocumentStream(stream, abortSignal);
  }

  /** Attach to a running container. */
  containerAttach(request: t.ContainerAttach, options?: Abortable): Promise<OutputStream> {
    return this.stream('container.attach', request, options);
  }

  /** Make an image of a container. */
  containerCommit(request: t.ContainerCommit, options?: Abortable): Promise<t.ImageCreated> {
    return this.call('container.commit', request, options);
  }

  /** Connect to a TCP port of a container. The descriptor is yours to close. */
  containerConnect(request: t.ContainerConnect, options?: Abortable): Promise<t.ContainerConnected> {
    return this.call('container.connect', request, options);
  }

  /** Create a container. */
  containerCreate(request: t.ContainerCreate, options?: Abortable): Promise<t.ContainerCreated> {
    return this.call('container.create', request, options);
  }

  /** What a container has changed of its image. */
  containerDiff(request: t.ContainerRef, options?: Abortable): Promise<t.FilesystemChange[]> {
    return this.call('container.diff', request, options);
  }

  /** The root file system of a container as a tar archive. */
  containerExport(request: t.ContainerRef, options?: Abortable): Promise<OutputStream> {
    return this.stream('container.export', request, options);
  }

  /** Everything about a container. */
  containerInspect(
    request: t.ContainerInspectOptions,
    options?: Abortable,
  ): Promise<t.ContainerInspect> {
    return this.call('container.inspect', request, options);
  }

  /** Send a container a signal. */
  containerKill(request: t.ContainerKill, options?: Abortable): Promise<t.Nothing> {
    return this.call('container.kill', request, options);
  }

  /** List containers. */
  containerList(request: t.ContainerList = {}, options?: Abortable): Promise<t.ContainerSummary[]> {
    return this.call('container.list', request, options);
  }

  /** Read a container's log. */
  containerLogs(request: t.ContainerLogs, options?: Abortable): Promise<OutputStream> {
    return this.stream('container.logs', request, options);
  }

  /** Freeze a container's processes. */
  containerPause(request: t.ContainerRef, options?: Abortable): Promise<t.Nothing> {
    return this.call('container.pause', request, options);
  }

  /** Remove the containers that do not run. */
  containerPrune(request: t.ContainerPrune = {}, options?: Abortable): Promise<t.ContainersPruned> {
    return this.call('container.prune', request, options);
  }

  /** Remove a container. */
  containerRemove(request: t.ContainerRemove, options?: Abortable): Promise<t.Nothing> {
    return this.call('container.remove', request, options);
  }

  /** Give a container another name. */
  containerRename(request: t.ContainerRename, options?: Abortable): Promise<t.Nothing> {
    return this.call('container.rename', request, options);
  }

  /** Set the size of a container's terminal. */
  containerResize(request: t.ContainerResize, options?: Abortable): Promise<t.Nothing> {
    return this.call('container.resize', request, options);
  }

  /** Stop a container and start it again. */
  containerRestart(request: t.ContainerRestart, options?: Abortable): Promise<t.Nothing> {
    return this.call('container.restart', request, options);
  }

  /** Create and start a container and follow it to its end. */
  containerRun(request: t.ContainerRun, options?: Abortable): Promise<OutputStream> {
    return this.stream('container.run', request, options);
  }

  /** Start a container. */
  containerStart(request: t.ContainerStart, options?: Abortable): Promise<t.Nothing> {
    return this.call('container.start', request, options);
  }

  /** What a container uses. */
  containerStats(
    request: t.ContainerStats,
    options?: Abortable,
  ): Promise<DocumentStream<t.StatsResponse>> {
    return this.documents('container.stats', request, options);
  }

  /** Stop a container. */
  containerStop(request: t.ContainerStop, options?: Abortable): Promise<t.Nothing> {
    return this.call('container.stop', request, options);
  }

  /** Let a paused container's processes go on. */
  containerUnpause(request: t.ContainerRef, options?: Abortable): Promise<t.Nothing> {
    return this.call('container.unpause', request, options);
  }

  /** Change a container's limits and restart policy. */
  containerUpdate(request: t.ContainerUpdate, options?: Abortable): Promise<t.ContainerUpdated> {
    return this.call('container.update', request, options);
  }

  /** A container's processes. */
  containerTop(request: t.ContainerTop, options?: Abortable): Promise<t.ContainerTopResponse> {
    return this.call('container.top', request, options);
  }

  /** Wait for a container: a stream of one document, its `exit`. */
  containerWait(request: t.ContainerWait, options?: Abortable): Promise<OutputStream> {
    return this.stream('container.wait', request, options);
  }

  /** Make ready a further process in a container. */
  execCreate(request: t.ExecCreate, options?: Abortable): Promise<t.ExecCreated> {
    return this.call('exec.create', request, options);
  }

  /** Everything about a further process. */
  execInspect(request: t.ExecRef, options?: Abortable): Promise<t.ExecInspect> {
    return this.call('exec.inspect', request, options);
  }

  /** Send a further process a signal. */
  execKill(request: t.ExecKill, options?: Abortable): Promise<t.Nothing> {
    return this.call('exec.kill', request, options);
  }

  /** Set the size of a further process's terminal. */
  execResize(request: t.ExecResize, options?: Abortable): Promise<t.Nothing> {
    return this.call('exec.resize', request, options);
  }

  /** Start a further process; closing the stream kills it. */
  execStart(request: t.ExecStart, options?: Abortable): Promise<OutputStream> {
    return this.stream('exec.start', request, options);
  }

  /** Copy between this host and a container. */
  fileCopy(request: t.FileCopy, options?: Abortable): Promise<t.FileCopied> {
    return this.call('file.copy', request, options);
  }

  /** What is in a directory of a container. */
  fileList(request: t.FileRef, options?: Abortable): Promise<t.PathStat[]> {
    return this.call('file.list', request, options);
  }

  /** Read a file of a container: its `PathStat`, then its content. */
  fileRead(request: t.FileRead, options?: Abortable): Promise<OutputStream> {
    return this.stream('file.read', request, options);
  }

  /** Remove what is at a path of a container. */
  fileRemove(request: t.FileRemove, options?: Abortable): Promise<t.Nothing> {
    return this.call('file.remove', request, options);
  }

  /** What is at a path of a container. */
  fileStat(request: t.FileRef, options?: Abortable): Promise<t.PathStat> {
    return this.call('file.stat', request, options);
  }

  /** Make a file in a container, or replace one. */
  fileWrite(request: t.FileWrite, options?: Abortable): Promise<t.Nothing> {
    return this.call('file.write', request, options);
  }

  /** The instructions an image was made by, newest first. */
  imageHistory(request: t.ImageRef, options?: Abortable): Promise<t.HistoryRow[]> {
    return this.call('image.history', request, options);
  }

  /** Make an image of one layer from a root file system. */
  imageImport(request: t.ImageImport, options?: Abortable): Promise<t.ImageCreated> {
    return this.call('image.import', request, options);
  }

  /** Everything about an image. */
  imageInspect(request: t.ImageRef, options?: Abortable): Promise<t.ImageInspect> {
    return this.call('image.inspect', request, options);
  }

  /** List images. */
  imageList(request: t.ImageList = {}, options?: Abortable): Promise<t.ImageSummary[]> {
    return this.call('image.list', request, options);
  }

  /** Load images from an archive or layout. */
  imageLoad(request: t.ImageLoad, options?: Abortable): Promise<t.ImageLoaded> {
    return this.call('image.load', request, options);
  }

  /** Remove the images that nothing needs. */
  imagePrune(request: t.ImagePrune = {}, options?: Abortable): Promise<t.ImagesPruned> {
    return this.call('image.prune', request, options);
  }

  /** Remove what builds have left in their cache. */
  builderPrune(request: t.BuilderPrune = {}, options?: Abortable): Promise<t.BuilderPruned> {
    return this.call('builder.prune', request, options);
  }

  /** Build an image from a Dockerfile. */
  imageBuild(request: t.ImageBuild, options?: Abortable): Promise<ProgressStream<t.ImageBuilt>> {
    return this.progress('image.build', request, options);
  }

  /** Fetch an image from its registry. */
  imagePull(request: t.ImagePull, options?: Abortable): Promise<ProgressStream<t.ImagePulled>> {
    return this.progress('image.pull', request, options);
  }

  /** Bring an image to its registry. */
  imagePush(request: t.ImagePush, options?: Abortable): Promise<ProgressStream<t.ImagePushed>> {
    return this.progress('image.push', request, options);
  }

  /** Remove a name, or an image. */
  imageRemove(request: t.ImageRemove, options?: Abortable): Promise<t.ImageRemoved[]> {
    return this.call('image.remove', request, options);
  }

  /** Save images: a stream of the bytes of one archive. */
  imageSave(request: t.ImageSave, options?: Abortable): Promise<OutputStream> {
    return this.stream('image.save', request, options);
  }

  /** Search a registry for repositories. */
  imageSearch(request: t.ImageSearch, options?: Abortable): Promise<t.SearchResult[]> {
    return this.call('image.search', request, options);
  }

  /** Give an image another name. */
  imageTag(request: t.ImageTag, options?: Abortable): Promise<t.Nothing> {
    return this.call('image.tag', request, options);
  }

  /** Connect a container to a network. */
  networkConnect(request: t.NetworkConnect, options?: Abortable): Promise<t.Nothing> {
    return this.call('network.connect', request, options);
  }

  /** Create a network. */
  networkCreate(request: t.NetworkCreate, options?: Abortable): Promise<t.NetworkCreated> {
    return this.call('network.create', request, options);
  }

  /** Disconnect a container from a network. */
  networkDisconnect(request: t.NetworkDisconnect, options?: Abortable): Promise<t.Nothing> {
    return this.call('network.disconnect', request, options);
  }

  /** A network, and the running containers in it. */
  networkInspect(request: t.NetworkRef, options?: Abortable): Promise<t.Network> {
    return this.call('network.inspect', request, options);
  }

  /** List networks. */
  networkList(request: t.NetworkList = {}, options?: Abortable): Promise<t.Network[]> {
    return this.call('network.list', request, options);
  }

  /** Remove the networks that no container has. */
  networkPrune(request: t.NetworkPrune = {}, options?: Abortable): Promise<t.NetworksPruned> {
    return this.call('network.prune', request, options);
  }

  /** Remove a network. */
  networkRemove(request: t.NetworkRemove, options?: Abortable): Promise<t.Nothing> {
    return this.call('network.remove', request, options);
  }

  /** Delete a tag from a registry, or a manifest with all its tags. */
  registryDelete(request: t.RegistryDelete, options?: Abortable): Promise<t.Nothing> {
    return this.call('registry.delete', request, options);
  }

  /** Ask a registry whether it takes credentials, and keep them. */
  registryLogin(request: t.RegistryLogin, options?: Abortable): Promise<t.RegistryLoggedIn> {
    return this.call('registry.login', request, options);
  }

  /** Forget the credentials of a registry. */
  registryLogout(request: t.RegistryLogout = {}, options?: Abortable): Promise<t.Nothing> {
    return this.call('registry.logout', request, options);
  }

  /** What refers to an image at its registry. */
  registryReferrers(request: t.RegistryReferrers, options?: Abortable): Promise<t.Referrer[]> {
    return this.call('registry.referrers', request, options);
  }

  /** Compare everything that is stored with its digest. */
  systemCheck(request: t.SystemCheck = {}, options?: Abortable): Promise<t.SystemChecked> {
    return this.call('system.check', request, options);
  }

  /** What the engine keeps on disk. */
  systemDf(request: t.Nothing = {}, options?: Abortable): Promise<t.DiskUsage> {
    return this.call('system.df', request, options);
  }

  /** What happens. */
  systemEvents(
    request: t.SystemEvents = {},
    options?: Abortable,
  ): Promise<DocumentStream<t.EventMessage>> {
    return this.documents('system.events', request, options);
  }

  /** The engine and this host. */
  systemInfo(request: t.Nothing = {}, options?: Abortable): Promise<t.SystemInfo> {
    return this.call('system.info', request, options);
  }

  /** Remove what nothing needs. */
  systemPrune(request: t.SystemPrune = {}, options?: Abortable): Promise<t.SystemPruned> {
    return this.call('system.prune', request, options);
  }

  /** Versions. */
  systemVersion(request: t.Nothing = {}, options?: Abortable): Promise<t.SystemVersion> {
    return this.call('system.version', request, options);
  }

  /** Create a volume, or find that there is one of that name. */
  volumeCreate(request: t.VolumeCreate = {}, options?: Abortable): Promise<t.Volume> {
    return this.call('volume.create', request, options);
  }

  /** A volume. */
  volumeInspect(request: t.VolumeRef, options?: Abortable): Promise<t.Volume> {
    return this.call('volume.inspect', request, options);
  }

  /** List volumes. */
  volumeList(request: t.VolumeList = {}, options?: Abortable): Promise<t.VolumesListed> {
    return this.call('volume.list', request, options);
  }

  /** Remove the volumes that no container has. */
  volumePrune(request: t.VolumePrune = {}, options?: Abortable): Promise<t.VolumesPruned> {
    return this.call('volume.prune', request, options);
  }

  /** Remove a volume. */
  volumeRemove(request: t.VolumeRemove, options?: Abortable): Promise<t.Nothing> {
    return this.call('volume.remove', request, options);
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
    const release = onAbort(signal, () => canceller.cancel());
    try {
      return await work(engine, canceller);
    } catch (rejection) {
      const error = fromNative(rejection);
      const cancelled = error instanceof BarqueError && error.code === 'CANCELLED';
      throw cancelled && signal?.aborted ? new AbortError(signal.reason) : error;
    } finally {
      release();
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
