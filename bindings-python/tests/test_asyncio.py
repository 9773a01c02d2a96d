"""`barque.aio`: the event loop's own waiting, and cancellation that is real."""

import asyncio
import os
import time

import pytest

import barque
from barque import aio
from barque.errors import ContainerError, NotFound

from conftest import descriptors, until


def threads():
    return len(os.listdir("/proc/self/task"))


async def with_client(work):
    async with aio.from_env() as client:
        return await work(client)


def test_a_run_gives_everything(client, busybox):
    async def work(client):
        result = await client.run(busybox, ["sh", "-c", "cat; echo err >&2; exit 3"], input=b"in")
        assert (result.stdout, result.stderr, result.exit_code) == (b"in", b"err\n", 3)
        with pytest.raises(ContainerError):
            await client.run("hello", ["false"], check=True)

        async def pieces():
            for _ in range(64):
                yield b"x" * 65536

        assert len((await client.run("hello", ["cat"], input=pieces())).stdout) == 64 * 65536
        assert (await client.run("hello", ["sleep", "60"], timeout=0.3)).reason == "timeout"

    asyncio.run(with_client(work))
    assert client.containers.list(all=True) == []


def test_the_objects_are_those_of_the_blocking_client(client):
    async def work(aclient):
        async with await aclient.containers.run("hello", ["sleep", "60"], name="aio") as container:
            await container.reload()
            assert (container.status, container.name) == ("running", "aio")
            assert await aclient.containers.list() == [container]
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(container.wait(), 0.2)
            await container.kill("TERM")
        with pytest.raises(NotFound):
            await aclient.containers.get("aio")
        image = await aclient.images.get("hello")
        assert image.id in [i.id for i in await aclient.images.list()]
        assert await image.tag("again", "v1")
        assert (await aclient.images.get("again:v1")).id == image.id
        await aclient.images.remove("again:v1")
        assert len(await image.history()) > 0
        assert (await aclient.version())["Version"] == barque.__version__
        assert await aclient.ping() and await aclient.df() and await aclient.info()

    asyncio.run(with_client(work))


def test_a_conversation(client):
    async def work(client):
        async with await client.popen("hello", ["cat"], stdin=True) as process:
            await process.write(b"one\n")
            assert (await process.read()).data == b"one\n"
            for wrong in (7, "text", [7]):
                with pytest.raises(TypeError):
                    await process.write(wrong)
            process.close_stdin()
            assert [chunk async for chunk in process] == []
            assert process.exit["StatusCode"] == 0

    asyncio.run(with_client(work))


def test_cancelling_a_run_ends_its_container(client):
    async def work(client):
        task = asyncio.ensure_future(client.run("hello", ["sleep", "60"]))
        while not await client.containers.list():
            await asyncio.sleep(0.01)
        begin = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - begin < 1

    asyncio.run(with_client(work))
    until(lambda: client.containers.list(all=True) == [])


@pytest.mark.parametrize("after", [0, 0.001, 0.003, 0.01, 0.03])
def test_cancelling_at_any_moment_leaves_nothing(client, after):
    async def work(client):
        # As many connections to the record as are ever needed at once stay open.
        await asyncio.gather(*(client.run("hello", ["true"]) for _ in range(8)))
        before = descriptors()
        for _ in range(5):
            with pytest.raises((asyncio.TimeoutError, asyncio.CancelledError)):
                await asyncio.wait_for(client.run("hello", ["sleep", "60"]), after)
        for _ in range(500):
            if descriptors() <= before:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"{before} descriptors became {descriptors()}")

    asyncio.run(with_client(work))
    until(lambda: client.containers.list(all=True) == [])


def test_cancelling_a_stop_does_not_wait_for_it(client, busybox):
    async def work(client):
        container = await client.containers.run(
            busybox, ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"]
        )
        begin = time.monotonic()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(container.stop(), 0.5)
        assert time.monotonic() - begin < 2
        await container.remove(force=True)

    asyncio.run(with_client(work))


def test_a_thousand_waits_are_no_threads(client):
    async def work(client):
        container = await client.containers.run("hello", ["sleep", "60"])
        await asyncio.sleep(0.2)
        before = threads()
        waits = [asyncio.ensure_future(container.wait()) for _ in range(1000)]
        await asyncio.sleep(0.05)
        most = now = threads()
        end = time.monotonic() + 60
        while now > before and time.monotonic() < end:
            await asyncio.sleep(0.01)
            now = threads()
            most = max(most, now)
        # Eight short operations at once, while one ends.
        assert most <= before + 9 and now <= before, (before, most, now)
        await container.kill()
        ends = await asyncio.gather(*waits)
        assert {end["StatusCode"] for end in ends} == {137}

    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16384), hard))
    asyncio.run(with_client(work))


def test_the_loop_goes_on_while_containers_start_and_write(client, busybox):
    async def work(client):
        worst = 0.0

        async def tick():
            nonlocal worst
            while True:
                begin = time.monotonic()
                await asyncio.sleep(0.005)
                worst = max(worst, time.monotonic() - begin)

        ticker = asyncio.ensure_future(tick())
        await asyncio.gather(
            *(client.run("hello", ["true"]) for _ in range(20)),
            client.run(busybox, ["dd", "if=/dev/zero", "bs=1M", "count=200"]),
        )
        ticker.cancel()
        assert worst < 0.25, worst

    asyncio.run(with_client(work))


def test_a_firehose_leaves_turns_to_others(client, busybox):
    async def work(client):
        turns = 0

        async def other():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.ensure_future(other())
        total = 0
        async with await client.popen(busybox, ["yes"]) as stream:
            async for chunk in stream:
                total += len(chunk.data)
                if total > 20_000_000:
                    break
        task.cancel()
        assert turns > 5

    asyncio.run(with_client(work))


def test_two_loops_use_one_client_one_after_the_other(client):
    shared = aio.from_env()

    async def work():
        return [r.ok for r in await asyncio.gather(*(shared.run("hello", ["true"]) for _ in range(20)))]

    assert asyncio.run(work()) == asyncio.run(work()) == [True] * 20
    shared.close()

    async def late():
        with pytest.raises(ValueError):
            await shared.info()

    asyncio.run(late())


def test_a_loop_that_ends_with_a_call_under_way_does_not_hang(client):
    async def work():
        client = aio.from_env()
        asyncio.ensure_future(client.run("hello", ["sleep", "60"]))
        await asyncio.sleep(0.3)

    begin = time.monotonic()
    asyncio.run(work())
    assert time.monotonic() - begin < 5
    until(lambda: client.containers.list(all=True) == [])


def test_two_readers_of_one_stream_are_refused(client):
    async def work(client):
        async with await client.popen("hello", ["sleep", "60"]) as stream:
            first = asyncio.ensure_future(stream.read())
            await asyncio.sleep(0.05)
            with pytest.raises(RuntimeError):
                await stream.read()
            stream.close()
            assert await asyncio.wait_for(first, 5) is None

    asyncio.run(with_client(work))


def test_uvloop_watches_them_too(client):
    uvloop = pytest.importorskip("uvloop")

    async def work(client):
        results = await asyncio.gather(*(client.run("hello", ["cat"], input=b"x" * 100_000) for _ in range(10)))
        assert all(len(r.stdout) == 100_000 for r in results)

    loop = uvloop.new_event_loop()
    try:
        loop.run_until_complete(with_client(work))
    finally:
        loop.close()
