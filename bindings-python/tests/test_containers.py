"""docker-py's objects over real containers."""

import datetime
import os
import signal
import time

import pytest

import barque
from barque.errors import Conflict, ContainerError, ImageNotFound, NotFound, Timeout

from conftest import descriptors, until


def test_run_returns_what_was_written(client):
    assert client.containers.run("hello", ["echo", "ahoy"], remove=True) == b"ahoy\n"
    assert client.containers.run("hello", "echo 'a b'  c", remove=True) == b"a b c\n"
    assert client.containers.list(all=True) == []


def test_run_keeps_the_container_unless_it_is_told_to_remove_it(client):
    client.containers.run("hello", ["true"], name="kept")
    kept = client.containers.get("kept")
    assert (kept.status, kept.name, kept.labels) == ("exited", "kept", {})
    assert kept.attrs["State"]["ExitCode"] == 0


def test_standard_error_comes_only_when_it_is_asked_for(client, busybox):
    command = ["sh", "-c", "echo out; echo err >&2"]
    assert client.containers.run(busybox, command, remove=True) == b"out\n"
    assert client.containers.run(busybox, command, remove=True, stdout=False, stderr=True) == b"err\n"
    both = client.containers.run(busybox, command, remove=True, stderr=True)
    assert sorted(both.splitlines()) == [b"err", b"out"]


@pytest.mark.parametrize("remove", [True, False])
def test_another_code_than_0_is_a_container_error(client, busybox, remove):
    with pytest.raises(ContainerError) as raised:
        client.containers.run(busybox, ["sh", "-c", "echo oops >&2; exit 3"], remove=remove)
    error = raised.value
    assert (error.exit_status, error.image, error.stderr) == (3, busybox, b"oops\n")
    assert error.command == ["sh", "-c", "echo oops >&2; exit 3"]
    assert (error.container is None) == remove
    if error.container:
        assert error.container.status == "exited"


def test_a_streamed_run_yields_while_it_runs_and_raises_at_its_end(client, busybox):
    begin = time.monotonic()
    stream = client.containers.run(
        busybox, ["sh", "-c", "echo one; sleep 1; echo two; exit 4"], stream=True, remove=True
    )
    assert next(stream) == b"one\n"
    assert time.monotonic() - begin < 0.9
    assert next(stream) == b"two\n"
    with pytest.raises(ContainerError) as raised:
        next(stream)
    assert raised.value.exit_status == 4
    assert list(stream) == []


def test_a_streamed_run_that_is_closed_ends_its_container(client, busybox):
    stream = client.containers.run(busybox, ["sh", "-c", "echo one; sleep 60"], stream=True, name="closed")
    assert next(stream) == b"one\n"
    stream.close()
    stream.close()
    assert list(stream) == []
    until(lambda: client.containers.get("closed").status == "exited")


def test_detach_returns_a_running_container(client):
    container = client.containers.run("hello", ["sleep", "60"], detach=True, labels=["a"], hostname="box")
    container.reload()
    assert container.status == "running"
    assert container.labels == {"a": ""}
    assert container.attrs["Config"]["Hostname"] == "box"
    assert container.image == client.images.get("hello")
    assert client.containers.get(container.short_id) == container
    assert client.containers.list() == [container]
    container.kill()
    assert container.wait()["StatusCode"] == 137
    container.remove()
    with pytest.raises(NotFound):
        container.reload()


def test_detach_with_remove_leaves_nothing(client):
    container = client.containers.run("hello", ["true"], detach=True, remove=True)
    until(lambda: is_gone(container))
    until(lambda: client.containers.list(all=True) == [])


def is_gone(container):
    try:
        container.reload()
    except NotFound:
        return True
    return False


def test_a_container_that_cannot_start_is_an_error_and_with_remove_leaves_nothing(client):
    with pytest.raises(barque.BarqueError, match="nonesuch"):
        client.containers.run("hello", ["nonesuch"], detach=True, remove=True)
    assert client.containers.list(all=True) == []


def test_create_and_start_are_two_steps_and_a_second_start_is_success(client):
    container = client.containers.create("hello", ["sleep", "60"], name="steps")
    assert container.status == "created"
    container.start()
    container.start()
    container.reload()
    assert container.status == "running"
    container.stop(timeout=0)
    container.stop(timeout=0)
    container.reload()
    assert container.status == "exited"


def test_a_name_that_is_taken_is_a_conflict(client):
    client.containers.create("hello", name="taken")
    with pytest.raises(Conflict):
        client.containers.create("hello", name="taken")


def test_a_missing_image_is_its_own_class(client):
    with pytest.raises(ImageNotFound):
        client.containers.run("no-such-image:never")


def test_wait_says_how_it_ended_and_times_out_without_touching_it(client, busybox):
    container = client.containers.run(busybox, ["sh", "-c", "sleep 1; exit 7"], detach=True)
    begin = time.monotonic()
    with pytest.raises(TimeoutError) as raised:
        container.wait(timeout=0.2)
    assert isinstance(raised.value, Timeout) and raised.value.object == ("container", container.id)
    assert time.monotonic() - begin < 0.8
    exit = container.wait(timeout=20)
    assert (exit["StatusCode"], exit["Reason"]) == (7, "exited")
    assert container.wait()["StatusCode"] == 7


@pytest.mark.parametrize("sent", ["SIGTERM", "TERM", 15, signal.SIGTERM])
def test_kill_takes_names_and_numbers(client, busybox, sent):
    command = ["sh", "-c", "trap 'exit 9' TERM; echo ready; while :; do sleep 0.1; done"]
    container = client.containers.run(busybox, command, detach=True)
    logs = container.logs(stream=True)
    assert next(logs) == b"ready\n"
    container.kill(sent)
    assert container.wait()["StatusCode"] == 9


def test_logs_are_bytes_with_docker_pys_options(client, busybox):
    before = datetime.datetime.now(datetime.timezone.utc)
    client.containers.run(busybox, ["sh", "-c", "echo a; echo b >&2; sleep 0.2; echo c"], name="logs")
    container = client.containers.get("logs")
    after = datetime.datetime.now(datetime.timezone.utc)
    assert sorted(container.logs().splitlines()) == [b"a", b"b", b"c"]
    assert container.logs(stdout=True, stderr=False) == b"a\nc\n"
    assert container.logs(stdout=False) == b"b\n"
    assert container.logs(stderr=False, tail=1) == b"c\n"
    assert container.logs(tail="all", stderr=False) == b"a\nc\n"
    assert container.logs(until=before) == b""
    assert container.logs(since=after + datetime.timedelta(seconds=1)) == b""
    assert container.logs(since=before.timestamp() - 1, stderr=False) == b"a\nc\n"
    assert container.logs(since=before.replace(tzinfo=None), stderr=False) == b"a\nc\n"
    assert container.logs(since="10m", stderr=False) == b"a\nc\n"
    stamped = container.logs(timestamps=True, stderr=False).splitlines()
    assert stamped[0].endswith(b" a") and stamped[0][4:5] == b"-"


def test_followed_logs_end_with_the_container_and_lose_no_last_line(client, busybox):
    container = client.containers.run(
        busybox, ["sh", "-c", "seq 1 1000; echo -n last"], detach=True
    )
    data = b"".join(container.logs(stream=True))
    assert data == b"".join(b"%d\n" % n for n in range(1, 1001)) + b"last"


def test_logs_that_do_not_follow_end_at_what_is_there(client):
    container = client.containers.run("hello", ["sleep", "60"], detach=True)
    assert list(container.logs(stream=True, follow=False)) == []


def test_attach_gives_what_is_written_from_now_on(client, busybox):
    container = client.containers.run(
        busybox, ["sh", "-c", "echo early; sleep 1; echo out; echo err >&2"], detach=True
    )
    time.sleep(0.5)
    out, err = container.attach(demux=True)
    assert (out, err) == (b"out\n", b"err\n")
    assert b"early" in container.attach(logs=True)


def test_attach_with_input_is_a_conversation(client):
    container = client.containers.create("hello", ["cat"], stdin_open=True)
    container.start()
    with container.attach_stream() as stream:
        stream.write(b"one\n")
        assert stream.read(timeout=5).data == b"one\n"
        stream.write(bytearray(b"two\n"))
        assert stream.read(timeout=5).data == b"two\n"
        with pytest.raises(TimeoutError):
            stream.read(timeout=0.05)
    container.kill()


def test_a_terminal_has_the_size_it_is_given(client, busybox):
    container = client.containers.run(
        busybox, ["sh", "-c", "sleep 0.3; stty size"], tty=True, detach=True
    )
    container.resize(height=33, width=44)
    assert b"33 44" in b"".join(container.logs(stream=True))


def test_a_block_stops_and_removes_its_container(client):
    with client.containers.run("hello", ["sleep", "60"], detach=True, name="block") as container:
        assert container.client is client
    with pytest.raises(NotFound):
        client.containers.get("block")


def test_a_block_that_raises_keeps_its_own_exception(client):
    with pytest.raises(ZeroDivisionError):
        with client.containers.run("hello", ["sleep", "60"], detach=True, name="raises"):
            1 / 0
    with pytest.raises(NotFound):
        client.containers.get("raises")


def test_a_block_whose_container_is_gone_already_is_fine(client):
    with client.containers.run("hello", ["sleep", "60"], detach=True) as container:
        container.remove(force=True)
        with container:
            pass


def test_a_container_that_is_just_ending_can_be_removed_by_force(client):
    for n in range(20):
        stream = client.popen("hello", ["sleep", "60"], name=f"ending{n}", remove=False)
        stream.close()
        client.containers.get(f"ending{n}").remove(force=True)


def test_lists_filter_as_docker_pys(client):
    one = client.containers.create("hello", name="one", labels={"k": "v"})
    client.containers.create("hello", name="two")
    assert client.containers.list() == []
    assert {c.name for c in client.containers.list(all=True)} == {"one", "two"}
    assert client.containers.list(all=True, filters={"label": "k=v"}) == [one]
    assert client.containers.list(all=True, filters={"name": ["one"], "status": "created"}) == [one]
    assert [c.name for c in client.containers.list(limit=1)] == ["two"]
    sparse = client.containers.list(all=True, sparse=True, filters={"label": ["k=v"]})[0]
    assert (sparse.name, sparse.status, sparse.labels) == ("one", "created", {"k": "v"})
    sparse.reload()
    assert sparse.attrs["Config"]["Labels"] == {"k": "v"}


def test_sigpipe_is_not_what_python_made_of_it(client, busybox):
    assert signal.getsignal(signal.SIGPIPE) == signal.SIG_IGN
    result = client.run(busybox, ["sh", "-c", "yes | head -n 1"], timeout=10)
    assert (result.stdout, result.reason) == (b"y\n", "exited")


def test_blocked_signals_are_not_inherited(client, busybox):
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR1])
    try:
        result = client.run(busybox, ["sh", "-c", "grep -E 'Sig(Blk|Ign)' /proc/self/status || cat /proc/self/status"])
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    masks = [int(line.split()[1], 16) for line in result.text.splitlines() if line.startswith(("SigBlk", "SigIgn"))]
    assert masks == [0, 0], result.text


def test_runs_leave_no_descriptor_and_no_container(client):
    for _ in range(3):
        client.run("hello", ["true"])
    before = descriptors()
    for _ in range(30):
        client.run("hello", ["true"])
        client.containers.run("hello", ["true"], remove=True)
    assert descriptors() == before
    assert client.containers.list(all=True) == []
    until(lambda: not [task for task in os.listdir("/proc/self/task") if _name(task) == "barque"])


def _name(task):
    try:
        with open(f"/proc/self/task/{task}/comm") as file:
            return file.read().strip()
    except FileNotFoundError:
        return None
