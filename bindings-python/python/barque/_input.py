"""Where an image or a file comes from: a path, a file, bytes or an iterator, as the engine's `Input` document."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Union

if TYPE_CHECKING:
    from ._types import Input

Data = Union[str, "os.PathLike[str]", bytes, bytearray, memoryview, IO[bytes], Iterable[bytes]]
"""A path (`str` or `PathLike`), the archive's bytes, a file opened in binary mode, or an iterable of bytes."""

Content = Union[str, "os.PathLike[str]", bytes, bytearray, memoryview, IO[bytes], Iterable[bytes]]
"""Text (in UTF-8), bytes, a file opened in binary mode, an iterable of bytes, or a `PathLike` of a file of this host."""


@contextmanager
def opened(data: Data) -> Iterator[Input]:
    """The `Input` document for `data`, valid inside the `with`."""
    if isinstance(data, (str, os.PathLike)):
        yield {"Path": os.path.abspath(os.fspath(data))}
        return
    descriptor = _regular_file(data)
    if descriptor is not None:
        yield {"Fd": descriptor}
        return
    # The engine reads a descriptor: what is not one goes through a file without a name.
    with tempfile.TemporaryFile(prefix="barque-") as spool:
        for piece in pieces(data):
            spool.write(piece)
        spool.flush()
        spool.seek(0)
        yield {"Fd": spool.fileno()}


def content(data: Content) -> Data:
    """What is to be in a file: text is its own content here, and no path."""
    return data.encode() if isinstance(data, str) else data


def _regular_file(data: Any) -> int | None:
    """The descriptor of a real file, standing where its Python object stands: that may have read ahead."""
    try:
        descriptor: int = data.fileno()
        os.lseek(descriptor, data.tell(), os.SEEK_SET)
    except (AttributeError, OSError, ValueError):
        return None
    return descriptor


def pieces(data: Any) -> Iterator[bytes]:
    """The content of anything but a path."""
    if isinstance(data, (bytes, bytearray, memoryview)):
        yield bytes(data)
    elif hasattr(data, "read"):
        while piece := data.read(1 << 20):
            yield piece
    else:
        yield from data
