"""Checked by `mypy --strict`, never run: what a user writes, and what the types must refuse."""

from __future__ import annotations

from typing import Optional

import barque
from barque import aio
from barque.types import Mount, Ulimit


def blocking() -> None:
    with barque.Client(root="/tmp/engine") as client:
        output: bytes = client.containers.run("hello", ["echo", "ahoy"], environment={"A": 1})
        for line in client.containers.run("hello", "echo ahoy", stream=True):
            piece: bytes = line
        with client.containers.run("hello", ["sleep", "9"], detach=True, mem_limit="64m") as container:
            status: str = container.status
            code: int = container.wait(timeout=3)["StatusCode"]
            log: bytes = container.logs(tail=10)
            for row in container.logs(stream=True):
                piece = row
            pair: tuple[Optional[bytes], Optional[bytes]] = container.attach(demux=True)
        result: barque.RunResult = client.run(
            "hello",
            ["cat"],
            input=b"x",
            timeout=2,
            ulimits=[Ulimit("nofile", 10, 10)],
            mounts=[Mount("/data", "/srv", type="bind")],
        )
        exit_code: int = result.check().exit_code
        with client.popen("hello", ["cat"], stdin=True) as process:
            process.write(b"x")
            for chunk in process:
                kind: str = chunk.stream
        memory: int = client.api.container_inspect({"Id": "web"})["HostConfig"]["Memory"]
        kernel: str = client.info()["KernelVersion"]
        names: list[str] = client.images.get("hello").tags
        print(output, piece, status, code, log, pair, exit_code, kind, memory, kernel, names)

        client.containers.run("hello", mem_limt="64m")  # type: ignore[call-overload]
        client.containers.create("hello", mem_limit=[])  # type: ignore[arg-type]
        client.api.container_create({"Imag": "hello"})  # type: ignore[typeddict-unknown-key]
        client.run("hello", timeout="5")  # type: ignore[arg-type]


async def asynchronous() -> None:
    async with aio.from_env() as client:
        result: barque.RunResult = await client.run("hello", ["true"], read_only=True)
        container = await client.containers.run("hello", ["sleep", "9"])
        async with container:
            async for chunk in await container.logs(follow=True):
                data: bytes = chunk.data
        code: int = (await container.wait())["StatusCode"]
        print(result.ok, data, code)

        await client.run("hello", ["true"], readonly=True)  # type: ignore[call-arg]
