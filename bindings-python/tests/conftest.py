"""Every test has a client of one engine of the session and leaves no container behind."""

import io
import os
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

import barque

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def engine_root(tmp_path_factory):
    """Where the engine of this session is. One for all tests: they use names of their own."""
    base = tmp_path_factory.mktemp("barque")
    os.environ["BARQUE_ROOT"] = str(base / "root")
    os.environ["BARQUE_RUN"] = str(base / "run")
    return base


@pytest.fixture(scope="session")
def busybox(engine_root):
    """An image with a shell."""
    program = shutil.which("busybox")
    if program is None:
        pytest.fail("busybox (static) is not installed")
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for directory in ("bin", "etc", "tmp", "root"):
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        tar.add(os.path.realpath(program), "bin/busybox")
        for name in ("sh", "cat", "echo", "sleep", "yes", "head", "wc", "seq", "true", "id", "dd", "ls"):
            entry = tarfile.TarInfo(f"bin/{name}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(entry)
        users = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n"
        entry = tarfile.TarInfo("etc/passwd")
        entry.size = len(users)
        tar.addfile(entry, io.BytesIO(users))
    with barque.from_env() as client:
        client.images.import_(archive.getvalue(), "busybox", changes=["ENV PATH=/bin", 'CMD ["sh"]'])
    return "busybox"


@pytest.fixture
def client(engine_root):
    """A client whose containers are gone afterwards."""
    with barque.from_env() as client:
        yield client
        for container in client.containers.list(all=True):
            container.remove(force=True)


@pytest.fixture
def opened(engine_root):
    """A client for tests that make no container."""
    with barque.from_env() as client:
        yield client


@pytest.fixture
def python(engine_root):
    """Run a program in a fresh interpreter and return its finished process."""

    def run(program, *arguments, timeout=60, **options):
        return subprocess.run(
            [sys.executable, "-X", "dev", "-W", "error", "-c", program, *arguments],
            capture_output=True,
            text=True,
            timeout=timeout,
            **options,
        )

    return run


def until(holds, within=10.0):
    """Wait until something is so."""
    end = time.monotonic() + within
    while not holds():
        assert time.monotonic() < end, f"not so within {within} s"
        time.sleep(0.01)


def descriptors():
    """How many descriptors this process has."""
    return len(os.listdir("/proc/self/fd"))
