"""Streams: what a container writes, as it writes it.

Iterating releases the GIL while it waits, Ctrl-C ends it, and `close()` from any thread does too.
"""

from __future__ import annotations

import json
import sys
import time as _time
from collections.abc import Iterator
from types import TracebackType
from typing import (
    TYPE_CHECKING,
    Callable,
    Generic,
    Literal,
    NamedTuple,
    NoReturn,
    Optional,
    TypeVar,
    cast,
)

from ._barque import NativeStream
from .errors import Cancelled, Timeout

if sys.version_info >= (3, 11):
    from typing import Self
elif TYPE_CHECKING:
    from typing_extensions import Self

if TYPE_CHECKING:
    from ._types import ContainerExit
    from ._types import Progress as ProgressLine

T = TypeVar("T")


class Chunk(NamedTuple):
    """Bytes a container wrote."""

    stream: Literal["stdout", "stderr"]
    """Which output. A terminal is `stdout`."""
    data: bytes
    """The bytes, as they were written."""
    time: Optional[int]
    """When they were read, nanoseconds since 1970, where the stream tells."""


class Uncopyable:
    """What stands for something outside Python: a copy or a pickle of it would be a second owner."""

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"cannot pickle or copy a {type(self).__name__}: it belongs to this process")


class Closing(Uncopyable):
    """What leaving a `with` statement closes."""

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()


class NativeItems(Closing):
    """What all streams have in common. `close()` from any thread ends it."""

    def __init__(self, native: NativeStream) -> None:
        self._native = native

    def _item(
        self, timeout: Optional[float], feeding: bool = False
    ) -> tuple[int, bytes, Optional[int]] | str | Literal[False] | None:
        """The next item; `None` at the end, `False` when nothing came in time."""
        try:
            return self._native.next(timeout, feeding)
        except Cancelled:
            if self._native.closed:
                return None
            raise

    def close(self) -> None:
        """Let go of it, which ends a run that is tied to it. Closing twice is no error."""
        self._native.close()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._native.closed


class Stream(NativeItems, Iterator[Chunk]):
    """The output of a container, and its input where the stream was opened with it.

    Iterate for `Chunk`s. Afterwards `exit` says how the container ended, if the stream saw it.
    """

    def __init__(self, native: NativeStream) -> None:
        super().__init__(native)
        self._early: Optional[object] = None
        self.exit: Optional[ContainerExit] = None
        """How the container ended: the last document of a run, attach or wait."""

    def read(self, timeout: Optional[float] = None) -> Optional[Chunk]:
        """The next chunk; `None` when there will be no more.

        Raises `Timeout` when nothing came within `timeout` seconds; the stream goes on.
        """
        deadline = None if timeout is None else _time.monotonic() + timeout
        while True:
            left = None if deadline is None else deadline - _time.monotonic()
            chunk = self._step(left)
            if chunk is False:
                raise Timeout("nothing came in time", {"kind": "timeout", "code": -12})
            if not isinstance(chunk, bool):
                return chunk

    def document(self) -> object:
        """The document that comes before the bytes: what is packed or read."""
        while self._early is None:
            if self._step(None) is not True:
                raise Cancelled("the stream was closed before it said what it brings")
            self._early = self.exit
        return self._early

    def _step(self, timeout: Optional[float], feeding: bool = False) -> Chunk | None | bool:
        """A chunk, `None` at the end, `False` when nothing came (or input can be taken), `True` when it was a document."""
        item = self._item(timeout, feeding)
        if item is None or item is False:
            return item
        if isinstance(item, str):
            self.exit = cast("ContainerExit", json.loads(item))
            return True
        output, data, at = item
        return Chunk("stdout" if output == 1 else "stderr", data, at)

    def __next__(self) -> Chunk:
        chunk = self.read()
        if chunk is None:
            raise StopIteration
        return chunk

    def wait(self) -> ContainerExit:
        """Read to the end, keep nothing, and say how the container ended."""
        for _ in self:
            pass
        if self.exit is None:
            raise Cancelled("the stream was closed before the container ended")
        return self.exit

    def write(self, data: bytes) -> None:
        """Give the container's standard input all of `data`.

        Waits while the container does not read. If it waits itself for someone to read what it writes, another thread must.
        """
        # A copy, of a buffer only: bytes(7) would be seven zeros.
        rest = memoryview(memoryview(data).tobytes())
        while rest:
            taken = self._native.write(bytes(rest))
            rest = rest[taken:]
            if not taken:
                self._native.wait_writable()

    def offer(self, data: bytes) -> int:
        """Give it as much as it takes now; how much that was."""
        return self._native.write(data) if data else 0

    def close_stdin(self) -> None:
        """End the container's standard input; its output goes on."""
        self._native.write(b"")

    def fileno(self) -> int:
        """A descriptor that is readable when `read(0)` may have something to say. Only to be polled."""
        return self._native.fileno()


class Progress(NativeItems, Iterator["ProgressLine"], Generic[T]):
    """How something goes that takes its time: iterate for lines such as `{"status": "Downloading", "id": …}`.

    It goes on whether it is read or not; `close()` ends it.
    """

    def __init__(self, native: NativeStream) -> None:
        super().__init__(native)
        self.result: Optional[T] = None
        """What came of it, at the end."""

    def __next__(self) -> ProgressLine:
        while True:
            item = self._item(None)
            if item is None:
                raise StopIteration
            if isinstance(item, str):
                document = json.loads(item)
                # A line has a status, the last document has none.
                if "status" in document:
                    return cast("ProgressLine", document)
                self.result = cast("T", document)

    def wait(self) -> T:
        """Read to the end; what came of it."""
        for _ in self:
            pass
        if self.result is None:
            raise Cancelled("the stream was closed before its end")
        return self.result


class CancellableStream(Closing, Iterator[T], Generic[T]):
    """docker-py's stream: an iterator of bytes (or of pairs, demultiplexed) that `close()` ends from any thread."""

    def __init__(
        self,
        stream: Stream,
        convert: Callable[[Chunk], T],
        at_end: Optional[Callable[[Stream], None]] = None,
    ) -> None:
        self._stream = stream
        self._convert = convert
        self._at_end = at_end

    def __next__(self) -> T:
        chunk = self._stream.read()
        if chunk is not None:
            return self._convert(chunk)
        at_end, self._at_end = self._at_end, None
        if at_end is not None and not self._stream.closed:
            at_end(self._stream)
        raise StopIteration

    next = __next__

    def close(self) -> None:
        """End it."""
        self._stream.close()


def data_of(chunk: Chunk) -> bytes:
    """The bytes, whichever output they came from."""
    return chunk.data


def demuxed(chunk: Chunk) -> tuple[Optional[bytes], Optional[bytes]]:
    """docker-py's pair of standard output and standard error."""
    return (chunk.data, None) if chunk.stream == "stdout" else (None, chunk.data)
