/** The engine: dockerode's `Docker`, in the process. */

import type { Readable } from 'node:stream';
import type {
  AuthConfig,
  BuilderPruned,
  BuildCacheStore,
  BuildCheck,
  BuildOutput,
  BuildSecret,
  ContainerCreate,
  ContainerList,
  ContainersPruned,
  ContainerSummary,
  DiskUsage,
  EventMessage,
  ImageBuild,
  ImageBuilt,
  ImageList,
  ImageLoaded,
  ImagePull,
  ImageSearch,
  ImagesPruned,
  ImageSummary,
  Input,
  Network as NetworkDocument,
  NetworkCreate,
  NetworksPruned,
  Progress,
  RegistryLoggedIn,
  SearchResult,
  SystemChecked,
  SystemEvents,
  SystemInfo,
  SystemPruned,
  SystemVersion,
  Ulimit,
  VolumeCreate,
  VolumesListed,
  VolumesPruned,
} from './types.generated';
import { Container, moment } from './container';
import type { DocumentStream } from './documents';
import { type Abortable, Api } from './api';
import { type Credentials, credentials } from './credentials';
import { errorOf } from './errors';
import { Exec } from './exec';
import { Image, reference } from './image';
import { archive, type Files, type ImageSource, isFiles, withInput } from './input';
import { Network } from './network';
import { runRequest, type RunOptions, type RunResult, runToEnd } from './run';
import type { OutputStream } from './streams';
import { Volume } from './volume';

/** Where the engine is. */
export interface BarqueOptions {
  /** Where it keeps what it knows; else the environment's `BARQUE_ROOT`, else `/var/lib/barque`. */
  root?: string;
  /** Where it keeps what a reboot must clear; else `BARQUE_RUN`, else `/run/barque`. */
  runDirectory?: string;
}

/** What to create: Docker's create document, with dockerode's `name` and `platform` beside it. */
export interface CreateOptions extends ContainerCreate, Abortable {
  /** The container's name; the same as `Name`. */
  name?: string;
  /** The same as `Platform`. */
  platform?: string;
}

/** Conditions on a list, as an object or, as dockerode has it, its JSON. */
export type Filters = Record<string, string | string[]> | string;

/** How to build. */
export interface BuildOptions extends Abortable {
  /** A name for the image, or several. */
  t?: string | string[];
  /** Path of the Dockerfile in the context; else `Dockerfile`. */
  dockerfile?: string;
  /** The Dockerfile itself, where it is not in the context. */
  dockerfileText?: string;
  /**
   * What stands for stages and images of these names: the path of a directory or tar archive, `docker-image://NAME`, or
   * `oci-layout://PATH[:TAG][@DIGEST]`.
   */
  buildContexts?: Record<string, string>;
  /** Values of `ARG`s. */
  buildargs?: Record<string, string>;
  /** The stage to build; else the last. */
  target?: string;
  /** Labels to give the image. */
  labels?: Record<string, string>;
  /** Take nothing from the cache. */
  nocache?: boolean;
  /** Keep what a `RUN` that fails has left, as an image without a name: the error's `subject` is its id. */
  keepFailed?: boolean;
  /** Caches outside of this engine, from which steps are taken that its own has not; a name is one at a registry. */
  cachefrom?: (string | BuildCacheStore)[];
  /** Where the build's steps go for others to take. */
  cacheto?: (string | BuildCacheStore)[];
  /** Ask the registries for newer base images. */
  pull?: boolean;
  /** Where what was built goes; else it is an image. Without an image the id of what comes back is empty. */
  outputs?: BuildOutput[];
  /** `os/architecture[/variant]`, which must be this machine's. */
  platform?: string;
  /** The network of `RUN` instructions that name none: `default`, `none` or `host`. */
  networkmode?: string;
  /** Names for the hosts files of `RUN` instructions: `name:address`. */
  extrahosts?: string[];
  /** Most memory of each `RUN` instruction: bytes, or `512m`. */
  memory?: number | string;
  /** Its CPU limit in billionths of a CPU. */
  nanoCpus?: number;
  /** Most processes of it; -1: no limit. */
  pidsLimit?: number;
  /** Size of its /dev/shm. */
  shmsize?: number | string;
  /** Its limits of resources. */
  ulimits?: Ulimit[];
  /** What `RUN --mount=type=secret` may have, by id: a file's `Path` or the `Value` itself. */
  secrets?: Record<string, BuildSecret>;
  /** Sockets of the agents that `RUN --mount=type=ssh` may ask, by id. */
  ssh?: Record<string, string>;
  /** Called with each line. */
  onProgress?: (line: Progress) => void;
}

/** A name is that of a cache at a registry. */
function cacheStore(store: string | BuildCacheStore): BuildCacheStore {
  return typeof store === 'string' ? { Type: 'registry', Ref: store } : store;
}

/** How to pull. */
export interface PullOptions extends Abortable {
  /** `os/architecture[/variant]`; else this machine's. */
  platform?: string;
  /** Credentials, or a function that gives them for the image's name; else those that `docker login` left. */
  authconfig?: Credentials;
  /** When to ask the registry. */
  policy?: 'always' | 'missing' | 'never';
  /** Called with each line. */
  onProgress?: (line: Progress) => void;
}

/** Which events. */
export interface EventsOptions extends Abortable {
  /** Those too that happened at or after: a `Date`, seconds since 1970, RFC 3339, or a duration ago (`10m`). */
  since?: Date | number | string;
  /** The stream ends at this time; the same forms. */
  until?: Date | number | string;
  /** `{ type: ['container'], event: ['die'] }`. */
  filters?: Filters;
  /** The `cursor` of the event to go on behind. */
  cursor?: string;
}

/** An engine: a directory, opened. Nothing has to be installed or started. */
export class Barque {
  /** The operations by name, with documents. */
  readonly api: Api;

  /** The engine is opened by its first use; `Barque.open` opens it at once. */
  constructor(options: BarqueOptions = {}) {
    this.api = new Api(options.root, options.runDirectory);
  }

  /** Open an engine and say so when that fails. */
  static async open(options: BarqueOptions = {}): Promise<Barque> {
    const barque = new Barque(options);
    await barque.api.open();
    return barque;
  }

  /** Create a container without starting it. */
  async createContainer(options: CreateOptions): Promise<Container> {
    const { name, platform, abortSignal, ...document } = options;
    if (name !== undefined) document.Name = name;
    if (platform !== undefined) document.Platform = platform;
    const created = await this.api.call('container.create', document, { abortSignal });
    return new Container(this.api, created.Id);
  }

  /** The container of that name or id. Asks nothing: it need not be there. */
  getContainer(id: string): Container {
    return new Container(this.api, id);
  }

  /** The further process of that id. Asks nothing: it need not be there. */
  getExec(id: string): Exec {
    return new Exec(this.api, id);
  }

  /** The containers that run; `all`: the others too. */
  listContainers(
    options: { all?: boolean; limit?: number; size?: boolean; filters?: Filters } & Abortable = {},
  ): Promise<ContainerSummary[]> {
    const request: ContainerList = {
      All: options.all ?? false,
      Limit: options.limit ?? 0,
      Size: options.size ?? false,
      Filters: filters(options.filters),
    };
    return this.api.call('container.list', request, options);
  }

  /**
   * Run a container to its end: both outputs, the exit code and why it ended. A code other than 0 is a result, not an error.
   *
   * The container ends with the call, whatever ends the call (its `signal`, its `timeout`, this process), and is removed.
   */
  run(image: string, command?: string | string[], options?: RunOptions): Promise<RunResult>;
  /** The same with the image's own command. */
  run(image: string, options: RunOptions): Promise<RunResult>;
  async run(
    image: string,
    command?: string | string[] | RunOptions,
    options: RunOptions = {},
  ): Promise<RunResult> {
    if (typeof command === 'object' && !Array.isArray(command)) return this.run(image, undefined, command);
    const stream = await this.#begin(image, command, options);
    return runToEnd(stream, options);
  }

  /** Run a container and talk to it: iterate for what it writes, `write` to its input. It ends when the stream is closed. */
  spawn(
    image: string,
    command?: string | string[],
    options: Omit<RunOptions, 'input' | 'stdout' | 'stderr' | 'limit'> & { stdin?: boolean } = {},
  ): Promise<OutputStream> {
    const { stdin, ...rest } = options;
    return this.#begin(image, command, stdin ? { ...rest, input: '' } : rest);
  }

  #begin(image: string, command: string | string[] | undefined, options: RunOptions): Promise<OutputStream> {
    if (typeof (options as { write?: unknown }).write === 'function' || Array.isArray(options)) {
      const hint = 'dockerode passes streams here; give them as { stdout, stderr }';
      return Promise.reject(errorOf('invalid_argument', 400, hint));
    }
    const abortSignal = options.signal ?? options.abortSignal;
    let request;
    try {
      request = runRequest(image, command, options);
    } catch (error) {
      return Promise.reject(error as Error);
    }
    return this.api.stream('container.run', request, { abortSignal });
  }

  /** Load images from an archive of `docker save`, an OCI archive or an OCI layout directory: a path, bytes or a stream. */
  loadImage(source: ImageSource, options: Abortable = {}): Promise<ImageLoaded> {
    return withInput(source, (Input) => this.api.call('image.load', { Input }, options));
  }

  /**
   * Build an image from a Dockerfile: dockerode's `buildImage`, whose promise resolves when the image is there. The context is a
   * directory's path, a tar archive (a path, bytes, a stream), or files in memory (`{ Dockerfile: 'FROM …' }`); without one
   * `dockerfileText` says it all.
   */
  buildImage(context: ImageSource | Files | undefined, options: BuildOptions = {}): Promise<Image> {
    return this.#build(context, options, false, (built) => new Image(this.api, built.Id));
  }

  /** What the Dockerfile could do better, as `docker build --check` says it: nothing is built. */
  checkBuild(context: ImageSource | Files | undefined, options: BuildOptions = {}): Promise<BuildCheck[]> {
    return this.#build(context, options, true, (built) => built.Checks);
  }

  async #build<T>(
    context: ImageSource | Files | undefined,
    options: BuildOptions,
    Check: boolean,
    take: (built: ImageBuilt) => T,
  ): Promise<T> {
    const { t: names = [] } = options;
    const request: ImageBuild = {
      Check,
      Dockerfile: options.dockerfile ?? '',
      DockerfileText: options.dockerfileText ?? '',
      Tags: typeof names === 'string' ? [names] : names,
      BuildContexts: options.buildContexts ?? {},
      BuildArgs: options.buildargs ?? {},
      Target: options.target ?? '',
      Labels: options.labels ?? {},
      NoCache: options.nocache ?? false,
      KeepFailed: options.keepFailed ?? false,
      Pull: options.pull ?? false,
      CacheFrom: (options.cachefrom ?? []).map(cacheStore),
      CacheTo: (options.cacheto ?? []).map(cacheStore),
      Outputs: options.outputs ?? [],
      Platform: options.platform ?? '',
      NetworkMode: options.networkmode ?? '',
      ExtraHosts: options.extrahosts ?? [],
      Memory: options.memory ?? 0,
      NanoCpus: options.nanoCpus ?? 0,
      PidsLimit: options.pidsLimit ?? null,
      ShmSize: options.shmsize ?? 0,
      Ulimits: options.ulimits ?? [],
      Secrets: options.secrets ?? {},
      SSH: options.ssh ?? {},
    };
    const build = async (Context?: Input): Promise<T> => {
      const stream = await this.api.imageBuild(Context ? { ...request, Context } : request, options);
      return take(await stream.wait(options.onProgress));
    };
    if (context === undefined) return build();
    return withInput(isFiles(context) ? archive(context) : context, build);
  }

  /**
   * Fetch an image from its registry; it is there when the promise resolves. `onProgress` is called with each line, `authconfig` are
   * credentials, `policy` is `always`, `missing` (only when it is not here) or `never`.
   */
  async pull(repoTag: string, options: PullOptions = {}): Promise<Image> {
    const request: ImagePull = { Name: repoTag, Auth: await credentials(options.authconfig, repoTag) };
    if (options.platform) request.Platform = options.platform;
    if (options.policy) request.Policy = options.policy;
    const stream = await this.api.imagePull(request, options);
    const pulled = await stream.wait(options.onProgress);
    return new Image(this.api, pulled.Id);
  }

  /** Save images to one archive, which docker, podman and skopeo load too: a Node stream of its bytes. */
  async saveImages(names: string[], options: { platform?: string } & Abortable = {}): Promise<Readable> {
    const request = { Names: names, Platform: options.platform ?? '' };
    const stream = await this.api.stream('image.save', request, options);
    return stream.readable('stdout');
  }

  /** Search a registry (`registry.example/term`, else Docker Hub) for repositories: at most `limit`, 25 if it is not given. */
  async searchImages(
    term: string,
    options: { limit?: number; filters?: Filters; authconfig?: Credentials } & Abortable = {},
  ): Promise<SearchResult[]> {
    const request: ImageSearch = {
      Term: term,
      Limit: options.limit ?? 0,
      Filters: filters(options.filters),
      Auth: await credentials(options.authconfig, term),
    };
    return this.api.imageSearch(request, options);
  }

  /** Make an image of one layer from a root file system: a tar archive (a path, bytes, a stream) or a directory's path. */
  async importImage(
    source: ImageSource,
    options: { repo?: string; tag?: string; changes?: string[]; message?: string; platform?: string } & Abortable = {},
  ): Promise<Image> {
    const created = await withInput(source, (Input) =>
      this.api.call(
        'image.import',
        {
          Input,
          Reference: reference(options.repo ?? '', options.tag),
          Changes: options.changes ?? [],
          Message: options.message ?? '',
          Platform: options.platform ?? '',
        },
        options,
      ),
    );
    return new Image(this.api, created.Id);
  }

  /** The images. */
  listImages(options: { all?: boolean; filters?: Filters } & Abortable = {}): Promise<ImageSummary[]> {
    const request: ImageList = { All: options.all ?? false, Filters: filters(options.filters) };
    return this.api.call('image.list', request, options);
  }

  /** The image of that name, digest or id. Asks nothing: it need not be there. */
  getImage(name: string): Image {
    return new Image(this.api, name);
  }

  /** Create a network. */
  async createNetwork(options: NetworkCreate & Abortable): Promise<Network> {
    const { abortSignal, ...document } = options;
    const created = await this.api.call('network.create', document, { abortSignal });
    return new Network(this.api, created.Id);
  }

  /** The network of that name or id. Asks nothing: it need not be there. */
  getNetwork(id: string): Network {
    return new Network(this.api, id);
  }

  /** The networks, by name, without the containers in them. */
  listNetworks(options: { filters?: Filters } & Abortable = {}): Promise<NetworkDocument[]> {
    return this.api.call('network.list', { Filters: filters(options.filters) }, options);
  }

  /** Remove the networks that no container has. */
  pruneNetworks(options: { filters?: Filters; dryRun?: boolean } & Abortable = {}): Promise<NetworksPruned> {
    const request = { Filters: filters(options.filters), DryRun: options.dryRun ?? false };
    return this.api.call('network.prune', request, options);
  }

  /** Create a volume, or find that there is one of that name. */
  async createVolume(options: VolumeCreate & Abortable = {}): Promise<Volume> {
    const { abortSignal, ...document } = options;
    const created = await this.api.call('volume.create', document, { abortSignal });
    return new Volume(this.api, created.Name);
  }

  /** The volume of that name. Asks nothing: it need not be there. */
  getVolume(name: string): Volume {
    return new Volume(this.api, name);
  }

  /** The volumes, by name. */
  listVolumes(options: { filters?: Filters } & Abortable = {}): Promise<VolumesListed> {
    return this.api.call('volume.list', { Filters: filters(options.filters) }, options);
  }

  /** Remove the volumes that no container has and nobody gave a name; the filter `all`: the others too. */
  pruneVolumes(options: { filters?: Filters; dryRun?: boolean } & Abortable = {}): Promise<VolumesPruned> {
    const request = { Filters: filters(options.filters), DryRun: options.dryRun ?? false };
    return this.api.call('volume.prune', request, options);
  }

  /** Remove the containers that do not run. */
  pruneContainers(options: { filters?: Filters; dryRun?: boolean } & Abortable = {}): Promise<ContainersPruned> {
    const request = { Filters: filters(options.filters), DryRun: options.dryRun ?? false };
    return this.api.call('container.prune', request, options);
  }

  /** Remove the images without a tag that no container stands on; the filter `dangling: 'false'`: those with one too. */
  pruneImages(options: { filters?: Filters; dryRun?: boolean } & Abortable = {}): Promise<ImagesPruned> {
    const request = { Filters: filters(options.filters), DryRun: options.dryRun ?? false };
    return this.api.call('image.prune', request, options);
  }

  /** Remove what builds have left and no image has, but for the last `reservedSpace` bytes; `all`: what images have too. */
  pruneBuilder(
    options: {
      all?: boolean;
      filters?: Filters;
      reservedSpace?: number;
      maxUsedSpace?: number;
      minFreeSpace?: number;
      dryRun?: boolean;
    } & Abortable = {},
  ): Promise<BuilderPruned> {
    const request = {
      All: options.all ?? false,
      Filters: filters(options.filters),
      ReservedSpace: options.reservedSpace ?? 0,
      MaxUsedSpace: options.maxUsedSpace ?? 0,
      MinFreeSpace: options.minFreeSpace ?? 0,
      DryRun: options.dryRun ?? false,
    };
    return this.api.call('builder.prune', request, options);
  }

  /** Remove what nothing needs: containers that do not run, images without a tag (or `all`), and what builds have left. With `volumes`
   * those too that nobody gave a name and no container has. */
  prune(
    options: { all?: boolean; volumes?: boolean; filters?: Filters; dryRun?: boolean } & Abortable = {},
  ): Promise<SystemPruned> {
    const request = {
      All: options.all ?? false,
      Volumes: options.volumes ?? false,
      Filters: filters(options.filters),
      DryRun: options.dryRun ?? false,
    };
    return this.api.call('system.prune', request, options);
  }

  /** Ask a registry whether it takes these credentials; keeps nothing. (dockerode's name.) */
  checkAuth(authconfig: AuthConfig, options: Abortable = {}): Promise<RegistryLoggedIn> {
    return this.api.call('registry.login', { Auth: authconfig, CheckOnly: true }, options);
  }

  /** The same, and keep them as docker does. Credentials can also be given to each pull and push, which touches no file. */
  login(authconfig: AuthConfig, options: Abortable = {}): Promise<RegistryLoggedIn> {
    return this.api.call('registry.login', { Auth: authconfig }, options);
  }

  /** Forget the credentials of a registry; without a name: Docker Hub's. */
  async logout(serveraddress = '', options: Abortable = {}): Promise<void> {
    await this.api.call('registry.logout', { ServerAddress: serveraddress }, options);
  }

  /** What happens: from now on, since a time, or from the `cursor` of another event on, which leaves nothing out. */
  getEvents(options: EventsOptions = {}): Promise<DocumentStream<EventMessage>> {
    const request: SystemEvents = {
      Since: moment(options.since),
      Until: moment(options.until),
      Filters: filters(options.filters),
      Cursor: options.cursor ?? '',
    };
    return this.api.documents('system.events', request, options);
  }

  /** The engine and this host. */
  info(options: Abortable = {}): Promise<SystemInfo> {
    return this.api.call('system.info', {}, options);
  }

  /** Versions. */
  version(options: Abortable = {}): Promise<SystemVersion> {
    return this.api.call('system.version', {}, options);
  }

  /** What the engine keeps on disk. */
  df(options: Abortable = {}): Promise<DiskUsage> {
    return this.api.call('system.df', {}, options);
  }

  /** Compare everything that is stored with its digest; `repair`: put right what can be. */
  check(options: { repair?: boolean } & Abortable = {}): Promise<SystemChecked> {
    return this.api.call('system.check', { Repair: options.repair ?? false }, options);
  }

  /** `OK`, when the engine can be opened. */
  async ping(): Promise<string> {
    await this.api.open();
    return 'OK';
  }

  /** Let go of the engine. Containers go on. */
  close(): void {
    this.api.close();
  }
}

function filters(given: Filters | undefined): Record<string, string[]> {
  const parsed = typeof given === 'string' ? (JSON.parse(given) as Exclude<Filters, string>) : given ?? {};
  return Object.fromEntries(
    Object.entries(parsed).map(([name, values]) => [name, Array.isArray(values) ? values.map(String) : [String(values)]]),
  );
}
