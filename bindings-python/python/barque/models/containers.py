"""Containers: `client.containers` and what it gives."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Optional, Union, cast, overload

from .._documents import DocumentStream, Encoded
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
from .._run import OUTPUT_LIMIT, Captures, Input, run_to_end
from .._streams import CancellableStream, Stream, Uncopyable, data_of, demuxed
from ..errors import BarqueError, ContainerError, NotFound, NotModified, NotSupported, Timeout
from .images import Image
from .resource import ContainerSnapshot, Moment, filters_document, reference, signal_text

if sys.version_info >= (3, 12):
    from typing import Self, Unpack
elif TYPE_CHECKING:
    from typing_extensions import Self, Unpack

if TYPE_CHECKING:
    import builtins

    from .. import _types as t
    from ..client import Client

Path = Union[str, "os.PathLike[str]"]
"""A path of this host."""

Pair = tuple[Optional[bytes], Optional[bytes]]
"""Standard output and standard error."""

class Container(ContainerSnapshot):
    """A container.

    As a context manager it is stopped and removed at the end of the block, and killed and removed when the block raises.
    """

    def __init__(self, attrs: dict[str, Any], client: Client) -> None:
        self.attrs = attrs
        self.client = client
        """The client it came from."""

    @property
    def image(self) -> Optional[Image]:
        """Its image."""
        image = self.attrs.get("ImageID", self.attrs.get("Image"))
        return None if image is None else self.client.images.get(image)

    def reload(self) -> None:
        """Get the document again."""
        self.attrs = cast("dict[str, Any]", self.client.api.container_inspect({"Id": self.id}))

    def start(self, *, tied: bool = False) -> None:
        """Start it. If it runs, it is left so. `tied`: it is killed when this process dies, in whatever way."""
        with suppress(NotModified):
            self.client.api.container_start({"Id": self.id, "Tied": tied})

    def stop(self, timeout: Optional[int] = None, signal: Optional[str] = None) -> None:
        """Ask it to end, and kill it after `timeout` seconds (its own, else 10). If it doesn't run, it is left so."""
        request: t.ContainerStop = {"Id": self.id, "Signal": signal or ""}
        if timeout is not None:
            request["Timeout"] = timeout
        with suppress(NotModified):
            self.client.api.container_stop(request)

    def restart(self, timeout: Optional[int] = None, signal: Optional[str] = None) -> None:
        """Stop it and start it again; one that does not run is started."""
        request: t.ContainerRestart = {"Id": self.id, "Signal": signal or ""}
        if timeout is not None:
            request["Timeout"] = timeout
        self.client.api.container_restart(request)

    def pause(self) -> None:
        """Freeze its processes."""
        self.client.api.container_pause({"Id": self.id})

    def unpause(self) -> None:
        """Let its processes go on."""
        self.client.api.container_unpause({"Id": self.id})

    def connect(self, port: int, timeout: float = 0) -> socket.socket:
        """A connected socket to one of its TCP ports, published or not, with any network or none.

        Waits at most `timeout` seconds until somebody listens; raises `Unavailable` when nobody does.
        """
        request = connect_document(self.id, port, timeout)
        return socket.socket(fileno=self.client.api.container_connect(request)["Descriptor"])

    def rename(self, name: str) -> None:
        """Give it another name."""
        self.client.api.container_rename({"Id": self.id, "Name": name})

    def update(self, **options: Unpack[UpdateOptions]) -> t.ContainerUpdated:
        """Change its limits, at once where it runs, and its restart policy: docker-py's keywords."""
        return self.client.api.container_update(update_document(self.id, options))

    def kill(self, signal: Union[str, int, None] = None) -> None:
        """Send it a signal, SIGKILL if none is named."""
        self.client.api.container_kill({"Id": self.id, "Signal": signal_text(signal)})

    def wait(
        self, timeout: Optional[float] = None, condition: Optional[str] = None
    ) -> t.ContainerExit:
        """Wait until it has ended and say how: `StatusCode`, `Reason`, …

        Raises `Timeout` when it still runs after `timeout` seconds; it goes on.
        """
        request: t.ContainerWait = {"Id": self.id, "Condition": condition or ""}
        with self.client.api.container_wait(request) as stream:
            try:
                stream.read(timeout)
            except Timeout:
                raise Timeout(
                    f"container {self.short_id} still runs after {timeout} seconds",
                    {"kind": "timeout", "code": -12, "subject": {"type": "container", "id": self.id}},
                ) from None
            return stream.wait()

    def remove(self, v: bool = False, link: bool = False, force: bool = False) -> None:
        """Remove it; `v`: its anonymous volumes too; `force`: kill it first when it runs."""
        if link:
            raise NotSupported("links are not supported", {"kind": "unsupported", "code": -9})
        self.client.api.container_remove({"Id": self.id, "Volumes": v, "Force": force})

    def resize(self, height: int, width: int) -> None:
        """Set the size of its terminal."""
        self.client.api.container_resize({"Id": self.id, "H": height, "W": width})

    @overload
    def logs(
        self,
        stdout: bool = True,
        stderr: bool = True,
        stream: Literal[False] = False,
        timestamps: bool = False,
        tail: Union[int, str] = "all",
        since: Optional[Moment] = None,
        follow: Optional[bool] = None,
        until: Optional[Moment] = None,
    ) -> bytes: ...
    @overload
    def logs(
        self,
        stdout: bool = True,
        stderr: bool = True,
        *,
        stream: Literal[True],
        timestamps: bool = False,
        tail: Union[int, str] = "all",
        since: Optional[Moment] = None,
        follow: Optional[bool] = None,
        until: Optional[Moment] = None,
    ) -> CancellableStream[bytes]: ...
    def logs(
        self,
        stdout: bool = True,
        stderr: bool = True,
        stream: bool = False,
        timestamps: bool = False,
        tail: Union[int, str] = "all",
        since: Optional[Moment] = None,
        follow: Optional[bool] = None,
        until: Optional[Moment] = None,
    ) -> Union[bytes, CancellableStream[bytes]]:
        """What it has written. `stream`: as an iterator, which follows it to its end unless `follow` says no."""
        request = self.logs_request(
            stdout, stderr, stream if follow is None else follow, timestamps, tail, since, until
        )
        output = self.client.api.container_logs(request)
        if stream:
            return CancellableStream(output, data_of)
        with output:
            return b"".join(chunk.data for chunk in output)

    @overload
    def attach(
        self,
        stdout: bool = True,
        stderr: bool = True,
        stream: Literal[False] = False,
        logs: bool = False,
        demux: Literal[False] = False,
    ) -> bytes: ...
    @overload
    def attach(
        self,
        stdout: bool = True,
        stderr: bool = True,
        *,
        stream: Literal[True],
        logs: bool = False,
        demux: Literal[False] = False,
    ) -> CancellableStream[bytes]: ...
    @overload
    def attach(
        self,
        stdout: bool = True,
        stderr: bool = True,
        stream: Literal[False] = False,
        logs: bool = False,
        *,
        demux: Literal[True],
    ) -> Pair: ...
    @overload
    def attach(
        self,
        stdout: bool = True,
        stderr: bool = True,
        *,
        stream: Literal[True],
        logs: bool = False,
        demux: Literal[True],
    ) -> CancellableStream[Pair]: ...
    def attach(
        self,
        stdout: bool = True,
        stderr: bool = True,
        stream: bool = False,
        logs: bool = False,
        demux: bool = False,
    ) -> Union[bytes, Pair, CancellableStream[bytes], CancellableStream[Pair]]:
        """What it writes from now on, to its end; `logs`: and what it wrote before.

        `stream`: as an iterator; `demux`: the outputs apart. For its input see `attach_stream`.
        """
        if logs:
            request = self.logs_request(stdout, stderr, True, False, "all", None, None)
            output = self.client.api.container_logs(request)
        else:
            output = self.attach_stream(stdin=False, stdout=stdout, stderr=stderr)
        if stream:
            return CancellableStream(output, demuxed) if demux else CancellableStream(output, data_of)
        both: list[bytes] = []
        captures = Captures(None)
        with output:
            for chunk in output:
                both.append(chunk.data)
                captures.take(chunk)
        if demux:
            return (bytes(captures.stdout) or None, bytes(captures.stderr) or None)
        return b"".join(both)

    def top(self, ps_args: Optional[str] = None) -> t.ContainerTopResponse:
        """Its processes: `Titles` and `Processes`; `ps_args` are options of `ps`."""
        return self.client.api.container_top({"Id": self.id, "PsArgs": ps_args or ""})

    @overload
    def stats(
        self,
        decode: Optional[Literal[False]] = None,
        stream: Literal[True] = True,
        one_shot: bool = False,
    ) -> Encoded: ...
    @overload
    def stats(
        self, decode: Literal[True], stream: Literal[True] = True, one_shot: bool = False
    ) -> DocumentStream[t.StatsResponse]: ...
    @overload
    def stats(
        self, decode: Optional[bool] = None, *, stream: Literal[False], one_shot: bool = False
    ) -> t.StatsResponse: ...
    def stats(
        self, decode: Optional[bool] = None, stream: bool = True, one_shot: bool = False
    ) -> Union[Encoded, DocumentStream[t.StatsResponse], t.StatsResponse]:
        """What it uses, once a second to its end. `decode`: as dictionaries, else lines of JSON, as docker-py has it.

        Without `stream` it is one dictionary: a sample with another, a second older, in `precpu_stats`; `one_shot`: without.
        """
        samples = self.client.api.container_stats(
            {"Id": self.id, "Stream": stream, "OneShot": one_shot}
        )
        if stream:
            return samples if decode else Encoded(samples)
        with samples:
            return next(samples)

    def attach_stream(self, stdin: bool = True, stdout: bool = True, stderr: bool = True) -> Stream:
        """Attach to it while it runs: iterate for what it writes, `write` to its input, `exit` at the end."""
        return self.client.api.container_attach(
            {"Id": self.id, "Stdin": stdin, "Stdout": stdout, "Stderr": stderr}
        )

    def exec_run(
        self,
        cmd: ExecCommand,
        stdout: bool = True,
        stderr: bool = True,
        stdin: bool = False,
        tty: bool = False,
        privileged: bool = False,
        user: str = "",
        detach: bool = False,
        stream: bool = False,
        environment: Optional[Environment] = None,
        workdir: Optional[str] = None,
        demux: bool = False,
        timeout: Optional[float] = None,
        input: Optional[Input] = None,
    ) -> ExecResult:
        """Run a command in it while it runs: its exit code and what it wrote.

        `demux`: the outputs apart; `stream`: as an iterator, and no exit code; `detach`: don't wait for it. `input` is sent to its
        standard input. After `timeout` seconds it is killed with all that it has started, and `Timeout` raised.
        """
        created = self._exec_create(
            cmd,
            stdin=stdin or input is not None,
            stdout=stdout,
            stderr=stderr,
            tty=tty,
            privileged=privileged,
            user=user,
            environment=environment,
            workdir=workdir,
        )
        output = self.client.api.exec_start(start_document(created, detach, timeout))
        if detach:
            output.close()
            return ExecResult(None, b"")
        if stream:
            streamed: Any = CancellableStream(output, demuxed if demux else data_of)
            return ExecResult(None, streamed)
        both: list[bytes] = []
        captures = Captures(None)
        captures.also(both.append)
        run_to_end(output, input, captures)
        code = exit_code(output.exit, timeout)
        if demux:
            return ExecResult(code, (bytes(captures.stdout) or None, bytes(captures.stderr) or None))
        return ExecResult(code, b"".join(both))

    def exec_stream(
        self,
        cmd: ExecCommand,
        stdin: bool = True,
        tty: bool = False,
        privileged: bool = False,
        user: str = "",
        environment: Optional[Environment] = None,
        workdir: Optional[str] = None,
        timeout: Optional[float] = None,
    ) -> Stream:
        """Run a command in it and talk to it: iterate for what it writes, `write` to its input. It ends with the stream."""
        created = self._exec_create(
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
        return self.client.api.exec_start(start_document(created, False, timeout))

    def _exec_create(self, cmd: ExecCommand, **options: Any) -> str:
        return self.client.api.exec_create(exec_document(self.id, cmd, **options))["Id"]

    def get_archive(
        self, path: str, chunk_size: Optional[int] = None, encode_stream: bool = False
    ) -> tuple[CancellableStream[bytes], t.PathStat]:
        """What is at a path of it as a tar archive, and what that is. The other arguments are docker-py's and change nothing."""
        stream = self.client.api.archive_get({"Id": self.id, "Path": path})
        return CancellableStream(stream, data_of), cast("t.PathStat", stream.document())

    def put_archive(self, path: str, data: Data) -> bool:
        """Unpack a tar archive (plain, gzip or zstd) into a directory of it."""
        with opened(data) as source:
            self.client.api.archive_put({"Id": self.id, "Path": path, "Input": source})
        return True

    def copy_to(
        self, source: Path, path: str, archive: bool = False, follow_link: bool = False
    ) -> t.FileCopied:
        """Copy a file or directory of this host to a path of it, as `docker cp` does. `archive`: keep owners."""
        return self.client.api.file_copy(
            {
                "Source": {"Path": os.fspath(source)},
                "Destination": {"Id": self.id, "Path": path},
                "Archive": archive,
                "FollowLink": follow_link,
            }
        )

    def copy_from(
        self, path: str, destination: Path, archive: bool = False, follow_link: bool = False
    ) -> t.FileCopied:
        """Copy a file or directory of it to a path of this host, as `docker cp` does. `archive`: keep owners."""
        return self.client.api.file_copy(
            {
                "Source": {"Id": self.id, "Path": path},
                "Destination": {"Path": os.fspath(destination)},
                "Archive": archive,
                "FollowLink": follow_link,
            }
        )

    def read_file(self, path: str, offset: int = 0, limit: Optional[int] = None) -> bytes:
        """The content of a file of it, whole or at most `limit` bytes from `offset` on."""
        if limit == 0:
            return b""
        with self.client.api.file_read(
            {"Id": self.id, "Path": path, "Offset": offset, "Limit": limit or 0}
        ) as stream:
            return b"".join(chunk.data for chunk in stream)

    def write_file(
        self,
        path: str,
        data: Content,
        mode: Optional[int] = None,
        user: str = "",
        parents: bool = False,
    ) -> None:
        """Make a file in it, or replace one, whole or not at all. `parents`: and directories that are missing."""
        with opened(content(data)) as source:
            request: t.FileWrite = {
                "Id": self.id,
                "Path": path,
                "Input": source,
                "User": user,
                "Parents": parents,
            }
            if mode is not None:
                request["Mode"] = mode
            self.client.api.file_write(request)

    def stat_path(self, path: str) -> t.PathStat:
        """What is at a path of it."""
        return self.client.api.file_stat({"Id": self.id, "Path": path})

    def list_files(self, path: str = "/") -> list[t.PathStat]:
        """What is in a directory of it, by name."""
        return self.client.api.file_list({"Id": self.id, "Path": path})

    def remove_file(self, path: str, recursive: bool = False) -> None:
        """Remove what is at a path of it; `recursive`: a directory with everything in it."""
        self.client.api.file_remove({"Id": self.id, "Path": path, "Recursive": recursive})

    def diff(self) -> list[t.FilesystemChange]:
        """What it has changed of its image: `Kind` 0 changed, 1 added, 2 deleted."""
        return self.client.api.container_diff({"Id": self.id})

    def export(self, chunk_size: Optional[int] = None) -> CancellableStream[bytes]:
        """Its root file system as a tar archive. `chunk_size` is docker-py's and changes nothing."""
        return CancellableStream(self.client.api.container_export({"Id": self.id}), data_of)

    def commit(
        self,
        repository: Optional[str] = None,
        tag: Optional[str] = None,
        message: Optional[str] = None,
        author: Optional[str] = None,
        pause: bool = True,
        changes: Union[str, list[str], None] = None,
    ) -> Image:
        """Make an image of it. `changes` are Dockerfile instructions, one a line or one an item."""
        lines = changes.splitlines() if isinstance(changes, str) else [*(changes or ())]
        created = self.client.api.container_commit(
            {
                "Id": self.id,
                "Reference": reference(repository or "", tag),
                "Message": message or "",
                "Author": author or "",
                "Pause": pause,
                "Changes": [line for line in lines if line.strip()],
            }
        )
        return self.client.images.get(created["Id"])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        try:
            with suppress(NotFound):
                # Whoever is interrupted does not want to wait for a container that takes its time.
                if error is None:
                    self.stop()
                self.remove(force=True)
        except BarqueError:
            # What the block raised says more than that its container could not be removed after it.
            if error is None:
                raise


class ContainerCollection(Uncopyable):
    """All containers."""

    def __init__(self, client: Client) -> None:
        self.client = client
        """The client it belongs to."""

    def create(
        self,
        image: Union[str, Image],
        command: Command = None,
        **options: Unpack[CreateOptions],
    ) -> Container:
        """Create a container without starting it."""
        created = self.client.api.container_create(
            create_document("create", image, command, options)
        )
        return self.get(created["Id"])

    @overload
    def run(
        self,
        image: Union[str, Image],
        command: Command = None,
        stdout: bool = True,
        stderr: bool = False,
        remove: bool = False,
        *,
        detach: Literal[False] = False,
        stream: Literal[False] = False,
        **options: Unpack[CreateOptions],
    ) -> bytes: ...
    @overload
    def run(
        self,
        image: Union[str, Image],
        command: Command = None,
        stdout: bool = True,
        stderr: bool = False,
        remove: bool = False,
        *,
        detach: Literal[True],
        stream: bool = False,
        **options: Unpack[CreateOptions],
    ) -> Container: ...
    @overload
    def run(
        self,
        image: Union[str, Image],
        command: Command = None,
        stdout: bool = True,
        stderr: bool = False,
        remove: bool = False,
        *,
        detach: Literal[False] = False,
        stream: Literal[True],
        **options: Unpack[CreateOptions],
    ) -> CancellableStream[bytes]: ...
    def run(
        self,
        image: Union[str, Image],
        command: Command = None,
        stdout: bool = True,
        stderr: bool = False,
        remove: bool = False,
        *,
        detach: bool = False,
        stream: bool = False,
        **options: Unpack[CreateOptions],
    ) -> Union[bytes, Container, CancellableStream[bytes]]:
        """Run a container to its end and return what it wrote.

        `detach`: return the running `Container` at once. `stream`: return an iterator over what it writes while it runs.
        Raises `ContainerError` when it exits with another code than 0. `client.run` keeps the outputs apart and raises nothing.
        """
        document = create_document("run", image, command, options)
        if remove:
            document["HostConfig"]["AutoRemove"] = True
        if detach:
            created = self.client.api.container_create(document)
            container = self.get(created["Id"])
            try:
                self.client.api.container_start({"Id": container.id})
            except BaseException:
                if remove:
                    with suppress(BarqueError):
                        container.remove(force=True)
                raise
            return container

        output = self.client.api.container_run({"Create": document, "Tied": True})
        captures = Captures(OUTPUT_LIMIT)

        def check(ended: Stream) -> None:
            result = captures.result(ended.exit, document["Image"], command)
            if result.exit_code != 0:
                raise ContainerError(
                    None if remove else self.get(result.id),
                    result.exit_code,
                    command,
                    result.image,
                    result.stderr or result.error.encode(),
                    result.reason,
                )

        if stream:
            return CancellableStream(_Wanted(output, stdout, stderr, captures), data_of, check)
        wanted = _Wanted(output, stdout, stderr, captures)
        with wanted:
            data = b"".join(chunk.data for chunk in wanted)
            check(wanted)
        return data

    def get(self, container_id: str) -> Container:
        """The container of that name or id."""
        attrs = self.client.api.container_inspect({"Id": container_id})
        return Container(cast("dict[str, Any]", attrs), self.client)

    def list(
        self,
        all: bool = False,
        before: Optional[str] = None,
        filters: Optional[dict[str, Any]] = None,
        limit: int = -1,
        since: Optional[str] = None,
        sparse: bool = False,
        ignore_removed: bool = True,
    ) -> builtins.list[Container]:
        """The containers that run; `all`: the others too.

        Each is inspected, unless `sparse`. One that is removed meanwhile is left out, unless `ignore_removed` is false.
        """
        wanted = filters_document(filters)
        for name, value in (("before", before), ("since", since)):
            if value is not None:
                wanted[name] = [value]
        rows = self.client.api.container_list(
            {"All": all, "Limit": max(limit, 0), "Filters": wanted}
        )
        if sparse:
            return [Container(cast("dict[str, Any]", row), self.client) for row in rows]
        containers = []
        for row in rows:
            try:
                containers.append(self.get(row["Id"]))
            except NotFound:
                if not ignore_removed:
                    raise
        return containers

    def prune(
        self, filters: Optional[dict[str, Any]] = None, dry_run: bool = False
    ) -> t.ContainersPruned:
        """Remove those that do not run; `dry_run`: only say which these are."""
        request: t.ContainerPrune = {"Filters": filters_document(filters), "DryRun": dry_run}
        return self.client.api.container_prune(request)


class _Wanted(Stream):
    """A run's stream without the outputs that are not wanted. Standard error is kept for `ContainerError`."""

    def __init__(self, inner: Stream, stdout: bool, stderr: bool, captures: Captures) -> None:
        super().__init__(inner._native)
        self._show = {"stdout": stdout, "stderr": stderr}
        self._captures = captures

    def _step(self, timeout: Optional[float], feeding: bool = False) -> Any:
        chunk = super()._step(timeout, feeding)
        if chunk is None or isinstance(chunk, bool):
            return chunk
        if chunk.stream == "stderr":
            self._captures.take(chunk)
        return chunk if self._show[chunk.stream] else True
