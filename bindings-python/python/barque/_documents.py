"""Streams of documents: events, statistics."""

from __future__ import annotations

import json
import time as _time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Generic, Optional, TypeVar, cast

from ._streams import Closing, NativeItems
from .errors import Timeout

T = TypeVar("T")


class DocumentStream(NativeItems, Iterator[T], Generic[T]):
    """Documents as they come. `close()` from any thread ends it."""

    def read(self, timeout: Optional[float] = None) -> Optional[T]:
        """The next document; `None` when there will be no more.

        Raises `Timeout` when nothing came within `timeout` seconds; the stream goes on.
        """
        deadline = None if timeout is None else _time.monotonic() + timeout
        while True:
            left = None if deadline is None else max(0.0, deadline - _time.monotonic())
            item = self._item(left)
            if item is None:
                return None
            if item is False:
                raise Timeout("nothing came in time", {"kind": "timeout", "code": -12})
            if isinstance(item, str):
                return cast("T", json.loads(item))

    def __next__(self) -> T:
        document = self.read()
        if document is None:
            raise StopIteration
        return document

    next = __next__

    def fileno(self) -> int:
        """A descriptor that is readable when `read(0)` may have something to say. Only to be polled."""
        return self._native.fileno()


class Encoded(Closing, Iterator[bytes]):
    """The same as docker-py gives it where nothing is said: each document a line of JSON."""

    def __init__(self, documents: DocumentStream[Any]) -> None:
        self._documents = documents

    def __next__(self) -> bytes:
        return json.dumps(next(self._documents), separators=(",", ":")).encode() + b"\n"

    next = __next__

    def close(self) -> None:
        """End it."""
        self._documents.close()
