"""The operations one to one: documents in, documents out, in the words of the Docker Engine API (`docs/operations.md`).

Everything else in this package is made of these.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Optional, SupportsIndex, cast

from ._barque import Canceller, NativeEngine
from ._documents import DocumentStream
from ._streams import Progress, Stream
from .errors import InvalidArgument

if TYPE_CHECKING:
    from . import _types as t


def dump(request: Any) -> str:
    """A request document as text. What JSON or UTF-8 cannot say is refused here."""
    try:
        text = json.dumps(
            request, default=_plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidArgument(f"text that is not UTF-8: {error.object!r}") from None
    except RecursionError:
        raise InvalidArgument("the request is nested too deeply") from None
    return text


def _plain(value: Any) -> Any:
    """What `json` does not know for what it is: mappings that are no `dict`, numbers that are no `int` (NumPy's)."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, SupportsIndex):
        return operator.index(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


class Api:
    """The operations of an engine."""

    def __init__(self, engine: NativeEngine) -> None:
        self._engine: Optional[NativeEngine] = engine

    def call(self, operation: str, request: Any = None, canceller: Optional[Canceller] = None) -> Any:
        """Carry out an operation by name that answers with a document."""
        return json.loads(self._open().call(operation, dump(request or {}), canceller))

    def stream(
        self, operation: str, request: Any = None, canceller: Optional[Canceller] = None
    ) -> Stream:
        """Carry out an operation by name that answers with a stream."""
        return Stream(self._open().stream(operation, dump(request or {}), canceller))

    def progress(
        self, operation: str, request: Any = None, canceller: Optional[Canceller] = None
    ) -> Progress[Any]:
        """Carry out an operation by name whose stream tells how it goes."""
        return Progress(self._open().stream(operation, dump(request or {}), canceller))

    def documents(
        self, operation: str, request: Any = None, canceller: Optional[Canceller] = None
    ) -> DocumentStream[Any]:
        """Carry out an operation by name that answers with a stream of documents."""
        return DocumentStream(self._open().stream(operation, dump(request or {}), canceller))

    def close(self) -> None:
        """Let go of the engine."""
        self._engine = None

    def _open(self) -> NativeEngine:
        if self._engine is None:
            raise ValueError("the client is closed")
        return self._engine

    def archive_get(self, request: t.ArchiveGet) -> Stream:
        """Pack what is at a path of a container: its `PathStat`, then the archive."""
        return self.stream("archive.get", request)

    def archive_put(self, request: t.ArchivePut) -> None:
        """Unpack an archive into a directory of a container."""
        self.call("archive.put", request)

    def container_attach(self, request: t.ContainerAttach) -> Stream:
        """Attach to a running container."""
        return self.stream("container.attach", request)

    def container_commit(self, request: t.ContainerCommit) -> t.ImageCreated:
        """Make an image of a container."""
        return cast("t.ImageCreated", self.call("container.commit", request))

    def container_create(self, request: t.ContainerCreate) -> t.ContainerCreated:
        """Create a container."""
        return cast("t.ContainerCreated", self.call("container.create", request))

    def container_diff(self, request: t.ContainerRef) -> list[t.FilesystemChange]:
        """What a container has changed of its image."""
        return cast("list[t.FilesystemChange]", self.call("container.diff", request))

    def container_export(self, request: t.ContainerRef) -> Stream:
        """The root file system of a container as a tar archive."""
        return self.stream("container.export", request)

    def container_inspect(self, request: t.ContainerInspectOptions) -> t.ContainerInspect:
        """Everything about a container."""
        return cast("t.ContainerInspect", self.call("container.inspect", request))

    def container_kill(self, request: t.ContainerKill) -> None:
        """Send a container a signal."""
        self.call("container.kill", request)

    def container_list(
        self, request: Optional[t.ContainerList] = None
    ) -> list[t.ContainerSummary]:
        """List containers."""
        return cast("list[t.ContainerSummary]", self.call("container.list", request))

    def container_logs(self, request: t.ContainerLogs) -> Stream:
        """Read a container's log."""
        return self.stream("container.logs", request)

    def container_pause(self, request: t.ContainerRef) -> None:
        """Freeze a container's processes."""
        self.call("container.pause", request)

    def container_prune(
        self, request: Optional[t.ContainerPrune] = None
    ) -> t.ContainersPruned:
        """Remove the containers that do not run."""
        return cast("t.ContainersPruned", self.call("container.prune", request))

    def container_remove(self, request: t.ContainerRemove) -> None:
        """Remove a container."""
        self.call("container.remove", request)

    def container_connect(self, request: t.ContainerConnect) -> t.ContainerConnected:
        """Connect to a TCP port of a container. The descriptor is yours to close."""
        return cast("t.ContainerConnected", self.call("container.connect", request))

    def container_rename(self, request: t.ContainerRename) -> None:
        """Give a container another name."""
        self.call("container.rename", request)

    def container_resize(self, request: t.ContainerResize) -> None:
        """Set the size of a container's terminal."""
        self.call("container.resize", request)

    def container_restart(self, request: t.ContainerRestart) -> None:
        """Stop a container and start it again."""
        self.call("container.restart", request)

    def container_run(self, request: t.ContainerRun) -> Stream:
        """Create and start a container and follow it to its end."""
        return self.stream("container.run", request)

    def container_start(self, request: t.ContainerStart) -> None:
        """Start a container."""
        self.call("container.start", request)

    def container_stats(self, request: t.ContainerStats) -> DocumentStream[t.StatsResponse]:
        """What a container uses."""
        return self.documents("container.stats", request)

    def container_stop(self, request: t.ContainerStop) -> None:
        """Stop a container."""
        self.call("container.stop", request)

    def container_unpause(self, request: t.ContainerRef) -> None:
        """Let a paused container's processes go on."""
        self.call("container.unpause", request)

    def container_update(self, request: t.ContainerUpdate) -> t.ContainerUpdated:
        """Change a container's limits and restart policy."""
        return cast("t.ContainerUpdated", self.call("container.update", request))

    def container_top(self, request: t.ContainerTop) -> t.ContainerTopResponse:
        """A container's processes."""
        return cast("t.ContainerTopResponse", self.call("container.top", request))

    def container_wait(self, request: t.ContainerWait) -> Stream:
        """Wait for a container: a stream of one document, its `exit`."""
        return self.stream("container.wait", request)

    def exec_create(self, request: t.ExecCreate) -> t.ExecCreated:
        """Make ready a further process in a container."""
        return cast("t.ExecCreated", self.call("exec.create", request))

    def exec_inspect(self, request: t.ExecRef) -> t.ExecInspect:
        """Everything about a further process."""
        return cast("t.ExecInspect", self.call("exec.inspect", request))

    def exec_kill(self, request: t.ExecKill) -> None:
        """Send a further process a signal."""
        self.call("exec.kill", request)

    def exec_resize(self, request: t.ExecResize) -> None:
        """Set the size of a further process's terminal."""
        self.call("exec.resize", request)

    def exec_start(self, request: t.ExecStart) -> Stream:
        """Start a further process; closing the stream kills it."""
        return self.stream("exec.start", request)

    def file_copy(self, request: t.FileCopy) -> t.FileCopied:
        """Copy between this host and a container."""
        return cast("t.FileCopied", self.call("file.copy", request))

    def file_list(self, request: t.FileRef) -> list[t.PathStat]:
        """What is in a directory of a container."""
        return cast("list[t.PathStat]", self.call("file.list", request))

    def file_read(self, request: t.FileRead) -> Stream:
        """Read a file of a container: its `PathStat`, then its content."""
        return self.stream("file.read", request)

    def file_remove(self, request: t.FileRemove) -> None:
        """Remove what is at a path of a container."""
        self.call("file.remove", request)

    def file_stat(self, request: t.FileRef) -> t.PathStat:
        """What is at a path of a container."""
        return cast("t.PathStat", self.call("file.stat", request))

    def file_write(self, request: t.FileWrite) -> None:
        """Make a file in a container, or replace one."""
        self.call("file.write", request)

    def builder_prune(self, request: Optional[t.BuilderPrune] = None) -> t.BuilderPruned:
        """Remove what builds have left in their cache."""
        return cast("t.BuilderPruned", self.call("builder.prune", request))

    def image_build(self, request: t.ImageBuild) -> Progress[t.ImageBuilt]:
        """Build an image from a Dockerfile."""
        return self.progress("image.build", request)

    def image_history(self, request: t.ImageRef) -> list[t.HistoryRow]:
        """The instructions an image was made by, newest first."""
        return cast("list[t.HistoryRow]", self.call("image.history", request))

    def image_import(self, request: t.ImageImport) -> t.ImageCreated:
        """Make an image of one layer from a root file system."""
        return cast("t.ImageCreated", self.call("image.import", request))

    def image_inspect(self, request: t.ImageRef) -> t.ImageInspect:
        """Everything about an image."""
        return cast("t.ImageInspect", self.call("image.inspect", request))

    def image_list(self, request: Optional[t.ImageList] = None) -> list[t.ImageSummary]:
        """List images."""
        return cast("list[t.ImageSummary]", self.call("image.list", request))

    def image_load(self, request: t.ImageLoad) -> t.ImageLoaded:
        """Load images from an archive or layout."""
        return cast("t.ImageLoaded", self.call("image.load", request))

    def image_prune(self, request: Optional[t.ImagePrune] = None) -> t.ImagesPruned:
        """Remove the images that nothing needs."""
        return cast("t.ImagesPruned", self.call("image.prune", request))

    def image_pull(self, request: t.ImagePull) -> Progress[t.ImagePulled]:
        """Fetch an image from its registry."""
        return self.progress("image.pull", request)

    def image_push(self, request: t.ImagePush) -> Progress[t.ImagePushed]:
        """Bring an image to its registry."""
        return self.progress("image.push", request)

    def image_remove(self, request: t.ImageRemove) -> list[t.ImageRemoved]:
        """Remove a name, or an image."""
        return cast("list[t.ImageRemoved]", self.call("image.remove", request))

    def image_save(self, request: t.ImageSave) -> Stream:
        """Save images: a stream of the bytes of one archive."""
        return self.stream("image.save", request)

    def image_search(self, request: t.ImageSearch) -> list[t.SearchResult]:
        """Search a registry for repositories."""
        return cast("list[t.SearchResult]", self.call("image.search", request))

    def image_tag(self, request: t.ImageTag) -> None:
        """Give an image another name."""
        self.call("image.tag", request)

    def registry_delete(self, request: t.RegistryDelete) -> None:
        """Delete a tag from a registry, or a manifest with all its tags."""
        self.call("registry.delete", request)

    def network_connect(self, request: t.NetworkConnect) -> None:
        """Connect a container to a network."""
        self.call("network.connect", request)

    def network_create(self, request: t.NetworkCreate) -> t.NetworkCreated:
        """Create a network."""
        return cast("t.NetworkCreated", self.call("network.create", request))

    def network_disconnect(self, request: t.NetworkDisconnect) -> None:
        """Disconnect a container from a network."""
        self.call("network.disconnect", request)

    def network_inspect(self, request: t.NetworkRef) -> t.Network:
        """A network, and the running containers in it."""
        return cast("t.Network", self.call("network.inspect", request))

    def network_list(self, request: Optional[t.NetworkList] = None) -> list[t.Network]:
        """List networks."""
        return cast("list[t.Network]", self.call("network.list", request))

    def network_prune(self, request: Optional[t.NetworkPrune] = None) -> t.NetworksPruned:
        """Remove the networks that no container has."""
        return cast("t.NetworksPruned", self.call("network.prune", request))

    def network_remove(self, request: t.NetworkRemove) -> None:
        """Remove a network."""
        self.call("network.remove", request)

    def registry_login(self, request: t.RegistryLogin) -> t.RegistryLoggedIn:
        """Ask a registry whether it takes credentials, and keep them."""
        return cast("t.RegistryLoggedIn", self.call("registry.login", request))

    def registry_logout(self, request: t.RegistryLogout) -> None:
        """Forget the credentials of a registry."""
        self.call("registry.logout", request)

    def registry_referrers(self, request: t.RegistryReferrers) -> list[t.Referrer]:
        """What refers to an image at its registry."""
        return cast("list[t.Referrer]", self.call("registry.referrers", request))

    def system_check(self, request: Optional[t.SystemCheck] = None) -> t.SystemChecked:
        """Compare everything that is stored with its digest."""
        return cast("t.SystemChecked", self.call("system.check", request))

    def system_df(self) -> t.DiskUsage:
        """What the engine keeps on disk."""
        return cast("t.DiskUsage", self.call("system.df"))

    def system_events(
        self, request: Optional[t.SystemEvents] = None
    ) -> DocumentStream[t.EventMessage]:
        """What happens."""
        return self.documents("system.events", request)

    def system_info(self) -> t.SystemInfo:
        """The engine and this host."""
        return cast("t.SystemInfo", self.call("system.info"))

    def system_prune(self, request: Optional[t.SystemPrune] = None) -> t.SystemPruned:
        """Remove what nothing needs."""
        return cast("t.SystemPruned", self.call("system.prune", request))

    def system_version(self) -> t.SystemVersion:
        """Versions."""
        return cast("t.SystemVersion", self.call("system.version"))

    def volume_create(self, request: Optional[t.VolumeCreate] = None) -> t.Volume:
        """Create a volume, or find that there is one of that name."""
        return cast("t.Volume", self.call("volume.create", request))

    def volume_inspect(self, request: t.VolumeRef) -> t.Volume:
        """A volume."""
        return cast("t.Volume", self.call("volume.inspect", request))

    def volume_list(self, request: Optional[t.VolumeList] = None) -> t.VolumesListed:
        """List volumes."""
        return cast("t.VolumesListed", self.call("volume.list", request))

    def volume_prune(self, request: Optional[t.VolumePrune] = None) -> t.VolumesPruned:
        """Remove the volumes that no container has."""
        return cast("t.VolumesPruned", self.call("volume.prune", request))

    def volume_remove(self, request: t.VolumeRemove) -> None:
        """Remove a volume."""
        self.call("volume.remove", request)
