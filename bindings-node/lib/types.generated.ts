// The documents: JSON objects in the words of the Docker Engine API.
//
// Written by `make bless` from core/src/api. A request may leave out any field; an answer has all but the optional ones.

/** Build an image from a Dockerfile. */
export interface ImageBuild {
  /**
   * The build context: a directory, a tar archive (plain, gzip, zstd, bzip2 or xz), or a lone Dockerfile. Neither path nor descriptor: there is
   * none, and `DockerfileText` says it all.
   */
  Context?: Input;
  /** Path of the Dockerfile in the context; empty: `Dockerfile`. */
  Dockerfile?: string;
  /** The Dockerfile itself, where it is not in the context. */
  DockerfileText?: string;
  /**
   * What stands for stages and images of these names in the Dockerfile: a directory's or tar archive's path, `docker-image://NAME`,
   * or `oci-layout://PATH[:TAG][@DIGEST]`.
   */
  BuildContexts?: Record<string, string>;
  /** Names to give the image. */
  Tags?: string[];
  /** Values of `ARG`s. With `SOURCE_DATE_EPOCH` the same files make the same image, bit by bit. */
  BuildArgs?: Record<string, string>;
  /** The stage to build, by name or number; empty: the last. */
  Target?: string;
  /** Labels to give the image beside those of its Dockerfile. */
  Labels?: Record<string, string>;
  /** Only say what the Dockerfile could do better: nothing is built. */
  Check?: boolean;
  /** Take nothing from the cache. */
  NoCache?: boolean;
  /** Keep what a `RUN` that fails has left, on all that came before it, as an image without a name. The error's subject is its id. */
  KeepFailed?: boolean;
  /** Caches outside of this engine, from which steps are taken that its own has not. */
  CacheFrom?: BuildCacheStore[];
  /** Where the build's steps go for others to take. */
  CacheTo?: BuildCacheStore[];
  /** Ask the registries for newer base images. */
  Pull?: boolean;
  /** Where what was built goes; none: it is an image of this engine. */
  Outputs?: BuildOutput[];
  /** `os/architecture[/variant]`, which must be this machine's; empty: it is. */
  Platform?: string;
  /** The network of `RUN` instructions that name none: `default`, `none` or `host`. */
  NetworkMode?: string;
  /** Names for the hosts files of `RUN` instructions: `name:address`. */
  ExtraHosts?: string[];
  /** Most memory of each `RUN` instruction, bytes; 0: no limit. */
  Memory?: number | string;
  /** Its CPU limit in billionths of a CPU. */
  NanoCpus?: number;
  /** Most processes of it; -1: no limit. */
  PidsLimit?: number | null;
  /** Size of its /dev/shm, bytes; 0: 64 MiB. */
  ShmSize?: number | string;
  /** Its limits of resources (setrlimit(2)). */
  Ulimits?: Ulimit[];
  /** What `RUN --mount=type=secret` may have, by id. */
  Secrets?: Record<string, BuildSecret>;
  /** Sockets of the ssh agents that `RUN --mount=type=ssh` may ask, by id; `default` is that of a mount without one. */
  SSH?: Record<string, string>;
}

/** Where what was built goes. */
export interface BuildOutput {
  /**
   * `image`, an image of this engine; `docker` or `oci`, an archive of the image, which docker, podman and skopeo load; `tar`, an
   * archive of its files; `local`, its files in a directory; `cacheonly`, nothing but what the cache keeps.
   */
  Type?: string;
  /** Path of the archive or directory. */
  Path?: string;
  /** An open descriptor that the archive is written to, in place of a path. */
  Fd?: number | null;
}

/** A cache of builds outside of an engine. */
export interface BuildCacheStore {
  /** `registry` or `local`. */
  Type?: string;
  /** Of one at a registry, its name: `registry.example/app:cache`. */
  Ref?: string;
  /** Of a local one, its directory. */
  Path?: string;
  /** Of one that is written: `min`, the steps whose files the image has; `max`, all. Empty: `min`. */
  Mode?: string;
}

/** A secret: what is in a file, or a text. It is written down nowhere. */
export interface BuildSecret {
  /** The file that it is in. */
  Path?: string;
  /** The secret itself. */
  Value?: string | null;
}

/** An image that was built: the last document of the stream. */
export interface ImageBuilt {
  /** Its id; empty when neither an image nor an archive of one was asked for. What only an archive has is no image of this engine. */
  Id: string;
  /** The digest of its manifest. */
  Digest: string;
  /** Names it has now. */
  Names: string[];
  /** The same in full: `docker.io/library/app:latest`. */
  FullNames: string[];
  /** What the Dockerfile could do better, and build arguments that nothing uses. */
  Warnings: string[];
  /** What the build checks found of it, in parts. */
  Checks: BuildCheck[];
}

/** Something that is probably not meant. */
export interface BuildCheck {
  /** The rule, by Docker's name for it. */
  Rule: string;
  /** What it says. */
  Message: string;
  /** The line that it is about. */
  Line: number;
  /** That line and those around it. */
  Excerpt: string;
}

/** Remove what builds have left in their cache and none uses just now. */
export interface BuilderPrune {
  /** Also what images have: their next build begins anew. */
  All?: boolean;
  /**
   * `{"until": ["24h"]}`: what no build has used since; `id`, `type` (`regular`, `exec.cachemount`), `description` (a part of it),
   * `shared`, `private`, `inuse`.
   */
  Filters?: Record<string, string[]>;
  /** Bytes to keep, of what was used last; 0: none. */
  ReservedSpace?: number;
  /** Most bytes that may stay, of what was used last; 0: as `ReservedSpace` says. */
  MaxUsedSpace?: number;
  /** Bytes of the disk to have free afterwards, as far as that leaves `ReservedSpace`; 0: none. */
  MinFreeSpace?: number;
  /** Only say what would go. */
  DryRun?: boolean;
}

/** What was removed. */
export interface BuilderPruned {
  /** Ids of records. */
  CachesDeleted: string[];
  /** Bytes. */
  SpaceReclaimed: number;
}

/** What the build cache has of one step, or a directory of a cache mount. */
export interface BuildCache {
  /** A digest of what was done, and on which files; of a cache mount, of its id. */
  ID: string;
  /** The layer below, if there is one. */
  Parents: string[];
  /** `regular`, or `exec.cachemount`. */
  Type: string;
  /** The instruction. */
  Description: string;
  /** A build that goes on has taken it. */
  InUse: boolean;
  /** An image has its files, too. */
  Shared: boolean;
  /** Bytes of its layer and of the blob that goes with it. */
  Size: number;
  /** When it was made, RFC 3339. */
  CreatedAt: string;
  /** When a build last made or took it, RFC 3339. */
  LastUsedAt: string;
  /** How often builds have taken it. */
  UsageCount: number;
}

/**
 * What a build tells of one of its steps, in a progress line whose `id` is the step's number. The line's `status` says what:
 * `Step` it begins, `Log` it has written something, then `Cached`, `Done`, `Failed` or `Cancelled`.
 */
export interface BuildStep {
  /** Stage, place and instruction: `[build 2/3] RUN make`. */
  name: string;
  /** Lines that it wrote; of one that failed the place in the Dockerfile. */
  output?: string;
  /** Nanoseconds since it began. */
  time?: number;
}

/** An object without fields: Docker's way to write a set in JSON. */
export type Empty = Record<string, never>;

/** What to create: the body of `POST /containers/create`, with the query's `name` and `platform` beside it. */
export interface ContainerCreate {
  /** The container's name, `[a-zA-Z0-9][a-zA-Z0-9_.-]*`; empty: one is made up. */
  Name?: string;
  /** `os/architecture[/variant]` of the image to use; empty: this machine's. */
  Platform?: string;
  /** When to ask the image's registry: `missing` when there is no such image here, `always`; empty and `never`: do not. */
  Pull?: string;
  /** Host name inside; empty: the first 12 digits of the id. */
  Hostname?: string;
  /** NIS domain name inside. */
  Domainname?: string;
  /** `user`, `uid`, `user:group` and so on; empty: the image's, else root. */
  User?: string;
  /** Whether the creator means to attach to standard input. */
  AttachStdin?: boolean;
  /** Whether the creator means to attach to standard output. */
  AttachStdout?: boolean;
  /** Whether the creator means to attach to standard error. */
  AttachStderr?: boolean;
  /** Ports the container listens on: `{"80/tcp": {}}`. */
  ExposedPorts?: Record<string, Empty>;
  /** Give the container a terminal. */
  Tty?: boolean;
  /** Keep its standard input open for attached clients. */
  OpenStdin?: boolean;
  /** Close it when the first attached client leaves. */
  StdinOnce?: boolean;
  /** Environment, `KEY=VALUE` each, or a map. */
  Env?: string[] | Record<string, string | number | boolean>;
  /** Arguments; without them the image's. */
  Cmd?: string | string[] | null;
  /** How its health is looked at; what this leaves out is the image's. */
  Healthcheck?: HealthConfig | null;
  /** Windows only; must be false. */
  ArgsEscaped?: boolean;
  /** Name, tag, digest or id of the image. */
  Image?: string;
  /** Anonymous volumes: `{"/data": {}}`. */
  Volumes?: Record<string, Empty>;
  /** Working directory inside; empty: the image's, else `/`. Made when missing. */
  WorkingDir?: string;
  /** Program and first arguments; without it the image's. An empty list clears the image's. */
  Entrypoint?: string | string[] | null;
  /** The same as `HostConfig.NetworkMode` `none`. */
  NetworkDisabled?: boolean;
  /** Ethernet address on the default network. */
  MacAddress?: string;
  /** Build triggers, kept for `commit`. */
  OnBuild?: string[];
  /** Labels; the image's are added where they don't clash. */
  Labels?: Record<string, string>;
  /** Signal that `stop` begins with; empty: the image's, else SIGTERM. */
  StopSignal?: string;
  /** Seconds `stop` waits before SIGKILL; without it 10. */
  StopTimeout?: number | null;
  /** Shell for the shell form, kept for `commit`. */
  Shell?: string | string[];
  /** What depends on this host: limits, mounts, isolation. */
  HostConfig?: HostConfig;
  /** Networks to join, and what is asked for there. */
  NetworkingConfig?: NetworkingConfig | null;
}

/** The answer to a create. */
export interface ContainerCreated {
  /** The new container's id, 64 hexadecimal digits. */
  Id: string;
  /** What the caller should know. */
  Warnings: string[];
}

/** A container and what to do with it: the request of the verbs that need nothing else. */
export interface ContainerRef {
  /** Name, id, or a prefix of the id that no other has. */
  Id?: string;
}

/** Which container to tell everything about. */
export interface ContainerInspectOptions {
  /** Name, id, or a prefix of the id that no other has. */
  Id?: string;
  /** Report the size of the writable layer too. */
  Size?: boolean;
}

/** Start. */
export interface ContainerStart {
  /** Name, id or prefix. */
  Id?: string;
  /** Kill it when the process that called dies, in whatever way; a restart policy does not start it again then. */
  Tied?: boolean;
}

/** Create, start and follow to the end: `docker run` as one call. */
export interface ContainerRun {
  /** What to run. `HostConfig.AutoRemove` is Docker's `--rm`. */
  Create?: ContainerCreate;
  /**
   * Run this container, which exists and does not run, instead of creating one: name, id or prefix. The output is then
   * complete from its first byte, which an attach after a start cannot promise.
   */
  Id?: string;
  /** End it (SIGKILL, reason `timeout`) when it still runs after so many milliseconds; 0: no limit. */
  TimeoutMs?: number;
  /** Kill it when the process that called dies or closes the stream. */
  Tied?: boolean;
}

/** The last document of a run or attach stream, and the answer to a wait. */
export interface ContainerExit {
  /** The container's id. */
  Id: string;
  /** Its exit code: the process's own, or 128 + the signal that killed it; 125 when it is not known. */
  StatusCode: number;
  /**
   * Why it ended: `exited`, `signaled`, `killed`, `stopped`, `stop-timeout`, `oom-killed`, `owner-gone`, `timeout`,
   * `start-failed` or `monitor-died`.
   */
  Reason: string;
  /** The kernel's OOM killer killed a process in it. */
  OOMKilled: boolean;
  /** What went wrong, where something did: Docker's `{"Message": …}`. */
  Error?: WaitError;
}

/** Docker's error inside the answer to a wait. */
export interface WaitError {
  /** For a person. */
  Message: string;
}

/** Stop. */
export interface ContainerStop {
  /** Name, id or prefix. */
  Id?: string;
  /** Seconds before SIGKILL; without it the container's own, else 10; negative: wait for ever. */
  Timeout?: number | null;
  /** Signal to begin with; empty: the container's own. */
  Signal?: string;
}

/** Stop and start again. */
export interface ContainerRestart {
  /** Name, id or prefix. */
  Id?: string;
  /** Seconds before SIGKILL; without it the container's own, else 10; negative: wait for ever. */
  Timeout?: number | null;
  /** Signal to begin with; empty: the container's own. */
  Signal?: string;
}

/** Give another name. */
export interface ContainerRename {
  /** Name, id or prefix. */
  Id?: string;
  /** The new name. */
  Name?: string;
}

/** Change limits and restart policy: the body of `POST /containers/{id}/update`. What is not named, or 0, stays. */
export interface ContainerUpdate {
  /** Name, id or prefix. */
  Id?: string;
  /** Most memory, bytes. */
  Memory?: number | string;
  /** Memory and swap together, bytes; -1: unlimited swap. */
  MemorySwap?: number | string;
  /** Soft memory limit, bytes. */
  MemoryReservation?: number | string;
  /** Relative weight of CPU time. */
  CpuShares?: number;
  /** Length of a CPU quota period, microseconds. */
  CpuPeriod?: number;
  /** CPU time in a period, microseconds. */
  CpuQuota?: number;
  /** Real-time period, microseconds. */
  CpuRealtimePeriod?: number;
  /** Real-time run time, microseconds. */
  CpuRealtimeRuntime?: number;
  /** CPUs it may use: `0-2,7`. */
  CpusetCpus?: string;
  /** Memory nodes it may use. */
  CpusetMems?: string;
  /** CPU limit in billionths of a CPU. */
  NanoCpus?: number;
  /** Most processes; -1: no limit. */
  PidsLimit?: number | null;
  /** Relative weight of block I/O, 10 to 1,000. */
  BlkioWeight?: number;
  /** When to start it again. */
  RestartPolicy?: RestartPolicy | null;
}

/** What `container.update` has done. */
export interface ContainerUpdated {
  /** What the caller should know. */
  Warnings: string[];
}

/** Kill. */
export interface ContainerKill {
  /** Name, id or prefix. */
  Id?: string;
  /** `KILL`, `SIGKILL`, `9`; empty: SIGKILL. */
  Signal?: string;
}

/** Connect. */
export interface ContainerConnect {
  /** Name, id or prefix. */
  Id?: string;
  /** TCP port in the container. */
  Port?: number;
  /** How long to wait until somebody listens, milliseconds; 0: not at all. */
  TimeoutMs?: number;
}

/** What connecting gives. */
export interface ContainerConnected {
  /** The connected socket, a descriptor of this process: whoever asked has to close it. */
  Descriptor: number;
}

/** Wait. */
export interface ContainerWait {
  /** Name, id or prefix. */
  Id?: string;
  /** `not-running` (also when empty), `next-exit` or `removed`. */
  Condition?: string;
}

/** Remove. */
export interface ContainerRemove {
  /** Name, id or prefix. */
  Id?: string;
  /** Kill it first when it runs. */
  Force?: boolean;
  /** Remove its anonymous volumes too. */
  Volumes?: boolean;
}

/** Remove those that do not run. */
export interface ContainerPrune {
  /** `{"until": ["24h"], "label": ["a=b"], "label!": ["keep"]}`. */
  Filters?: Record<string, string[]>;
  /** Only say what would go. */
  DryRun?: boolean;
}

/** What was removed. */
export interface ContainersPruned {
  /** Ids. */
  ContainersDeleted: string[];
  /** Bytes of what they had written. */
  SpaceReclaimed: number;
}

/** Read the log. */
export interface ContainerLogs {
  /** Name, id or prefix. */
  Id?: string;
  /** Go on until the container ends. */
  Follow?: boolean;
  /** Standard output. */
  Stdout?: boolean;
  /** Standard error. */
  Stderr?: boolean;
  /** Only what was written at or after: RFC 3339, seconds since 1970, or a duration ago (`10m`). */
  Since?: string;
  /** Only what was written before; the same forms. */
  Until?: string;
  /** Begin every line with its time. */
  Timestamps?: boolean;
  /** Only the last so many lines; empty or `all`: all. */
  Tail?: string;
  /** Begin every line (behind its time) with the labels and variables that the log options `labels` and `env` name. */
  Details?: boolean;
}

/** Attach to a running container. */
export interface ContainerAttach {
  /** Name, id or prefix. */
  Id?: string;
  /** Send standard input. */
  Stdin?: boolean;
  /** Receive standard output. */
  Stdout?: boolean;
  /** Receive standard error. */
  Stderr?: boolean;
}

/** Set the size of a container's terminal. */
export interface ContainerResize {
  /** Name, id or prefix. */
  Id?: string;
  /** Rows. */
  H?: number;
  /** Columns. */
  W?: number;
}

/** List. */
export interface ContainerList {
  /** Those that don't run too. */
  All?: boolean;
  /** At most so many, the newest; 0: all. Implies `All`. */
  Limit?: number;
  /** `{"status": ["exited"], "label": ["a=b"], "name": ["web"]}`. */
  Filters?: Record<string, string[]>;
  /** Report the size of the writable layer too. */
  Size?: boolean;
}

/** A port in a list of containers. */
export interface PortSummary {
  /** Address on the host; absent when it is not published. */
  IP?: string;
  /** Port in the container. */
  PrivatePort: number;
  /** Port on the host; absent when it is not published. */
  PublicPort?: number;
  /** `tcp`, `udp` or `sctp`. */
  Type: string;
}

/** A row of a list, as `GET /containers/json` gives it. */
export interface ContainerSummary {
  /** Id. */
  Id: string;
  /** Names, each with a slash in front. */
  Names: string[];
  /** The image as it was asked for. */
  Image: string;
  /** Its id. */
  ImageID: string;
  /** The command as one line. */
  Command: string;
  /** When it was created, seconds since 1970. */
  Created: number;
  /** Ports that it listens on or that are published, the published ones while it runs. */
  Ports: PortSummary[];
  /** Bytes in the writable layer. */
  SizeRw?: number;
  /** Bytes of all layers. */
  SizeRootFs?: number;
  /** Labels. */
  Labels: Record<string, string>;
  /** `created`, `running`, `exited`, … */
  State: string;
  /** The same for people: `Up 5 seconds`, `Exited (0) 2 minutes ago`. */
  Status: string;
  /** Its network mode. */
  HostConfig: SummaryHostConfig;
  /** Its networks. */
  NetworkSettings: SummaryNetworks;
  /** Its mounts. */
  Mounts: MountPoint[];
}

/** The part of the host configuration that a list shows. */
export interface SummaryHostConfig {
  /** `none`, `host`, a network's name. */
  NetworkMode: string;
}

/** The networks in a list. */
export interface SummaryNetworks {
  /** By name. */
  Networks: Record<string, EndpointSettingsInspect>;
}

/** Everything about a container, as `GET /containers/{id}/json` gives it. */
export interface ContainerInspect {
  /** Id. */
  Id: string;
  /** When it was created, RFC 3339. */
  Created: string;
  /** The program. */
  Path: string;
  /** Its arguments. */
  Args: string[];
  /** How it is. */
  State: ContainerState;
  /** The image's id. */
  Image: string;
  /** Where its `resolv.conf` is kept. */
  ResolvConfPath: string;
  /** Where its `hostname` is kept. */
  HostnamePath: string;
  /** Where its `hosts` is kept. */
  HostsPath: string;
  /** Where its log is kept. */
  LogPath: string;
  /** Its name, with a slash in front. */
  Name: string;
  /** How often its restart policy has restarted it. */
  RestartCount: number;
  /** Storage driver. */
  Driver: string;
  /** `linux`. */
  Platform: string;
  /** SELinux label of its mounts. */
  MountLabel: string;
  /** SELinux label of its processes. */
  ProcessLabel: string;
  /** AppArmor profile. */
  AppArmorProfile: string;
  /** Running execs. */
  ExecIDs: string[] | null;
  /** What depends on this host. */
  HostConfig: HostConfigInspect;
  /** Where its layers are. */
  GraphDriver: GraphDriver;
  /** Bytes in the writable layer. */
  SizeRw?: number;
  /** Bytes of all layers. */
  SizeRootFs?: number;
  /** Its mounts. */
  Mounts: MountPoint[];
  /** The configuration it runs with: the image's and the caller's, merged. */
  Config: ContainerConfig;
  /** Its networks. */
  NetworkSettings: NetworkSettings;
}

/** Something mounted into a container. */
export interface MountPoint {
  /** `bind`, `volume`, `tmpfs`. */
  Type: string;
  /** The volume. */
  Name?: string;
  /** The path on the host; of a volume, where its files are. */
  Source: string;
  /** Path inside. */
  Destination: string;
  /** The volume's driver. */
  Driver?: string;
  /** Mode as of the short form: `ro`, `z`. */
  Mode: string;
  /** It can be written. */
  RW: boolean;
  /** Propagation of a bind mount. */
  Propagation: string;
}

/** How a container is. */
export interface ContainerState {
  /** `created`, `running`, `paused`, `restarting`, `removing`, `exited`, `dead`. */
  Status: string;
  /** Its process runs. */
  Running: boolean;
  /** It is frozen. */
  Paused: boolean;
  /** Its restart policy is about to start it again. */
  Restarting: boolean;
  /** The kernel's OOM killer killed a process in it. */
  OOMKilled: boolean;
  /** Its removal failed half way. */
  Dead: boolean;
  /** Its process 1 as this process's pid namespace numbers it; 0 when it doesn't run. */
  Pid: number;
  /** Exit code of the last run. */
  ExitCode: number;
  /** What went wrong in the last run. */
  Error: string;
  /** Why the last run ended, as in `ContainerExit.Reason`; empty before that. Not in Docker's document. */
  ExitReason: string;
  /** When the last run began, RFC 3339; `0001-01-01T00:00:00Z` before that. */
  StartedAt: string;
  /** When it ended; the same. */
  FinishedAt: string;
  /** How healthy it is, where there is a health check. */
  Health?: Health;
}

/** Where a container's layers are. */
export interface GraphDriver {
  /** `overlay2`, Docker's name for what this is. */
  Name: string;
  /** `LowerDir`, `UpperDir`, `WorkDir`, `MergedDir`. */
  Data: Record<string, string>;
}

/** A container's networks. */
export interface NetworkSettings {
  /** Its ports by `80/tcp`, and where on this host each is published while it runs; `null`: nowhere. */
  Ports: Record<string, PortBindingInspect[] | null>;
  /** Path of its network namespace while it runs. */
  SandboxKey: string;
  /** What it has in the default network, said again; empty when it is not in that, or does not run. */
  EndpointID: string;
  /** The same. */
  Gateway: string;
  /** The same. */
  IPAddress: string;
  /** The same. */
  IPPrefixLen: number;
  /** The same. */
  MacAddress: string;
  /** Networks by name. */
  Networks: Record<string, EndpointSettingsInspect>;
}

/** The configuration a container runs with, as `Config` in an inspect document. */
export interface ContainerConfig {
  /** Host name. */
  Hostname: string;
  /** NIS domain name. */
  Domainname: string;
  /** User. */
  User: string;
  /** As in `ContainerCreate`. */
  AttachStdin: boolean;
  /** As in `ContainerCreate`. */
  AttachStdout: boolean;
  /** As in `ContainerCreate`. */
  AttachStderr: boolean;
  /** Ports. */
  ExposedPorts?: Record<string, Empty>;
  /** Terminal. */
  Tty: boolean;
  /** Standard input is kept open. */
  OpenStdin: boolean;
  /** … for one client. */
  StdinOnce: boolean;
  /** Environment. */
  Env: string[];
  /** Arguments. */
  Cmd: string[] | null;
  /** Health check. */
  Healthcheck?: HealthConfigInspect;
  /** The image as it was asked for. */
  Image: string;
  /** Anonymous volumes. */
  Volumes: Record<string, Empty> | null;
  /** Working directory. */
  WorkingDir: string;
  /** Program and first arguments. */
  Entrypoint: string[] | null;
  /** Build triggers. */
  OnBuild: string[] | null;
  /** Labels. */
  Labels: Record<string, string>;
  /** Stop signal. */
  StopSignal?: string;
  /** Seconds before SIGKILL. */
  StopTimeout?: number;
  /** Shell. */
  Shell?: string[];
}

/** Which events to give: the query of `GET /events`, and a cursor. */
export interface SystemEvents {
  /**
   * Those that happened at or after this too, as far as they are kept: RFC 3339, seconds since 1970, or a duration ago
   * (`10m`). Without it and `Cursor` only those that happen from now on.
   */
  Since?: string;
  /** The stream ends at this time; the same forms. Without it it goes on. */
  Until?: string;
  /**
   * `{"type": ["container"], "event": ["die"], "label": ["a=b"]}`. Values of one name are alternatives, but every label
   * must hold; names must all hold.
   */
  Filters?: Record<string, string[]>;
  /**
   * Go on behind the event that had this `cursor`: nothing that happened since is left out, or it is an error. Not in
   * Docker's query.
   */
  Cursor?: string;
}

/** Something has happened: what `GET /events` sends. */
export interface EventMessage {
  /** The action, of containers and images. Docker's old name for it. */
  status?: string;
  /** The actor's id, of containers and images. Docker's old name for it. */
  id?: string;
  /** The image of a container. Docker's old name for it. */
  from?: string;
  /** `container`, `image`, `volume`, `network`. */
  Type: string;
  /** What has happened: `create`, `start`, `die`, `health_status: healthy`, … */
  Action: string;
  /** To what. */
  Actor: EventActor;
  /** `local`. */
  scope: string;
  /** When, seconds since 1970. */
  time: number;
  /** When, nanoseconds since 1970. */
  timeNano: number;
  /** Where to go on from, for `SystemEvents.Cursor`. Not in Docker's document. */
  cursor: string;
}

/** What an event has happened to. */
export interface EventActor {
  /** Its id, or the name of what has none. */
  ID: string;
  /** Its name, image and labels, and what the action is about (`exitCode`, `signal`, `execID`). */
  Attributes: Record<string, string>;
}

/** What to run in a container: the body of `POST /containers/{id}/exec`, with the container beside it. */
export interface ExecCreate {
  /** The container: name, id or prefix. It must run. */
  Container?: string;
  /** Send standard input. */
  AttachStdin?: boolean;
  /** Receive standard output; it is dropped otherwise. */
  AttachStdout?: boolean;
  /** Receive standard error; it is dropped otherwise. */
  AttachStderr?: boolean;
  /** Give it a terminal. */
  Tty?: boolean;
  /** Size of its terminal at first: rows and columns. */
  ConsoleSize?: [number, number];
  /** Environment, `KEY=VALUE` each, or a map; added to the container's. */
  Env?: string[] | Record<string, string | number | boolean>;
  /** Command and arguments. */
  Cmd?: string | string[] | null;
  /** Give it all capabilities. */
  Privileged?: boolean;
  /** `user`, `uid`, `user:group` and so on; empty: the container's. */
  User?: string;
  /** Working directory, absolute; empty: the container's. */
  WorkingDir?: string;
}

/** What `exec.create` has made. */
export interface ExecCreated {
  /** Its id: 64 hexadecimal digits. */
  Id: string;
}

/** Which one. */
export interface ExecRef {
  /** Its id. */
  Id?: string;
}

/** Start one: the body of `POST /exec/{id}/start`. */
export interface ExecStart {
  /** Its id. */
  Id?: string;
  /**
   * Let it go on by itself: the stream ends at once, and output is dropped. Otherwise it ends with its stream: closing that
   * before kills it and all that it has started.
   */
  Detach?: boolean;
  /** Size of its terminal at first: rows and columns. */
  ConsoleSize?: [number, number];
  /** Kill it and all that it has started (reason `timeout`) when it still runs after so many milliseconds; 0: no limit. */
  TimeoutMs?: number;
}

/** The last document of the stream of `exec.start`. */
export interface ExecExit {
  /** Its id. */
  ID: string;
  /** It goes on: it was started with `Detach`. */
  Running: boolean;
  /** Its exit code: the process's own, or 128 + the signal that killed it; 125 when it is not known. Nothing while it runs. */
  ExitCode?: number;
  /** Why it ended: `exited`, `signaled`, `killed`, `timeout` or `monitor-died`. */
  Reason: string;
}

/** Send one a signal. */
export interface ExecKill {
  /** Its id. */
  Id?: string;
  /** `TERM`, `SIGTERM`, `15`; empty: SIGKILL, which all that it has started gets too. */
  Signal?: string;
}

/** Set the size of one's terminal. */
export interface ExecResize {
  /** Its id. */
  Id?: string;
  /** Rows. */
  H?: number;
  /** Columns. */
  W?: number;
}

/** Everything about one. */
export interface ExecInspect {
  /** Its id. */
  ID: string;
  /** Its container's id. */
  ContainerID: string;
  /** It was started and has not ended. */
  Running: boolean;
  /** Its exit code; nothing before it has ended. */
  ExitCode: number | null;
  /** Its pid on the host while it runs, else 0. */
  Pid: number;
  /** It takes input. */
  OpenStdin: boolean;
  /** Its standard output is wanted. */
  OpenStdout: boolean;
  /** Its standard error is wanted. */
  OpenStderr: boolean;
  /** It can be forgotten. */
  CanRemove: boolean;
  /** What it is. */
  ProcessConfig: ExecProcess;
}

/** What a process is, as `exec.inspect` has it. */
export interface ExecProcess {
  /** It has a terminal. */
  tty: boolean;
  /** The command. */
  entrypoint: string;
  /** Its arguments. */
  arguments: string[];
  /** It has all capabilities. */
  privileged: boolean;
  /** The user, where one was asked for. */
  user: string;
}

/** Pack what is at a path of a container (`GET /containers/{id}/archive`). */
export interface ArchiveGet {
  /** Name, id or prefix. */
  Id?: string;
  /** The path. A last symbolic link is packed as one, unless `/` or `/.` follows. */
  Path?: string;
}

/** Unpack an archive into a directory of a container (`PUT /containers/{id}/archive`). */
export interface ArchivePut {
  /** Name, id or prefix. */
  Id?: string;
  /** The directory, which must be there. */
  Path?: string;
  /** The tar archive: plain, gzip or zstd. */
  Input?: Input;
  /** A directory does not replace anything else, nor anything else a directory: that is an error. */
  NoOverwriteDirNonDir?: boolean;
  /** Everything belongs to the container's user, instead of to whom the archive says. */
  CopyUIDGID?: boolean;
}

/** A path of a container. */
export interface FileRef {
  /** Name, id or prefix. */
  Id?: string;
  /** The path. A last symbolic link stands for itself, unless `/` or `/.` follows. */
  Path?: string;
}

/** Read a file of a container. */
export interface FileRead {
  /** Name, id or prefix. */
  Id?: string;
  /** The file. Links are followed, inside the container. */
  Path?: string;
  /** Where to begin, bytes. */
  Offset?: number;
  /** Most bytes to read; 0: all. */
  Limit?: number;
}

/** Make a file in a container, or replace one: others see the old one or the new one, whole. */
export interface FileWrite {
  /** Name, id or prefix. */
  Id?: string;
  /** The file. Links are followed, inside the container. */
  Path?: string;
  /** Its content. */
  Input?: Input;
  /** Its permissions; without it those of the file that was there, or 0644. */
  Mode?: number | null;
  /** Its owner: `user`, `uid`, `user:group` and so on, looked up in the container; empty: that of the file that was there, or root. */
  User?: string;
  /** Make directories that are missing. */
  Parents?: boolean;
}

/** Remove what is at a path of a container. */
export interface FileRemove {
  /** Name, id or prefix. */
  Id?: string;
  /** The path. A last symbolic link is removed itself. */
  Path?: string;
  /** A directory with everything in it. */
  Recursive?: boolean;
}

/** Copy between this host and a container, as `docker cp` does: exactly one of the two places is in a container. */
export interface FileCopy {
  /** What is copied. `/.` at the end of a directory: its content, and not the directory itself. */
  Source?: CopyPlace;
  /** Where to. What is there decides, as in the table of `docker container cp`. */
  Destination?: CopyPlace;
  /** Keep owners. Without it everything belongs to root in a container, and to the caller on the host. */
  Archive?: boolean;
  /** Follow a symbolic link that is the source. */
  FollowLink?: boolean;
}

/** One end of a copy. */
export interface CopyPlace {
  /** Name, id or prefix of a container; empty: this host. */
  Id?: string;
  /** The path. On the host a relative one begins at the caller's working directory, in a container at `/`. */
  Path?: string;
}

/** What was copied. */
export interface FileCopied {
  /** Bytes that went from one side to the other, as an archive. */
  Size: number;
  /** The path that was copied to, links followed. */
  Path: string;
}

/** What is at a path, as `X-Docker-Container-Path-Stat` tells it, with the owner. */
export interface PathStat {
  /** Last component of the path. */
  name: string;
  /** Bytes. */
  size: number;
  /** Permissions and kind as Go's `os.FileMode` has them: `0x80000000` is a directory, `0x8000000` a symbolic link. */
  mode: number;
  /** Time of last change, RFC 3339. */
  mtime: string;
  /** Of a symbolic link: the path it leads to in the end; in a list its text. */
  linkTarget: string;
  /** Owner. */
  uid: number;
  /** Group. */
  gid: number;
}

/** A path that is not as in the image (`GET /containers/{id}/changes`). */
export interface FilesystemChange {
  /** The path. */
  Path: string;
  /** 0: changed, 1: added, 2: deleted. */
  Kind: number;
}

/** Make an image of a container (`POST /commit`). */
export interface ContainerCommit {
  /** Name, id or prefix. */
  Id?: string;
  /** Name of the image, with or without a tag; empty: none. */
  Reference?: string;
  /** Dockerfile instructions that change its configuration: `CMD`, `ENV` and so on. */
  Changes?: string[];
  /** Who made it. */
  Author?: string;
  /** Commit message. */
  Message?: string;
  /** Freeze a running container while its files are read; `true` unless said otherwise. */
  Pause?: boolean;
}

/** How a container's health is looked at. Times are nanoseconds; 0 everywhere: the image's, else the default. */
export interface HealthConfig {
  /** `["CMD", program, arguments…]`, `["CMD-SHELL", command]`, `["NONE"]` for none; empty: the image's. */
  Test?: string | string[];
  /** Time between the end of a check and the next; by default 30 s. */
  Interval?: number;
  /** How long a check may take; by default 30 s. */
  Timeout?: number;
  /** How long failures do not count after the start, until a check has passed; by default none. */
  StartPeriod?: number;
  /** Time between checks meanwhile; by default 5 s. */
  StartInterval?: number;
  /** How many checks have to fail one after another for *unhealthy*; by default 3. */
  Retries?: number;
}

/** How a container's health is looked at. Times are nanoseconds; 0 everywhere: the image's, else the default. */
export interface HealthConfigInspect {
  /** `["CMD", program, arguments…]`, `["CMD-SHELL", command]`, `["NONE"]` for none; empty: the image's. */
  Test?: string[];
  /** Time between the end of a check and the next; by default 30 s. */
  Interval?: number;
  /** How long a check may take; by default 30 s. */
  Timeout?: number;
  /** How long failures do not count after the start, until a check has passed; by default none. */
  StartPeriod?: number;
  /** Time between checks meanwhile; by default 5 s. */
  StartInterval?: number;
  /** How many checks have to fail one after another for *unhealthy*; by default 3. */
  Retries?: number;
}

/** How healthy a container is. */
export interface Health {
  /** `starting`, `healthy` or `unhealthy`; the last also when it does not run. */
  Status: string;
  /** How many checks have failed since the last that passed. */
  FailingStreak: number;
  /** The last five checks, the newest last. */
  Log: HealthcheckResult[];
}

/** What a check has found. */
export interface HealthcheckResult {
  /** When it began, RFC 3339. */
  Start: string;
  /** When it ended. */
  End: string;
  /** Its exit code: 0 is healthy; -1: it could not be run, or took too long. */
  ExitCode: number;
  /** The first 4096 bytes of what it wrote, or why it has none. */
  Output: string;
}

/** What depends on this host: limits, mounts, isolation. Docker's defaults are the zero values. */
export interface HostConfig {
  /** `source:target[:options]` each. */
  Binds?: string[];
  /** File to write the id to; the command line's business. */
  ContainerIDFile?: string;
  /** How output is kept. */
  LogConfig?: LogConfig;
  /** `none`, `host`, `bridge`, `container:ID` or a network's name; empty or `default`: the default. */
  NetworkMode?: string;
  /** Published ports by container port. */
  PortBindings?: Record<string, PortBinding[]>;
  /** When to start again. */
  RestartPolicy?: RestartPolicy;
  /** Remove it when it has ended. */
  AutoRemove?: boolean;
  /** Volume driver; `local` or empty. */
  VolumeDriver?: string;
  /** Take over these containers' mounts. */
  VolumesFrom?: string[];
  /** Mounts in the long form. */
  Mounts?: Mount[];
  /** Terminal size at the start: rows, columns. */
  ConsoleSize?: [number, number];
  /** Free annotations. */
  Annotations?: Record<string, string>;
  /** Capabilities to add to the default ones, with or without `CAP_`; `ALL`. */
  CapAdd?: string[];
  /** Capabilities to take away. */
  CapDrop?: string[];
  /** Cgroup namespace: `private` (also when empty) or `host`. */
  CgroupnsMode?: string;
  /** Name servers. */
  Dns?: string[];
  /** Resolver options. */
  DnsOptions?: string[];
  /** Search domains. */
  DnsSearch?: string[];
  /** `name:address` for `/etc/hosts`. */
  ExtraHosts?: string[];
  /** More groups for the process, names or numbers. */
  GroupAdd?: string[];
  /** `private`, `shareable`, `host`, `none`, `container:ID`; empty: private. */
  IpcMode?: string;
  /** A cgroup of another container. */
  Cgroup?: string;
  /** Deprecated links, `container:alias`. */
  Links?: string[];
  /** How ready the OOM killer is to take it, -1000 to 1000. */
  OomScoreAdj?: number;
  /** `host`, `container:ID`; empty: its own. */
  PidMode?: string;
  /** All capabilities and devices, nothing masked. */
  Privileged?: boolean;
  /** Publish all exposed ports. */
  PublishAllPorts?: boolean;
  /** The root file system cannot be written. */
  ReadonlyRootfs?: boolean;
  /** `no-new-privileges`, `seccomp=PATH` (read when the container is created), `seccomp=unconfined`, … */
  SecurityOpt?: string[];
  /** Storage driver options. */
  StorageOpt?: Record<string, string>;
  /** In-memory file systems: `{"/run": "size=64m"}`. */
  Tmpfs?: Record<string, string>;
  /** `host`; empty: its own. */
  UTSMode?: string;
  /**
   * User namespace: `host` (also when empty and there are no maps), `private` or `auto` (65,536 ids that no other container has
   * while it runs), `auto:size=N`, `container:ID`.
   */
  UsernsMode?: string;
  /** Whose user ids those of its user namespace are on the host: `container:host[:size]` each. Empty: as the group ids. */
  UidMap?: string[];
  /** The same of group ids. Empty: as the user ids. */
  GidMap?: string[];
  /** Size of `/dev/shm`, bytes; 0: 64 MiB. */
  ShmSize?: number | string;
  /** Kernel parameters of its namespaces. */
  Sysctls?: Record<string, string>;
  /** OCI runtime; empty or `barque`. */
  Runtime?: string;
  /** Windows only. */
  Isolation?: string;
  /** Paths to hide; without it the default list. */
  MaskedPaths?: string[] | null;
  /** Paths that cannot be written; without it the default list. */
  ReadonlyPaths?: string[] | null;
  /** Run a reaper as process 1. */
  Init?: boolean | null;
  /** Relative weight of CPU time; 0: 1,024. */
  CpuShares?: number;
  /** Most memory, bytes; 0: no limit. */
  Memory?: number | string;
  /** CPU limit in billionths of a CPU; 0: no limit. */
  NanoCpus?: number;
  /** Parent cgroup. */
  CgroupParent?: string;
  /** Relative weight of block I/O, 10 to 1,000; 0: the default. */
  BlkioWeight?: number;
  /** The same per device. */
  BlkioWeightDevice?: WeightDevice[];
  /** Most bytes a second read from devices. */
  BlkioDeviceReadBps?: ThrottleDevice[];
  /** Most bytes a second written to devices. */
  BlkioDeviceWriteBps?: ThrottleDevice[];
  /** Most reads a second. */
  BlkioDeviceReadIOps?: ThrottleDevice[];
  /** Most writes a second. */
  BlkioDeviceWriteIOps?: ThrottleDevice[];
  /** Length of a CPU quota period, microseconds. */
  CpuPeriod?: number;
  /** CPU time in a period, microseconds. */
  CpuQuota?: number;
  /** Real-time period, microseconds. */
  CpuRealtimePeriod?: number;
  /** Real-time run time, microseconds. */
  CpuRealtimeRuntime?: number;
  /** CPUs it may use: `0-2,7`. */
  CpusetCpus?: string;
  /** Memory nodes it may use. */
  CpusetMems?: string;
  /** Host devices to give it. */
  Devices?: DeviceMapping[];
  /** Rules of the device cgroup: `c 1:3 rwm`. */
  DeviceCgroupRules?: string[];
  /** GPUs and the like. */
  DeviceRequests?: unknown[];
  /** Most kernel TCP memory, bytes; deprecated. */
  KernelMemoryTCP?: number;
  /** Most kernel memory, bytes; deprecated, refused. */
  KernelMemory?: number;
  /** Soft memory limit, bytes. */
  MemoryReservation?: number | string;
  /** Memory and swap together, bytes; -1: unlimited swap; 0: twice the memory. */
  MemorySwap?: number | string;
  /** How readily memory is swapped, 0 to 100; without it the kernel's own. */
  MemorySwappiness?: number | null;
  /** Don't let the OOM killer take it. */
  OomKillDisable?: boolean | null;
  /** Most processes; 0 or -1: no limit. */
  PidsLimit?: number | null;
  /** Resource limits. */
  Ulimits?: Ulimit[];
  /** Windows only. */
  CpuCount?: number;
  /** Windows only. */
  CpuPercent?: number;
  /** Windows only. */
  IOMaximumIOps?: number;
  /** Windows only. */
  IOMaximumBandwidth?: number;
}

/** What depends on this host: limits, mounts, isolation. Docker's defaults are the zero values. */
export interface HostConfigInspect {
  /** `source:target[:options]` each. */
  Binds: string[];
  /** File to write the id to; the command line's business. */
  ContainerIDFile: string;
  /** How output is kept. */
  LogConfig: LogConfigInspect;
  /** `none`, `host`, `bridge`, `container:ID` or a network's name; empty or `default`: the default. */
  NetworkMode: string;
  /** Published ports by container port. */
  PortBindings: Record<string, PortBindingInspect[]>;
  /** When to start again. */
  RestartPolicy: RestartPolicyInspect;
  /** Remove it when it has ended. */
  AutoRemove: boolean;
  /** Volume driver; `local` or empty. */
  VolumeDriver: string;
  /** Take over these containers' mounts. */
  VolumesFrom: string[];
  /** Mounts in the long form. */
  Mounts: MountInspect[];
  /** Terminal size at the start: rows, columns. */
  ConsoleSize: [number, number];
  /** Free annotations. */
  Annotations: Record<string, string>;
  /** Capabilities to add to the default ones, with or without `CAP_`; `ALL`. */
  CapAdd: string[];
  /** Capabilities to take away. */
  CapDrop: string[];
  /** Cgroup namespace: `private` (also when empty) or `host`. */
  CgroupnsMode: string;
  /** Name servers. */
  Dns: string[];
  /** Resolver options. */
  DnsOptions: string[];
  /** Search domains. */
  DnsSearch: string[];
  /** `name:address` for `/etc/hosts`. */
  ExtraHosts: string[];
  /** More groups for the process, names or numbers. */
  GroupAdd: string[];
  /** `private`, `shareable`, `host`, `none`, `container:ID`; empty: private. */
  IpcMode: string;
  /** A cgroup of another container. */
  Cgroup: string;
  /** Deprecated links, `container:alias`. */
  Links: string[];
  /** How ready the OOM killer is to take it, -1000 to 1000. */
  OomScoreAdj: number;
  /** `host`, `container:ID`; empty: its own. */
  PidMode: string;
  /** All capabilities and devices, nothing masked. */
  Privileged: boolean;
  /** Publish all exposed ports. */
  PublishAllPorts: boolean;
  /** The root file system cannot be written. */
  ReadonlyRootfs: boolean;
  /** `no-new-privileges`, `seccomp=PATH` (read when the container is created), `seccomp=unconfined`, … */
  SecurityOpt: string[];
  /** Storage driver options. */
  StorageOpt: Record<string, string>;
  /** In-memory file systems: `{"/run": "size=64m"}`. */
  Tmpfs: Record<string, string>;
  /** `host`; empty: its own. */
  UTSMode: string;
  /**
   * User namespace: `host` (also when empty and there are no maps), `private` or `auto` (65,536 ids that no other container has
   * while it runs), `auto:size=N`, `container:ID`.
   */
  UsernsMode: string;
  /** Whose user ids those of its user namespace are on the host: `container:host[:size]` each. Empty: as the group ids. */
  UidMap: string[];
  /** The same of group ids. Empty: as the user ids. */
  GidMap: string[];
  /** Size of `/dev/shm`, bytes; 0: 64 MiB. */
  ShmSize: number;
  /** Kernel parameters of its namespaces. */
  Sysctls: Record<string, string>;
  /** OCI runtime; empty or `barque`. */
  Runtime: string;
  /** Windows only. */
  Isolation: string;
  /** Paths to hide; without it the default list. */
  MaskedPaths: string[] | null;
  /** Paths that cannot be written; without it the default list. */
  ReadonlyPaths: string[] | null;
  /** Run a reaper as process 1. */
  Init: boolean | null;
  /** Relative weight of CPU time; 0: 1,024. */
  CpuShares: number;
  /** Most memory, bytes; 0: no limit. */
  Memory: number;
  /** CPU limit in billionths of a CPU; 0: no limit. */
  NanoCpus: number;
  /** Parent cgroup. */
  CgroupParent: string;
  /** Relative weight of block I/O, 10 to 1,000; 0: the default. */
  BlkioWeight: number;
  /** The same per device. */
  BlkioWeightDevice: WeightDeviceInspect[];
  /** Most bytes a second read from devices. */
  BlkioDeviceReadBps: ThrottleDeviceInspect[];
  /** Most bytes a second written to devices. */
  BlkioDeviceWriteBps: ThrottleDeviceInspect[];
  /** Most reads a second. */
  BlkioDeviceReadIOps: ThrottleDeviceInspect[];
  /** Most writes a second. */
  BlkioDeviceWriteIOps: ThrottleDeviceInspect[];
  /** Length of a CPU quota period, microseconds. */
  CpuPeriod: number;
  /** CPU time in a period, microseconds. */
  CpuQuota: number;
  /** Real-time period, microseconds. */
  CpuRealtimePeriod: number;
  /** Real-time run time, microseconds. */
  CpuRealtimeRuntime: number;
  /** CPUs it may use: `0-2,7`. */
  CpusetCpus: string;
  /** Memory nodes it may use. */
  CpusetMems: string;
  /** Host devices to give it. */
  Devices: DeviceMappingInspect[];
  /** Rules of the device cgroup: `c 1:3 rwm`. */
  DeviceCgroupRules: string[];
  /** GPUs and the like. */
  DeviceRequests: unknown[];
  /** Most kernel TCP memory, bytes; deprecated. */
  KernelMemoryTCP: number;
  /** Most kernel memory, bytes; deprecated, refused. */
  KernelMemory: number;
  /** Soft memory limit, bytes. */
  MemoryReservation: number;
  /** Memory and swap together, bytes; -1: unlimited swap; 0: twice the memory. */
  MemorySwap: number;
  /** How readily memory is swapped, 0 to 100; without it the kernel's own. */
  MemorySwappiness: number | null;
  /** Don't let the OOM killer take it. */
  OomKillDisable: boolean | null;
  /** Most processes; 0 or -1: no limit. */
  PidsLimit: number | null;
  /** Resource limits. */
  Ulimits: UlimitInspect[];
  /** Windows only. */
  CpuCount: number;
  /** Windows only. */
  CpuPercent: number;
  /** Windows only. */
  IOMaximumIOps: number;
  /** Windows only. */
  IOMaximumBandwidth: number;
}

/** How output is kept. */
export interface LogConfig {
  /** `json-file` (also when empty), `local` or `none`. */
  Type?: string;
  /** `max-size`, `max-file`; `labels` and `env`: what `Details` of the log shows. */
  Config?: Record<string, string>;
}

/** How output is kept. */
export interface LogConfigInspect {
  /** `json-file` (also when empty), `local` or `none`. */
  Type: string;
  /** `max-size`, `max-file`; `labels` and `env`: what `Details` of the log shows. */
  Config: Record<string, string>;
}

/** Where a published port listens. */
export interface PortBinding {
  /** Address; empty: all. */
  HostIp?: string;
  /** Port or range; empty: a free one. */
  HostPort?: string;
}

/** Where a published port listens. */
export interface PortBindingInspect {
  /** Address; empty: all. */
  HostIp: string;
  /** Port or range; empty: a free one. */
  HostPort: string;
}

/** When to start a container again. */
export interface RestartPolicy {
  /** `no` (also when empty), `always`, `unless-stopped`, `on-failure`. */
  Name?: string;
  /** How often, for `on-failure`; 0: without end. */
  MaximumRetryCount?: number;
}

/** When to start a container again. */
export interface RestartPolicyInspect {
  /** `no` (also when empty), `always`, `unless-stopped`, `on-failure`. */
  Name: string;
  /** How often, for `on-failure`; 0: without end. */
  MaximumRetryCount: number;
}

/** A mount in the long form. */
export interface Mount {
  /** Path inside. */
  Target?: string;
  /** Path on the host, or a volume's name. */
  Source?: string;
  /** `bind`, `volume`, `tmpfs`. */
  Type?: string;
  /** It cannot be written. */
  ReadOnly?: boolean;
  /** Docker Desktop's; ignored. */
  Consistency?: string;
  /** Options of a bind mount. */
  BindOptions?: BindOptions | null;
  /** Options of a volume. */
  VolumeOptions?: VolumeOptions | null;
  /** Options of a tmpfs. */
  TmpfsOptions?: TmpfsOptions | null;
}

/** A mount in the long form. */
export interface MountInspect {
  /** Path inside. */
  Target: string;
  /** Path on the host, or a volume's name. */
  Source: string;
  /** `bind`, `volume`, `tmpfs`. */
  Type: string;
  /** It cannot be written. */
  ReadOnly: boolean;
  /** Docker Desktop's; ignored. */
  Consistency: string;
  /** Options of a bind mount. */
  BindOptions?: BindOptionsInspect;
  /** Options of a volume. */
  VolumeOptions?: VolumeOptionsInspect;
  /** Options of a tmpfs. */
  TmpfsOptions?: TmpfsOptionsInspect;
}

/** Options of a bind mount. */
export interface BindOptions {
  /** `private`, `rprivate` (also when empty), `slave`, `rslave`, `shared` or `rshared`. */
  Propagation?: string;
  /** Without what is mounted below the source. */
  NonRecursive?: boolean;
  /** Make the source, a directory, when it is missing. */
  CreateMountpoint?: boolean;
  /** `ReadOnly` holds for the mount itself and not for those below. */
  ReadOnlyNonRecursive?: boolean;
  /** `ReadOnly` holds for those below too, or else it is an error. */
  ReadOnlyForceRecursive?: boolean;
}

/** Options of a bind mount. */
export interface BindOptionsInspect {
  /** `private`, `rprivate` (also when empty), `slave`, `rslave`, `shared` or `rshared`. */
  Propagation?: string;
  /** Without what is mounted below the source. */
  NonRecursive?: boolean;
  /** Make the source, a directory, when it is missing. */
  CreateMountpoint?: boolean;
  /** `ReadOnly` holds for the mount itself and not for those below. */
  ReadOnlyNonRecursive?: boolean;
  /** `ReadOnly` holds for those below too, or else it is an error. */
  ReadOnlyForceRecursive?: boolean;
}

/** Options of a volume in a container. */
export interface VolumeOptions {
  /** Don't fill it with what the image has in its place. */
  NoCopy?: boolean;
  /** Labels of the volume, if it is made. */
  Labels?: Record<string, string>;
  /** Driver of the volume, if it is made. */
  DriverConfig?: DriverConfig | null;
  /** Path inside the volume to mount instead of the whole. */
  Subpath?: string;
}

/** Options of a volume in a container. */
export interface VolumeOptionsInspect {
  /** Don't fill it with what the image has in its place. */
  NoCopy?: boolean;
  /** Labels of the volume, if it is made. */
  Labels?: Record<string, string>;
  /** Driver of the volume, if it is made. */
  DriverConfig?: DriverConfigInspect;
  /** Path inside the volume to mount instead of the whole. */
  Subpath?: string;
}

/** The driver of a volume that a mount makes. */
export interface DriverConfig {
  /** `local` (also when empty). */
  Name?: string;
  /** Its options. */
  Options?: Record<string, string>;
}

/** The driver of a volume that a mount makes. */
export interface DriverConfigInspect {
  /** `local` (also when empty). */
  Name?: string;
  /** Its options. */
  Options?: Record<string, string>;
}

/** Options of a tmpfs. */
export interface TmpfsOptions {
  /** Most bytes; 0: half of the memory. */
  SizeBytes?: number | string;
  /** Permissions of its root; 0: those of the directory in its place, or 1777. */
  Mode?: number;
  /** More options, `["exec"]` or `["uid", "1000"]` each. */
  Options?: string[][];
}

/** Options of a tmpfs. */
export interface TmpfsOptionsInspect {
  /** Most bytes; 0: half of the memory. */
  SizeBytes?: number;
  /** Permissions of its root; 0: those of the directory in its place, or 1777. */
  Mode?: number;
  /** More options, `["exec"]` or `["uid", "1000"]` each. */
  Options?: string[][];
}

/** Block I/O weight of a device. */
export interface WeightDevice {
  /** Path of the device. */
  Path?: string;
  /** 10 to 1,000. */
  Weight?: number;
}

/** Block I/O weight of a device. */
export interface WeightDeviceInspect {
  /** Path of the device. */
  Path: string;
  /** 10 to 1,000. */
  Weight: number;
}

/** Block I/O limit of a device. */
export interface ThrottleDevice {
  /** Path of the device. */
  Path?: string;
  /** Bytes or operations a second. */
  Rate?: number;
}

/** Block I/O limit of a device. */
export interface ThrottleDeviceInspect {
  /** Path of the device. */
  Path: string;
  /** Bytes or operations a second. */
  Rate: number;
}

/** A host device in the container. */
export interface DeviceMapping {
  /** Path on the host. */
  PathOnHost?: string;
  /** Path inside; empty: the same. */
  PathInContainer?: string;
  /** `r`, `w`, `m`; empty: `rwm`. */
  CgroupPermissions?: string;
}

/** A host device in the container. */
export interface DeviceMappingInspect {
  /** Path on the host. */
  PathOnHost: string;
  /** Path inside; empty: the same. */
  PathInContainer: string;
  /** `r`, `w`, `m`; empty: `rwm`. */
  CgroupPermissions: string;
}

/** A resource limit. */
export interface Ulimit {
  /** `nofile`, `nproc`, … */
  Name?: string;
  /** Soft limit; -1: unlimited. */
  Soft?: number;
  /** Hard limit; -1: unlimited. */
  Hard?: number;
}

/** A resource limit. */
export interface UlimitInspect {
  /** `nofile`, `nproc`, … */
  Name: string;
  /** Soft limit; -1: unlimited. */
  Soft: number;
  /** Hard limit; -1: unlimited. */
  Hard: number;
}

/** Where bytes come from: a path, or a descriptor of this process that stays the caller's. */
export interface Input {
  /** A file or directory. */
  Path?: string;
  /** An open descriptor, read from where it stands to its end. */
  Fd?: number | null;
}

/** Load images from a `docker save` or OCI archive, or an OCI layout directory. */
export interface ImageLoad {
  /** The archive (plain, gzip or zstd) or directory. */
  Input?: Input;
}

/** What was loaded. */
export interface ImageLoaded {
  /** One row an image. */
  Images: LoadedImage[];
  /** What the caller should know. */
  Warnings: string[];
}

/** An image that was loaded. */
export interface LoadedImage {
  /** Its id. */
  Id: string;
  /** Names it has now. */
  Names: string[];
}

/** Save images to one archive. */
export interface ImageSave {
  /**
   * Names, tags, digests, ids or prefixes of ids. A repository alone stands for all its tags; by an id an image is saved without
   * a name.
   */
  Names?: string[];
  /** `os/architecture[/variant]` that the images must be for; empty: any. */
  Platform?: string;
}

/** Make an image of one layer from a root file system. */
export interface ImageImport {
  /** A tar archive (plain, gzip or zstd) or a directory. */
  Input?: Input;
  /** Name and tag to give it; empty: none. */
  Reference?: string;
  /** Dockerfile instructions to apply: `CMD ["sh"]`, `ENV A=1`. */
  Changes?: string[];
  /** Commit message. */
  Message?: string;
  /** `os/architecture[/variant]`; empty: this machine's. */
  Platform?: string;
}

/** An image that was made. */
export interface ImageCreated {
  /** Its id: `sha256:` and 64 hexadecimal digits. */
  Id: string;
}

/** An image: name, tag, digest, id or a prefix of the id. */
export interface ImageRef {
  /** Name, tag, digest, id or prefix. */
  Name?: string;
}

/** List images. */
export interface ImageList {
  /** Those without a name that others are built on too. */
  All?: boolean;
  /** `{"reference": ["busybox*"], "dangling": ["true"], "label": ["a=b"]}`. */
  Filters?: Record<string, string[]>;
}

/** A row of a list, as `GET /images/json` gives it. */
export interface ImageSummary {
  /** Id. */
  Id: string;
  /** Id of the image it was built on, where that is known. */
  ParentId: string;
  /** `name:tag` each. */
  RepoTags: string[];
  /** `name@digest` each. */
  RepoDigests: string[];
  /** When it was made, seconds since 1970. */
  Created: number;
  /** Bytes of its layers, unpacked. */
  Size: number;
  /** Bytes it shares with others; -1: not counted. */
  SharedSize: number;
  /** Labels. */
  Labels: Record<string, string>;
  /** Containers that use it; -1: not counted. */
  Containers: number;
}

/** Everything about an image, as `GET /images/{name}/json` gives it. */
export interface ImageInspect {
  /** Id: the digest of its configuration. */
  Id: string;
  /** `name:tag` each. */
  RepoTags: string[];
  /** `name@digest` each. */
  RepoDigests: string[];
  /** Id of the image it was built on, where that is known. */
  Parent: string;
  /** Commit message. */
  Comment: string;
  /** When it was made, RFC 3339. */
  Created: string;
  /** Version of the program that made it. */
  DockerVersion: string;
  /** Who made it. */
  Author: string;
  /** The configuration containers of it begin with. */
  Config: ContainerConfig;
  /** `amd64`, `arm64`, … */
  Architecture: string;
  /** `v8`, … */
  Variant: string;
  /** `linux`. */
  Os: string;
  /** Bytes of its layers, unpacked. */
  Size: number;
  /** Where its layers are. */
  GraphDriver: GraphDriver;
  /** Its layers. */
  RootFS: RootFs;
  /** When it was last tagged. */
  Metadata: ImageMetadata;
}

/** An image's layers. */
export interface RootFs {
  /** `layers`. */
  Type: string;
  /** Digests of the layers' plain tars (diff ids), lowest first. */
  Layers: string[];
}

/** What the store knows about an image beside its content. */
export interface ImageMetadata {
  /** RFC 3339; `0001-01-01T00:00:00Z` when never. */
  LastTagTime: string;
}

/** Give an image another name. */
export interface ImageTag {
  /** Name, tag, digest, id or prefix. */
  Name?: string;
  /** The new name, with or without a tag. */
  Reference?: string;
}

/** Remove a name from an image, and the image when that was its last. */
export interface ImageRemove {
  /** Name, tag, digest, id or prefix. */
  Name?: string;
  /** Even when it has other names, or stopped containers use it. */
  Force?: boolean;
  /** Keep images without a name that it was built on. */
  NoPrune?: boolean;
}

/** One thing that a removal did: exactly one field is set. */
export interface ImageRemoved {
  /** A name that is gone. */
  Untagged?: string;
  /** An image or layer that is gone. */
  Deleted?: string;
}

/** Remove the images that nothing needs. */
export interface ImagePrune {
  /**
   * `{"dangling": ["false"], "until": ["24h"], "label": ["a=b"], "label!": ["keep"]}`; without `dangling` only those that
   * have no tag.
   */
  Filters?: Record<string, string[]>;
  /** Only say what would go. */
  DryRun?: boolean;
}

/** What was removed. */
export interface ImagesPruned {
  /** Names, images and layers. */
  ImagesDeleted: ImageRemoved[];
  /** Bytes of their layers and blobs that no other image has. */
  SpaceReclaimed: number;
}

/** A row of an image's history, newest first, as `GET /images/{name}/history` gives it. */
export interface HistoryRow {
  /** Id of the image after this step, or `<missing>`. */
  Id: string;
  /** When, seconds since 1970. */
  Created: number;
  /** By which instruction. */
  CreatedBy: string;
  /** Names of that image. */
  Tags: string[];
  /** Bytes the step added. */
  Size: number;
  /** Comment. */
  Comment: string;
}

/** What to create: the body of `POST /networks/create`. */
export interface NetworkCreate {
  /** The network's name, `[a-zA-Z0-9][a-zA-Z0-9_.-]*`. */
  Name?: string;
  /** `bridge` (also when empty). */
  Driver?: string;
  /** `local` (also when empty). */
  Scope?: string;
  /** Nothing outside of it is reached from it. */
  Internal?: boolean;
  /** For overlay networks; the others have no use for it. */
  Attachable?: boolean;
  /** For overlay networks of a swarm. */
  Ingress?: boolean;
  /** No longer said: a name is only ever given once. */
  CheckDuplicate?: boolean;
  /** It is a configuration for others. */
  ConfigOnly?: boolean;
  /** Whose configuration it has. */
  ConfigFrom?: ConfigReference;
  /** Whether it has IPv4; without it yes. */
  EnableIPv4?: boolean | null;
  /** Whether it has IPv6. */
  EnableIPv6?: boolean | null;
  /** Its addresses. */
  IPAM?: Ipam;
  /**
   * Options of the driver: `com.docker.network.driver.mtu`, `com.docker.network.bridge.name`,
   * `com.docker.network.bridge.enable_ip_masquerade`.
   */
  Options?: Record<string, string>;
  /** Labels. */
  Labels?: Record<string, string>;
}

/** The name of a network that is a configuration. */
export interface ConfigReference {
  /** Its name. */
  Network?: string;
}

/** The name of a network that is a configuration. */
export interface ConfigReferenceInspect {
  /** Its name. */
  Network: string;
}

/** How addresses are given. */
export interface Ipam {
  /** `default` (also when empty). */
  Driver?: string;
  /** Options of the driver. */
  Options?: Record<string, string>;
  /** Ranges of addresses; none: one is chosen. */
  Config?: IpamConfig[];
}

/** How addresses are given. */
export interface IpamInspect {
  /** `default` (also when empty). */
  Driver: string;
  /** Options of the driver. */
  Options?: Record<string, string>;
  /** Ranges of addresses; none: one is chosen. */
  Config: IpamConfigInspect[];
}

/** A range of addresses. */
export interface IpamConfig {
  /** The range, `172.20.0.0/16`. */
  Subnet?: string;
  /** The part of it that containers get addresses from. */
  IPRange?: string;
  /** The address of the host in it; empty: the first. */
  Gateway?: string;
  /** Addresses that no container gets, by the name of who has them. */
  AuxiliaryAddresses?: Record<string, string>;
}

/** A range of addresses. */
export interface IpamConfigInspect {
  /** The range, `172.20.0.0/16`. */
  Subnet: string;
  /** The part of it that containers get addresses from. */
  IPRange?: string;
  /** The address of the host in it; empty: the first. */
  Gateway?: string;
  /** Addresses that no container gets, by the name of who has them. */
  AuxiliaryAddresses?: Record<string, string>;
}

/** The answer to a create. */
export interface NetworkCreated {
  /** The new network's id, 64 hexadecimal digits. */
  Id: string;
  /** What the caller should know. */
  Warning: string;
}

/** A network and what to do with it: the request of the verbs that need nothing else. */
export interface NetworkRef {
  /** Its name, its id, or the beginning of the id. */
  Id?: string;
}

/** A network, as `GET /networks/{id}` gives it. */
export interface Network {
  /** Its name. */
  Name: string;
  /** Its id, 64 hexadecimal digits. */
  Id: string;
  /** When it was created, RFC 3339. */
  Created: string;
  /** `local`: it is on this machine. */
  Scope: string;
  /** `bridge`, `host`, `null`. */
  Driver: string;
  /** Whether it has IPv4. */
  EnableIPv4: boolean;
  /** Whether it has IPv6. */
  EnableIPv6: boolean;
  /** Its addresses. */
  IPAM: IpamInspect;
  /** Nothing outside of it is reached from it. */
  Internal: boolean;
  /** As in `NetworkCreate`. */
  Attachable: boolean;
  /** As in `NetworkCreate`. */
  Ingress: boolean;
  /** As in `NetworkCreate`. */
  ConfigFrom: ConfigReferenceInspect;
  /** As in `NetworkCreate`. */
  ConfigOnly: boolean;
  /** The running containers in it, by id; empty in a list. */
  Containers: Record<string, NetworkContainer>;
  /** Options of the driver. */
  Options: Record<string, string>;
  /** Labels. */
  Labels: Record<string, string>;
}

/** A container in a network. */
export interface NetworkContainer {
  /** The container's name. */
  Name: string;
  /** As in `EndpointSettings`. */
  EndpointID: string;
  /** Its Ethernet address. */
  MacAddress: string;
  /** Its address and the length of the subnet's, `172.20.0.2/16`. */
  IPv4Address: string;
  /** The same of IPv6. */
  IPv6Address: string;
}

/** List. */
export interface NetworkList {
  /**
   * `{"driver": ["bridge"], "id": […], "label": ["a=b"], "name": ["web"], "scope": ["local"], "type": ["custom"], "dangling":
   * ["true"]}`.
   */
  Filters?: Record<string, string[]>;
}

/** Remove. */
export interface NetworkRemove {
  /** Its name, its id, or the beginning of the id. */
  Id?: string;
  /** That there is none is fine. */
  Force?: boolean;
}

/** Remove those that no container has. */
export interface NetworkPrune {
  /** `{"until": ["24h"], "label": ["a=b"], "label!": ["keep"]}`. */
  Filters?: Record<string, string[]>;
  /** Only say what would go. */
  DryRun?: boolean;
}

/** What was removed. */
export interface NetworksPruned {
  /** Names. */
  NetworksDeleted: string[];
}

/** Connect a container. */
export interface NetworkConnect {
  /** The network's name, its id, or the beginning of the id. */
  Id?: string;
  /** The container's name, its id, or the beginning of the id. */
  Container?: string;
  /** What the container has there. */
  EndpointConfig?: EndpointSettings;
}

/** Disconnect a container. */
export interface NetworkDisconnect {
  /** The network's name, its id, or the beginning of the id. */
  Id?: string;
  /** The container's name, its id, or the beginning of the id. */
  Container?: string;
  /** That the link cannot be taken away is fine. */
  Force?: boolean;
}

/** The networks that a new container joins. */
export interface NetworkingConfig {
  /** By name. */
  EndpointsConfig?: Record<string, EndpointSettings>;
}

/** What a container has in a network. The first fields are asked for; those from `NetworkID` on are answers, and empty in a request. */
export interface EndpointSettings {
  /** Addresses that it must have. */
  IPAMConfig?: EndpointIpamConfig | null;
  /** Links. */
  Links?: string[];
  /** More names that it has there. */
  Aliases?: string[];
  /** Its Ethernet address; empty: one that follows from its address. */
  MacAddress?: string;
  /** Options of the driver. */
  DriverOpts?: Record<string, string>;
  /** The network with the highest has the default route. */
  GwPriority?: number;
  /** The network's id. */
  NetworkID?: string;
  /** 64 hexadecimal digits; empty while the container does not run. */
  EndpointID?: string;
  /** The address of the host there. */
  Gateway?: string;
  /** Its address; empty while the container does not run. */
  IPAddress?: string;
  /** The length of the subnet's. */
  IPPrefixLen?: number;
  /** The same of IPv6. */
  IPv6Gateway?: string;
  /** The same of IPv6. */
  GlobalIPv6Address?: string;
  /** The same of IPv6. */
  GlobalIPv6PrefixLen?: number;
  /** All names that it has there. */
  DNSNames?: string[];
}

/** What a container has in a network. The first fields are asked for; those from `NetworkID` on are answers, and empty in a request. */
export interface EndpointSettingsInspect {
  /** Addresses that it must have. */
  IPAMConfig?: EndpointIpamConfigInspect;
  /** Links. */
  Links?: string[];
  /** More names that it has there. */
  Aliases: string[];
  /** Its Ethernet address; empty: one that follows from its address. */
  MacAddress: string;
  /** Options of the driver. */
  DriverOpts?: Record<string, string>;
  /** The network with the highest has the default route. */
  GwPriority: number;
  /** The network's id. */
  NetworkID: string;
  /** 64 hexadecimal digits; empty while the container does not run. */
  EndpointID: string;
  /** The address of the host there. */
  Gateway: string;
  /** Its address; empty while the container does not run. */
  IPAddress: string;
  /** The length of the subnet's. */
  IPPrefixLen: number;
  /** The same of IPv6. */
  IPv6Gateway: string;
  /** The same of IPv6. */
  GlobalIPv6Address: string;
  /** The same of IPv6. */
  GlobalIPv6PrefixLen: number;
  /** All names that it has there. */
  DNSNames?: string[];
}

/** Addresses that a container must have in a network. */
export interface EndpointIpamConfig {
  /** Of IPv4. */
  IPv4Address?: string;
  /** Of IPv6. */
  IPv6Address?: string;
  /** Link-local ones. */
  LinkLocalIPs?: string[];
}

/** Addresses that a container must have in a network. */
export interface EndpointIpamConfigInspect {
  /** Of IPv4. */
  IPv4Address?: string;
  /** Of IPv6. */
  IPv6Address?: string;
  /** Link-local ones. */
  LinkLocalIPs?: string[];
}

/** Fetch an image from its registry. */
export interface ImagePull {
  /** Name with tag or digest; without either: `latest`. */
  Name?: string;
  /** `os/architecture[/variant]`; empty: this machine's. */
  Platform?: string;
  /** Credentials; without them those that `docker login` left. */
  Auth?: AuthConfig | null;
  /**
   * `always` (and empty): ask the registry; `missing`: only when there is no such image here; `never`: do not, and fail when there
   * is none.
   */
  Policy?: string;
}

/** An image that was pulled: the last document of the stream. */
export interface ImagePulled {
  /** Its id. */
  Id: string;
  /** The name it was pulled by, in full: `docker.io/library/node:latest`. */
  Name: string;
  /** Digest of the manifest (or index) that the name stands for at the registry. */
  Digest: string;
  /** Whether anything was new here. */
  Downloaded: boolean;
  /** What the caller should know. */
  Warnings: string[];
}

/** Bring an image to its registry. */
export interface ImagePush {
  /** Name with a tag, without one: `latest`. An id is no name: it does not say where to. */
  Name?: string;
  /** All tags that the repository has here; the name has none then. */
  AllTags?: boolean;
  /** Credentials; without them those that `docker login` left. */
  Auth?: AuthConfig | null;
}

/** What was pushed: the last document of the stream. */
export interface ImagePushed {
  /** The repository in full: `docker.io/me/app`. */
  Repository: string;
  /** Each tag, in the order of their names. */
  Tags: PushedTag[];
}

/** A tag that was pushed. */
export interface PushedTag {
  /** The tag. */
  Tag: string;
  /** Digest of the manifest that it stands for at the registry now. */
  Digest: string;
  /** Size of that manifest in bytes. */
  Size: number;
}

/** Search a registry for repositories. */
export interface ImageSearch {
  /** What they have to do with; `registry.example/term` searches another registry than Docker Hub. */
  Term?: string;
  /** At most so many, 1 to 100; 0: 25. */
  Limit?: number;
  /** `is-official` and `is-automated` (`true` or `false`), `stars` (at least). */
  Filters?: Record<string, string[]>;
  /** Credentials; without them those that `docker login` left. */
  Auth?: AuthConfig | null;
}

/** A repository that was found, as `GET /images/search` gives it. */
export interface SearchResult {
  /** Its name. */
  name: string;
  /** What its owner says of it. */
  description: string;
  /** How many like it. */
  star_count: number;
  /** Whether it is one of Docker's own. */
  is_official: boolean;
  /** Always false nowadays. */
  is_automated: boolean;
}

/** Delete from a registry. */
export interface RegistryDelete {
  /** `NAME:TAG`: the tag alone, if the registry can do that. `NAME@DIGEST`: the manifest, with all its tags. */
  Name?: string;
  /** Credentials; without them those that `docker login` left. */
  Auth?: AuthConfig | null;
}

/** Ask a registry what refers to an image. */
export interface RegistryReferrers {
  /** Name with tag or digest; without either: `latest`. */
  Name?: string;
  /** Only those of this kind; empty: all. */
  ArtifactType?: string;
  /** Credentials; without them those that `docker login` left. */
  Auth?: AuthConfig | null;
}

/** What refers to an image: a signature, an attestation, a list of parts. */
export interface Referrer {
  /** Digest of its manifest. */
  Digest: string;
  /** What kind of document that is. */
  MediaType: string;
  /** What it is: `application/vnd.dev.cosign.artifact.sig.v1+json`. */
  ArtifactType: string;
  /** Size of the manifest in bytes. */
  Size: number;
  /** What its maker says of it. */
  Annotations: Record<string, string>;
}

/** Log in to a registry. */
export interface RegistryLogin {
  /** User name and password (or a token), and the registry's name in `serveraddress`; without one it is Docker Hub. */
  Auth?: AuthConfig;
  /** Only ask whether the registry takes them; keep nothing. */
  CheckOnly?: boolean;
}

/** A login that succeeded. */
export interface RegistryLoggedIn {
  /** Docker's words: `Login Succeeded`. */
  Status: string;
  /** The registry's name. */
  ServerAddress: string;
  /** Where the credentials are kept: a file, in which they can be read, or a program `docker-credential-…`. Empty: nowhere. */
  Kept: string;
}

/** Forget the credentials of a registry. */
export interface RegistryLogout {
  /** Its name; empty: Docker Hub. */
  ServerAddress?: string;
}

/** Credentials for a registry, with docker's names for them. */
export interface AuthConfig {
  /** User name. */
  username?: string;
  /** Password. */
  password?: string;
  /** Both, as `config.json` has them: base64 of `username:password`. */
  auth?: string;
  /** Not used by any registry any more. */
  email?: string;
  /** The registry's name. */
  serveraddress?: string;
  /** A refresh token (OAuth2) in the place of a password. */
  identitytoken?: string;
  /** A token that is sent as it is. */
  registrytoken?: string;
}

/** How something goes that takes its time, as `POST /images/create` tells it: one line of many. */
export interface Progress {
  /** What is done: `Downloading`, `Pull complete`. */
  status?: string;
  /** How far it is. */
  progressDetail?: ProgressDetail;
  /** The same as a bar, for those who only print it. */
  progress?: string;
  /** With what: a layer's first 12 digits, a tag, or the number of a build's step. */
  id?: string;
  /** Of a build: the step. */
  step?: BuildStep;
}

/** Numbers of a progress line, in bytes. */
export interface ProgressDetail {
  /** Done. */
  current?: number;
  /** Of how much. */
  total?: number;
}

/** What a container uses. */
export interface ContainerStats {
  /** Name, id or prefix. */
  Id?: string;
  /** Go on, once a second, until the container ends. */
  Stream?: boolean;
  /** One sample, at once. Without it and `Stream` there is one that has another, a second older, in `precpu_stats`. */
  OneShot?: boolean;
}

/** A sample, as `GET /containers/{id}/stats` gives it. Of a container that does not run all is zero. */
export interface StatsResponse {
  /** The container's id. */
  id: string;
  /** Its name, with a slash in front. */
  name: string;
  /** When it was taken, RFC 3339; `0001-01-01T00:00:00Z` when nothing ran. */
  read: string;
  /** When the sample in `precpu_stats` was. */
  preread: string;
  /** Processes. */
  pids_stats: PidsStats;
  /** Disks. */
  blkio_stats: BlkioStats;
  /** Windows only. */
  num_procs: number;
  /** Windows only. */
  storage_stats: Empty;
  /** Processors. */
  cpu_stats: CpuStats;
  /** Processors in the sample before: the difference of the two is what was used in between. */
  precpu_stats: CpuStats;
  /** Memory. */
  memory_stats: MemoryStats;
  /** Network interfaces by name, without the loopback. */
  networks?: Record<string, NetworkStats>;
}

/** Processes and threads. */
export interface PidsStats {
  /** How many there are. */
  current: number;
  /** How many there may be; 0: no limit. */
  limit: number;
}

/** Use of processors. */
export interface CpuStats {
  /** Of the container. */
  cpu_usage: CpuUsage;
  /** Of the whole machine, nanoseconds of all processors, idle ones too. */
  system_cpu_usage: number;
  /** Processors. */
  online_cpus: number;
  /** How it was held back. */
  throttling_data: ThrottlingData;
}

/** Use of processors by a container, nanoseconds. */
export interface CpuUsage {
  /** All. */
  total_usage: number;
  /** By processor, where the kernel counts that (cgroup v1). */
  percpu_usage?: number[];
  /** In the kernel. */
  usage_in_kernelmode: number;
  /** In programs. */
  usage_in_usermode: number;
}

/** How a CPU quota held a container back. */
export interface ThrottlingData {
  /** Periods in which it ran. */
  periods: number;
  /** Periods in which it used up its quota. */
  throttled_periods: number;
  /** Time for which it was held back, nanoseconds. */
  throttled_time: number;
}

/** Use of memory, bytes. */
export interface MemoryStats {
  /** What it has, page cache included. */
  usage: number;
  /** The most it had. */
  max_usage?: number;
  /** The kernel's `memory.stat`. */
  stats: Record<string, number>;
  /** How often it ran into its limit. */
  failcnt?: number;
  /** What it may have; without a limit what the machine has. */
  limit: number;
}

/** Use of disks. */
export interface BlkioStats {
  /** Bytes. */
  io_service_bytes_recursive: BlkioStatEntry[];
  /** Operations. */
  io_serviced_recursive: BlkioStatEntry[];
}

/** A number about a disk. */
export interface BlkioStatEntry {
  /** The device's major number. */
  major: number;
  /** Its minor number. */
  minor: number;
  /** `read`, `write`. */
  op: string;
  /** The number. */
  value: number;
}

/** What went through a network interface. */
export interface NetworkStats {
  /** Bytes received. */
  rx_bytes: number;
  /** Packets received. */
  rx_packets: number;
  /** Errors while receiving. */
  rx_errors: number;
  /** Packets dropped on the way in. */
  rx_dropped: number;
  /** Bytes sent. */
  tx_bytes: number;
  /** Packets sent. */
  tx_packets: number;
  /** Errors while sending. */
  tx_errors: number;
  /** Packets dropped on the way out. */
  tx_dropped: number;
}

/** List a container's processes. */
export interface ContainerTop {
  /** Name, id or prefix. */
  Id?: string;
  /** What to show, as options of `ps`: `-ef` (also when empty), `aux`, `-eo pid,comm`. */
  PsArgs?: string;
}

/** A container's processes, as `GET /containers/{id}/top` gives them. */
export interface ContainerTopResponse {
  /** Titles of the columns. */
  Titles: string[];
  /** A row for each process, its texts in the order of the titles. Process ids are this machine's. */
  Processes: string[][];
}

/** A request without fields. */
export type Nothing = Record<string, never>;

/** The engine and this host, in the words of `GET /info`. */
export interface SystemInfo {
  /** Identity of the engine root: made when the root was. */
  ID: string;
  /** All containers. */
  Containers: number;
  /** Those that run. */
  ContainersRunning: number;
  /** Those that are paused. */
  ContainersPaused: number;
  /** Those that don't run. */
  ContainersStopped: number;
  /** Images. */
  Images: number;
  /** Storage driver, `overlay2`. */
  Driver: string;
  /** The engine root. */
  DockerRootDir: string;
  /** Default log driver. */
  LoggingDriver: string;
  /** `cgroupfs`. */
  CgroupDriver: string;
  /** `1` or `2`; hybrid hosts are `1`, since that's where their controllers are. */
  CgroupVersion: string;
  /** Memory limits can be applied. */
  MemoryLimit: boolean;
  /** Swap limits can be applied. */
  SwapLimit: boolean;
  /** CPU quotas can be applied. */
  CpuCfsQuota: boolean;
  /** CPU shares can be applied. */
  CPUShares: boolean;
  /** CPU sets can be applied. */
  CPUSet: boolean;
  /** Process limits can be applied. */
  PidsLimit: boolean;
  /** The OOM killer can be turned off for a container. */
  OomKillDisable: boolean;
  /** CPUs. */
  NCPU: number;
  /** Memory, bytes. */
  MemTotal: number;
  /** Host name. */
  Name: string;
  /** Kernel release. */
  KernelVersion: string;
  /** Distribution. */
  OperatingSystem: string;
  /** `linux`. */
  OSType: string;
  /** `x86_64`, `aarch64`, … */
  Architecture: string;
  /** barque's version. */
  ServerVersion: string;
  /** `name=seccomp,profile=builtin`, … */
  SecurityOptions: string[];
  /** Default runtime, `barque`. */
  DefaultRuntime: string;
  /** What is missing or degraded on this host. */
  Warnings: string[];
}

/** Versions, in the words of `GET /version`. */
export interface SystemVersion {
  /** barque's version. */
  Version: string;
  /** Version of the Docker Engine API that the documents follow. */
  ApiVersion: string;
  /** `linux`. */
  Os: string;
  /** `amd64`, `arm64`, … */
  Arch: string;
  /** Kernel release. */
  KernelVersion: string;
}

/** Compare everything that is stored with its digest. */
export interface SystemCheck {
  /** Put right what can be: layers from their blobs, files that nothing refers to, the index for other programs. */
  Repair?: boolean;
}

/** What was compared, and what is wrong. */
export interface SystemChecked {
  /** Blobs that were read and hashed. */
  Blobs: number;
  /** Layers that were unpacked again and compared. */
  Layers: number;
  /** Images whose documents were read. */
  Images: number;
  /** What is wrong. Empty: nothing. */
  Problems: CheckProblem[];
}

/** Something that is not as it should be. */
export interface CheckProblem {
  /** `record`, `blob`, `layer`, `image`, `stray` or `index`. */
  Kind: string;
  /** Which one: a digest, or a path in the engine root. */
  Id: string;
  /** What is wrong with it, and the remedy. */
  Problem: string;
  /** Ids of the images that it belongs to. */
  Images: string[];
  /** It was put right. */
  Repaired: boolean;
}

/** What the engine keeps on disk, in the words of `GET /system/df`. */
export interface DiskUsage {
  /** Bytes of all layers that images have. */
  LayersSize: number;
  /** Images, with shared sizes and counts of containers. */
  Images: ImageSummary[];
  /** Containers, with sizes. */
  Containers: ContainerSummary[];
  /** Volumes, with sizes and counts of containers. */
  Volumes: Volume[];
  /** What builds have left for the next. */
  BuildCache: BuildCache[];
  /** Bytes of the blobs that images have (compressed layers, manifests, configurations). Not in Docker's document. */
  BlobsSize: number;
}

/** Remove what nothing needs: containers that do not run, networks, images, and what builds have left. Not in Docker's API: its command asks for each. */
export interface SystemPrune {
  /** All images that no container stands on, not only those without a tag. */
  All?: boolean;
  /** The volumes too that nobody gave a name and no container has. */
  Volumes?: boolean;
  /** `{"until": ["24h"], "label": ["a=b"], "label!": ["keep"]}`, of everything. */
  Filters?: Record<string, string[]>;
  /** Only say what would go. */
  DryRun?: boolean;
}

/** What was removed. */
export interface SystemPruned {
  /** Ids. */
  ContainersDeleted: string[];
  /** Names. */
  NetworksDeleted: string[];
  /** Names. */
  VolumesDeleted: string[];
  /** Names, images and layers. */
  ImagesDeleted: ImageRemoved[];
  /** Ids of records of the build cache. */
  CachesDeleted: string[];
  /** Bytes of all. */
  SpaceReclaimed: number;
}

/** What to create: the body of `POST /volumes/create`. */
export interface VolumeCreate {
  /** The volume's name, `[a-zA-Z0-9][a-zA-Z0-9_.-]+`; empty: one is made up. */
  Name?: string;
  /** `local` (also when empty). */
  Driver?: string;
  /** Options of the driver: `type` (`tmpfs`, or `none` for a directory of the host's), `device`, `o`. */
  DriverOpts?: Record<string, string>;
  /** Labels. */
  Labels?: Record<string, string>;
}

/** A volume and what to do with it: the request of the verbs that need nothing else. */
export interface VolumeRef {
  /** Its name. */
  Name?: string;
}

/** A volume, as `GET /volumes/{name}` gives it. */
export interface Volume {
  /** When it was created, RFC 3339. */
  CreatedAt: string;
  /** `local`. */
  Driver: string;
  /** Labels. */
  Labels: Record<string, string>;
  /** The directory that holds its files. */
  Mountpoint: string;
  /** Its name. */
  Name: string;
  /** Options of the driver. */
  Options: Record<string, string>;
  /** `local`: it is on this machine. */
  Scope: string;
  /** What it takes; only where that was asked for (`system.df`). */
  UsageData?: VolumeUsage;
}

/** What a volume takes. */
export interface VolumeUsage {
  /** Bytes of its files; -1 where they are not on this engine's disk. */
  Size: number;
  /** How many containers have it. */
  RefCount: number;
}

/** List. */
export interface VolumeList {
  /** `{"dangling": ["true"], "label": ["a=b"], "name": ["data"], "driver": ["local"]}`. */
  Filters?: Record<string, string[]>;
}

/** The volumes of a list. */
export interface VolumesListed {
  /** By name. */
  Volumes: Volume[];
  /** What the caller should know. */
  Warnings: string[];
}

/** Remove. */
export interface VolumeRemove {
  /** Its name. */
  Name?: string;
  /** That there is none is fine. */
  Force?: boolean;
}

/** Remove those that no container has. */
export interface VolumePrune {
  /** `{"all": ["true"], "label": ["a=b"], "label!": ["keep"]}`; without `all` only those that nobody gave a name. */
  Filters?: Record<string, string[]>;
  /** Only say what would go. */
  DryRun?: boolean;
}

/** What was removed. */
export interface VolumesPruned {
  /** Names. */
  VolumesDeleted: string[];
  /** Bytes of their files. */
  SpaceReclaimed: number;
}

/** Every operation with its request and answer; a stream's answer is its last document. */
export interface Operations {
  'archive.get': { request: ArchiveGet; answer: PathStat; kind: 'stream' };
  'archive.put': { request: ArchivePut; answer: Nothing; kind: 'unary' };
  'builder.prune': { request: BuilderPrune; answer: BuilderPruned; kind: 'unary' };
  'container.attach': { request: ContainerAttach; answer: ContainerExit; kind: 'stream' };
  'container.commit': { request: ContainerCommit; answer: ImageCreated; kind: 'unary' };
  'container.connect': { request: ContainerConnect; answer: ContainerConnected; kind: 'unary' };
  'container.create': { request: ContainerCreate; answer: ContainerCreated; kind: 'unary' };
  'container.diff': { request: ContainerRef; answer: FilesystemChange[]; kind: 'unary' };
  'container.export': { request: ContainerRef; answer: Nothing; kind: 'stream' };
  'container.inspect': { request: ContainerInspectOptions; answer: ContainerInspect; kind: 'unary' };
  'container.kill': { request: ContainerKill; answer: Nothing; kind: 'unary' };
  'container.list': { request: ContainerList; answer: ContainerSummary[]; kind: 'unary' };
  'container.logs': { request: ContainerLogs; answer: Nothing; kind: 'stream' };
  'container.pause': { request: ContainerRef; answer: Nothing; kind: 'unary' };
  'container.prune': { request: ContainerPrune; answer: ContainersPruned; kind: 'unary' };
  'container.remove': { request: ContainerRemove; answer: Nothing; kind: 'unary' };
  'container.rename': { request: ContainerRename; answer: Nothing; kind: 'unary' };
  'container.resize': { request: ContainerResize; answer: Nothing; kind: 'unary' };
  'container.restart': { request: ContainerRestart; answer: Nothing; kind: 'unary' };
  'container.run': { request: ContainerRun; answer: ContainerExit; kind: 'stream' };
  'container.start': { request: ContainerStart; answer: Nothing; kind: 'unary' };
  'container.stats': { request: ContainerStats; answer: StatsResponse; kind: 'stream' };
  'container.stop': { request: ContainerStop; answer: Nothing; kind: 'unary' };
  'container.top': { request: ContainerTop; answer: ContainerTopResponse; kind: 'unary' };
  'container.unpause': { request: ContainerRef; answer: Nothing; kind: 'unary' };
  'container.update': { request: ContainerUpdate; answer: ContainerUpdated; kind: 'unary' };
  'container.wait': { request: ContainerWait; answer: ContainerExit; kind: 'stream' };
  'exec.create': { request: ExecCreate; answer: ExecCreated; kind: 'unary' };
  'exec.inspect': { request: ExecRef; answer: ExecInspect; kind: 'unary' };
  'exec.kill': { request: ExecKill; answer: Nothing; kind: 'unary' };
  'exec.resize': { request: ExecResize; answer: Nothing; kind: 'unary' };
  'exec.start': { request: ExecStart; answer: ExecExit; kind: 'stream' };
  'file.copy': { request: FileCopy; answer: FileCopied; kind: 'unary' };
  'file.list': { request: FileRef; answer: PathStat[]; kind: 'unary' };
  'file.read': { request: FileRead; answer: PathStat; kind: 'stream' };
  'file.remove': { request: FileRemove; answer: Nothing; kind: 'unary' };
  'file.stat': { request: FileRef; answer: PathStat; kind: 'unary' };
  'file.write': { request: FileWrite; answer: Nothing; kind: 'unary' };
  'image.build': { request: ImageBuild; answer: ImageBuilt; kind: 'stream' };
  'image.history': { request: ImageRef; answer: HistoryRow[]; kind: 'unary' };
  'image.import': { request: ImageImport; answer: ImageCreated; kind: 'unary' };
  'image.inspect': { request: ImageRef; answer: ImageInspect; kind: 'unary' };
  'image.list': { request: ImageList; answer: ImageSummary[]; kind: 'unary' };
  'image.load': { request: ImageLoad; answer: ImageLoaded; kind: 'unary' };
  'image.prune': { request: ImagePrune; answer: ImagesPruned; kind: 'unary' };
  'image.pull': { request: ImagePull; answer: ImagePulled; kind: 'stream' };
  'image.push': { request: ImagePush; answer: ImagePushed; kind: 'stream' };
  'image.remove': { request: ImageRemove; answer: ImageRemoved[]; kind: 'unary' };
  'image.save': { request: ImageSave; answer: Nothing; kind: 'stream' };
  'image.search': { request: ImageSearch; answer: SearchResult[]; kind: 'unary' };
  'image.tag': { request: ImageTag; answer: Nothing; kind: 'unary' };
  'network.connect': { request: NetworkConnect; answer: Nothing; kind: 'unary' };
  'network.create': { request: NetworkCreate; answer: NetworkCreated; kind: 'unary' };
  'network.disconnect': { request: NetworkDisconnect; answer: Nothing; kind: 'unary' };
  'network.inspect': { request: NetworkRef; answer: Network; kind: 'unary' };
  'network.list': { request: NetworkList; answer: Network[]; kind: 'unary' };
  'network.prune': { request: NetworkPrune; answer: NetworksPruned; kind: 'unary' };
  'network.remove': { request: NetworkRemove; answer: Nothing; kind: 'unary' };
  'registry.delete': { request: RegistryDelete; answer: Nothing; kind: 'unary' };
  'registry.login': { request: RegistryLogin; answer: RegistryLoggedIn; kind: 'unary' };
  'registry.logout': { request: RegistryLogout; answer: Nothing; kind: 'unary' };
  'registry.referrers': { request: RegistryReferrers; answer: Referrer[]; kind: 'unary' };
  'system.check': { request: SystemCheck; answer: SystemChecked; kind: 'unary' };
  'system.df': { request: Nothing; answer: DiskUsage; kind: 'unary' };
  'system.events': { request: SystemEvents; answer: EventMessage; kind: 'stream' };
  'system.info': { request: Nothing; answer: SystemInfo; kind: 'unary' };
  'system.prune': { request: SystemPrune; answer: SystemPruned; kind: 'unary' };
  'system.version': { request: Nothing; answer: SystemVersion; kind: 'unary' };
  'volume.create': { request: VolumeCreate; answer: Volume; kind: 'unary' };
  'volume.inspect': { request: VolumeRef; answer: Volume; kind: 'unary' };
  'volume.list': { request: VolumeList; answer: VolumesListed; kind: 'unary' };
  'volume.prune': { request: VolumePrune; answer: VolumesPruned; kind: 'unary' };
  'volume.remove': { request: VolumeRemove; answer: Nothing; kind: 'unary' };
}
