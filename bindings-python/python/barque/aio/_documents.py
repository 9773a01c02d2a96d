"""Streams of documents that the event loop watches."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Generic, Optional, TypeVar, cast

from .._barque import NativeStream
from ._streams import AsyncClosing, AsyncStream

T = TypeVar("T")


class AsyncDocumentStream(AsyncClosing, AsyncIterator[T], Generic[T]):
    """Documents as they come: `async for event in await client.events()`."""

    def __init__(self, native: NativeStream) -> None:
        self._stream = _Documents(native)

    async def read(self) -> Optional[T]:
        """The next document; `None` when there will be no more. One task at a time."""
        return cast("Optional[T]", await self._stream.read())

    async def __anext__(self) -> T:
        document = await self.read()
        if document is None:
            raise StopAsyncIteration
        return document

    def close(self) -> None:
        """Let go of it. Closing twice is no error."""
        self._stream.close()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._stream.closed


class _Documents(AsyncStream):
    """A stream whose reader gets its documents."""

    def _document(self, document: Any) -> Any:
        return document
