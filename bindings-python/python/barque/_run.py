"""Running to the end in one call: what is sent in, what is kept, what comes back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable, Optional, Protocol, Union

from ._streams import Chunk, Stream
from .errors import APIError, ContainerError, InternalError

if TYPE_CHECKING:
    from ._types import ContainerExit

OUTPUT_LIMIT = 64 << 20
"""How many bytes of each output a run keeps when it is not told."""

PIECE = 1 << 16


class Readable(Protocol):
    """An object with a `read`, such as a file opened in binary mode."""

    def read(self, size: int, /) -> bytes: ...


Input = Union[bytes, bytearray, memoryview, str, Readable, Iterable[bytes]]
"""What can be sent to a container's standard input."""


@dataclass(frozen=True)
class RunResult:
    """What a container wrote and how it ended."""

    id: str
    """The container's id."""
    exit_code: int
    """Its exit code: the process's own, or 128 + the signal that killed it."""
    reason: str
    """Why it ended: `exited`, `signaled`, `oom-killed`, `timeout`, … (`ContainerExit` in `docs/documents.md`)."""
    stdout: bytes = field(repr=False)
    """Standard output (or the terminal), up to the limit."""
    stderr: bytes = field(repr=False)
    """Standard error, up to the limit."""
    stdout_total: int
    """How many bytes it wrote to standard output."""
    stderr_total: int
    """How many it wrote to standard error."""
    error: str
    """What went wrong, where something did."""
    image: str
    """The image, as it was asked for."""
    command: Any
    """The command, as it was asked for."""

    @property
    def ok(self) -> bool:
        """Whether it exited with 0."""
        return self.exit_code == 0

    @property
    def text(self) -> str:
        """Standard output as text."""
        return self.stdout.decode(errors="replace")

    @property
    def truncated(self) -> bool:
        """Whether it wrote more than was kept."""
        return self.stdout_total > len(self.stdout) or self.stderr_total > len(self.stderr)

    def check(self) -> RunResult:
        """Itself; raises `ContainerError` when the exit code is not 0."""
        if self.exit_code != 0:
            raise ContainerError(
                None,
                self.exit_code,
                self.command,
                self.image,
                self.stderr or self.error.encode(),
                self.reason,
            )
        return self


class Capture:
    """The first bytes of an output. What is beyond the limit is read and counted, so that nothing waits for room."""

    def __init__(self, limit: Optional[int]) -> None:
        self.total = 0
        self._limit = limit
        self._kept = bytearray()

    def take(self, data: bytes) -> None:
        """Keep what there is room for."""
        self.total += len(data)
        if self._limit is None:
            self._kept += data
        elif len(self._kept) < self._limit:
            self._kept += data[: self._limit - len(self._kept)]

    def __bytes__(self) -> bytes:
        return bytes(self._kept)


class Captures:
    """Both outputs and, in the order they came in, their union where it is asked for."""

    def __init__(self, limit: Optional[int]) -> None:
        self.stdout = Capture(limit)
        self.stderr = Capture(limit)
        self._also: Optional[Callable[[bytes], object]] = None

    def also(self, keep: Callable[[bytes], object]) -> None:
        """Give every chunk to this too, in the order they come in."""
        self._also = keep

    def take(self, chunk: Chunk) -> None:
        """Keep a chunk."""
        if self._also is not None:
            self._also(chunk.data)
        (self.stdout if chunk.stream == "stdout" else self.stderr).take(chunk.data)

    def result(self, exit: Optional[ContainerExit], image: str, command: Any) -> RunResult:
        """The result, when the stream has ended."""
        if exit is None:
            raise InternalError("the stream ended without saying how the run did")
        return RunResult(
            id=exit["Id"],
            exit_code=exit["StatusCode"],
            reason=exit["Reason"],
            stdout=bytes(self.stdout),
            stderr=bytes(self.stderr),
            stdout_total=self.stdout.total,
            stderr_total=self.stderr.total,
            error=(exit.get("Error") or {"Message": ""})["Message"],
            image=image,
            command=command,
        )


def pieces(source: Input) -> Iterator[bytes]:
    """The input in pieces of bounded size."""
    if isinstance(source, str):
        source = source.encode()
    if isinstance(source, (bytes, bytearray, memoryview)):
        whole = bytes(source)
        yield from (whole[at : at + PIECE] for at in range(0, len(whole), PIECE))
    elif hasattr(source, "read"):
        while piece := source.read(PIECE):
            yield _bytes(piece)
    else:
        for piece in source:
            piece = _bytes(piece)
            yield from (piece[at : at + PIECE] for at in range(0, len(piece), PIECE))


def _bytes(piece: Any) -> bytes:
    if isinstance(piece, str) or not isinstance(piece, (bytes, bytearray, memoryview)):
        raise TypeError(f"input must be bytes, not {type(piece).__name__}")
    return bytes(piece)


class Feeder:
    """Sends input while someone else reads output: never waits."""

    def __init__(self, stream: Stream, source: Optional[Input]) -> None:
        self._stream = stream
        self._pieces = iter(()) if source is None else pieces(source)
        self._rest = b""
        self.done = source is None
        """Whether all was sent, or no more is taken."""

    def feed(self) -> bool:
        """Offer the next piece; whether some of it was taken."""
        try:
            if not self._rest:
                self._rest = next(self._pieces, b"")
                if not self._rest:
                    self._stream.close_stdin()
                    self.done = True
                    return False
            taken = self._stream.offer(self._rest)
        except APIError:
            # It closed its input or ended: as with a pipe, what it wrote and how it ended is the answer.
            self.done = True
            return False
        self._rest = self._rest[taken:]
        return taken > 0


def run_to_end(stream: Stream, source: Optional[Input], captures: Captures) -> None:
    """Send the input and keep the output until the stream ends. Whatever interrupts this closes the stream."""
    feeder = Feeder(stream, source)
    try:
        while True:
            taken = not feeder.done and feeder.feed()
            chunk = stream._step(0 if taken else None, not feeder.done)
            if chunk is None:
                return
            if isinstance(chunk, Chunk):
                captures.take(chunk)
    finally:
        stream.close()
