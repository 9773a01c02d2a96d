"""barque runs containers from inside your program. There is no daemon: open a directory, start a container.

    import barque

    print(barque.run("hello", ["echo", "ahoy"]).text)

    with barque.from_env() as client:
        container = client.containers.run("hello", ["sleep", "60"], detach=True)

The names and shapes are docker-py's. `barque.aio` is the same for asyncio. The manual is `docs/python.md`.
"""

from . import errors, types
from ._barque import __version__
from ._documents import DocumentStream
from ._exec import ExecResult
from ._run import RunResult
from ._streams import CancellableStream, Chunk, Progress, Stream
from .client import Client, DockerClient, from_env, open, run
from .errors import BarqueError

__all__ = [
    "BarqueError",
    "CancellableStream",
    "Chunk",
    "Client",
    "DockerClient",
    "DocumentStream",
    "ExecResult",
    "Progress",
    "RunResult",
    "Stream",
    "__version__",
    "errors",
    "from_env",
    "open",
    "run",
    "types",
]
