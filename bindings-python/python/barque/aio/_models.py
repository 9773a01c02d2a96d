"""Containers and images of asyncio: what needs the engine is awaited, what the document says is not."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Optional, Union, cast

from .._build import BuildOptions, Files, build_document, keeps_image
from .._credentials import credentials_async
from .._exec import Command as ExecCommand
from .._exec import Environment, ExecResult, exec_document, exit_code, start_document
from .._input import Content, Data, content, opened
from .._kwargs import (
    Command,
    CreateOptions,
    UpdateOptions,
    connect_document,
    create_document,
    update_document,
)
from .._streams import Uncopyable
from ..errors import BarqueError, InvalidArgument, NotFound, NotModified
from ..models.images import Image, builder_prune_document
from ..models.resource import (
    ContainerSnapshot,
    ImageSnapshot,
    Moment,
    filters_document,
    reference,
    search_document,
    signal_text,
)
from ._documents import AsyncDocumentStream
from ._streams import AsyncStream

if sys.version_info >= (3, 12):
    from typing import Self, Unpack
elif TYPE_CHECKING:
    from typing_extensions import Self, Unpack

if TYPE_CHECKING:
    import builtins

    from .. import _types as t
    from .._credentials import AsyncCredentials
    from ._client import AsyncClient


Path = Union[str, "os.PathLike[str]"]
"""A path of this host."""


class AsyncContainer(ContainerSnapshot):
    """A container. With `async with` it is stopped and removed at the end of the block, and killed when the block raises."""

    def __init__(self, attrs: dict[str, Any], client: AsyncClient) -> None:
        self.attrs = attrs
        self.client = client
        """The client it came from."""

    async def reload(self) -> None:
        """Get the document again."""
        self.attrs = await self.client.api.call("container.inspect", {"Id": self.id})

    async def start(self, *, tied: bool = False) -> None:
        """Start it. If it runs, it is left so. `tied`: it is killed when this process dies, in whatever way."""
        with suppress(NotModified):
            await self.client.api.call("container.start", {"Id": self.id, "Tied": tied})

    async def stop(self, timeout: Optional[int] = None, signal: Optional[str] = None) -> None:
        """Ask it to end, and kill it after `timeout` seconds (its own, else 10). If it doesn't run, it is left so."""
        request = {"Id": self.id, "Timeout": timeout, "Signal": signal or ""}
        with suppress(NotModified):
            await self.client.api.call("container.stop", request)

    async def restart(self, timeout: Optional[int] = None, signal: Optional[str] = None) -> None:
        """Stop it and start it again; one that does not run is started."""
        request = {"Id": self.id, "Timeout": timeout, "Signal": signal or ""}
        await self.client.api.call("container.restart", request)

    async def pause(self) -> None:
        """Freeze its processes."""
        await self.client.api.call("container.pause", {"Id": self.id})

    async def unpause(self) -> None:
        """Let its processes go on."""
        await self.client.api.call("container.unpause", {"Id": self.id})

    async def connect(self, port: int, timeout: float = 0) -> socket.socket:
        """A connected socket to one of its TCP ports, published or not, with any network or none; it does not block.

        Waits at most `timeout` seconds until somebody listens; raises `Unavailable` when nobody does.
        """
        document = connect_document(self.id, port, timeout)
        connected = await self.client.api.call("container.connect", document)
        connection = socket.socket(fileno=cast("t.ContainerConnected", connected)["Descriptor"])
        connection.setblocking(False)
        return connection

    async def rename(self, name: str) -> None:
        """Give it another name."""
        await self.client.api.call("container.rename", {"Id": self.id, "Name": name})

    async def update(self, **options: Unpack[UpdateOptions]) -> t.ContainerUpdated:
        """Change its limits, at once where it runs, and its restart policy: docker-py's keywords."""
        document = update_document(self.id, options)
        return cast("t.ContainerUpdated", await self.client.api.call("container.update", document))

    async def kill(self, signal: Union[str, int, None] = None) -> None:
        """Send it a signal, SIGKILL if none is named."""
        request = {"Id": self.id, "Signal": signal_text(signal)}
        await self.client.api.call("container.kill", request)

    async def wait(self, condition: Optional[str] = None) -> t.ContainerExit:
        """Wait until it has ended and say how. `asyncio.timeout` is its time limit; the container goes on."""
        request = {"Id": self.id, "Condition": condition or ""}
        async with await self.client.api.stream("container.wait", request) as stream:
            return await stream.wait()

    async def remove(self, v: bool = False, force: bool = False) -> None:
        """Remove it; `v`: its anonymous volumes too; `force`: kill it first when it runs."""
        await self.client.api.call(
            "container.remove", {"Id": self.id, "Volumes": v, "Force": force}
        )

    async def resize(self, height: int, width: int) -> None:
        """Set the size of its terminal."""
        await self.client.api.call("container.resize", {"Id": self.id, "H": height, "W": width})

    async def logs(
        self,
        stdout: bool = True,
        stderr: bool = True,
        follow: bool = False,
        timestamps: bool = False,
        tail: Union[int, str] = "all",
        since: Optional[Moment] = None,
        until: Optional[Moment] = None,
    ) -> AsyncStream:
        """What it has written, as a stream; `follow`: to its end. `b"".join([c.data async for c in await c.logs()])`."""
        request = self.logs_request(stdout, stderr, follow, timestamps, tail, since, until)
        return await self.client.api.stream("container.logs", request)

    async def top(self, ps_args: str = "") -> t.ContainerTopResponse:
        """Its processes: `Titles` and `Processes`; `ps_args` are options of `ps`."""
        answer = await self.client.api.call("container.top", {"Id": self.id, "PsArgs": ps_args})
        return cast("t.ContainerTopResponse", answer)

    async def stats(
        self, stream: bool = True, one_shot: bool = False
    ) -> AsyncDocumentStream[t.StatsResponse]:
        """What it uses, once a second to its end; without `stream` once, `one_shot`: without a sample to compare with."""
        request = {"Id": self.id, "Stream": stream, "OneShot": one_shot}
        return await self.client.api.documents("container.stats", request)

    async def attach(
        self, stdin: bool = False, stdout: bool = True, stderr: bool = True
    ) -> AsyncStream:
        """Attach to it while it runs: iterate for what it writes, `write` to its input, `exit` at the end."""
        request = {"Id": self.id, "Stdin": stdin, "Stdout": stdout, "Stderr": stderr}
        return await self.client.api.stream("container.attach", request)

    async def exec_run(
        self,
        cmd: ExecCommand,
        stdout: bool = True,
        stderr: bool = True,
        tty: bool = False,
        privileged: bool = False,
        user: str = "",
        detach: bool = False,
        environment: Optional[Environment] = None,
        workdir: Optional[str] = None,
        demux: bool = False,
        timeout: Optional[float] = None,
        input: Optional[bytes] = None,
    ) -> ExecResult:
        """Run a command in it while it runs: its exit code and what it wrote; `demux`: the outputs apart.

        Cancelling this kills the command with all that it has started, as `timeout` does, which raises `Timeout`.
        """
        document = exec_document(
            self.id,
            cmd,
            stdin=input is not None,
            stdout=stdout,
            stderr=stderr,
            tty=tty,
            privileged=privileged,
            user=user,
            environment=environment,
            workdir=workdir,
        )
        created = await self.client.api.call("exec.create", document)
        request = start_document(created["Id"], detach, timeout)
        async with await self.client.api.stream("exec.start", request) as stream:
            if detach:
                return ExecResult(None, b"")
            sending = asyncio.ensure_future(_send(stream, input)) if input is not None else None
            chunks = [(chunk.stream, chunk.data) async for chunk in stream]
            if sending is not None:
                sending.cancel()
                await asyncio.wait([sending])
        code = exit_code(stream.exit, timeout)
        if demux:
            apart = [b"".join(data for name, data in chunks if name == out) for out in ("stdout", "stderr")]
            return ExecResult(code, tuple(data or None for data in apart))
        return ExecResult(code, b"".join(data for _, data in chunks))

    async def exec_stream(
        self,
        cmd: ExecCommand,
        stdin: bool = True,
        tty: bool = False,
        privileged: bool = False,
        user: str = "",
        environment: Optional[Environment] = None,
        workdir: Optional[str] = None,
        timeout: Optional[float] = None,
    ) -> AsyncStream:
        """Run a command in it and talk to it: iterate for what it writes, `write` to its input. It ends with the stream."""
        document = exec_document(
            self.id,
            cmd,
            stdin=stdin,
            stdout=True,
            stderr=True,
            tty=tty,
            privileged=privileged,
            user=user,
            environment=environment,
            workdir=workdir,
        )
        created = await self.client.api.call("exec.create", document)
        return await self.client.api.stream("exec.start", start_document(created["Id"], False, timeout))

    async def get_archive(self, path: str) -> tuple[AsyncStream, t.PathStat]:
        """What is at a path of it as a tar archive, and what that is."""
        stream = await self.client.api.stream("archive.get", {"Id": self.id, "Path": path})
        return stream, cast("t.PathStat", await stream.document())

    async def put_archive(self, path: str, data: Data) -> bool:
        """Unpack a tar archive (plain, gzip or zstd) into a directory of it."""
        async with _opened(data) as source:
            request = {"Id": self.id, "Path": path, "Input": source}
            await self.client.api.call("archive.put", request)
        return True

    async def copy_to(
        self, source: Path, path: str, archive: bool = False, follow_link: bool = False
    ) -> t.FileCopied:
        """Copy a file or directory of this host to a path of it, as `docker cp` does. `archive`: keep owners."""
        request = {
            "Source": {"Path": os.fspath(source)},
            "Destination": {"Id": self.id, "Path": path},
            "Archive": archive,
            "FollowLink": follow_link,
        }
        return cast("t.FileCopied", await self.client.api.call("file.copy", request))

    async def copy_from(
        self, path: str, destination: Path, archive: bool = False, follow_link: bool = False
    ) -> t.FileCopied:
        """Copy a file or directory of it to a path of this host, as `docker cp` does. `archive`: keep owners."""
        request = {
            "Source": {"Id": self.id, "Path": path},
            "Destination": {"Path": os.fspath(destination)},
            "Archive": archive,
            "FollowLink": follow_link,
        }
        return cast("t.FileCopied", await self.client.api.call("file.copy", request))

    async def read_file(self, path: str, offset: int = 0, limit: Optional[int] = None) -> bytes:
        """The content of a file of it, whole or at most `limit` bytes from `offset` on."""
        if limit == 0:
            return b""
        request = {"Id": self.id, "Path": path, "Offset": offset, "Limit": limit or 0}
        async with await self.client.api.stream("file.read", request) as stream:
            return b"".join([chunk.data async for chunk in stream])

    async def write_file(
        self,
        path: str,
        data: Content,
        mode: Optional[int] = None,
        user: str = "",
        parents: bool = False,
    ) -> None:
        """Make a file in it, or replace one, whole or not at all. `parents`: and directories that are missing."""
        async with _opened(content(data)) as source:
            request = {
                "Id": self.id,
                "Path": path,
                "Input": source,
                "Mode": mode,
                "User": user,
                "Parents": parents,
            }
            await self.client.api.call("file.write", request)

    async def stat_path(self, path: str) -> t.PathStat:
        """What is at a path of it."""
        request = {"Id": self.id, "Path": path}
        return cast("t.PathStat", await self.client.api.call("file.stat", request))

    async def list_files(self, path: str = "/") -> list[t.PathStat]:
        """What is in a directory of it, by name."""
        request = {"Id": self.id, "Path": path}
        return cast("list[t.PathStat]", await self.client.api.call("file.list", request))

    async def remove_file(self, path: str, recursive: bool = False) -> None:
        """Remove what is at a path of it; `recursive`: a directory with everything in it."""
        request = {"Id": self.id, "Path": path, "Recursive": recursive}
        await self.client.api.call("file.remove", request)

    async def diff(self) -> list[t.FilesystemChange]:
        """What it has changed of its image: `Kind` 0 changed, 1 added, 2 deleted."""
        changes = await self.client.api.call("container.diff", {"Id": self.id})
        return cast("list[t.FilesystemChange]", changes)

    async def export(self) -> AsyncStream:
        """Its root file system as a tar archive."""
        return await self.client.api.stream("container.export", {"Id": self.id})

    async def commit(
        self,
        repository: Optional[str] = None,
        tag: Optional[str] = None,
        message: Optional[str] = None,
        author: Optional[str] = None,
        pause: bool = True,
        changes: Union[str, list[str], None] = None,
    ) -> AsyncImage:
        """Make an image of it. `changes` are Dockerfile instructions, one a line or one an item."""
        lines = changes.splitlines() if isinstance(changes, str) else [*(changes or ())]
        request = {
            "Id": self.id,
            "Reference": reference(repository or "", tag),
            "Message": message or "",
            "Author": author or "",
            "Pause": pause,
            "Changes": [line for line in lines if line.strip()],
        }
        created = await self.client.api.call("container.commit", request)
        return await self.client.images.get(created["Id"])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        try:
            with suppress(NotFound):
                # Whoever is cancelled does not want to wait for a container that takes its time.
                if error is None:
                    await self.stop()
                await self.remove(force=True)
        except BarqueError:
            # What the block raised says more than that its container could not be removed after it.
            if error is None:
                raise


async def _send(stream: AsyncStream, data: bytes) -> None:
    with suppress(BarqueError):
        # It may close its input, or end: what it wrote and how it ended is the answer.
        await stream.write(data)
        stream.close_stdin()


class AsyncContainers(Uncopyable):
    """All containers."""

    def __init__(self, client: AsyncClient) -> None:
        self.client = client
        """The client it belongs to."""

    async def create(
        self,
        image: Union[str, Image, AsyncImage],
        command: Command = None,
        **options: Unpack[CreateOptions],
    ) -> AsyncContainer:
        """Create a container without starting it."""
        document = create_document("create", image, command, options)
        created = await self.client.api.call("container.create", document)
        return await self.get(created["Id"])

    async def run(
        self,
        image: Union[str, Image, AsyncImage],
        command: Command = None,
        **options: Unpack[CreateOptions],
    ) -> AsyncContainer:
        """Create and start a container that goes on. For one that is run to its end see `AsyncClient.run`."""
        container = await self.create(image, command, **options)
        try:
            await container.start()
        except BaseException:
            with suppress(BarqueError):
                await container.remove(force=True)
            raise
        return container

    async def get(self, container_id: str) -> AsyncContainer:
        """The container of that name or id."""
        attrs = await self.client.api.call("container.inspect", {"Id": container_id})
        return AsyncContainer(attrs, self.client)

    async def list(
        self,
        all: bool = False,
        filters: Optional[dict[str, Any]] = None,
        limit: int = 0,
    ) -> builtins.list[AsyncContainer]:
        """The containers that run; `all`: the others too. Their documents are rows of the list until they are reloaded."""
        rows = await self.client.api.call(
            "container.list", {"All": all, "Limit": limit, "Filters": filters_document(filters)}
        )
        return [AsyncContainer(row, self.client) for row in rows]

    async def prune(
        self, filters: Optional[dict[str, Any]] = None, dry_run: bool = False
    ) -> t.ContainersPruned:
        """Remove those that do not run; `dry_run`: only say which these are."""
        request = {"Filters": filters_document(filters), "DryRun": dry_run}
        return cast("t.ContainersPruned", await self.client.api.call("container.prune", request))


class AsyncImage(ImageSnapshot):
    """An image."""

    def __init__(self, attrs: dict[str, Any], client: AsyncClient) -> None:
        self.attrs = attrs
        self.client = client
        """The client it came from."""

    async def reload(self) -> None:
        """Get the document again."""
        self.attrs = await self.client.api.call("image.inspect", {"Name": self.id})

    async def history(self) -> list[t.HistoryRow]:
        """The instructions it was made by, newest first."""
        rows = await self.client.api.call("image.history", {"Name": self.id})
        return cast("list[t.HistoryRow]", rows)

    async def save(self, named: Union[str, bool] = False) -> AsyncStream:
        """Save it: a stream of an archive's bytes. `named`: with one of its names, or with that name."""
        name = self.id
        if isinstance(named, str):
            if named not in self.tags:
                raise InvalidArgument(f"{named} is not a valid tag for this image")
            name = named
        elif named and self.tags:
            name = self.tags[0]
        return await self.client.images.save([name])

    async def tag(self, repository: str, tag: Optional[str] = None) -> bool:
        """Give it another name."""
        request = {"Name": self.id, "Reference": reference(repository, tag)}
        await self.client.api.call("image.tag", request)
        return True

    async def remove(self, force: bool = False, noprune: bool = False) -> list[t.ImageRemoved]:
        """Remove it with its names; what was untagged and deleted."""
        return await self.client.images.remove(self.id, force, noprune)


@asynccontextmanager
async def _opened(data: Data) -> AsyncIterator[t.Input]:
    """The same as `opened`, which may write a file, off the event loop."""
    loop = asyncio.get_running_loop()
    with ExitStack() as stack:
        yield await loop.run_in_executor(None, stack.enter_context, opened(data))


class AsyncImages(Uncopyable):
    """All images."""

    def __init__(self, client: AsyncClient) -> None:
        self.client = client
        """The client it belongs to."""

    async def get(self, name: str) -> AsyncImage:
        """The image of that name, digest or id."""
        attrs = await self.client.api.call("image.inspect", {"Name": name})
        return AsyncImage(attrs, self.client)

    async def list(
        self, all: bool = False, filters: Optional[dict[str, Any]] = None
    ) -> builtins.list[AsyncImage]:
        """The images. Their documents are rows of the list until they are reloaded."""
        request = {"All": all, "Filters": filters_document(filters)}
        rows = await self.client.api.call("image.list", request)
        return [AsyncImage(row, self.client) for row in rows]

    async def load(self, data: Data) -> builtins.list[AsyncImage]:
        """Load images from an archive of `docker save`, an OCI archive or an OCI layout directory."""
        async with _opened(data) as source:
            loaded = await self.client.api.call("image.load", {"Input": source})
        return [await self.get(image["Id"]) for image in loaded["Images"]]

    async def build(
        self,
        path: Optional[Union[Data, Files]] = None,
        *,
        progress: Optional[Callable[[t.Progress], object]] = None,
        **options: Unpack[BuildOptions],
    ) -> tuple[AsyncImage, builtins.list[t.Progress]]:
        """Build an image from a Dockerfile, as `barque.Client.images.build`. Cancelling the task ends the build."""
        request, context = build_document(path, options)
        told: builtins.list[t.Progress] = []
        async with AsyncExitStack() as stack:
            if context is not None:
                request["Context"] = await stack.enter_async_context(_opened(context))
            lines = await self.client.api.progress("image.build", request)
            stack.callback(lines.close)
            async for line in lines:
                told.append(line)
                if progress is not None:
                    progress(line)
            built = await lines.wait()
            if keeps_image(request):
                return await self.get(built["Id"]), told
            return AsyncImage({"Id": built["Id"]}, self.client), told

    async def check(
        self, path: Optional[Union[Data, Files]] = None, **options: Unpack[BuildOptions]
    ) -> builtins.list[t.BuildCheck]:
        """What the Dockerfile could do better, as `barque.Client.images.check`."""
        request, context = build_document(path, options)
        request["Check"] = True
        async with AsyncExitStack() as stack:
            if context is not None:
                request["Context"] = await stack.enter_async_context(_opened(context))
            lines = await self.client.api.progress("image.build", request)
            stack.callback(lines.close)
            return cast("builtins.list[t.BuildCheck]", (await lines.wait())["Checks"])

    async def pull(
        self,
        repository: str,
        tag: Optional[str] = None,
        *,
        platform: Optional[str] = None,
        auth_config: AsyncCredentials = None,
        policy: str = "always",
        progress: Optional[Callable[[t.Progress], object]] = None,
    ) -> AsyncImage:
        """Fetch an image from its registry, as `barque.Client.images.pull`. Cancelling the task ends the pull."""
        name = reference(repository, tag)
        request = {
            "Name": name,
            "Platform": platform or "",
            "Auth": await credentials_async(auth_config, name),
            "Policy": policy,
        }
        lines = await self.client.api.progress("image.pull", request)
        try:
            async for line in lines:
                if progress is not None:
                    progress(line)
            return await self.get((await lines.wait())["Id"])
        finally:
            lines.close()

    async def push(
        self,
        repository: str,
        tag: Optional[str] = None,
        *,
        all_tags: bool = False,
        auth_config: AsyncCredentials = None,
        progress: Optional[Callable[[t.Progress], object]] = None,
    ) -> t.ImagePushed:
        """Bring an image to its registry, as `barque.Client.images.push`. Cancelling the task ends the push."""
        name = reference(repository, tag)
        request = {
            "Name": name,
            "AllTags": all_tags,
            "Auth": await credentials_async(auth_config, name),
        }
        lines = await self.client.api.progress("image.push", request)
        try:
            async for line in lines:
                if progress is not None:
                    progress(line)
            return cast("t.ImagePushed", await lines.wait())
        finally:
            lines.close()

    async def save(self, names: builtins.list[str], platform: str = "") -> AsyncStream:
        """Save images to one archive, which docker, podman and skopeo load too: a stream of its bytes.

        It is whole only when the stream ends without raising.
        """
        request = {"Names": [*names], "Platform": platform}
        return await self.client.api.stream("image.save", request)

    async def import_(
        self,
        data: Data,
        repository: str = "",
        tag: Optional[str] = None,
        changes: Optional[builtins.list[str]] = None,
        message: str = "",
        platform: str = "",
    ) -> AsyncImage:
        """Make an image of one layer from a root file system: a tar archive or a directory."""
        async with _opened(data) as source:
            created = await self.client.api.call(
                "image.import",
                {
                    "Input": source,
                    "Reference": reference(repository, tag),
                    "Changes": changes,
                    "Message": message,
                    "Platform": platform,
                },
            )
        return await self.get(created["Id"])

    async def remove(
        self, image: Union[str, AsyncImage], force: bool = False, noprune: bool = False
    ) -> builtins.list[t.ImageRemoved]:
        """Remove a name, and the image when that was its last; what was untagged and deleted."""
        name = image.id if isinstance(image, AsyncImage) else image
        request = {"Name": name, "Force": force, "NoPrune": noprune}
        return cast(
            "builtins.list[t.ImageRemoved]", await self.client.api.call("image.remove", request)
        )

    async def prune_builds(
        self,
        filters: Optional[dict[str, Any]] = None,
        keep_storage: Optional[int] = None,
        all: bool = False,
        dry_run: bool = False,
        *,
        max_used_space: int = 0,
        min_free_space: int = 0,
    ) -> t.BuilderPruned:
        """Remove what builds have left and no image has; `all`: what images have too.

        With `max_used_space` as much stays of what was used last, with `min_free_space` what leaves that much of the disk free, and at
        least `keep_storage` bytes.
        """
        request = builder_prune_document(
            filters, keep_storage, all, dry_run, max_used_space, min_free_space
        )
        return cast("t.BuilderPruned", await self.client.api.call("builder.prune", request))

    async def prune(
        self, filters: Optional[dict[str, Any]] = None, dry_run: bool = False
    ) -> t.ImagesPruned:
        """Remove those without a tag that no container stands on; `{"dangling": False}`: those with one too."""
        request = {"Filters": filters_document(filters), "DryRun": dry_run}
        return cast("t.ImagesPruned", await self.client.api.call("image.prune", request))

    async def search(
        self,
        term: str,
        limit: int = 0,
        *,
        filters: Optional[dict[str, Any]] = None,
        auth_config: AsyncCredentials = None,
    ) -> builtins.list[t.SearchResult]:
        """Search a registry (`registry.example/term`, else Docker Hub) for repositories: at most `limit`, 25 if it is 0."""
        request = search_document(term, limit, filters, await credentials_async(auth_config, term))
        found = await self.client.api.call("image.search", request)
        return cast("builtins.list[t.SearchResult]", found)
