"""The native module. Private: documents cross it as JSON text, and everything a user sees is built on it in Python."""

from os import PathLike
from typing import Final, Literal, final

__all__ = [
    "Canceller",
    "NativeEngine",
    "NativePending",
    "NativeStream",
    "__version__",
    "may_take_long",
    "operations",
]

__version__: Final[str]

def operations() -> list[tuple[str, str, str, str]]:
    """Name, request type, answer type and kind (`unary`, `stream`) of every operation."""

def may_take_long(operation: str) -> bool:
    """Whether an operation may take seconds."""

@final
class Canceller:
    """Cancels calls and streams that were given it, from any thread."""

    def __new__(cls) -> Canceller: ...
    def cancel(self) -> None:
        """Cancel."""
    @property
    def cancelled(self) -> bool:
        """Whether it was cancelled."""

@final
class NativeEngine:
    """An engine root, opened by this process."""

    def __new__(
        cls,
        root: str | PathLike[str] | None = None,
        run: str | PathLike[str] | None = None,
    ) -> NativeEngine: ...
    def call(self, operation: str, request: str, canceller: Canceller | None = None) -> str:
        """Carry out an operation that answers with a document."""
    def stream(
        self, operation: str, request: str, canceller: Canceller | None = None
    ) -> NativeStream:
        """Carry out an operation that answers with a stream."""
    def begin(
        self, operation: str, request: str, streams: bool, canceller: Canceller | None = None
    ) -> NativePending:
        """Begin a call of either kind and return at once."""

@final
class NativePending:
    """A call under way."""

    def fileno(self) -> int:
        """A descriptor that is readable when the call is done."""
    def done(self) -> bool:
        """Whether the call is done."""
    def result(self) -> str | NativeStream:
        """The answer, once: a document or a stream."""
    def cancel(self) -> None:
        """Cancel it. It is still to be waited for."""

@final
class NativeStream:
    """A sequence of items that its reader pulls."""

    def next(
        self, timeout: float | None = None, feeding: bool = False
    ) -> tuple[int, bytes, int | None] | str | Literal[False] | None:
        """The next item: `(output, bytes, nanoseconds or None)`, a document's text, `None` when there will be no more (or the
        stream was closed), `False` when nothing came within `timeout` seconds, or before input could be taken when `feeding`."""
    def write(self, data: bytes) -> int:
        """Give the other side bytes; how many it took now. An empty `data` closes its input. Never waits."""
    def wait_writable(self) -> None:
        """Wait until input may be taken, or the stream is closed."""
    def fileno(self) -> int:
        """A descriptor that is readable when `next` may have something to say. Only to be polled."""
    def input_fileno(self) -> int | None:
        """A descriptor that is writable when `write` may take more; `None` when the stream takes no input."""
    def close(self) -> None:
        """Cancel it and let go of it. A thread that waits in `next` gets the cancellation."""
    @property
    def closed(self) -> bool:
        """Whether it was closed."""
