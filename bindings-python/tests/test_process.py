"""The package as a guest in a Python process: imports, forks, pickles, threads, the end of the interpreter."""

import copy
import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import barque
from barque import aio
from barque.errors import ForkedError

from conftest import REPOSITORY, until


def test_the_version_is_that_of_the_workspace():
    from importlib.metadata import version

    workspace = (REPOSITORY / "Cargo.toml").read_text()
    written = workspace.split('version = "', 1)[1].split('"', 1)[0]
    assert barque.__version__ == version("barque") == written


def test_importing_has_no_side_effects_and_takes_no_time(python):
    finished = python(
        """if True:
        import json, os, signal, sys, threading, time
        def state():
            handlers = [str(signal.getsignal(s)) for s in (signal.SIGINT, signal.SIGCHLD, signal.SIGPIPE, signal.SIGTERM)]
            return [len(os.listdir('/proc/self/task')), sorted(os.listdir('/proc/self/fd')), handlers, os.getcwd(), dict(os.environ)]
        import typing, dataclasses, json
        before = state(); begin = time.perf_counter()
        import barque
        taken = time.perf_counter() - begin
        assert state() == before, (before, state())
        print(taken)
        """
    )
    assert finished.returncode == 0, finished.stderr
    assert float(finished.stdout) < 0.25  # G: 50 ms in a release build; `-X dev` and an unoptimised module here


@pytest.mark.parametrize("flags", [["-I"], ["-E"], ["-I", "-S"]])
def test_it_imports_in_an_isolated_interpreter(flags):
    path = [entry for entry in sys.path if entry]
    program = f"import sys; sys.path[:0] = {path!r}; import barque, barque.aio; print(barque.__version__)"
    finished = subprocess.run([sys.executable, *flags, "-c", program], capture_output=True, text=True)
    assert finished.stdout.strip() == barque.__version__, finished.stderr


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, pickle.dumps], ids=lambda f: f.__name__)
def test_what_belongs_to_the_process_is_neither_copied_nor_pickled(opened, again):
    for thing in (opened, opened.containers, opened.images, opened.api._engine, aio.from_env()):
        with pytest.raises(TypeError):
            again(thing)


def in_a_fork(work):
    """What `work` returns or raises in a forked child."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            try:
                answer = repr(work())
            except BaseException as error:
                answer = type(error).__name__
            os.write(writer, answer.encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        answer = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    return answer


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_is_told_to_open_its_own(opened):
    assert in_a_fork(lambda: opened.api.call("container.paint")) == "ForkedError"
    assert in_a_fork(lambda: opened.containers.list()) == "ForkedError"
    assert issubclass(ForkedError, barque.BarqueError)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_may_open_its_own_and_the_parents_goes_on(opened):
    assert in_a_fork(lambda: barque.from_env().ping()) == "True"
    assert opened.ping()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_what_a_forked_child_lets_go_of_stays_the_parents(opened):
    def drop():
        opened.close()
        import gc

        gc.collect()

    in_a_fork(drop)
    assert opened.ping()


def _opens(root, run):
    with barque.Client(root, run_dir=run) as client:
        return client.ping()


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_multiprocessing_works_where_each_process_opens_its_own(engine_root, method):
    context = multiprocessing.get_context(method)
    with context.Pool(2) as pool:
        places = [(str(engine_root / "root"), str(engine_root / "run"))] * 4
        assert pool.starmap(_opens, places) == [True] * 4


def test_many_threads_share_a_client(opened):
    wrong = []

    def work():
        for _ in range(20):
            try:
                opened.api.call("container.paint")
            except barque.errors.NotFound:
                continue
            wrong.append("no error")

    threads = [threading.Thread(target=work) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_client_used_after_its_block_says_so(engine_root):
    with barque.from_env() as client:
        client.close()
        client.close()
    with pytest.raises(ValueError, match="closed"):
        client.info()


def test_a_root_that_cannot_be_opened_is_an_error_that_names_it():
    with pytest.raises(barque.BarqueError, match="/proc/nowhere"):
        barque.Client("/proc/nowhere")
    with pytest.raises((ValueError, barque.BarqueError)):
        barque.Client("a\0b")
    with pytest.raises((ValueError, barque.BarqueError)):
        barque.Client("/proc/\udcff")
    for wrong in (3, b"/tmp/x", object()):
        with pytest.raises(TypeError):
            barque.Client(wrong)

    class Nowhere:
        def __fspath__(self):
            raise ZeroDivisionError

    with pytest.raises((ZeroDivisionError, TypeError)):
        barque.Client(Nowhere())


def test_no_descriptor_leaks_from_clients_and_calls(engine_root):
    def count():
        return len(os.listdir("/proc/self/fd"))

    def use():
        with barque.from_env() as client:
            for _ in range(10):
                with pytest.raises(barque.errors.NotFound):
                    client.api.call("container.paint")

    use()
    before = count()
    for _ in range(20):
        use()
    # A leak would be of twenty. What other tests left to the collector comes and goes meanwhile.
    assert count() < before + 10


def test_signal_handlers_and_mask_are_left_alone(opened):
    before = [signal.getsignal(number) for number in range(1, 32)]
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    opened.ping()
    assert [signal.getsignal(number) for number in range(1, 32)] == before
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == mask


def test_a_storm_of_timer_signals_does_not_disturb_a_call(python):
    finished = python(
        """if True:
        import signal, barque
        ticks = []
        signal.signal(signal.SIGALRM, lambda *_: ticks.append(1))
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        client = barque.from_env()
        for _ in range(300):
            try: client.api.call("container.paint")
            except barque.errors.NotFound: pass
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(len(ticks) > 0)
        """
    )
    assert finished.stdout == "True\n", finished.stderr


def test_what_others_made_of_the_standard_library_is_none_of_its_business(python):
    # As gevent replaces it; here by what fails.
    finished = python(
        """if True:
        import os, select, signal, socket, subprocess, threading, time, barque
        def fails(*_, **__): raise ZeroDivisionError
        for module, names in {
            os: "fork read write close pipe waitpid kill open",
            select: "select poll epoll",
            subprocess: "Popen run",
            socket: "socket socketpair create_connection",
            threading: "Thread",
            time: "sleep",
        }.items():
            for name in names.split(): setattr(module, name, fails)
        with barque.from_env() as client:
            result = client.run("hello", ["cat"], input=b"ahoy", timeout=60)
            with client.popen("hello", ["echo", "out"]) as process:
                client.ping() and result.text == "ahoy" and print(b"".join(chunk.data for chunk in process))
        """
    )
    assert finished.stdout == "b'out\\n'\n", finished.stderr


@pytest.mark.parametrize(
    "ending",
    [
        "sys.exit(3)",
        "os._exit(3)",
        "threading.Thread(target=loop, daemon=True).start(); time.sleep(0.05); sys.exit(3)",
        "del sys.modules['barque.errors']; sys.exit(3)",
        "import atexit; atexit.register(client.close); sys.exit(3)",
        "sys.kept = client, client.containers; sys.exit(3)",
        "threading.Thread(target=sys.exit).start(); sys.exit(3)",
    ],
)
def test_the_interpreter_ends_at_once_whatever_goes_on(python, ending):
    finished = python(
        f"""if True:
        import os, sys, threading, time, barque
        client = barque.from_env()
        def loop():
            while True:
                try: client.api.call("container.paint")
                except barque.errors.NotFound: pass
        {ending}
        """,
        timeout=20,
    )
    assert (finished.returncode, finished.stderr) == (3, ""), finished.stderr


def test_a_second_interpreter_may_import_it_or_is_told_so(python):
    finished = python(
        """if True:
        import sys, barque
        try: import _xxsubinterpreters as interpreters
        except ImportError: import _interpreters as interpreters
        client = barque.from_env()
        second = interpreters.create()
        interpreters.run_string(second, f'''if True:
            import sys; sys.path[:] = {sys.path!r}
            try: import barque
            except ImportError as error: assert "interpreter" in str(error), error
            else: barque.from_env().ping()
        ''')
        interpreters.destroy(second)
        print(client.ping())
        """
    )
    assert (finished.returncode, finished.stdout) == (0, "True\n"), finished.stderr


def test_little_room_for_recursion_or_descriptors_is_an_exception_and_no_end(python):
    finished = python(
        """if True:
        import resource, sys, barque
        client = barque.from_env()
        def ping():
            try: return client.ping()
            except RecursionError: return "too deep"
            # json is the first to run out, and says it of what it was given.
            except barque.errors.InvalidArgument as error: return str(error).split()[-1] == "deeply" and "too deep"
        depth = sys.getrecursionlimit()
        for limit in range(8, 60):
            try: sys.setrecursionlimit(limit)
            except RecursionError: continue
            found = ping(); sys.setrecursionlimit(depth)
            assert found in (True, "too deep"), found
        few = resource.getrlimit(resource.RLIMIT_NOFILE)
        refused = 0
        for limit in range(4, 24):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, few[1]))
            try: barque.from_env().close()
            except barque.BarqueError as error: refused += "too many open files" in str(error)
            finally: resource.setrlimit(resource.RLIMIT_NOFILE, few)
        print(refused > 0, client.ping(), barque.from_env().ping())
        """
    )
    assert finished.stdout == "True True True\n", finished.stderr


@pytest.mark.parametrize("frozen", [False, True])
def test_what_is_left_in_a_circle_is_let_go_of(client, frozen):
    import gc
    import weakref

    class Knot:
        pass

    for _ in range(3):
        knot = Knot()
        knot.self, knot.stream = knot, client.popen("hello", ["sleep", "60"])
        knot.bound = knot.stream.close
    seen = weakref.ref(knot.stream)
    if frozen:
        gc.freeze()
        gc.unfreeze()
    del knot
    gc.collect()
    assert seen() is None
    until(lambda: client.containers.list() == [])


def test_the_stubs_are_those_of_the_module():
    finished = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "barque._barque"], capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_the_wheel_needs_no_newer_system_than_its_name_says():
    import re
    from importlib.metadata import distribution

    wheel = distribution("barque").read_text("WHEEL")
    tag = re.search(r"^Tag: cp39-abi3-manylinux_2_(\d+)_\w+$", wheel, re.M)
    assert tag, wheel
    module = Path(barque._barque.__file__)
    assert module.name == "_barque.abi3.so"
    needed = {int(minor) for minor in re.findall(rb"\0GLIBC_2\.(\d+)", module.read_bytes())}
    assert needed and max(needed) <= int(tag[1]), needed


def test_calls_leak_neither_objects_nor_memory(python):
    finished = python(
        """if True:
        import gc, resource, tracemalloc, barque
        client = barque.from_env()
        def calls(n):
            for _ in range(n):
                try: client.api.container_create({"Image": "x", "Nope": 1})
                except barque.errors.InvalidArgument: pass
        calls(500); gc.collect(); tracemalloc.start(); before = tracemalloc.get_traced_memory()[0]
        rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        calls(1500); gc.collect()
        print((tracemalloc.get_traced_memory()[0] - before) / 1024, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - rss)
        """
    )
    traced, resident = map(float, finished.stdout.split())
    assert traced < 32 and resident < 8192, finished.stdout


def test_the_documents_of_operations_round_trip_as_json(opened):
    for name, _, _, kind in barque._barque.operations():
        if kind == "unary" and name.startswith("system."):
            assert json.dumps(opened.api.call(name))


def test_a_tied_container_dies_with_its_process_even_by_kill_9(python, client):
    finished = python(
        """if True:
        import os, signal, time, barque
        container = barque.from_env().containers.create("hello", ["sleep", "1000"], name="tied", network_mode="none")
        container.start(tied=True)
        if os.fork() == 0:
            # It has all that its parent has open, and lives on.
            os.close(1), os.close(2), time.sleep(5), os._exit(0)
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    assert finished.returncode == -signal.SIGKILL, finished.stderr
    container = client.containers.get("tied")
    assert container.wait(timeout=4)["StatusCode"] == 137
    container.reload()
    assert container.attrs["State"]["ExitReason"] == "owner-gone"
