"""The client of asyncio."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Optional, Union, cast

from .._kwargs import Command, CreateOptions
from .._run import OUTPUT_LIMIT, Captures, Input, RunResult, pieces
from ..client import events_document, login_document, prune_document, run_document
from ..errors import APIError
from ..models.images import Image
from ..models.resource import Moment
from ._api import AsyncApi
from ._documents import AsyncDocumentStream
from ._models import AsyncContainers, AsyncImage, AsyncImages
from ._networks import AsyncNetworks
from ._streams import AsyncClosing, AsyncStream
from ._volumes import AsyncVolumes

if sys.version_info >= (3, 12):
    from typing import Self, Unpack
elif TYPE_CHECKING:
    from typing_extensions import Self, Unpack

if TYPE_CHECKING:
    from .. import _types as t

Path = Union[str, "os.PathLike[str]"]
AnyImage = Union[str, Image, AsyncImage]


class AsyncClient(AsyncClosing):
    """An engine for asyncio; the arguments are those of `barque.Client`. It is opened by its first use."""

    def __init__(self, root: Optional[Path] = None, *, run_dir: Optional[Path] = None) -> None:
        self.api = AsyncApi(root, run_dir)
        """The operations by name, with dictionaries."""

    @property
    def containers(self) -> AsyncContainers:
        """Containers."""
        return AsyncContainers(self)

    @property
    def images(self) -> AsyncImages:
        """Images."""
        return AsyncImages(self)

    @property
    def networks(self) -> AsyncNetworks:
        """Networks."""
        return AsyncNetworks(self)

    @property
    def volumes(self) -> AsyncVolumes:
        """Volumes."""
        return AsyncVolumes(self)

    async def run(
        self,
        image: AnyImage,
        command: Command = None,
        *,
        input: Union[Input, AsyncIterable[bytes], None] = None,
        timeout: Optional[float] = None,
        check: bool = False,
        remove: bool = True,
        limit: int = OUTPUT_LIMIT,
        **options: Unpack[CreateOptions],
    ) -> RunResult:
        """Run a container to its end, as `barque.Client.run`. Cancelling the task ends the container."""
        stream = await self.popen(
            image, command, stdin=input is not None, timeout=timeout, remove=remove, **options
        )
        captures = Captures(limit)
        feeder = None if input is None else asyncio.ensure_future(_feed(stream, input))
        try:
            async for chunk in stream:
                captures.take(chunk)
            if feeder is not None and feeder.done():
                feeder.result()
        finally:
            stream.close()
            if feeder is not None:
                feeder.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await feeder
        result = captures.result(stream.exit, str(getattr(image, "id", image)), command)
        return result.check() if check else result

    async def popen(
        self,
        image: AnyImage,
        command: Command = None,
        *,
        stdin: bool = False,
        timeout: Optional[float] = None,
        remove: bool = True,
        **options: Unpack[CreateOptions],
    ) -> AsyncStream:
        """Run a container and talk to it. It ends when the stream is closed."""
        named = cast("Union[str, Image]", image)
        request = run_document(named, command, stdin, timeout, remove, options)
        return await self.api.stream("container.run", request)

    async def login(
        self,
        username: str = "",
        password: str = "",
        *,
        registry: str = "",
        identity_token: str = "",
        check_only: bool = False,
    ) -> t.RegistryLoggedIn:
        """Ask a registry whether it takes these credentials, and keep them, as `barque.Client.login`."""
        request = login_document(username, password, registry, identity_token, check_only)
        return cast("t.RegistryLoggedIn", await self.api.call("registry.login", request))

    async def logout(self, registry: str = "") -> None:
        """Forget the credentials of a registry."""
        await self.api.call("registry.logout", {"ServerAddress": registry})

    async def events(
        self,
        since: Optional[Moment] = None,
        until: Optional[Moment] = None,
        filters: Optional[dict[str, Any]] = None,
        cursor: str = "",
    ) -> AsyncDocumentStream[t.EventMessage]:
        """What happens, from now on or since a time or a cursor: see `barque.Client.events`."""
        request = events_document(since, until, filters, cursor)
        return await self.api.documents("system.events", request)

    async def info(self) -> t.SystemInfo:
        """The engine and this host."""
        return cast("t.SystemInfo", await self.api.call("system.info"))

    async def version(self) -> t.SystemVersion:
        """Versions."""
        return cast("t.SystemVersion", await self.api.call("system.version"))

    async def df(self) -> t.DiskUsage:
        """What the engine keeps on disk."""
        return cast("t.DiskUsage", await self.api.call("system.df"))

    async def prune(
        self,
        all: bool = False,
        volumes: bool = False,
        filters: Optional[dict[str, Any]] = None,
        dry_run: bool = False,
    ) -> t.SystemPruned:
        """Remove what nothing needs: containers that do not run, and images: those without a tag, or `all`.

        With `volumes` those too that nobody gave a name and no container has.
        """
        request = prune_document(all, volumes, filters, dry_run)
        return cast("t.SystemPruned", await self.api.call("system.prune", request))

    async def check(self, repair: bool = False) -> t.SystemChecked:
        """Compare everything that is stored with its digest; `repair`: put right what can be."""
        return cast("t.SystemChecked", await self.api.call("system.check", {"Repair": repair}))

    async def ping(self) -> bool:
        """Whether the engine's record can be read."""
        await self.version()
        return True

    def close(self) -> None:
        """Let go of the engine. Containers go on. Closing twice is no error."""
        self.api.close()

    async def __aenter__(self) -> Self:
        await self.api.open()
        return self


async def _feed(stream: AsyncStream, source: Union[Input, AsyncIterable[bytes]]) -> None:
    """Send the input, then close it. A container that ended or closed its input is no error: its exit is the answer."""
    if isinstance(source, AsyncIterable):
        async for piece in source:
            if not await _sent(stream, piece):
                return
    else:
        for piece in pieces(source):
            if not await _sent(stream, piece):
                return
    with suppress(APIError, ValueError):
        stream.close_stdin()


async def _sent(stream: AsyncStream, piece: bytes) -> bool:
    try:
        await stream.write(piece)
    except APIError:
        return False
    return True


def from_env(environment: Optional[Mapping[str, str]] = None) -> AsyncClient:
    """The engine that the environment names: `BARQUE_ROOT`, `BARQUE_RUN`."""
    if environment is None:
        return AsyncClient()
    return AsyncClient(
        environment.get("BARQUE_ROOT") or None, run_dir=environment.get("BARQUE_RUN") or None
    )


def open(root: Optional[Path] = None, *, run_dir: Optional[Path] = None) -> AsyncClient:
    """An engine for asyncio: the same as `AsyncClient(…)`."""
    return AsyncClient(root, run_dir=run_dir)
