"""Every test has an engine of its own and leaves nothing behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import barque


@pytest.fixture(scope="session")
def engine_root(tmp_path_factory):
    """Where the engine of this session is. One for all tests: they use names of their own."""
    base = tmp_path_factory.mktemp("barque")
    os.environ["BARQUE_ROOT"] = str(base / "root")
    os.environ["BARQUE_RUN"] = str(base / "run")
    return base


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


REPOSITORY = Path(__file__).resolve().parents[2]
