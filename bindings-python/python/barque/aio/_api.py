"""Operations, awaited. The engine works on threads of its own that never touch Python; the event loop watches for their end."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial
from typing import Any, Optional, Union
from weakref import WeakKeyDictionary

from .._barque import NativeEngine, NativePending, NativeStream, may_take_long
from ..api import dump
from ._documents import AsyncDocumentStream
from ._streams import AsyncProgress, AsyncStream, readable

Path = Union[str, "os.PathLike[str]"]

AT_ONCE = 8
"""How many short operations run at once: each has a thread for the milliseconds it takes."""


class AsyncApi:
    """The operations of an engine: `await api.call("container.start", {"Id": "web"})`."""

    def __init__(self, root: Optional[Path], run_dir: Optional[Path]) -> None:
        self._open = partial(NativeEngine, root, run_dir)
        self._engine: Optional[NativeEngine] = None
        self._closed = False
        self._limits: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = (
            WeakKeyDictionary()
        )

    async def call(self, operation: str, request: Any = None) -> Any:
        """Carry out an operation by name that answers with a document."""
        answer = await self._carry_out(operation, request, False)
        assert isinstance(answer, str)
        return json.loads(answer)

    async def stream(self, operation: str, request: Any = None) -> AsyncStream:
        """Carry out an operation by name that answers with a stream."""
        answer = await self._carry_out(operation, request, True)
        assert not isinstance(answer, str)
        return AsyncStream(answer)

    async def progress(self, operation: str, request: Any = None) -> AsyncProgress:
        """Carry out an operation by name whose stream tells how it goes."""
        answer = await self._carry_out(operation, request, True)
        assert not isinstance(answer, str)
        return AsyncProgress(answer)

    async def documents(self, operation: str, request: Any = None) -> AsyncDocumentStream[Any]:
        """Carry out an operation by name that answers with a stream of documents."""
        answer = await self._carry_out(operation, request, True)
        assert not isinstance(answer, str)
        return AsyncDocumentStream(answer)

    def close(self) -> None:
        """Let go of the engine."""
        self._closed = True
        self._engine = None

    async def open(self) -> NativeEngine:
        """The engine. Opening it reads and mends its record, which may take a while after a crash."""
        if self._closed:
            raise ValueError("the client is closed")
        if self._engine is None:
            engine = await asyncio.get_running_loop().run_in_executor(None, self._open)
            if self._engine is None:
                self._engine = engine
        return self._engine

    async def _carry_out(self, operation: str, request: Any, streams: bool) -> str | NativeStream:
        text = dump(request or {})
        engine = await self.open()
        async with self._turn(operation):
            pending = engine.begin(operation, text, streams)
            try:
                await readable(pending.fileno())
            except asyncio.CancelledError:
                await _settle(pending)
                raise
            return pending.result()

    def _turn(self, operation: str) -> AbstractAsyncContextManager[Any]:
        # Ten slow stops must not hold up a start.
        if may_take_long(operation):
            return _NoTurn()
        loop = asyncio.get_running_loop()
        if loop not in self._limits:
            self._limits[loop] = asyncio.Semaphore(AT_ONCE)
        return self._limits[loop]


class _NoTurn(AbstractAsyncContextManager[None]):
    async def __aexit__(self, *_: object) -> None:
        return None


async def _settle(pending: NativePending) -> None:
    """Cancel a call and wait until the engine has undone what it had begun. A second cancellation does not wait."""
    pending.cancel()
    if not pending.done():
        await readable(pending.fileno())
    with suppress(Exception):
        answer = pending.result()
        if not isinstance(answer, str):
            answer.close()
