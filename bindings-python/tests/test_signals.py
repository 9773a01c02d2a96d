"""Ctrl-C, the GIL, and what a dying program leaves behind."""

import io
import os
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time

import pytest

import barque
from barque.errors import InvalidArgument

from conftest import until

WAITS = {
    "run": "client.run('hello', ['sleep', '60'])",
    "containers.run": "client.containers.run('hello', ['sleep', '60'], remove=True)",
    "wait": "client.containers.run('hello', ['sleep', '60'], detach=True, name='waits').wait()",
    "logs": "list(client.containers.run('hello', ['sleep', '60'], detach=True, name='logs').logs(stream=True))",
    "attach": "client.containers.run('hello', ['sleep', '60'], detach=True, name='attaches').attach()",
    "popen": "list(client.popen('hello', ['sleep', '60']))",
    "stop": "client.containers.run(box, ['sh', '-c', \"trap '' TERM; while :; do sleep 1; done\"], detach=True, name='stops').stop()",
    "with": "with client.containers.run('hello', ['sleep', '60'], detach=True): time.sleep(60)",
    "write": "client.popen('hello', ['sleep', '60'], stdin=True).write(b'x' * (64 << 20))",
    "exec": "client.containers.run('hello', ['sleep', '60'], detach=True, name='execs').exec_run(['sleep', '60'])",
    "build": "client.images.build(fileobj=f'FROM {box}\\nRUN sleep 60\\n')",
    "pull": "client.images.pull(silent())",
}


@pytest.mark.parametrize("elsewhere", [False, True], ids=["main thread", "another thread"])
@pytest.mark.parametrize("what", sorted(WAITS))
def test_an_interrupt_is_raised_at_once(client, busybox, what, elsewhere):
    if elsewhere and what == "with":
        return  # It is time.sleep() that does not end then, with or without us.
    program = f"""if True:
        import os, signal, socket, sys, threading, time, barque
        sockets = []
        def silent():
            # A registry that does not answer.
            sockets.append(socket.create_server(("127.0.0.1", 0)))
            return "127.0.0.1:%d/image" % sockets[0].getsockname()[1]
        # Whoever starts the tests may have it ignored, as a shell does for what runs in its background.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        client = barque.from_env(); box = {busybox!r}
        def interrupt():
            # The kernel may deliver a signal to any thread that does not block it: here, to this one.
            time.sleep(1); print(time.time(), flush=True)
            if {elsewhere}: signal.pthread_kill(threading.get_ident(), signal.SIGINT)
            else: os.kill(os.getpid(), signal.SIGINT)
        threading.Thread(target=interrupt, daemon=True).start()
        try:
            {WAITS[what]}
        except KeyboardInterrupt:
            print(time.time(), flush=True)
        for open in sockets: open.close()
        """
    process = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (process.returncode, process.stderr) == (0, "")
    sent, interrupted = map(float, process.stdout.split())
    # 200 ms is what is promised; the machine may be busy.
    assert interrupted - sent < 1.0
    if what in ("run", "containers.run", "popen", "with", "write", "build", "pull"):
        until(lambda: client.containers.list(all=True) == [])


@pytest.mark.parametrize("what", ["run", "popen", "build", "write"])
def test_interrupts_while_one_is_cleaned_up_after_leave_nothing(client, busybox, what):
    program = f"""if True:
        import os, signal, sys, threading, time, barque
        package = os.path.dirname(barque.__file__)
        raised = 0
        def interrupted(number, frame):
            # Wherever barque is at work. Between two statements of a program an interrupt ends it, with or without us.
            global raised
            while frame and not frame.f_code.co_filename.startswith(package): frame = frame.f_back
            if frame:
                raised += 1
                raise KeyboardInterrupt
        signal.signal(signal.SIGINT, interrupted)
        client = barque.from_env(); box = {busybox!r}
        def interrupt():
            time.sleep(1)
            while raised < 100: os.kill(os.getpid(), signal.SIGINT); time.sleep(0.0005)
        interrupting = threading.Thread(target=interrupt); interrupting.start()
        while raised < 100:
            try: {WAITS[what]}
            except KeyboardInterrupt: pass
        interrupting.join()
        # While this process lives, and not only because it ends.
        until = time.monotonic() + 15
        while client.containers.list(all=True):
            if time.monotonic() > until: sys.exit("something is left")
            time.sleep(0.05)
        """
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (process.returncode, process.stderr) == (0, "")

    def left():
        with barque.from_env() as another:
            return another.containers.list(all=True)

    until(lambda: left() == [])
    assert client.run("hello", ["echo", "on"]).text == "on\n"


def test_an_exception_of_a_signal_handler_ends_a_wait(client):
    def handler(*_):
        raise ZeroDivisionError

    container = client.containers.run("hello", ["sleep", "60"], detach=True)
    previous = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        begin = time.monotonic()
        with pytest.raises(ZeroDivisionError):
            container.wait()
        assert time.monotonic() - begin < 1.0
    finally:
        signal.signal(signal.SIGALRM, previous)
    container.reload()
    assert container.status == "running"


def test_a_handler_that_does_not_raise_does_not_disturb(client):
    ticks = []
    previous = signal.signal(signal.SIGALRM, lambda *_: ticks.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
        assert client.run("hello", ["sleep", "1"]).ok
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert len(ticks) > 20


def counted(seconds):
    """How far a loop counts in a time: the share of the interpreter that a thread gets."""
    end = time.perf_counter() + seconds
    count = 0
    while time.perf_counter() < end:
        count += 1
    return count


@pytest.mark.parametrize("what", ["wait", "logs", "run", "exec", "build", "pull"])
def test_waiting_takes_nothing_from_other_threads(client, busybox, what):
    waits = {
        "wait": lambda: container.wait(),
        "logs": lambda: list(container.logs(stream=True)),
        "run": lambda: client.run("hello", ["sleep", "30"]),
        "exec": lambda: container.exec_run(["sleep", "30"]),
        "build": lambda: client.images.build(fileobj=f"FROM {busybox}\nRUN sleep 2\n", nocache=True),
        "pull": lambda: client.images.pull("127.0.0.1:%d/image" % silent.getsockname()[1]),
    }
    # In turns: what else the machine does hits both alike.
    alone, beside = [], []
    for _ in range(3):
        container = client.containers.run("hello", ["sleep", "30"], detach=True)
        silent = socket.create_server(("127.0.0.1", 0))
        alone.append(counted(0.5))
        thread = threading.Thread(target=lambda: _ignoring(waits[what]), daemon=True)
        thread.start()
        time.sleep(0.3)
        assert thread.is_alive()
        beside.append(counted(0.5))
        silent.close()
        for running in client.containers.list():
            running.kill()
        thread.join(20)
    assert max(beside) > 0.8 * max(alone)  # P-01 asks for 0.9 on a quiet machine


def _ignoring(work):
    try:
        work()
    except barque.BarqueError:
        pass


def test_a_program_that_is_killed_takes_its_runs_with_it(client):
    program = """if True:
        import barque
        client = barque.from_env()
        client.containers.run("hello", ["sleep", "60"], detach=True, name="stays")
        process = client.popen("hello", ["sleep", "60"], name="goes")
        print("ready", flush=True); process.wait()
        """
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    assert {c.name for c in client.containers.list()} == {"stays", "goes"}
    process.kill()
    process.communicate()
    until(lambda: [c.name for c in client.containers.list(all=True)] == ["stays"])


@pytest.mark.parametrize("ending", ["sys.exit(3)", "os._exit(3)", "raise SystemExit(3)"])
def test_the_interpreter_ends_at_once_with_streams_open(client, python, ending):
    begin = time.monotonic()
    finished = python(
        f"""if True:
        import os, sys, threading, barque
        client = barque.from_env()
        process = client.popen("hello", ["sleep", "60"])
        threading.Thread(target=process.wait, daemon=True).start()
        {ending}
        """,
        timeout=20,
    )
    assert (finished.returncode, finished.stderr) == (3, "")
    assert time.monotonic() - begin < 10
    until(lambda: client.containers.list(all=True) == [])


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_that_drops_a_stream_does_not_end_the_run(client):
    import gc

    process = client.popen("hello", ["sleep", "60"], name="forked")
    child = os.fork()
    if child == 0:
        try:
            try:
                process.read(0)
            except barque.errors.ForkedError:
                del process
                gc.collect()
                os._exit(7)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    time.sleep(0.3)
    assert client.containers.get("forked").status == "running"
    process.close()
    until(lambda: client.containers.list(all=True) == [])


def test_sixty_four_threads_run_at_once(client):
    wrong = []

    def work(n):
        result = client.run("hello", ["echo", str(n)])
        if result.text != f"{n}\n":
            wrong.append(result)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert wrong == []
    assert client.containers.list(all=True) == []


def test_a_jail_that_takes_no_more_is_no_sigpipe(client, busybox):
    # Python ignores the signal; other hosts do not, and it would end this one here.
    before = signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        container = client.containers.create(busybox)
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            entry = tarfile.TarInfo("large")
            entry.size = 8 << 20
            tar.addfile(entry, io.BytesIO(bytes(entry.size)))
        with pytest.raises(InvalidArgument, match="not a directory"):
            container.put_archive("/etc/passwd", archive.getvalue())
        assert signal.SIGPIPE not in signal.sigpending()
    finally:
        signal.signal(signal.SIGPIPE, before)
