"""The documents: JSON objects as dictionaries, in the words of the Docker Engine API.

Written by `make bless` from core/src/api. A request may leave out any field; an answer has all but those marked.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypedDict

if sys.version_info >= (3, 11):
    from typing import NotRequired
elif TYPE_CHECKING:
    from typing_extensions import NotRequired


class ImageBuild(TypedDict, total=False):
    """Build an image from a Dockerfile."""

    Context: Input
    """The build context: a directory, a tar archive (plain, gzip, zstd, bzip2 or xz), or a lone Dockerfile. Neither path nor descriptor: there is
    none, and `DockerfileText` says it all."""

    Dockerfile: str
    """Path of the Dockerfile in the context; empty: `Dockerfile`."""

    DockerfileText: str
    """The Dockerfile itself, where it is not in the context."""

    BuildContexts: dict[str, str]
    """What stands for stages and images of these names in the Dockerfile: a directory's or tar archive's path, `docker-image://NAME`,
    or `oci-layout://PATH[:TAG][@DIGEST]`."""

    Tags: list[str]
    """Names to give the image."""

    BuildArgs: dict[str, str]
    """Values of `ARG`s. With `SOURCE_DATE_EPOCH` the same files make the same image, bit by bit."""

    Target: str
    """The stage to build, by name or number; empty: the last."""

    Labels: dict[str, str]
    """Labels to give the image beside those of its Dockerfile."""

    Check: bool
    """Only say what the Dockerfile could do better: nothing is built."""

    NoCache: bool
    """Take nothing from the cache."""

    KeepFailed: bool
    """Keep what a `RUN` that fails has left, on all that came before it, as an image without a name. The error's subject is its id."""

    CacheFrom: list[BuildCacheStore]
    """Caches outside of this engine, from which steps are taken that its own has not."""

    CacheTo: list[BuildCacheStore]
    """Where the build's steps go for others to take."""

    Pull: bool
    """Ask the registries for newer base images."""

    Outputs: list[BuildOutput]
    """Where what was built goes; none: it is an image of this engine."""

    Platform: str
    """`os/architecture[/variant]`, which must be this machine's; empty: it is."""

    NetworkMode: str
    """The network of `RUN` instructions that name none: `default`, `none` or `host`."""

    ExtraHosts: list[str]
    """Names for the hosts files of `RUN` instructions: `name:address`."""

    Memory: int | str
    """Most memory of each `RUN` instruction, bytes; 0: no limit."""

    NanoCpus: int
    """Its CPU limit in billionths of a CPU."""

    PidsLimit: int | None
    """Most processes of it; -1: no limit."""

    ShmSize: int | str
    """Size of its /dev/shm, bytes; 0: 64 MiB."""

    Ulimits: list[Ulimit]
    """Its limits of resources (setrlimit(2))."""

    Secrets: dict[str, BuildSecret]
    """What `RUN --mount=type=secret` may have, by id."""

    SSH: dict[str, str]
    """Sockets of the ssh agents that `RUN --mount=type=ssh` may ask, by id; `default` is that of a mount without one."""


class BuildOutput(TypedDict, total=False):
    """Where what was built goes."""

    Type: str
    """`image`, an image of this engine; `docker` or `oci`, an archive of the image, which docker, podman and skopeo load; `tar`, an
    archive of its files; `local`, its files in a directory; `cacheonly`, nothing but what the cache keeps."""

    Path: str
    """Path of the archive or directory."""

    Fd: int | None
    """An open descriptor that the archive is written to, in place of a path."""


class BuildCacheStore(TypedDict, total=False):
    """A cache of builds outside of an engine."""

    Type: str
    """`registry` or `local`."""

    Ref: str
    """Of one at a registry, its name: `registry.example/app:cache`."""

    Path: str
    """Of a local one, its directory."""

    Mode: str
    """Of one that is written: `min`, the steps whose files the image has; `max`, all. Empty: `min`."""


class BuildSecret(TypedDict, total=False):
    """A secret: what is in a file, or a text. It is written down nowhere."""

    Path: str
    """The file that it is in."""

    Value: str | None
    """The secret itself."""


class ImageBuilt(TypedDict):
    """An image that was built: the last document of the stream."""

    Id: str
    """Its id; empty when neither an image nor an archive of one was asked for. What only an archive has is no image of this engine."""

    Digest: str
    """The digest of its manifest."""

    Names: list[str]
    """Names it has now."""

    FullNames: list[str]
    """The same in full: `docker.io/library/app:latest`."""

    Warnings: list[str]
    """What the Dockerfile could do better, and build arguments that nothing uses."""

    Checks: list[BuildCheck]
    """What the build checks found of it, in parts."""


class BuildCheck(TypedDict):
    """Something that is probably not meant."""

    Rule: str
    """The rule, by Docker's name for it."""

    Message: str
    """What it says."""

    Line: int
    """The line that it is about."""

    Excerpt: str
    """That line and those around it."""


class BuilderPrune(TypedDict, total=False):
    """Remove what builds have left in their cache and none uses just now."""

    All: bool
    """Also what images have: their next build begins anew."""

    Filters: dict[str, list[str]]
    """`{"until": ["24h"]}`: what no build has used since; `id`, `type` (`regular`, `exec.cachemount`), `description` (a part of it),
    `shared`, `private`, `inuse`."""

    ReservedSpace: int
    """Bytes to keep, of what was used last; 0: none."""

    MaxUsedSpace: int
    """Most bytes that may stay, of what was used last; 0: as `ReservedSpace` says."""

    MinFreeSpace: int
    """Bytes of the disk to have free afterwards, as far as that leaves `ReservedSpace`; 0: none."""

    DryRun: bool
    """Only say what would go."""


class BuilderPruned(TypedDict):
    """What was removed."""

    CachesDeleted: list[str]
    """Ids of records."""

    SpaceReclaimed: int
    """Bytes."""


class BuildCache(TypedDict):
    """What the build cache has of one step, or a directory of a cache mount."""

    ID: str
    """A digest of what was done, and on which files; of a cache mount, of its id."""

    Parents: list[str]
    """The layer below, if there is one."""

    Type: str
    """`regular`, or `exec.cachemount`."""

    Description: str
    """The instruction."""

    InUse: bool
    """A build that goes on has taken it."""

    Shared: bool
    """An image has its files, too."""

    Size: int
    """Bytes of its layer and of the blob that goes with it."""

    CreatedAt: str
    """When it was made, RFC 3339."""

    LastUsedAt: str
    """When a build last made or took it, RFC 3339."""

    UsageCount: int
    """How often builds have taken it."""


class BuildStep(TypedDict):
    """What a build tells of one of its steps, in a progress line whose `id` is the step's number. The line's `status` says what:
    `Step` it begins, `Log` it has written something, then `Cached`, `Done`, `Failed` or `Cancelled`."""

    name: str
    """Stage, place and instruction: `[build 2/3] RUN make`."""

    output: NotRequired[str]
    """Lines that it wrote; of one that failed the place in the Dockerfile."""

    time: NotRequired[int]
    """Nanoseconds since it began."""


class Empty(TypedDict, total=False):
    """An object without fields: Docker's way to write a set in JSON."""


class ContainerCreate(TypedDict, total=False):
    """What to create: the body of `POST /containers/create`, with the query's `name` and `platform` beside it."""

    Name: str
    """The container's name, `[a-zA-Z0-9][a-zA-Z0-9_.-]*`; empty: one is made up."""

    Platform: str
    """`os/architecture[/variant]` of the image to use; empty: this machine's."""

    Pull: str
    """When to ask the image's registry: `missing` when there is no such image here, `always`; empty and `never`: do not."""

    Hostname: str
    """Host name inside; empty: the first 12 digits of the id."""

    Domainname: str
    """NIS domain name inside."""

    User: str
    """`user`, `uid`, `user:group` and so on; empty: the image's, else root."""

    AttachStdin: bool
    """Whether the creator means to attach to standard input."""

    AttachStdout: bool
    """Whether the creator means to attach to standard output."""

    AttachStderr: bool
    """Whether the creator means to attach to standard error."""

    ExposedPorts: dict[str, Empty]
    """Ports the container listens on: `{"80/tcp": {}}`."""

    Tty: bool
    """Give the container a terminal."""

    OpenStdin: bool
    """Keep its standard input open for attached clients."""

    StdinOnce: bool
    """Close it when the first attached client leaves."""

    Env: list[str] | dict[str, str | int | float | bool]
    """Environment, `KEY=VALUE` each, or a map."""

    Cmd: str | list[str] | None
    """Arguments; without them the image's."""

    Healthcheck: HealthConfig | None
    """How its health is looked at; what this leaves out is the image's."""

    ArgsEscaped: bool
    """Windows only; must be false."""

    Image: str
    """Name, tag, digest or id of the image."""

    Volumes: dict[str, Empty]
    """Anonymous volumes: `{"/data": {}}`."""

    WorkingDir: str
    """Working directory inside; empty: the image's, else `/`. Made when missing."""

    Entrypoint: str | list[str] | None
    """Program and first arguments; without it the image's. An empty list clears the image's."""

    NetworkDisabled: bool
    """The same as `HostConfig.NetworkMode` `none`."""

    MacAddress: str
    """Ethernet address on the default network."""

    OnBuild: list[str]
    """Build triggers, kept for `commit`."""

    Labels: dict[str, str]
    """Labels; the image's are added where they don't clash."""

    StopSignal: str
    """Signal that `stop` begins with; empty: the image's, else SIGTERM."""

    StopTimeout: int | None
    """Seconds `stop` waits before SIGKILL; without it 10."""

    Shell: str | list[str]
    """Shell for the shell form, kept for `commit`."""

    HostConfig: HostConfig
    """What depends on this host: limits, mounts, isolation."""

    NetworkingConfig: NetworkingConfig | None
    """Networks to join, and what is asked for there."""


class ContainerCreated(TypedDict):
    """The answer to a create."""

    Id: str
    """The new container's id, 64 hexadecimal digits."""

    Warnings: list[str]
    """What the caller should know."""


class ContainerRef(TypedDict, total=False):
    """A container and what to do with it: the request of the verbs that need nothing else."""

    Id: str
    """Name, id, or a prefix of the id that no other has."""


class ContainerInspectOptions(TypedDict, total=False):
    """Which container to tell everything about."""

    Id: str
    """Name, id, or a prefix of the id that no other has."""

    Size: bool
    """Report the size of the writable layer too."""


class ContainerStart(TypedDict, total=False):
    """Start."""

    Id: str
    """Name, id or prefix."""

    Tied: bool
    """Kill it when the process that called dies, in whatever way; a restart policy does not start it again then."""


class ContainerRun(TypedDict, total=False):
    """Create, start and follow to the end: `docker run` as one call."""

    Create: ContainerCreate
    """What to run. `HostConfig.AutoRemove` is Docker's `--rm`."""

    Id: str
    """Run this container, which exists and does not run, instead of creating one: name, id or prefix. The output is then
    complete from its first byte, which an attach after a start cannot promise."""

    TimeoutMs: int
    """End it (SIGKILL, reason `timeout`) when it still runs after so many milliseconds; 0: no limit."""

    Tied: bool
    """Kill it when the process that called dies or closes the stream."""


class ContainerExit(TypedDict):
    """The last document of a run or attach stream, and the answer to a wait."""

    Id: str
    """The container's id."""

    StatusCode: int
    """Its exit code: the process's own, or 128 + the signal that killed it; 125 when it is not known."""

    Reason: str
    """Why it ended: `exited`, `signaled`, `killed`, `stopped`, `stop-timeout`, `oom-killed`, `owner-gone`, `timeout`,
    `start-failed` or `monitor-died`."""

    OOMKilled: bool
    """The kernel's OOM killer killed a process in it."""

    Error: NotRequired[WaitError]
    """What went wrong, where something did: Docker's `{"Message": …}`."""


class WaitError(TypedDict):
    """Docker's error inside the answer to a wait."""

    Message: str
    """For a person."""


class ContainerStop(TypedDict, total=False):
    """Stop."""

    Id: str
    """Name, id or prefix."""

    Timeout: int | None
    """Seconds before SIGKILL; without it the container's own, else 10; negative: wait for ever."""

    Signal: str
    """Signal to begin with; empty: the container's own."""


class ContainerRestart(TypedDict, total=False):
    """Stop and start again."""

    Id: str
    """Name, id or prefix."""

    Timeout: int | None
    """Seconds before SIGKILL; without it the container's own, else 10; negative: wait for ever."""

    Signal: str
    """Signal to begin with; empty: the container's own."""


class ContainerRename(TypedDict, total=False):
    """Give another name."""

    Id: str
    """Name, id or prefix."""

    Name: str
    """The new name."""


class ContainerUpdate(TypedDict, total=False):
    """Change limits and restart policy: the body of `POST /containers/{id}/update`. What is not named, or 0, stays."""

    Id: str
    """Name, id or prefix."""

    Memory: int | str
    """Most memory, bytes."""

    MemorySwap: int | str
    """Memory and swap together, bytes; -1: unlimited swap."""

    MemoryReservation: int | str
    """Soft memory limit, bytes."""

    CpuShares: int
    """Relative weight of CPU time."""

    CpuPeriod: int
    """Length of a CPU quota period, microseconds."""

    CpuQuota: int
    """CPU time in a period, microseconds."""

    CpuRealtimePeriod: int
    """Real-time period, microseconds."""

    CpuRealtimeRuntime: int
    """Real-time run time, microseconds."""

    CpusetCpus: str
    """CPUs it may use: `0-2,7`."""

    CpusetMems: str
    """Memory nodes it may use."""

    NanoCpus: int
    """CPU limit in billionths of a CPU."""

    PidsLimit: int | None
    """Most processes; -1: no limit."""

    BlkioWeight: int
    """Relative weight of block I/O, 10 to 1,000."""

    RestartPolicy: RestartPolicy | None
    """When to start it again."""


class ContainerUpdated(TypedDict):
    """What `container.update` has done."""

    Warnings: list[str]
    """What the caller should know."""


class ContainerKill(TypedDict, total=False):
    """Kill."""

    Id: str
    """Name, id or prefix."""

    Signal: str
    """`KILL`, `SIGKILL`, `9`; empty: SIGKILL."""


class ContainerConnect(TypedDict, total=False):
    """Connect."""

    Id: str
    """Name, id or prefix."""

    Port: int
    """TCP port in the container."""

    TimeoutMs: int
    """How long to wait until somebody listens, milliseconds; 0: not at all."""


class ContainerConnected(TypedDict):
    """What connecting gives."""

    Descriptor: int
    """The connected socket, a descriptor of this process: whoever asked has to close it."""


class ContainerWait(TypedDict, total=False):
    """Wait."""

    Id: str
    """Name, id or prefix."""

    Condition: str
    """`not-running` (also when empty), `next-exit` or `removed`."""


class ContainerRemove(TypedDict, total=False):
    """Remove."""

    Id: str
    """Name, id or prefix."""

    Force: bool
    """Kill it first when it runs."""

    Volumes: bool
    """Remove its anonymous volumes too."""


class ContainerPrune(TypedDict, total=False):
    """Remove those that do not run."""

    Filters: dict[str, list[str]]
    """`{"until": ["24h"], "label": ["a=b"], "label!": ["keep"]}`."""

    DryRun: bool
    """Only say what would go."""


class ContainersPruned(TypedDict):
    """What was removed."""

    ContainersDeleted: list[str]
    """Ids."""

    SpaceReclaimed: int
    """Bytes of what they had written."""


class ContainerLogs(TypedDict, total=False):
    """Read the log."""

    Id: str
    """Name, id or prefix."""

    Follow: bool
    """Go on until the container ends."""

    Stdout: bool
    """Standard output."""

    Stderr: bool
    """Standard error."""

    Since: str
    """Only what was written at or after: RFC 3339, seconds since 1970, or a duration ago (`10m`)."""

    Until: str
    """Only what was written before; the same forms."""

    Timestamps: bool
    """Begin every line with its time."""

    Tail: str
    """Only the last so many lines; empty or `all`: all."""

    Details: bool
    """Begin every line (behind its time) with the labels and variables that the log options `labels` and `env` name."""


class ContainerAttach(TypedDict, total=False):
    """Attach to a running container."""

    Id: str
    """Name, id or prefix."""

    Stdin: bool
    """Send standard input."""

    Stdout: bool
    """Receive standard output."""

    Stderr: bool
    """Receive standard error."""


class ContainerResize(TypedDict, total=False):
    """Set the size of a container's terminal."""

    Id: str
    """Name, id or prefix."""

    H: int
    """Rows."""

    W: int
    """Columns."""


class ContainerList(TypedDict, total=False):
    """List."""

    All: bool
    """Those that don't run too."""

    Limit: int
    """At most so many, the newest; 0: all. Implies `All`."""

    Filters: dict[str, list[str]]
    """`{"status": ["exited"], "label": ["a=b"], "name": ["web"]}`."""

    Size: bool
    """Report the size of the writable layer too."""


class PortSummary(TypedDict):
    """A port in a list of containers."""

    IP: NotRequired[str]
    """Address on the host; absent when it is not published."""

    PrivatePort: int
    """Port in the container."""

    PublicPort: NotRequired[int]
    """Port on the host; absent when it is not published."""

    Type: str
    """`tcp`, `udp` or `sctp`."""


class ContainerSummary(TypedDict):
    """A row of a list, as `GET /containers/json` gives it."""

    Id: str
    """Id."""

    Names: list[str]
    """Names, each with a slash in front."""

    Image: str
    """The image as it was asked for."""

    ImageID: str
    """Its id."""

    Command: str
    """The command as one line."""

    Created: int
    """When it was created, seconds since 1970."""

    Ports: list[PortSummary]
    """Ports that it listens on or that are published, the published ones while it runs."""

    SizeRw: NotRequired[int]
    """Bytes in the writable layer."""

    SizeRootFs: NotRequired[int]
    """Bytes of all layers."""

    Labels: dict[str, str]
    """Labels."""

    State: str
    """`created`, `running`, `exited`, …"""

    Status: str
    """The same for people: `Up 5 seconds`, `Exited (0) 2 minutes ago`."""

    HostConfig: SummaryHostConfig
    """Its network mode."""

    NetworkSettings: SummaryNetworks
    """Its networks."""

    Mounts: list[MountPoint]
    """Its mounts."""


class SummaryHostConfig(TypedDict):
    """The part of the host configuration that a list shows."""

    NetworkMode: str
    """`none`, `host`, a network's name."""


class SummaryNetworks(TypedDict):
    """The networks in a list."""

    Networks: dict[str, EndpointSettingsInspect]
    """By name."""


class ContainerInspect(TypedDict):
    """Everything about a container, as `GET /containers/{id}/json` gives it."""

    Id: str
    """Id."""

    Created: str
    """When it was created, RFC 3339."""

    Path: str
    """The program."""

    Args: list[str]
    """Its arguments."""

    State: ContainerState
    """How it is."""

    Image: str
    """The image's id."""

    ResolvConfPath: str
    """Where its `resolv.conf` is kept."""

    HostnamePath: str
    """Where its `hostname` is kept."""

    HostsPath: str
    """Where its `hosts` is kept."""

    LogPath: str
    """Where its log is kept."""

    Name: str
    """Its name, with a slash in front."""

    RestartCount: int
    """How often its restart policy has restarted it."""

    Driver: str
    """Storage driver."""

    Platform: str
    """`linux`."""

    MountLabel: str
    """SELinux label of its mounts."""

    ProcessLabel: str
    """SELinux label of its processes."""

    AppArmorProfile: str
    """AppArmor profile."""

    ExecIDs: list[str] | None
    """Running execs."""

    HostConfig: HostConfigInspect
    """What depends on this host."""

    GraphDriver: GraphDriver
    """Where its layers are."""

    SizeRw: NotRequired[int]
    """Bytes in the writable layer."""

    SizeRootFs: NotRequired[int]
    """Bytes of all layers."""

    Mounts: list[MountPoint]
    """Its mounts."""

    Config: ContainerConfig
    """The configuration it runs with: the image's and the caller's, merged."""

    NetworkSettings: NetworkSettings
    """Its networks."""


class MountPoint(TypedDict):
    """Something mounted into a container."""

    Type: str
    """`bind`, `volume`, `tmpfs`."""

    Name: NotRequired[str]
    """The volume."""

    Source: str
    """The path on the host; of a volume, where its files are."""

    Destination: str
    """Path inside."""

    Driver: NotRequired[str]
    """The volume's driver."""

    Mode: str
    """Mode as of the short form: `ro`, `z`."""

    RW: bool
    """It can be written."""

    Propagation: str
    """Propagation of a bind mount."""


class ContainerState(TypedDict):
    """How a container is."""

    Status: str
    """`created`, `running`, `paused`, `restarting`, `removing`, `exited`, `dead`."""

    Running: bool
    """Its process runs."""

    Paused: bool
    """It is frozen."""

    Restarting: bool
    """Its restart policy is about to start it again."""

    OOMKilled: bool
    """The kernel's OOM killer killed a process in it."""

    Dead: bool
    """Its removal failed half way."""

    Pid: int
    """Its process 1 as this process's pid namespace numbers it; 0 when it doesn't run."""

    ExitCode: int
    """Exit code of the last run."""

    Error: str
    """What went wrong in the last run."""

    ExitReason: str
    """Why the last run ended, as in `ContainerExit.Reason`; empty before that. Not in Docker's document."""

    StartedAt: str
    """When the last run began, RFC 3339; `0001-01-01T00:00:00Z` before that."""

    FinishedAt: str
    """When it ended; the same."""

    Health: NotRequired[Health]
    """How healthy it is, where there is a health check."""


class GraphDriver(TypedDict):
    """Where a container's layers are."""

    Name: str
    """`overlay2`, Docker's name for what this is."""

    Data: dict[str, str]
    """`LowerDir`, `UpperDir`, `WorkDir`, `MergedDir`."""


class NetworkSettings(TypedDict):
    """A container's networks."""

    Ports: dict[str, list[PortBindingInspect] | None]
    """Its ports by `80/tcp`, and where on this host each is published while it runs; `null`: nowhere."""

    SandboxKey: str
    """Path of its network namespace while it runs."""

    EndpointID: str
    """What it has in the default network, said again; empty when it is not in that, or does not run."""

    Gateway: str
    """The same."""

    IPAddress: str
    """The same."""

    IPPrefixLen: int
    """The same."""

    MacAddress: str
    """The same."""

    Networks: dict[str, EndpointSettingsInspect]
    """Networks by name."""


class ContainerConfig(TypedDict):
    """The configuration a container runs with, as `Config` in an inspect document."""

    Hostname: str
    """Host name."""

    Domainname: str
    """NIS domain name."""

    User: str
    """User."""

    AttachStdin: bool
    """As in `ContainerCreate`."""

    AttachStdout: bool
    """As in `ContainerCreate`."""

    AttachStderr: bool
    """As in `ContainerCreate`."""

    ExposedPorts: NotRequired[dict[str, Empty]]
    """Ports."""

    Tty: bool
    """Terminal."""

    OpenStdin: bool
    """Standard input is kept open."""

    StdinOnce: bool
    """… for one client."""

    Env: list[str]
    """Environment."""

    Cmd: list[str] | None
    """Arguments."""

    Healthcheck: NotRequired[HealthConfigInspect]
    """Health check."""

    Image: str
    """The image as it was asked for."""

    Volumes: dict[str, Empty] | None
    """Anonymous volumes."""

    WorkingDir: str
    """Working directory."""

    Entrypoint: list[str] | None
    """Program and first arguments."""

    OnBuild: list[str] | None
    """Build triggers."""

    Labels: dict[str, str]
    """Labels."""

    StopSignal: NotRequired[str]
    """Stop signal."""

    StopTimeout: NotRequired[int]
    """Seconds before SIGKILL."""

    Shell: NotRequired[list[str]]
    """Shell."""


class SystemEvents(TypedDict, total=False):
    """Which events to give: the query of `GET /events`, and a cursor."""

    Since: str
    """Those that happened at or after this too, as far as they are kept: RFC 3339, seconds since 1970, or a duration ago
    (`10m`). Without it and `Cursor` only those that happen from now on."""

    Until: str
    """The stream ends at this time; the same forms. Without it it goes on."""

    Filters: dict[str, list[str]]
    """`{"type": ["container"], "event": ["die"], "label": ["a=b"]}`. Values of one name are alternatives, but every label
    must hold; names must all hold."""

    Cursor: str
    """Go on behind the event that had this `cursor`: nothing that happened since is left out, or it is an error. Not in
    Docker's query."""


_EventMessageKeywords = TypedDict(
    "_EventMessageKeywords",
    {
        # The image of a container. Docker's old name for it.
        "from": "NotRequired[str]",
    },
)


class EventMessage(_EventMessageKeywords):
    """Something has happened: what `GET /events` sends."""

    status: NotRequired[str]
    """The action, of containers and images. Docker's old name for it."""

    id: NotRequired[str]
    """The actor's id, of containers and images. Docker's old name for it."""

    Type: str
    """`container`, `image`, `volume`, `network`."""

    Action: str
    """What has happened: `create`, `start`, `die`, `health_status: healthy`, …"""

    Actor: EventActor
    """To what."""

    scope: str
    """`local`."""

    time: int
    """When, seconds since 1970."""

    timeNano: int
    """When, nanoseconds since 1970."""

    cursor: str
    """Where to go on from, for `SystemEvents.Cursor`. Not in Docker's document."""


class EventActor(TypedDict):
    """What an event has happened to."""

    ID: str
    """Its id, or the name of what has none."""

    Attributes: dict[str, str]
    """Its name, image and labels, and what the action is about (`exitCode`, `signal`, `execID`)."""


class ExecCreate(TypedDict, total=False):
    """What to run in a container: the body of `POST /containers/{id}/exec`, with the container beside it."""

    Container: str
    """The container: name, id or prefix. It must run."""

    AttachStdin: bool
    """Send standard input."""

    AttachStdout: bool
    """Receive standard output; it is dropped otherwise."""

    AttachStderr: bool
    """Receive standard error; it is dropped otherwise."""

    Tty: bool
    """Give it a terminal."""

    ConsoleSize: list[int]
    """Size of its terminal at first: rows and columns."""

    Env: list[str] | dict[str, str | int | float | bool]
    """Environment, `KEY=VALUE` each, or a map; added to the container's."""

    Cmd: str | list[str] | None
    """Command and arguments."""

    Privileged: bool
    """Give it all capabilities."""

    User: str
    """`user`, `uid`, `user:group` and so on; empty: the container's."""

    WorkingDir: str
    """Working directory, absolute; empty: the container's."""


class ExecCreated(TypedDict):
    """What `exec.create` has made."""

    Id: str
    """Its id: 64 hexadecimal digits."""


class ExecRef(TypedDict, total=False):
    """Which one."""

    Id: str
    """Its id."""


class ExecStart(TypedDict, total=False):
    """Start one: the body of `POST /exec/{id}/start`."""

    Id: str
    """Its id."""

    Detach: bool
    """Let it go on by itself: the stream ends at once, and output is dropped. Otherwise it ends with its stream: closing that
    before kills it and all that it has started."""

    ConsoleSize: list[int]
    """Size of its terminal at first: rows and columns."""

    TimeoutMs: int
    """Kill it and all that it has started (reason `timeout`) when it still runs after so many milliseconds; 0: no limit."""


class ExecExit(TypedDict):
    """The last document of the stream of `exec.start`."""

    ID: str
    """Its id."""

    Running: bool
    """It goes on: it was started with `Detach`."""

    ExitCode: NotRequired[int]
    """Its exit code: the process's own, or 128 + the signal that killed it; 125 when it is not known. Nothing while it runs."""

    Reason: str
    """Why it ended: `exited`, `signaled`, `killed`, `timeout` or `monitor-died`."""


class ExecKill(TypedDict, total=False):
    """Send one a signal."""

    Id: str
    """Its id."""

    Signal: str
    """`TERM`, `SIGTERM`, `15`; empty: SIGKILL, which all that it has started gets too."""


class ExecResize(TypedDict, total=False):
    """Set the size of one's terminal."""

    Id: str
    """Its id."""

    H: int
    """Rows."""

    W: int
    """Columns."""


class ExecInspect(TypedDict):
    """Everything about one."""

    ID: str
    """Its id."""

    ContainerID: str
    """Its container's id."""

    Running: bool
    """It was started and has not ended."""

    ExitCode: int | None
    """Its exit code; nothing before it has ended."""

    Pid: int
    """Its pid on the host while it runs, else 0."""

    OpenStdin: bool
    """It takes input."""

    OpenStdout: bool
    """Its standard output is wanted."""

    OpenStderr: bool
    """Its standard error is wanted."""

    CanRemove: bool
    """It can be forgotten."""

    ProcessConfig: ExecProcess
    """What it is."""


class ExecProcess(TypedDict):
    """What a process is, as `exec.inspect` has it."""

    tty: bool
    """It has a terminal."""

    entrypoint: str
    """The command."""

    arguments: list[str]
    """Its arguments."""

    privileged: bool
    """It has all capabilities."""

    user: str
    """The user, where one was asked for."""


class ArchiveGet(TypedDict, total=False):
    """Pack what is at a path of a container (`GET /containers/{id}/archive`)."""

    Id: str
    """Name, id or prefix."""

    Path: str
    """The path. A last symbolic link is packed as one, unless `/` or `/.` follows."""


class ArchivePut(TypedDict, total=False):
    """Unpack an archive into a directory of a container (`PUT /containers/{id}/archive`)."""

    Id: str
    """Name, id or prefix."""

    Path: str
    """The directory, which must be there."""

    Input: Input
    """The tar archive: plain, gzip or zstd."""

    NoOverwriteDirNonDir: bool
    """A directory does not replace anything else, nor anything else a directory: that is an error."""

    CopyUIDGID: bool
    """Everything belongs to the container's user, instead of to whom the archive says."""


class FileRef(TypedDict, total=False):
    """A path of a container."""

    Id: str
    """Name, id or prefix."""

    Path: str
    """The path. A last symbolic link stands for itself, unless `/` or `/.` follows."""


class FileRead(TypedDict, total=False):
    """Read a file of a container."""

    Id: str
    """Name, id or prefix."""

    Path: str
    """The file. Links are followed, inside the container."""

    Offset: int
    """Where to begin, bytes."""

    Limit: int
    """Most bytes to read; 0: all."""


class FileWrite(TypedDict, total=False):
    """Make a file in a container, or replace one: others see the old one or the new one, whole."""

    Id: str
    """Name, id or prefix."""

    Path: str
    """The file. Links are followed, inside the container."""

    Input: Input
    """Its content."""

    Mode: int | None
    """Its permissions; without it those of the file that was there, or 0644."""

    User: str
    """Its owner: `user`, `uid`, `user:group` and so on, looked up in the container; empty: that of the file that was there, or root."""

    Parents: bool
    """Make directories that are missing."""


class FileRemove(TypedDict, total=False):
    """Remove what is at a path of a container."""

    Id: str
    """Name, id or prefix."""

    Path: str
    """The path. A last symbolic link is removed itself."""

    Recursive: bool
    """A directory with everything in it."""


class FileCopy(TypedDict, total=False):
    """Copy between this host and a container, as `docker cp` does: exactly one of the two places is in a container."""

    Source: CopyPlace
    """What is copied. `/.` at the end of a directory: its content, and not the directory itself."""

    Destination: CopyPlace
    """Where to. What is there decides, as in the table of `docker container cp`."""

    Archive: bool
    """Keep owners. Without it everything belongs to root in a container, and to the caller on the host."""

    FollowLink: bool
    """Follow a symbolic link that is the source."""


class CopyPlace(TypedDict, total=False):
    """One end of a copy."""

    Id: str
    """Name, id or prefix of a container; empty: this host."""

    Path: str
    """The path. On the host a relative one begins at the caller's working directory, in a container at `/`."""


class FileCopied(TypedDict):
    """What was copied."""

    Size: int
    """Bytes that went from one side to the other, as an archive."""

    Path: str
    """The path that was copied to, links followed."""


class PathStat(TypedDict):
    """What is at a path, as `X-Docker-Container-Path-Stat` tells it, with the owner."""

    name: str
    """Last component of the path."""

    size: int
    """Bytes."""

    mode: int
    """Permissions and kind as Go's `os.FileMode` has them: `0x80000000` is a directory, `0x8000000` a symbolic link."""

    mtime: str
    """Time of last change, RFC 3339."""

    linkTarget: str
    """Of a symbolic link: the path it leads to in the end; in a list its text."""

    uid: int
    """Owner."""

    gid: int
    """Group."""


class FilesystemChange(TypedDict):
    """A path that is not as in the image (`GET /containers/{id}/changes`)."""

    Path: str
    """The path."""

    Kind: int
    """0: changed, 1: added, 2: deleted."""


class ContainerCommit(TypedDict, total=False):
    """Make an image of a container (`POST /commit`)."""

    Id: str
    """Name, id or prefix."""

    Reference: str
    """Name of the image, with or without a tag; empty: none."""

    Changes: list[str]
    """Dockerfile instructions that change its configuration: `CMD`, `ENV` and so on."""

    Author: str
    """Who made it."""

    Message: str
    """Commit message."""

    Pause: bool
    """Freeze a running container while its files are read; `true` unless said otherwise."""


class HealthConfig(TypedDict, total=False):
    """How a container's health is looked at. Times are nanoseconds; 0 everywhere: the image's, else the default."""

    Test: str | list[str]
    """`["CMD", program, arguments…]`, `["CMD-SHELL", command]`, `["NONE"]` for none; empty: the image's."""

    Interval: int
    """Time between the end of a check and the next; by default 30 s."""

    Timeout: int
    """How long a check may take; by default 30 s."""

    StartPeriod: int
    """How long failures do not count after the start, until a check has passed; by default none."""

    StartInterval: int
    """Time between checks meanwhile; by default 5 s."""

    Retries: int
    """How many checks have to fail one after another for *unhealthy*; by default 3."""


class HealthConfigInspect(TypedDict):
    """How a container's health is looked at. Times are nanoseconds; 0 everywhere: the image's, else the default."""

    Test: NotRequired[list[str]]
    """`["CMD", program, arguments…]`, `["CMD-SHELL", command]`, `["NONE"]` for none; empty: the image's."""

    Interval: NotRequired[int]
    """Time between the end of a check and the next; by default 30 s."""

    Timeout: NotRequired[int]
    """How long a check may take; by default 30 s."""

    StartPeriod: NotRequired[int]
    """How long failures do not count after the start, until a check has passed; by default none."""

    StartInterval: NotRequired[int]
    """Time between checks meanwhile; by default 5 s."""

    Retries: NotRequired[int]
    """How many checks have to fail one after another for *unhealthy*; by default 3."""


class Health(TypedDict):
    """How healthy a container is."""

    Status: str
    """`starting`, `healthy` or `unhealthy`; the last also when it does not run."""

    FailingStreak: int
    """How many checks have failed since the last that passed."""

    Log: list[HealthcheckResult]
    """The last five checks, the newest last."""


class HealthcheckResult(TypedDict):
    """What a check has found."""

    Start: str
    """When it began, RFC 3339."""

    End: str
    """When it ended."""

    ExitCode: int
    """Its exit code: 0 is healthy; -1: it could not be run, or took too long."""

    Output: str
    """The first 4096 bytes of what it wrote, or why it has none."""


class HostConfig(TypedDict, total=False):
    """What depends on this host: limits, mounts, isolation. Docker's defaults are the zero values."""

    Binds: list[str]
    """`source:target[:options]` each."""

    ContainerIDFile: str
    """File to write the id to; the command line's business."""

    LogConfig: LogConfig
    """How output is kept."""

    NetworkMode: str
    """`none`, `host`, `bridge`, `container:ID` or a network's name; empty or `default`: the default."""

    PortBindings: dict[str, list[PortBinding]]
    """Published ports by container port."""

    RestartPolicy: RestartPolicy
    """When to start again."""

    AutoRemove: bool
    """Remove it when it has ended."""

    VolumeDriver: str
    """Volume driver; `local` or empty."""

    VolumesFrom: list[str]
    """Take over these containers' mounts."""

    Mounts: list[Mount]
    """Mounts in the long form."""

    ConsoleSize: list[int]
    """Terminal size at the start: rows, columns."""

    Annotations: dict[str, str]
    """Free annotations."""

    CapAdd: list[str]
    """Capabilities to add to the default ones, with or without `CAP_`; `ALL`."""

    CapDrop: list[str]
    """Capabilities to take away."""

    CgroupnsMode: str
    """Cgroup namespace: `private` (also when empty) or `host`."""

    Dns: list[str]
    """Name servers."""

    DnsOptions: list[str]
    """Resolver options."""

    DnsSearch: list[str]
    """Search domains."""

    ExtraHosts: list[str]
    """`name:address` for `/etc/hosts`."""

    GroupAdd: list[str]
    """More groups for the process, names or numbers."""

    IpcMode: str
    """`private`, `shareable`, `host`, `none`, `container:ID`; empty: private."""

    Cgroup: str
    """A cgroup of another container."""

    Links: list[str]
    """Deprecated links, `container:alias`."""

    OomScoreAdj: int
    """How ready the OOM killer is to take it, -1000 to 1000."""

    PidMode: str
    """`host`, `container:ID`; empty: its own."""

    Privileged: bool
    """All capabilities and devices, nothing masked."""

    PublishAllPorts: bool
    """Publish all exposed ports."""

    ReadonlyRootfs: bool
    """The root file system cannot be written."""

    SecurityOpt: list[str]
    """`no-new-privileges`, `seccomp=PATH` (read when the container is created), `seccomp=unconfined`, …"""

    StorageOpt: dict[str, str]
    """Storage driver options."""

    Tmpfs: dict[str, str]
    """In-memory file systems: `{"/run": "size=64m"}`."""

    UTSMode: str
    """`host`; empty: its own."""

    UsernsMode: str
    """User namespace: `host` (also when empty and there are no maps), `private` or `auto` (65,536 ids that no other container has
    while it runs), `auto:size=N`, `container:ID`."""

    UidMap: list[str]
    """Whose user ids those of its user namespace are on the host: `container:host[:size]` each. Empty: as the group ids."""

    GidMap: list[str]
    """The same of group ids. Empty: as the user ids."""

    ShmSize: int | str
    """Size of `/dev/shm`, bytes; 0: 64 MiB."""

    Sysctls: dict[str, str]
    """Kernel parameters of its namespaces."""

    Runtime: str
    """OCI runtime; empty or `barque`."""

    Isolation: str
    """Windows only."""

    MaskedPaths: list[str] | None
    """Paths to hide; without it the default list."""

    ReadonlyPaths: list[str] | None
    """Paths that cannot be written; without it the default list."""

    Init: bool | None
    """Run a reaper as process 1."""

    CpuShares: int
    """Relative weight of CPU time; 0: 1,024."""

    Memory: int | str
    """Most memory, bytes; 0: no limit."""

    NanoCpus: int
    """CPU limit in billionths of a CPU; 0: no limit."""

    CgroupParent: str
    """Parent cgroup."""

    BlkioWeight: int
    """Relative weight of block I/O, 10 to 1,000; 0: the default."""

    BlkioWeightDevice: list[WeightDevice]
    """The same per device."""

    BlkioDeviceReadBps: list[ThrottleDevice]
    """Most bytes a second read from devices."""

    BlkioDeviceWriteBps: list[ThrottleDevice]
    """Most bytes a second written to devices."""

    BlkioDeviceReadIOps: list[ThrottleDevice]
    """Most reads a second."""

    BlkioDeviceWriteIOps: list[ThrottleDevice]
    """Most writes a second."""

    CpuPeriod: int
    """Length of a CPU quota period, microseconds."""

    CpuQuota: int
    """CPU time in a period, microseconds."""

    CpuRealtimePeriod: int
    """Real-time period, microseconds."""

    CpuRealtimeRuntime: int
    """Real-time run time, microseconds."""

    CpusetCpus: str
    """CPUs it may use: `0-2,7`."""

    CpusetMems: str
    """Memory nodes it may use."""

    Devices: list[DeviceMapping]
    """Host devices to give it."""

    DeviceCgroupRules: list[str]
    """Rules of the device cgroup: `c 1:3 rwm`."""

    DeviceRequests: list[Any]
    """GPUs and the like."""

    KernelMemoryTCP: int
    """Most kernel TCP memory, bytes; deprecated."""

    KernelMemory: int
    """Most kernel memory, bytes; deprecated, refused."""

    MemoryReservation: int | str
    """Soft memory limit, bytes."""

    MemorySwap: int | str
    """Memory and swap together, bytes; -1: unlimited swap; 0: twice the memory."""

    MemorySwappiness: int | None
    """How readily memory is swapped, 0 to 100; without it the kernel's own."""

    OomKillDisable: bool | None
    """Don't let the OOM killer take it."""

    PidsLimit: int | None
    """Most processes; 0 or -1: no limit."""

    Ulimits: list[Ulimit]
    """Resource limits."""

    CpuCount: int
    """Windows only."""

    CpuPercent: int
    """Windows only."""

    IOMaximumIOps: int
    """Windows only."""

    IOMaximumBandwidth: int
    """Windows only."""


class HostConfigInspect(TypedDict):
    """What depends on this host: limits, mounts, isolation. Docker's defaults are the zero values."""

    Binds: list[str]
    """`source:target[:options]` each."""

    ContainerIDFile: str
    """File to write the id to; the command line's business."""

    LogConfig: LogConfigInspect
    """How output is kept."""

    NetworkMode: str
    """`none`, `host`, `bridge`, `container:ID` or a network's name; empty or `default`: the default."""

    PortBindings: dict[str, list[PortBindingInspect]]
    """Published ports by container port."""

    RestartPolicy: RestartPolicyInspect
    """When to start again."""

    AutoRemove: bool
    """Remove it when it has ended."""

    VolumeDriver: str
    """Volume driver; `local` or empty."""

    VolumesFrom: list[str]
    """Take over these containers' mounts."""

    Mounts: list[MountInspect]
    """Mounts in the long form."""

    ConsoleSize: list[int]
    """Terminal size at the start: rows, columns."""

    Annotations: dict[str, str]
    """Free annotations."""

    CapAdd: list[str]
    """Capabilities to add to the default ones, with or without `CAP_`; `ALL`."""

    CapDrop: list[str]
    """Capabilities to take away."""

    CgroupnsMode: str
    """Cgroup namespace: `private` (also when empty) or `host`."""

    Dns: list[str]
    """Name servers."""

    DnsOptions: list[str]
    """Resolver options."""

    DnsSearch: list[str]
    """Search domains."""

    ExtraHosts: list[str]
    """`name:address` for `/etc/hosts`."""

    GroupAdd: list[str]
    """More groups for the process, names or numbers."""

    IpcMode: str
    """`private`, `shareable`, `host`, `none`, `container:ID`; empty: private."""

    Cgroup: str
    """A cgroup of another container."""

    Links: list[str]
    """Deprecated links, `container:alias`."""

    OomScoreAdj: int
    """How ready the OOM killer is to take it, -1000 to 1000."""

    PidMode: str
    """`host`, `container:ID`; empty: its own."""

    Privileged: bool
    """All capabilities and devices, nothing masked."""

    PublishAllPorts: bool
    """Publish all exposed ports."""

    ReadonlyRootfs: bool
    """The root file system cannot be written."""

    SecurityOpt: list[str]
    """`no-new-privileges`, `seccomp=PATH` (read when the container is created), `seccomp=unconfined`, …"""

    StorageOpt: dict[str, str]
    """Storage driver options."""

    Tmpfs: dict[str, str]
    """In-memory file systems: `{"/run": "size=64m"}`."""

    UTSMode: str
    """`host`; empty: its own."""

    UsernsMode: str
    """User namespace: `host` (also when empty and there are no maps), `private` or `auto` (65,536 ids that no other container has
    while it runs), `auto:size=N`, `container:ID`."""

    UidMap: list[str]
    """Whose user ids those of its user namespace are on the host: `container:host[:size]` each. Empty: as the group ids."""

    GidMap: list[str]
    """The same of group ids. Empty: as the user ids."""

    ShmSize: int
    """Size of `/dev/shm`, bytes; 0: 64 MiB."""

    Sysctls: dict[str, str]
    """Kernel parameters of its namespaces."""

    Runtime: str
    """OCI runtime; empty or `barque`."""

    Isolation: str
    """Windows only."""

    MaskedPaths: list[str] | None
    """Paths to hide; without it the default list."""

    ReadonlyPaths: list[str] | None
    """Paths that cannot be written; without it the default list."""

    Init: bool | None
    """Run a reaper as process 1."""

    CpuShares: int
    """Relative weight of CPU time; 0: 1,024."""

    Memory: int
    """Most memory, bytes; 0: no limit."""

    NanoCpus: int
    """CPU limit in billionths of a CPU; 0: no limit."""

    CgroupParent: str
    """Parent cgroup."""

    BlkioWeight: int
    """Relative weight of block I/O, 10 to 1,000; 0: the default."""

    BlkioWeightDevice: list[WeightDeviceInspect]
    """The same per device."""

    BlkioDeviceReadBps: list[ThrottleDeviceInspect]
    """Most bytes a second read from devices."""

    BlkioDeviceWriteBps: list[ThrottleDeviceInspect]
    """Most bytes a second written to devices."""

    BlkioDeviceReadIOps: list[ThrottleDeviceInspect]
    """Most reads a second."""

    BlkioDeviceWriteIOps: list[ThrottleDeviceInspect]
    """Most writes a second."""

    CpuPeriod: int
    """Length of a CPU quota period, microseconds."""

    CpuQuota: int
    """CPU time in a period, microseconds."""

    CpuRealtimePeriod: int
    """Real-time period, microseconds."""

    CpuRealtimeRuntime: int
    """Real-time run time, microseconds."""

    CpusetCpus: str
    """CPUs it may use: `0-2,7`."""

    CpusetMems: str
    """Memory nodes it may use."""

    Devices: list[DeviceMappingInspect]
    """Host devices to give it."""

    DeviceCgroupRules: list[str]
    """Rules of the device cgroup: `c 1:3 rwm`."""

    DeviceRequests: list[Any]
    """GPUs and the like."""

    KernelMemoryTCP: int
    """Most kernel TCP memory, bytes; deprecated."""

    KernelMemory: int
    """Most kernel memory, bytes; deprecated, refused."""

    MemoryReservation: int
    """Soft memory limit, bytes."""

    MemorySwap: int
    """Memory and swap together, bytes; -1: unlimited swap; 0: twice the memory."""

    MemorySwappiness: int | None
    """How readily memory is swapped, 0 to 100; without it the kernel's own."""

    OomKillDisable: bool | None
    """Don't let the OOM killer take it."""

    PidsLimit: int | None
    """Most processes; 0 or -1: no limit."""

    Ulimits: list[UlimitInspect]
    """Resource limits."""

    CpuCount: int
    """Windows only."""

    CpuPercent: int
    """Windows only."""

    IOMaximumIOps: int
    """Windows only."""

    IOMaximumBandwidth: int
    """Windows only."""


class LogConfig(TypedDict, total=False):
    """How output is kept."""

    Type: str
    """`json-file` (also when empty), `local` or `none`."""

    Config: dict[str, str]
    """`max-size`, `max-file`; `labels` and `env`: what `Details` of the log shows."""


class LogConfigInspect(TypedDict):
    """How output is kept."""

    Type: str
    """`json-file` (also when empty), `local` or `none`."""

    Config: dict[str, str]
    """`max-size`, `max-file`; `labels` and `env`: what `Details` of the log shows."""


class PortBinding(TypedDict, total=False):
    """Where a published port listens."""

    HostIp: str
    """Address; empty: all."""

    HostPort: str
    """Port or range; empty: a free one."""


class PortBindingInspect(TypedDict):
    """Where a published port listens."""

    HostIp: str
    """Address; empty: all."""

    HostPort: str
    """Port or range; empty: a free one."""


class RestartPolicy(TypedDict, total=False):
    """When to start a container again."""

    Name: str
    """`no` (also when empty), `always`, `unless-stopped`, `on-failure`."""

    MaximumRetryCount: int
    """How often, for `on-failure`; 0: without end."""


class RestartPolicyInspect(TypedDict):
    """When to start a container again."""

    Name: str
    """`no` (also when empty), `always`, `unless-stopped`, `on-failure`."""

    MaximumRetryCount: int
    """How often, for `on-failure`; 0: without end."""


class Mount(TypedDict, total=False):
    """A mount in the long form."""

    Target: str
    """Path inside."""

    Source: str
    """Path on the host, or a volume's name."""

    Type: str
    """`bind`, `volume`, `tmpfs`."""

    ReadOnly: bool
    """It cannot be written."""

    Consistency: str
    """Docker Desktop's; ignored."""

    BindOptions: BindOptions | None
    """Options of a bind mount."""

    VolumeOptions: VolumeOptions | None
    """Options of a volume."""

    TmpfsOptions: TmpfsOptions | None
    """Options of a tmpfs."""


class MountInspect(TypedDict):
    """A mount in the long form."""

    Target: str
    """Path inside."""

    Source: str
    """Path on the host, or a volume's name."""

    Type: str
    """`bind`, `volume`, `tmpfs`."""

    ReadOnly: bool
    """It cannot be written."""

    Consistency: str
    """Docker Desktop's; ignored."""

    BindOptions: NotRequired[BindOptionsInspect]
    """Options of a bind mount."""

    VolumeOptions: NotRequired[VolumeOptionsInspect]
    """Options of a volume."""

    TmpfsOptions: NotRequired[TmpfsOptionsInspect]
    """Options of a tmpfs."""


class BindOptions(TypedDict, total=False):
    """Options of a bind mount."""

    Propagation: str
    """`private`, `rprivate` (also when empty), `slave`, `rslave`, `shared` or `rshared`."""

    NonRecursive: bool
    """Without what is mounted below the source."""

    CreateMountpoint: bool
    """Make the source, a directory, when it is missing."""

    ReadOnlyNonRecursive: bool
    """`ReadOnly` holds for the mount itself and not for those below."""

    ReadOnlyForceRecursive: bool
    """`ReadOnly` holds for those below too, or else it is an error."""


class BindOptionsInspect(TypedDict):
    """Options of a bind mount."""

    Propagation: NotRequired[str]
    """`private`, `rprivate` (also when empty), `slave`, `rslave`, `shared` or `rshared`."""

    NonRecursive: NotRequired[bool]
    """Without what is mounted below the source."""

    CreateMountpoint: NotRequired[bool]
    """Make the source, a directory, when it is missing."""

    ReadOnlyNonRecursive: NotRequired[bool]
    """`ReadOnly` holds for the mount itself and not for those below."""

    ReadOnlyForceRecursive: NotRequired[bool]
    """`ReadOnly` holds for those below too, or else it is an error."""


class VolumeOptions(TypedDict, total=False):
    """Options of a volume in a container."""

    NoCopy: bool
    """Don't fill it with what the image has in its place."""

    Labels: dict[str, str]
    """Labels of the volume, if it is made."""

    DriverConfig: DriverConfig | None
    """Driver of the volume, if it is made."""

    Subpath: str
    """Path inside the volume to mount instead of the whole."""


class VolumeOptionsInspect(TypedDict):
    """Options of a volume in a container."""

    NoCopy: NotRequired[bool]
    """Don't fill it with what the image has in its place."""

    Labels: NotRequired[dict[str, str]]
    """Labels of the volume, if it is made."""

    DriverConfig: NotRequired[DriverConfigInspect]
    """Driver of the volume, if it is made."""

    Subpath: NotRequired[str]
    """Path inside the volume to mount instead of the whole."""


class DriverConfig(TypedDict, total=False):
    """The driver of a volume that a mount makes."""

    Name: str
    """`local` (also when empty)."""

    Options: dict[str, str]
    """Its options."""


class DriverConfigInspect(TypedDict):
    """The driver of a volume that a mount makes."""

    Name: NotRequired[str]
    """`local` (also when empty)."""

    Options: NotRequired[dict[str, str]]
    """Its options."""


class TmpfsOptions(TypedDict, total=False):
    """Options of a tmpfs."""

    SizeBytes: int | str
    """Most bytes; 0: half of the memory."""

    Mode: int
    """Permissions of its root; 0: those of the directory in its place, or 1777."""

    Options: list[list[str]]
    """More options, `["exec"]` or `["uid", "1000"]` each."""


class TmpfsOptionsInspect(TypedDict):
    """Options of a tmpfs."""

    SizeBytes: NotRequired[int]
    """Most bytes; 0: half of the memory."""

    Mode: NotRequired[int]
    """Permissions of its root; 0: those of the directory in its place, or 1777."""

    Options: NotRequired[list[list[str]]]
    """More options, `["exec"]` or `["uid", "1000"]` each."""


class WeightDevice(TypedDict, total=False):
    """Block I/O weight of a device."""

    Path: str
    """Path of the device."""

    Weight: int
    """10 to 1,000."""


class WeightDeviceInspect(TypedDict):
    """Block I/O weight of a device."""

    Path: str
    """Path of the device."""

    Weight: int
    """10 to 1,000."""


class ThrottleDevice(TypedDict, total=False):
    """Block I/O limit of a device."""

    Path: str
    """Path of the device."""

    Rate: int
    """Bytes or operations a second."""


class ThrottleDeviceInspect(TypedDict):
    """Block I/O limit of a device."""

    Path: str
    """Path of the device."""

    Rate: int
    """Bytes or operations a second."""


class DeviceMapping(TypedDict, total=False):
    """A host device in the container."""

    PathOnHost: str
    """Path on the host."""

    PathInContainer: str
    """Path inside; empty: the same."""

    CgroupPermissions: str
    """`r`, `w`, `m`; empty: `rwm`."""


class DeviceMappingInspect(TypedDict):
    """A host device in the container."""

    PathOnHost: str
    """Path on the host."""

    PathInContainer: str
    """Path inside; empty: the same."""

    CgroupPermissions: str
    """`r`, `w`, `m`; empty: `rwm`."""


class Ulimit(TypedDict, total=False):
    """A resource limit."""

    Name: str
    """`nofile`, `nproc`, …"""

    Soft: int
    """Soft limit; -1: unlimited."""

    Hard: int
    """Hard limit; -1: unlimited."""


class UlimitInspect(TypedDict):
    """A resource limit."""

    Name: str
    """`nofile`, `nproc`, …"""

    Soft: int
    """Soft limit; -1: unlimited."""

    Hard: int
    """Hard limit; -1: unlimited."""


class Input(TypedDict, total=False):
    """Where bytes come from: a path, or a descriptor of this process that stays the caller's."""

    Path: str
    """A file or directory."""

    Fd: int | None
    """An open descriptor, read from where it stands to its end."""


class ImageLoad(TypedDict, total=False):
    """Load images from a `docker save` or OCI archive, or an OCI layout directory."""

    Input: Input
    """The archive (plain, gzip or zstd) or directory."""


class ImageLoaded(TypedDict):
    """What was loaded."""

    Images: list[LoadedImage]
    """One row an image."""

    Warnings: list[str]
    """What the caller should know."""


class LoadedImage(TypedDict):
    """An image that was loaded."""

    Id: str
    """Its id."""

    Names: list[str]
    """Names it has now."""


class ImageSave(TypedDict, total=False):
    """Save images to one archive."""

    Names: list[str]
    """Names, tags, digests, ids or prefixes of ids. A repository alone stands for all its tags; by an id an image is saved without
    a name."""

    Platform: str
    """`os/architecture[/variant]` that the images must be for; empty: any."""


class ImageImport(TypedDict, total=False):
    """Make an image of one layer from a root file system."""

    Input: Input
    """A tar archive (plain, gzip or zstd) or a directory."""

    Reference: str
    """Name and tag to give it; empty: none."""

    Changes: list[str]
    """Dockerfile instructions to apply: `CMD ["sh"]`, `ENV A=1`."""

    Message: str
    """Commit message."""

    Platform: str
    """`os/architecture[/variant]`; empty: this machine's."""


class ImageCreated(TypedDict):
    """An image that was made."""

    Id: str
    """Its id: `sha256:` and 64 hexadecimal digits."""


class ImageRef(TypedDict, total=False):
    """An image: name, tag, digest, id or a prefix of the id."""

    Name: str
    """Name, tag, digest, id or prefix."""


class ImageList(TypedDict, total=False):
    """List images."""

    All: bool
    """Those without a name that others are built on too."""

    Filters: dict[str, list[str]]
    """`{"reference": ["busybox*"], "dangling": ["true"], "label": ["a=b"]}`."""


class ImageSummary(TypedDict):
    """A row of a list, as `GET /images/json` gives it."""

    Id: str
    """Id."""

    ParentId: str
    """Id of the image it was built on, where that is known."""

    RepoTags: list[str]
    """`name:tag` each."""

    RepoDigests: list[str]
    """`name@digest` each."""

    Created: int
    """When it was made, seconds since 1970."""

    Size: int
    """Bytes of its layers, unpacked."""

    SharedSize: int
    """Bytes it shares with others; -1: not counted."""

    Labels: dict[str, str]
    """Labels."""

    Containers: int
    """Containers that use it; -1: not counted."""


class ImageInspect(TypedDict):
    """Everything about an image, as `GET /images/{name}/json` gives it."""

    Id: str
    """Id: the digest of its configuration."""

    RepoTags: list[str]
    """`name:tag` each."""

    RepoDigests: list[str]
    """`name@digest` each."""

    Parent: str
    """Id of the image it was built on, where that is known."""

    Comment: str
    """Commit message."""

    Created: str
    """When it was made, RFC 3339."""

    DockerVersion: str
    """Version of the program that made it."""

    Author: str
    """Who made it."""

    Config: ContainerConfig
    """The configuration containers of it begin with."""

    Architecture: str
    """`amd64`, `arm64`, …"""

    Variant: str
    """`v8`, …"""

    Os: str
    """`linux`."""

    Size: int
    """Bytes of its layers, unpacked."""

    GraphDriver: GraphDriver
    """Where its layers are."""

    RootFS: RootFs
    """Its layers."""

    Metadata: ImageMetadata
    """When it was last tagged."""


class RootFs(TypedDict):
    """An image's layers."""

    Type: str
    """`layers`."""

    Layers: list[str]
    """Digests of the layers' plain tars (diff ids), lowest first."""


class ImageMetadata(TypedDict):
    """What the store knows about an image beside its content."""

    LastTagTime: str
    """RFC 3339; `0001-01-01T00:00:00Z` when never."""


class ImageTag(TypedDict, total=False):
    """Give an image another name."""

    Name: str
    """Name, tag, digest, id or prefix."""

    Reference: str
    """The new name, with or without a tag."""


class ImageRemove(TypedDict, total=False):
    """Remove a name from an image, and the image when that was its last."""

    Name: str
    """Name, tag, digest, id or prefix."""

    Force: bool
    """Even when it has other names, or stopped containers use it."""

    NoPrune: bool
    """Keep images without a name that it was built on."""


class ImageRemoved(TypedDict):
    """One thing that a removal did: exactly one field is set."""

    Untagged: NotRequired[str]
    """A name that is gone."""

    Deleted: NotRequired[str]
    """An image or layer that is gone."""


class ImagePrune(TypedDict, total=False):
    """Remove the images that nothing needs."""

    Filters: dict[str, list[str]]
    """`{"dangling": ["false"], "until": ["24h"], "label": ["a=b"], "label!": ["keep"]}`; without `dangling` only those that
    have no tag."""

    DryRun: bool
    """Only say what would go."""


class ImagesPruned(TypedDict):
    """What was removed."""

    ImagesDeleted: list[ImageRemoved]
    """Names, images and layers."""

    SpaceReclaimed: int
    """Bytes of their layers and blobs that no other image has."""


class HistoryRow(TypedDict):
    """A row of an image's history, newest first, as `GET /images/{name}/history` gives it."""

    Id: str
    """Id of the image after this step, or `<missing>`."""

    Created: int
    """When, seconds since 1970."""

    CreatedBy: str
    """By which instruction."""

    Tags: list[str]
    """Names of that image."""

    Size: int
    """Bytes the step added."""

    Comment: str
    """Comment."""


class NetworkCreate(TypedDict, total=False):
    """What to create: the body of `POST /networks/create`."""

    Name: str
    """The network's name, `[a-zA-Z0-9][a-zA-Z0-9_.-]*`."""

    Driver: str
    """`bridge` (also when empty)."""

    Scope: str
    """`local` (also when empty)."""

    Internal: bool
    """Nothing outside of it is reached from it."""

    Attachable: bool
    """For overlay networks; the others have no use for it."""

    Ingress: bool
    """For overlay networks of a swarm."""

    CheckDuplicate: bool
    """No longer said: a name is only ever given once."""

    ConfigOnly: bool
    """It is a configuration for others."""

    ConfigFrom: ConfigReference
    """Whose configuration it has."""

    EnableIPv4: bool | None
    """Whether it has IPv4; without it yes."""

    EnableIPv6: bool | None
    """Whether it has IPv6."""

    IPAM: Ipam
    """Its addresses."""

    Options: dict[str, str]
    """Options of the driver: `com.docker.network.driver.mtu`, `com.docker.network.bridge.name`,
    `com.docker.network.bridge.enable_ip_masquerade`."""

    Labels: dict[str, str]
    """Labels."""


class ConfigReference(TypedDict, total=False):
    """The name of a network that is a configuration."""

    Network: str
    """Its name."""


class ConfigReferenceInspect(TypedDict):
    """The name of a network that is a configuration."""

    Network: str
    """Its name."""


class Ipam(TypedDict, total=False):
    """How addresses are given."""

    Driver: str
    """`default` (also when empty)."""

    Options: dict[str, str]
    """Options of the driver."""

    Config: list[IpamConfig]
    """Ranges of addresses; none: one is chosen."""


class IpamInspect(TypedDict):
    """How addresses are given."""

    Driver: str
    """`default` (also when empty)."""

    Options: NotRequired[dict[str, str]]
    """Options of the driver."""

    Config: list[IpamConfigInspect]
    """Ranges of addresses; none: one is chosen."""


class IpamConfig(TypedDict, total=False):
    """A range of addresses."""

    Subnet: str
    """The range, `172.20.0.0/16`."""

    IPRange: str
    """The part of it that containers get addresses from."""

    Gateway: str
    """The address of the host in it; empty: the first."""

    AuxiliaryAddresses: dict[str, str]
    """Addresses that no container gets, by the name of who has them."""


class IpamConfigInspect(TypedDict):
    """A range of addresses."""

    Subnet: str
    """The range, `172.20.0.0/16`."""

    IPRange: NotRequired[str]
    """The part of it that containers get addresses from."""

    Gateway: NotRequired[str]
    """The address of the host in it; empty: the first."""

    AuxiliaryAddresses: NotRequired[dict[str, str]]
    """Addresses that no container gets, by the name of who has them."""


class NetworkCreated(TypedDict):
    """The answer to a create."""

    Id: str
    """The new network's id, 64 hexadecimal digits."""

    Warning: str
    """What the caller should know."""


class NetworkRef(TypedDict, total=False):
    """A network and what to do with it: the request of the verbs that need nothing else."""

    Id: str
    """Its name, its id, or the beginning of the id."""


class Network(TypedDict):
    """A network, as `GET /networks/{id}` gives it."""

    Name: str
    """Its name."""

    Id: str
    """Its id, 64 hexadecimal digits."""

    Created: str
    """When it was created, RFC 3339."""

    Scope: str
    """`local`: it is on this machine."""

    Driver: str
    """`bridge`, `host`, `null`."""

    EnableIPv4: bool
    """Whether it has IPv4."""

    EnableIPv6: bool
    """Whether it has IPv6."""

    IPAM: IpamInspect
    """Its addresses."""

    Internal: bool
    """Nothing outside of it is reached from it."""

    Attachable: bool
    """As in `NetworkCreate`."""

    Ingress: bool
    """As in `NetworkCreate`."""

    ConfigFrom: ConfigReferenceInspect
    """As in `NetworkCreate`."""

    ConfigOnly: bool
    """As in `NetworkCreate`."""

    Containers: dict[str, NetworkContainer]
    """The running containers in it, by id; empty in a list."""

    Options: dict[str, str]
    """Options of the driver."""

    Labels: dict[str, str]
    """Labels."""


class NetworkContainer(TypedDict):
    """A container in a network."""

    Name: str
    """The container's name."""

    EndpointID: str
    """As in `EndpointSettings`."""

    MacAddress: str
    """Its Ethernet address."""

    IPv4Address: str
    """Its address and the length of the subnet's, `172.20.0.2/16`."""

    IPv6Address: str
    """The same of IPv6."""


class NetworkList(TypedDict, total=False):
    """List."""

    Filters: dict[str, list[str]]
    """`{"driver": ["bridge"], "id": […], "label": ["a=b"], "name": ["web"], "scope": ["local"], "type": ["custom"], "dangling":
    ["true"]}`."""


class NetworkRemove(TypedDict, total=False):
    """Remove."""

    Id: str
    """Its name, its id, or the beginning of the id."""

    Force: bool
    """That there is none is fine."""


class NetworkPrune(TypedDict, total=False):
    """Remove those that no container has."""

    Filters: dict[str, list[str]]
    """`{"until": ["24h"], "label": ["a=b"], "label!": ["keep"]}`."""

    DryRun: bool
    """Only say what would go."""


class NetworksPruned(TypedDict):
    """What was removed."""

    NetworksDeleted: list[str]
    """Names."""


class NetworkConnect(TypedDict, total=False):
    """Connect a container."""

    Id: str
    """The network's name, its id, or the beginning of the id."""

    Container: str
    """The container's name, its id, or the beginning of the id."""

    EndpointConfig: EndpointSettings
    """What the container has there."""


class NetworkDisconnect(TypedDict, total=False):
    """Disconnect a container."""

    Id: str
    """The network's name, its id, or the beginning of the id."""

    Container: str
    """The container's name, its id, or the beginning of the id."""

    Force: bool
    """That the link cannot be taken away is fine."""


class NetworkingConfig(TypedDict, total=False):
    """The networks that a new container joins."""

    EndpointsConfig: dict[str, EndpointSettings]
    """By name."""


class EndpointSettings(TypedDict, total=False):
    """What a container has in a network. The first fields are asked for; those from `NetworkID` on are answers, and empty in a request."""

    IPAMConfig: EndpointIpamConfig | None
    """Addresses that it must have."""

    Links: list[str]
    """Links."""

    Aliases: list[str]
    """More names that it has there."""

    MacAddress: str
    """Its Ethernet address; empty: one that follows from its address."""

    DriverOpts: dict[str, str]
    """Options of the driver."""

    GwPriority: int
    """The network with the highest has the default route."""

    NetworkID: str
    """The network's id."""

    EndpointID: str
    """64 hexadecimal digits; empty while the container does not run."""

    Gateway: str
    """The address of the host there."""

    IPAddress: str
    """Its address; empty while the container does not run."""

    IPPrefixLen: int
    """The length of the subnet's."""

    IPv6Gateway: str
    """The same of IPv6."""

    GlobalIPv6Address: str
    """The same of IPv6."""

    GlobalIPv6PrefixLen: int
    """The same of IPv6."""

    DNSNames: list[str]
    """All names that it has there."""


class EndpointSettingsInspect(TypedDict):
    """What a container has in a network. The first fields are asked for; those from `NetworkID` on are answers, and empty in a request."""

    IPAMConfig: NotRequired[EndpointIpamConfigInspect]
    """Addresses that it must have."""

    Links: NotRequired[list[str]]
    """Links."""

    Aliases: list[str]
    """More names that it has there."""

    MacAddress: str
    """Its Ethernet address; empty: one that follows from its address."""

    DriverOpts: NotRequired[dict[str, str]]
    """Options of the driver."""

    GwPriority: int
    """The network with the highest has the default route."""

    NetworkID: str
    """The network's id."""

    EndpointID: str
    """64 hexadecimal digits; empty while the container does not run."""

    Gateway: str
    """The address of the host there."""

    IPAddress: str
    """Its address; empty while the container does not run."""

    IPPrefixLen: int
    """The length of the subnet's."""

    IPv6Gateway: str
    """The same of IPv6."""

    GlobalIPv6Address: str
    """The same of IPv6."""

    GlobalIPv6PrefixLen: int
    """The same of IPv6."""

    DNSNames: NotRequired[list[str]]
    """All names that it has there."""


class EndpointIpamConfig(TypedDict, total=False):
    """Addresses that a container must have in a network."""

    IPv4Address: str
    """Of IPv4."""

    IPv6Address: str
    """Of IPv6."""

    LinkLocalIPs: list[str]
    """Link-local ones."""


class EndpointIpamConfigInspect(TypedDict):
    """Addresses that a container must have in a network."""

    IPv4Address: NotRequired[str]
    """Of IPv4."""

    IPv6Address: NotRequired[str]
    """Of IPv6."""

    LinkLocalIPs: NotRequired[list[str]]
    """Link-local ones."""


class ImagePull(TypedDict, total=False):
    """Fetch an image from its registry."""

    Name: str
    """Name with tag or digest; without either: `latest`."""

    Platform: str
    """`os/architecture[/variant]`; empty: this machine's."""

    Auth: AuthConfig | None
    """Credentials; without them those that `docker login` left."""

    Policy: str
    """`always` (and empty): ask the registry; `missing`: only when there is no such image here; `never`: do not, and fail when there
    is none."""


class ImagePulled(TypedDict):
    """An image that was pulled: the last document of the stream."""

    Id: str
    """Its id."""

    Name: str
    """The name it was pulled by, in full: `docker.io/library/node:latest`."""

    Digest: str
    """Digest of the manifest (or index) that the name stands for at the registry."""

    Downloaded: bool
    """Whether anything was new here."""

    Warnings: list[str]
    """What the caller should know."""


class ImagePush(TypedDict, total=False):
    """Bring an image to its registry."""

    Name: str
    """Name with a tag, without one: `latest`. An id is no name: it does not say where to."""

    AllTags: bool
    """All tags that the repository has here; the name has none then."""

    Auth: AuthConfig | None
    """Credentials; without them those that `docker login` left."""


class ImagePushed(TypedDict):
    """What was pushed: the last document of the stream."""

    Repository: str
    """The repository in full: `docker.io/me/app`."""

    Tags: list[PushedTag]
    """Each tag, in the order of their names."""


class PushedTag(TypedDict):
    """A tag that was pushed."""

    Tag: str
    """The tag."""

    Digest: str
    """Digest of the manifest that it stands for at the registry now."""

    Size: int
    """Size of that manifest in bytes."""


class ImageSearch(TypedDict, total=False):
    """Search a registry for repositories."""

    Term: str
    """What they have to do with; `registry.example/term` searches another registry than Docker Hub."""

    Limit: int
    """At most so many, 1 to 100; 0: 25."""

    Filters: dict[str, list[str]]
    """`is-official` and `is-automated` (`true` or `false`), `stars` (at least)."""

    Auth: AuthConfig | None
    """Credentials; without them those that `docker login` left."""


class SearchResult(TypedDict):
    """A repository that was found, as `GET /images/search` gives it."""

    name: str
    """Its name."""

    description: str
    """What its owner says of it."""

    star_count: int
    """How many like it."""

    is_official: bool
    """Whether it is one of Docker's own."""

    is_automated: bool
    """Always false nowadays."""


class RegistryDelete(TypedDict, total=False):
    """Delete from a registry."""

    Name: str
    """`NAME:TAG`: the tag alone, if the registry can do that. `NAME@DIGEST`: the manifest, with all its tags."""

    Auth: AuthConfig | None
    """Credentials; without them those that `docker login` left."""


class RegistryReferrers(TypedDict, total=False):
    """Ask a registry what refers to an image."""

    Name: str
    """Name with tag or digest; without either: `latest`."""

    ArtifactType: str
    """Only those of this kind; empty: all."""

    Auth: AuthConfig | None
    """Credentials; without them those that `docker login` left."""


class Referrer(TypedDict):
    """What refers to an image: a signature, an attestation, a list of parts."""

    Digest: str
    """Digest of its manifest."""

    MediaType: str
    """What kind of document that is."""

    ArtifactType: str
    """What it is: `application/vnd.dev.cosign.artifact.sig.v1+json`."""

    Size: int
    """Size of the manifest in bytes."""

    Annotations: dict[str, str]
    """What its maker says of it."""


class RegistryLogin(TypedDict, total=False):
    """Log in to a registry."""

    Auth: AuthConfig
    """User name and password (or a token), and the registry's name in `serveraddress`; without one it is Docker Hub."""

    CheckOnly: bool
    """Only ask whether the registry takes them; keep nothing."""


class RegistryLoggedIn(TypedDict):
    """A login that succeeded."""

    Status: str
    """Docker's words: `Login Succeeded`."""

    ServerAddress: str
    """The registry's name."""

    Kept: str
    """Where the credentials are kept: a file, in which they can be read, or a program `docker-credential-…`. Empty: nowhere."""


class RegistryLogout(TypedDict, total=False):
    """Forget the credentials of a registry."""

    ServerAddress: str
    """Its name; empty: Docker Hub."""


class AuthConfig(TypedDict, total=False):
    """Credentials for a registry, with docker's names for them."""

    username: str
    """User name."""

    password: str
    """Password."""

    auth: str
    """Both, as `config.json` has them: base64 of `username:password`."""

    email: str
    """Not used by any registry any more."""

    serveraddress: str
    """The registry's name."""

    identitytoken: str
    """A refresh token (OAuth2) in the place of a password."""

    registrytoken: str
    """A token that is sent as it is."""


class Progress(TypedDict):
    """How something goes that takes its time, as `POST /images/create` tells it: one line of many."""

    status: NotRequired[str]
    """What is done: `Downloading`, `Pull complete`."""

    progressDetail: NotRequired[ProgressDetail]
    """How far it is."""

    progress: NotRequired[str]
    """The same as a bar, for those who only print it."""

    id: NotRequired[str]
    """With what: a layer's first 12 digits, a tag, or the number of a build's step."""

    step: NotRequired[BuildStep]
    """Of a build: the step."""


class ProgressDetail(TypedDict):
    """Numbers of a progress line, in bytes."""

    current: NotRequired[int]
    """Done."""

    total: NotRequired[int]
    """Of how much."""


class ContainerStats(TypedDict, total=False):
    """What a container uses."""

    Id: str
    """Name, id or prefix."""

    Stream: bool
    """Go on, once a second, until the container ends."""

    OneShot: bool
    """One sample, at once. Without it and `Stream` there is one that has another, a second older, in `precpu_stats`."""


class StatsResponse(TypedDict):
    """A sample, as `GET /containers/{id}/stats` gives it. Of a container that does not run all is zero."""

    id: str
    """The container's id."""

    name: str
    """Its name, with a slash in front."""

    read: str
    """When it was taken, RFC 3339; `0001-01-01T00:00:00Z` when nothing ran."""

    preread: str
    """When the sample in `precpu_stats` was."""

    pids_stats: PidsStats
    """Processes."""

    blkio_stats: BlkioStats
    """Disks."""

    num_procs: int
    """Windows only."""

    storage_stats: Empty
    """Windows only."""

    cpu_stats: CpuStats
    """Processors."""

    precpu_stats: CpuStats
    """Processors in the sample before: the difference of the two is what was used in between."""

    memory_stats: MemoryStats
    """Memory."""

    networks: NotRequired[dict[str, NetworkStats]]
    """Network interfaces by name, without the loopback."""


class PidsStats(TypedDict):
    """Processes and threads."""

    current: int
    """How many there are."""

    limit: int
    """How many there may be; 0: no limit."""


class CpuStats(TypedDict):
    """Use of processors."""

    cpu_usage: CpuUsage
    """Of the container."""

    system_cpu_usage: int
    """Of the whole machine, nanoseconds of all processors, idle ones too."""

    online_cpus: int
    """Processors."""

    throttling_data: ThrottlingData
    """How it was held back."""


class CpuUsage(TypedDict):
    """Use of processors by a container, nanoseconds."""

    total_usage: int
    """All."""

    percpu_usage: NotRequired[list[int]]
    """By processor, where the kernel counts that (cgroup v1)."""

    usage_in_kernelmode: int
    """In the kernel."""

    usage_in_usermode: int
    """In programs."""


class ThrottlingData(TypedDict):
    """How a CPU quota held a container back."""

    periods: int
    """Periods in which it ran."""

    throttled_periods: int
    """Periods in which it used up its quota."""

    throttled_time: int
    """Time for which it was held back, nanoseconds."""


class MemoryStats(TypedDict):
    """Use of memory, bytes."""

    usage: int
    """What it has, page cache included."""

    max_usage: NotRequired[int]
    """The most it had."""

    stats: dict[str, int]
    """The kernel's `memory.stat`."""

    failcnt: NotRequired[int]
    """How often it ran into its limit."""

    limit: int
    """What it may have; without a limit what the machine has."""


class BlkioStats(TypedDict):
    """Use of disks."""

    io_service_bytes_recursive: list[BlkioStatEntry]
    """Bytes."""

    io_serviced_recursive: list[BlkioStatEntry]
    """Operations."""


class BlkioStatEntry(TypedDict):
    """A number about a disk."""

    major: int
    """The device's major number."""

    minor: int
    """Its minor number."""

    op: str
    """`read`, `write`."""

    value: int
    """The number."""


class NetworkStats(TypedDict):
    """What went through a network interface."""

    rx_bytes: int
    """Bytes received."""

    rx_packets: int
    """Packets received."""

    rx_errors: int
    """Errors while receiving."""

    rx_dropped: int
    """Packets dropped on the way in."""

    tx_bytes: int
    """Bytes sent."""

    tx_packets: int
    """Packets sent."""

    tx_errors: int
    """Errors while sending."""

    tx_dropped: int
    """Packets dropped on the way out."""


class ContainerTop(TypedDict, total=False):
    """List a container's processes."""

    Id: str
    """Name, id or prefix."""

    PsArgs: str
    """What to show, as options of `ps`: `-ef` (also when empty), `aux`, `-eo pid,comm`."""


class ContainerTopResponse(TypedDict):
    """A container's processes, as `GET /containers/{id}/top` gives them."""

    Titles: list[str]
    """Titles of the columns."""

    Processes: list[list[str]]
    """A row for each process, its texts in the order of the titles. Process ids are this machine's."""


class Nothing(TypedDict, total=False):
    """A request without fields."""


class SystemInfo(TypedDict):
    """The engine and this host, in the words of `GET /info`."""

    ID: str
    """Identity of the engine root: made when the root was."""

    Containers: int
    """All containers."""

    ContainersRunning: int
    """Those that run."""

    ContainersPaused: int
    """Those that are paused."""

    ContainersStopped: int
    """Those that don't run."""

    Images: int
    """Images."""

    Driver: str
    """Storage driver, `overlay2`."""

    DockerRootDir: str
    """The engine root."""

    LoggingDriver: str
    """Default log driver."""

    CgroupDriver: str
    """`cgroupfs`."""

    CgroupVersion: str
    """`1` or `2`; hybrid hosts are `1`, since that's where their controllers are."""

    MemoryLimit: bool
    """Memory limits can be applied."""

    SwapLimit: bool
    """Swap limits can be applied."""

    CpuCfsQuota: bool
    """CPU quotas can be applied."""

    CPUShares: bool
    """CPU shares can be applied."""

    CPUSet: bool
    """CPU sets can be applied."""

    PidsLimit: bool
    """Process limits can be applied."""

    OomKillDisable: bool
    """The OOM killer can be turned off for a container."""

    NCPU: int
    """CPUs."""

    MemTotal: int
    """Memory, bytes."""

    Name: str
    """Host name."""

    KernelVersion: str
    """Kernel release."""

    OperatingSystem: str
    """Distribution."""

    OSType: str
    """`linux`."""

    Architecture: str
    """`x86_64`, `aarch64`, …"""

    ServerVersion: str
    """barque's version."""

    SecurityOptions: list[str]
    """`name=seccomp,profile=builtin`, …"""

    DefaultRuntime: str
    """Default runtime, `barque`."""

    Warnings: list[str]
    """What is missing or degraded on this host."""


class SystemVersion(TypedDict):
    """Versions, in the words of `GET /version`."""

    Version: str
    """barque's version."""

    ApiVersion: str
    """Version of the Docker Engine API that the documents follow."""

    Os: str
    """`linux`."""

    Arch: str
    """`amd64`, `arm64`, …"""

    KernelVersion: str
    """Kernel release."""


class SystemCheck(TypedDict, total=False):
    """Compare everything that is stored with its digest."""

    Repair: bool
    """Put right what can be: layers from their blobs, files that nothing refers to, the index for other programs."""


class SystemChecked(TypedDict):
    """What was compared, and what is wrong."""

    Blobs: int
    """Blobs that were read and hashed."""

    Layers: int
    """Layers that were unpacked again and compared."""

    Images: int
    """Images whose documents were read."""

    Problems: list[CheckProblem]
    """What is wrong. Empty: nothing."""


class CheckProblem(TypedDict):
    """Something that is not as it should be."""

    Kind: str
    """`record`, `blob`, `layer`, `image`, `stray` or `index`."""

    Id: str
    """Which one: a digest, or a path in the engine root."""

    Problem: str
    """What is wrong with it, and the remedy."""

    Images: list[str]
    """Ids of the images that it belongs to."""

    Repaired: bool
    """It was put right."""


class DiskUsage(TypedDict):
    """What the engine keeps on disk, in the words of `GET /system/df`."""

    LayersSize: int
    """Bytes of all layers that images have."""

    Images: list[ImageSummary]
    """Images, with shared sizes and counts of containers."""

    Containers: list[ContainerSummary]
    """Containers, with sizes."""

    Volumes: list[Volume]
    """Volumes, with sizes and counts of containers."""

    BuildCache: list[BuildCache]
    """What builds have left for the next."""

    BlobsSize: int
    """Bytes of the blobs that images have (compressed layers, manifests, configurations). Not in Docker's document."""


class SystemPrune(TypedDict, total=False):
    """Remove what nothing needs: containers that do not run, networks, images, and what builds have left. Not in Docker's API: its command asks for each."""

    All: bool
    """All images that no container stands on, not only those without a tag."""

    Volumes: bool
    """The volumes too that nobody gave a name and no container has."""

    Filters: dict[str, list[str]]
    """`{"until": ["24h"], "label": ["a=b"], "label!": ["keep"]}`, of everything."""

    DryRun: bool
    """Only say what would go."""


class SystemPruned(TypedDict):
    """What was removed."""

    ContainersDeleted: list[str]
    """Ids."""

    NetworksDeleted: list[str]
    """Names."""

    VolumesDeleted: list[str]
    """Names."""

    ImagesDeleted: list[ImageRemoved]
    """Names, images and layers."""

    CachesDeleted: list[str]
    """Ids of records of the build cache."""

    SpaceReclaimed: int
    """Bytes of all."""


class VolumeCreate(TypedDict, total=False):
    """What to create: the body of `POST /volumes/create`."""

    Name: str
    """The volume's name, `[a-zA-Z0-9][a-zA-Z0-9_.-]+`; empty: one is made up."""

    Driver: str
    """`local` (also when empty)."""

    DriverOpts: dict[str, str]
    """Options of the driver: `type` (`tmpfs`, or `none` for a directory of the host's), `device`, `o`."""

    Labels: dict[str, str]
    """Labels."""


class VolumeRef(TypedDict, total=False):
    """A volume and what to do with it: the request of the verbs that need nothing else."""

    Name: str
    """Its name."""


class Volume(TypedDict):
    """A volume, as `GET /volumes/{name}` gives it."""

    CreatedAt: str
    """When it was created, RFC 3339."""

    Driver: str
    """`local`."""

    Labels: dict[str, str]
    """Labels."""

    Mountpoint: str
    """The directory that holds its files."""

    Name: str
    """Its name."""

    Options: dict[str, str]
    """Options of the driver."""

    Scope: str
    """`local`: it is on this machine."""

    UsageData: NotRequired[VolumeUsage]
    """What it takes; only where that was asked for (`system.df`)."""


class VolumeUsage(TypedDict):
    """What a volume takes."""

    Size: int
    """Bytes of its files; -1 where they are not on this engine's disk."""

    RefCount: int
    """How many containers have it."""


class VolumeList(TypedDict, total=False):
    """List."""

    Filters: dict[str, list[str]]
    """`{"dangling": ["true"], "label": ["a=b"], "name": ["data"], "driver": ["local"]}`."""


class VolumesListed(TypedDict):
    """The volumes of a list."""

    Volumes: list[Volume]
    """By name."""

    Warnings: list[str]
    """What the caller should know."""


class VolumeRemove(TypedDict, total=False):
    """Remove."""

    Name: str
    """Its name."""

    Force: bool
    """That there is none is fine."""


class VolumePrune(TypedDict, total=False):
    """Remove those that no container has."""

    Filters: dict[str, list[str]]
    """`{"all": ["true"], "label": ["a=b"], "label!": ["keep"]}`; without `all` only those that nobody gave a name."""

    DryRun: bool
    """Only say what would go."""


class VolumesPruned(TypedDict):
    """What was removed."""

    VolumesDeleted: list[str]
    """Names."""

    SpaceReclaimed: int
    """Bytes of their files."""


__all__ = [
    "ArchiveGet",
    "ArchivePut",
    "AuthConfig",
    "BindOptions",
    "BindOptionsInspect",
    "BlkioStatEntry",
    "BlkioStats",
    "BuildCache",
    "BuildCacheStore",
    "BuildCheck",
    "BuildOutput",
    "BuildSecret",
    "BuildStep",
    "BuilderPrune",
    "BuilderPruned",
    "CheckProblem",
    "ConfigReference",
    "ConfigReferenceInspect",
    "ContainerAttach",
    "ContainerCommit",
    "ContainerConfig",
    "ContainerConnect",
    "ContainerConnected",
    "ContainerCreate",
    "ContainerCreated",
    "ContainerExit",
    "ContainerInspect",
    "ContainerInspectOptions",
    "ContainerKill",
    "ContainerList",
    "ContainerLogs",
    "ContainerPrune",
    "ContainerRef",
    "ContainerRemove",
    "ContainerRename",
    "ContainerResize",
    "ContainerRestart",
    "ContainerRun",
    "ContainerStart",
    "ContainerState",
    "ContainerStats",
    "ContainerStop",
    "ContainerSummary",
    "ContainerTop",
    "ContainerTopResponse",
    "ContainerUpdate",
    "ContainerUpdated",
    "ContainerWait",
    "ContainersPruned",
    "CopyPlace",
    "CpuStats",
    "CpuUsage",
    "DeviceMapping",
    "DeviceMappingInspect",
    "DiskUsage",
    "DriverConfig",
    "DriverConfigInspect",
    "Empty",
    "EndpointIpamConfig",
    "EndpointIpamConfigInspect",
    "EndpointSettings",
    "EndpointSettingsInspect",
    "EventActor",
    "EventMessage",
    "ExecCreate",
    "ExecCreated",
    "ExecExit",
    "ExecInspect",
    "ExecKill",
    "ExecProcess",
    "ExecRef",
    "ExecResize",
    "ExecStart",
    "FileCopied",
    "FileCopy",
    "FileRead",
    "FileRef",
    "FileRemove",
    "FileWrite",
    "FilesystemChange",
    "GraphDriver",
    "Health",
    "HealthConfig",
    "HealthConfigInspect",
    "HealthcheckResult",
    "HistoryRow",
    "HostConfig",
    "HostConfigInspect",
    "ImageBuild",
    "ImageBuilt",
    "ImageCreated",
    "ImageImport",
    "ImageInspect",
    "ImageList",
    "ImageLoad",
    "ImageLoaded",
    "ImageMetadata",
    "ImagePrune",
    "ImagePull",
    "ImagePulled",
    "ImagePush",
    "ImagePushed",
    "ImageRef",
    "ImageRemove",
    "ImageRemoved",
    "ImageSave",
    "ImageSearch",
    "ImageSummary",
    "ImageTag",
    "ImagesPruned",
    "Input",
    "Ipam",
    "IpamConfig",
    "IpamConfigInspect",
    "IpamInspect",
    "LoadedImage",
    "LogConfig",
    "LogConfigInspect",
    "MemoryStats",
    "Mount",
    "MountInspect",
    "MountPoint",
    "Network",
    "NetworkConnect",
    "NetworkContainer",
    "NetworkCreate",
    "NetworkCreated",
    "NetworkDisconnect",
    "NetworkList",
    "NetworkPrune",
    "NetworkRef",
    "NetworkRemove",
    "NetworkSettings",
    "NetworkStats",
    "NetworkingConfig",
    "NetworksPruned",
    "Nothing",
    "PathStat",
    "PidsStats",
    "PortBinding",
    "PortBindingInspect",
    "PortSummary",
    "Progress",
    "ProgressDetail",
    "PushedTag",
    "Referrer",
    "RegistryDelete",
    "RegistryLoggedIn",
    "RegistryLogin",
    "RegistryLogout",
    "RegistryReferrers",
    "RestartPolicy",
    "RestartPolicyInspect",
    "RootFs",
    "SearchResult",
    "StatsResponse",
    "SummaryHostConfig",
    "SummaryNetworks",
    "SystemCheck",
    "SystemChecked",
    "SystemEvents",
    "SystemInfo",
    "SystemPrune",
    "SystemPruned",
    "SystemVersion",
    "ThrottleDevice",
    "ThrottleDeviceInspect",
    "ThrottlingData",
    "TmpfsOptions",
    "TmpfsOptionsInspect",
    "Ulimit",
    "UlimitInspect",
    "Volume",
    "VolumeCreate",
    "VolumeList",
    "VolumeOptions",
    "VolumeOptionsInspect",
    "VolumePrune",
    "VolumeRef",
    "VolumeRemove",
    "VolumeUsage",
    "VolumesListed",
    "VolumesPruned",
    "WaitError",
    "WeightDevice",
    "WeightDeviceInspect",
]
