"""Further processes in a container: the document that docker-py's keywords make, and what comes back."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Optional, Union

from .errors import Timeout

if TYPE_CHECKING:
    from . import _types as t

Command = Union[str, Iterable[str]]
"""A command line (split as a shell would, nothing expanded) or a list of words."""

Environment = Union[Mapping[str, Union[str, int, float, None]], Iterable[str]]
"""`{"A": "1"}` or `["A=1"]`."""


class ExecResult(NamedTuple):
    """How a command did in a container."""

    exit_code: Optional[int]
    """Its exit code; `None` when it goes on."""
    output: Any
    """What it wrote: bytes, a pair of bytes with `demux`, or an iterator of either with `stream`."""


def exec_document(
    container: str,
    cmd: Command,
    *,
    stdin: bool,
    stdout: bool,
    stderr: bool,
    tty: bool,
    privileged: bool,
    user: str,
    environment: Optional[Environment],
    workdir: Optional[str],
) -> t.ExecCreate:
    """The document of `exec.create`."""
    if isinstance(environment, Mapping):
        env = [name if value is None else f"{name}={value}" for name, value in environment.items()]
    else:
        env = list(environment or ())
    return {
        "Container": container,
        "Cmd": shlex.split(cmd) if isinstance(cmd, str) else list(cmd),
        "AttachStdin": stdin,
        "AttachStdout": stdout,
        "AttachStderr": stderr,
        "Tty": tty,
        "Privileged": privileged,
        "User": user,
        "Env": env,
        "WorkingDir": workdir or "",
    }


def start_document(id: str, detach: bool, timeout: Optional[float]) -> t.ExecStart:
    """The document of `exec.start`."""
    # 0 would be no limit.
    limit = 0 if timeout is None else max(1, round(timeout * 1000))
    return {"Id": id, "Detach": detach, "TimeoutMs": limit}


def exit_code(exit: Any, timeout: Optional[float]) -> Optional[int]:
    """The exit code in the last document. Raises `Timeout` when it was killed for having run too long."""
    if exit is None:
        return None
    if exit["Reason"] == "timeout":
        raise Timeout(
            f"the command still ran after {timeout} seconds and was killed",
            {"kind": "timeout", "code": -12, "subject": {"type": "exec", "id": exit["ID"]}},
        )
    code = exit.get("ExitCode")
    return None if code is None else int(code)
