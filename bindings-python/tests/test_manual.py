"""Every example of the manual and the README runs."""

import re

import pytest

from conftest import REPOSITORY


def examples():
    for page in ("README.md", "docs/python.md", "bindings-python/README.md"):
        text = (REPOSITORY / page).read_text()
        for match in re.finditer(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            line = text.count("\n", 0, match.start()) + 1
            yield pytest.param(match.group(1), id=f"{page}:{line}")


@pytest.mark.parametrize("example", list(examples()))
def test_an_example_runs(client, python, example):
    finished = python(example)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert client.containers.list() == []
