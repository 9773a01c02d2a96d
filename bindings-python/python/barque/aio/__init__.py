"""barque for asyncio: the same names, awaited.

    from barque import aio

    async with aio.from_env() as client:
        async with asyncio.timeout(5):
            result = await client.run("hello", ["echo", "ahoy"])

Streams are watched by the event loop itself (`loop.add_reader`), so a thousand waiting tasks are a thousand descriptors and no
thread. Cancelling a task cancels the operation in the engine; a container that a call runs ends with the call.
"""

from ._client import AsyncClient, from_env, open
from ._documents import AsyncDocumentStream
from ._models import AsyncContainer, AsyncImage
from ._streams import AsyncStream

__all__ = [
    "AsyncClient",
    "AsyncContainer",
    "AsyncDocumentStream",
    "AsyncImage",
    "AsyncStream",
    "from_env",
    "open",
]
