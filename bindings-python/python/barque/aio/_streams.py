"""Streams that the event loop watches."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Optional, cast

from .._barque import NativeStream
from .._streams import Chunk, Uncopyable
from ..errors import Cancelled

if sys.version_info >= (3, 11):
    from typing import Self
elif TYPE_CHECKING:
    from typing_extensions import Self

if TYPE_CHECKING:
    from .._types import ContainerExit

BURST = 32
"""How many items that are there already a reader takes before other tasks get a turn."""


async def readable(descriptor: int) -> None:
    """Wait until a descriptor can be read."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.add_reader(descriptor, _wake, future)
    try:
        await future
    finally:
        loop.remove_reader(descriptor)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class AsyncClosing(Uncopyable):
    """What leaving an `async with` statement closes."""

    def close(self) -> None:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()


class AsyncStream(AsyncClosing, AsyncIterator[Chunk]):
    """The output of a container, and its input where the stream was opened with it.

    Iterate (`async for`) for `Chunk`s. Afterwards `exit` says how the container ended, if the stream saw it.
    """

    def __init__(self, native: NativeStream) -> None:
        self._native = native
        self._reading = False
        self._burst = 0
        self._waits: set[Callable[[], None]] = set()
        self.exit: Optional[ContainerExit] = None
        """How the container ended: the last document of a run, attach or wait."""

    async def read(self) -> Optional[Chunk]:
        """The next chunk; `None` when there will be no more. One task at a time."""
        if self._reading:
            raise RuntimeError("another task is reading this stream")
        self._reading = True
        try:
            return cast("Optional[Chunk]", await self._read())
        finally:
            self._reading = False

    def _document(self, document: Any) -> Any:
        """Take a document; what of it the reader gets."""
        self.exit = cast("ContainerExit", document)

    async def _read(self) -> Any:
        while True:
            self._burst += 1
            if self._burst % BURST == 0:
                await asyncio.sleep(0)
            try:
                item = self._native.next(0)
            except Cancelled:
                if self._native.closed:
                    return None
                raise
            if item is None:
                return None
            if item is False:
                self._burst = 0
                loop = asyncio.get_running_loop()
                await self._ready(self._native.fileno(), loop.add_reader, loop.remove_reader)
            elif isinstance(item, str):
                line = self._document(json.loads(item))
                if line is not None:
                    return line
            else:
                output, data, at = item
                return Chunk("stdout" if output == 1 else "stderr", data, at)

    async def document(self) -> object:
        """The document that comes before the bytes: what is packed or read."""
        while self.exit is None:
            item = self._native.next(0)
            if item is False:
                loop = asyncio.get_running_loop()
                await self._ready(self._native.fileno(), loop.add_reader, loop.remove_reader)
            elif isinstance(item, str):
                self.exit = cast("ContainerExit", json.loads(item))
            else:
                raise Cancelled("the stream was closed before it said what it brings")
        return self.exit

    async def __anext__(self) -> Chunk:
        chunk = await self.read()
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    async def wait(self) -> ContainerExit:
        """Read to the end, keep nothing, and say how the container ended."""
        async for _ in self:
            pass
        if self.exit is None:
            raise Cancelled("the stream was closed before the container ended")
        return self.exit

    async def write(self, data: bytes) -> None:
        """Give the container's standard input all of `data`. Another task must read what it writes meanwhile."""
        rest = memoryview(data).tobytes()
        while rest:
            taken = self._native.write(rest)
            rest = rest[taken:]
            if not taken:
                descriptor = self._native.input_fileno()
                if descriptor is not None:
                    loop = asyncio.get_running_loop()
                    await self._ready(descriptor, loop.add_writer, loop.remove_writer)

    async def _ready(
        self, descriptor: int, add: Callable[..., Any], remove: Callable[[int], Any]
    ) -> None:
        """Wait until a descriptor is ready, or the stream is closed."""
        future = asyncio.get_running_loop().create_future()

        def stop() -> None:
            remove(descriptor)
            _wake(future)

        add(descriptor, _wake, future)
        self._waits.add(stop)
        try:
            await future
        finally:
            # What close() stopped is not watched any more, and the number may be another descriptor's by now.
            if stop in self._waits:
                self._waits.remove(stop)
                remove(descriptor)

    def close_stdin(self) -> None:
        """End the container's standard input; its output goes on."""
        self._native.write(b"")

    def close(self) -> None:
        """Let go of it. A run that is tied to its stream ends. Closing twice is no error."""
        waits, self._waits = self._waits, set()
        for stop in waits:
            stop()
        self._native.close()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._native.closed


class AsyncProgress(AsyncStream):
    """How something goes that takes its time: iterate (`async for`) for lines such as `{"status": "Downloading", "id": …}`.

    It goes on whether it is read or not; `close()` ends it.
    """

    result: Any = None
    """What came of it, at the end."""

    def _document(self, document: Any) -> Any:
        # A line has a status, the last document has none.
        if "status" in document:
            return document
        self.result = document
        return None

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def wait(self) -> Any:
        """Read to the end; what came of it."""
        async for _ in self:
            pass
        if self.result is None:
            raise Cancelled("the stream was closed before its end")
        return self.result
