"""`client.run` and `client.popen`: both outputs, the code, the reason, and what goes in."""

import io
import threading
import time

import pytest

import barque
from barque.errors import ContainerError

from conftest import until


def test_a_result_says_everything(client, busybox):
    result = client.run(busybox, ["sh", "-c", "echo out; echo err >&2; exit 5"])
    assert (result.stdout, result.stderr, result.exit_code, result.reason) == (b"out\n", b"err\n", 5, "exited")
    assert not result.ok and result.text == "out\n" and not result.truncated
    assert len(result.id) == 64
    assert "b'out" not in repr(result)
    with pytest.raises(ContainerError) as raised:
        result.check()
    assert (raised.value.exit_status, raised.value.stderr) == (5, b"err\n")
    with pytest.raises(ContainerError):
        client.run(busybox, ["false"], check=True, entrypoint=["sh", "-c", "exit 1"])
    assert client.containers.list(all=True) == []


def test_the_module_has_it_too(client):
    assert barque.run("hello", ["echo", "ahoy"]).check().text == "ahoy\n"


def test_a_run_that_takes_too_long_is_a_result_with_its_reason_and_its_output(client, busybox):
    begin = time.monotonic()
    result = client.run(busybox, ["sh", "-c", "echo begun; sleep 60"], timeout=0.5)
    assert (result.reason, result.exit_code, result.stdout) == ("timeout", 137, b"begun\n")
    assert 0.4 < time.monotonic() - begin < 5
    for wrong in (0, -1):
        with pytest.raises(ValueError):
            client.run("hello", timeout=wrong)


BIG = bytes(range(256)) * 4096 * 4  # 4 MiB: more than every pipe and socket on the way holds


@pytest.mark.parametrize(
    "source, expected",
    [
        (b"", b""),
        (b"ahoy", b"ahoy"),
        ("ahöy", "ahöy".encode()),
        (bytearray(b"ahoy"), b"ahoy"),
        (memoryview(b"ahoy"), b"ahoy"),
        (io.BytesIO(b"ahoy"), b"ahoy"),
        ([b"a", b"hoy"], b"ahoy"),
        ((piece for piece in (b"a", b"", b"hoy")), b"ahoy"),
        (BIG, BIG),
        (io.BytesIO(BIG), BIG),
    ],
    ids=["none", "bytes", "str", "bytearray", "memoryview", "file", "list", "generator", "big", "big file"],
)
def test_input_of_any_kind_comes_back_from_cat(client, source, expected):
    result = client.run("hello", ["cat"], input=source, timeout=60)
    assert result.stdout == expected and result.ok


def test_a_container_that_does_not_read_its_input_ends_as_it_likes(client):
    assert client.run("hello", ["true"], input=BIG, timeout=20).ok
    endless = iter(lambda: b"x" * 65536, None)
    assert client.run("hello", ["echo", "done"], input=endless, timeout=20).stdout == b"done\n"


def test_input_that_raises_ends_the_container_and_raises(client):
    def failing():
        yield b"one"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        client.run("hello", ["cat"], input=failing(), name="failing")
    until(lambda: client.containers.list(all=True) == [])
    with pytest.raises(TypeError):
        client.run("hello", ["cat"], input=["text"])
    with pytest.raises(TypeError):
        client.run("hello", ["cat"], input=3)
    until(lambda: client.containers.list(all=True) == [])


def test_output_beyond_the_limit_is_counted_and_not_kept(client, busybox):
    result = client.run(busybox, ["dd", "if=/dev/zero", "bs=1000", "count=1000"], limit=10)
    assert (len(result.stdout), result.stdout_total) == (10, 1_000_000)
    assert result.truncated


def test_options_reach_the_container(client, busybox):
    result = client.run(
        busybox,
        ["sh", "-c", "echo $A; id -u; cat /proc/sys/kernel/hostname; pwd"],
        environment={"A": 1},
        user="nobody",
        hostname="box",
        working_dir="/tmp",
    )
    assert result.text.split() == ["1", "65534", "box", "/tmp"]
    assert not client.run(busybox, ["sh", "-c", "echo > /file"], read_only=True).ok


def test_a_process_can_be_talked_to(client):
    with client.popen("hello", ["cat"], stdin=True) as process:
        process.write(b"one\n")
        assert process.read(timeout=10) == ("stdout", b"one\n", None)
        process.write(b"two\n")
        process.close_stdin()
        assert b"".join(chunk.data for chunk in process) == b"two\n"
        assert (process.exit["StatusCode"], process.exit["Reason"]) == (0, "exited")
        assert process.read() is None
        assert process.wait()["StatusCode"] == 0


def test_writing_and_reading_in_two_threads(client):
    with client.popen("hello", ["cat"], stdin=True) as process:
        def write():
            for _ in range(64):
                process.write(b"x" * 65536)
            process.close_stdin()

        writer = threading.Thread(target=write)
        writer.start()
        assert sum(len(chunk.data) for chunk in process) == 64 * 65536
        writer.join(10)
        assert not writer.is_alive()


def test_closing_from_another_thread_ends_a_reader_and_a_writer(client):
    process = client.popen("hello", ["sleep", "60"], stdin=True)
    ended = []

    def read():
        ended.append(list(process))

    def write():
        try:
            while True:
                process.write(b"x" * (1 << 20))
        except (barque.BarqueError, ValueError):
            ended.append("written")

    threads = [threading.Thread(target=read), threading.Thread(target=write)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    begin = time.monotonic()
    process.close()
    for thread in threads:
        thread.join(10)
    assert time.monotonic() - begin < 1
    assert sorted(map(str, ended)) == ["[]", "written"]
    until(lambda: client.containers.list(all=True) == [])


def test_two_threads_may_iterate_one_stream(client, busybox):
    process = client.popen(busybox, ["sh", "-c", "seq 1 20000"])
    seen = []

    def read():
        for chunk in process:
            seen.append(chunk.data)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sum(map(len, seen)) == sum(len(b"%d\n" % n) for n in range(1, 20001))
    process.close()


def test_a_stream_that_is_left_alone_lets_go_of_its_container(client):
    import gc

    client.popen("hello", ["sleep", "60"], name="forgotten", remove=False)
    gc.collect()
    until(lambda: client.containers.get("forgotten").status == "exited")


def test_a_broken_off_loop_keeps_the_stream(client, busybox):
    with client.popen(busybox, ["sh", "-c", "echo a; sleep 0.2; echo b"]) as process:
        for chunk in process:
            break
        assert chunk.data == b"a\n"
        assert [chunk.data for chunk in process] == [b"b\n"]


def test_the_descriptor_can_be_polled(client, busybox):
    import select

    with client.popen(busybox, ["sh", "-c", "sleep 0.3; echo a; sleep 60"]) as process:
        assert select.select([process], [], [], 0.05)[0] == []
        assert select.select([process], [], [], 10)[0] == [process]
        assert process.read(timeout=0.5).data == b"a\n"
    with pytest.raises(ValueError):
        process.fileno()


def test_input_that_is_released_or_resized_meanwhile_is_an_error_or_taken(client):
    view = memoryview(b"gone")
    view.release()
    with pytest.raises(ValueError):
        client.run("hello", ["cat"], input=view)

    growing = bytearray(b"x" * 1024)

    def pieces():
        yield growing
        growing.extend(b"y" * (1 << 20))
        yield b"z"

    result = client.run("hello", ["cat"], input=pieces())
    assert result.stdout.startswith(b"x" * 1024) and result.stdout.endswith(b"z")
    with client.popen("hello", ["cat"], stdin=True) as stream:
        for wrong in (view, "text", 7, None):
            with pytest.raises((TypeError, ValueError, BufferError)):
                stream.write(wrong)
        with pytest.raises((TypeError, ValueError)):
            stream.offer(7)
        stream.write(memoryview(growing)[:4])
        growing.extend(b"!")  # It is not held.
        stream.close_stdin()
        assert b"".join(chunk.data for chunk in stream) == b"xxxx"
    for wrong in (7, [7], ["text"], object()):
        with pytest.raises(TypeError):
            client.run("hello", ["cat"], input=wrong)
