"""The client: an engine root, opened."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Optional, Union, overload

from ._barque import NativeEngine
from ._documents import DocumentStream, Encoded
from ._kwargs import Command, CreateOptions, create_document
from ._run import OUTPUT_LIMIT, Captures, Input, RunResult, run_to_end
from ._streams import Closing, Stream
from .api import Api
from .models.containers import ContainerCollection
from .models.images import Image, ImageCollection
from .models.networks import NetworkCollection
from .models.resource import Moment, filters_document, moment_text
from .models.volumes import VolumeCollection

if sys.version_info >= (3, 12):
    from typing import Unpack
elif TYPE_CHECKING:
    from typing_extensions import Unpack

if TYPE_CHECKING:
    from . import _types as t

Path = Union[str, "os.PathLike[str]"]


class Client(Closing):
    """An engine: `root` says where it keeps what it knows (else the environment's `BARQUE_ROOT`, else `/var/lib/barque`).

    Threads may share it; a forked child may not. `run_dir` is for what a reboot must clear.
    """

    def __init__(self, root: Optional[Path] = None, *, run_dir: Optional[Path] = None) -> None:
        self.api = Api(NativeEngine(root, run_dir))
        """The operations one to one, with dictionaries."""

    @property
    def containers(self) -> ContainerCollection:
        """Containers."""
        return ContainerCollection(self)

    @property
    def images(self) -> ImageCollection:
        """Images."""
        return ImageCollection(self)

    @property
    def networks(self) -> NetworkCollection:
        """Networks."""
        return NetworkCollection(self)

    @property
    def volumes(self) -> VolumeCollection:
        """Volumes."""
        return VolumeCollection(self)

    def run(
        self,
        image: Union[str, Image],
        command: Command = None,
        *,
        input: Optional[Input] = None,
        timeout: Optional[float] = None,
        check: bool = False,
        remove: bool = True,
        limit: int = OUTPUT_LIMIT,
        **options: Unpack[CreateOptions],
    ) -> RunResult:
        """Run a container to its end: both outputs, the exit code and why it ended.

        `input` goes to its standard input. After `timeout` seconds it is killed and the reason is `timeout`. `check` raises
        `ContainerError` when the exit code is not 0. The container ends with this call, whatever ends the call, and is removed
        unless `remove` is false. At most `limit` bytes of each output are kept.
        """
        request = run_document(image, command, input is not None, timeout, remove, options)
        stream = self.api.container_run(request)
        captures = Captures(limit)
        run_to_end(stream, input, captures)
        result = captures.result(stream.exit, request["Create"]["Image"], command)
        return result.check() if check else result

    def popen(
        self,
        image: Union[str, Image],
        command: Command = None,
        *,
        stdin: bool = False,
        timeout: Optional[float] = None,
        remove: bool = True,
        **options: Unpack[CreateOptions],
    ) -> Stream:
        """Run a container and talk to it: iterate for what it writes, `write` to its input, `exit` at the end.

        It ends when the stream is closed.
        """
        return self.api.container_run(
            run_document(image, command, stdin, timeout, remove, options)
        )

    def login(
        self,
        username: str = "",
        password: str = "",
        *,
        registry: str = "",
        identity_token: str = "",
        check_only: bool = False,
    ) -> t.RegistryLoggedIn:
        """Ask a registry (Docker Hub, if none is named) whether it takes these credentials, and keep them as docker does.

        `check_only` keeps nothing. Credentials can also be given to each pull and push, which touches no file.
        """
        return self.api.registry_login(
            login_document(username, password, registry, identity_token, check_only)
        )

    def logout(self, registry: str = "") -> None:
        """Forget the credentials of a registry."""
        self.api.registry_logout({"ServerAddress": registry})

    @overload
    def events(
        self,
        since: Optional[Moment] = None,
        until: Optional[Moment] = None,
        filters: Optional[dict[str, Any]] = None,
        *,
        decode: Literal[True],
        cursor: str = "",
    ) -> DocumentStream[t.EventMessage]: ...
    @overload
    def events(
        self,
        since: Optional[Moment] = None,
        until: Optional[Moment] = None,
        filters: Optional[dict[str, Any]] = None,
        decode: Optional[Literal[False]] = None,
        cursor: str = "",
    ) -> Encoded: ...
    def events(
        self,
        since: Optional[Moment] = None,
        until: Optional[Moment] = None,
        filters: Optional[dict[str, Any]] = None,
        decode: Optional[bool] = None,
        cursor: str = "",
    ) -> Union[Encoded, DocumentStream[t.EventMessage]]:
        """What happens: from now on, since a time, or from the `cursor` of another event on, which leaves nothing out.

        `decode`: as dictionaries; without it each is a line of JSON, as docker-py has it. Ends at `until`, or when it is closed.
        """
        events = self.api.system_events(events_document(since, until, filters, cursor))
        return events if decode else Encoded(events)

    def info(self) -> t.SystemInfo:
        """The engine and this host."""
        return self.api.system_info()

    def version(self) -> t.SystemVersion:
        """Versions."""
        return self.api.system_version()

    def df(self) -> t.DiskUsage:
        """What the engine keeps on disk."""
        return self.api.system_df()

    def prune(
        self,
        all: bool = False,
        volumes: bool = False,
        filters: Optional[dict[str, Any]] = None,
        dry_run: bool = False,
    ) -> t.SystemPruned:
        """Remove what nothing needs: containers that do not run, networks that no container has, and images: those without a tag, or `all`.

        With `volumes` those too that nobody gave a name and no container has.
        """
        return self.api.system_prune(prune_document(all, volumes, filters, dry_run))

    def check(self, repair: bool = False) -> t.SystemChecked:
        """Compare everything that is stored with its digest; `repair`: put right what can be."""
        return self.api.system_check({"Repair": repair})

    def ping(self) -> bool:
        """Whether the engine's record can be read."""
        self.api.system_version()
        return True

    def close(self) -> None:
        """Let go of the engine. Containers go on. Closing twice is no error."""
        self.api.close()


DockerClient = Client
"""docker-py's name for it."""


def prune_document(
    all: bool, volumes: bool, filters: Optional[dict[str, Any]], dry_run: bool
) -> t.SystemPrune:
    """The request to remove what nothing needs."""
    return {
        "All": all,
        "Volumes": volumes,
        "Filters": filters_document(filters),
        "DryRun": dry_run,
    }


def login_document(
    username: str, password: str, registry: str, identity_token: str, check_only: bool
) -> t.RegistryLogin:
    """The request of a login."""
    auth: t.AuthConfig = {
        "username": username,
        "password": password,
        "serveraddress": registry,
        "identitytoken": identity_token,
    }
    return {"Auth": auth, "CheckOnly": check_only}


def run_document(
    image: Union[str, Image],
    command: Command,
    stdin: bool,
    timeout: Optional[float],
    remove: bool,
    options: Mapping[str, Any],
) -> t.ContainerRun:
    """The request of a run that ends with its caller."""
    document = create_document("run", image, command, options)
    document["HostConfig"]["AutoRemove"] = remove
    if stdin:
        document["OpenStdin"] = document["StdinOnce"] = document["AttachStdin"] = True
    request: t.ContainerRun = {"Create": document, "Tied": True}
    if timeout is not None:
        if timeout <= 0:
            raise ValueError("a timeout is more than 0 seconds")
        request["TimeoutMs"] = max(1, round(timeout * 1000))
    return request


def events_document(
    since: Optional[Moment],
    until: Optional[Moment],
    filters: Optional[dict[str, Any]],
    cursor: str,
) -> t.SystemEvents:
    """The request for events."""
    return {
        "Since": moment_text(since),
        "Until": moment_text(until),
        "Filters": filters_document(filters),
        "Cursor": cursor,
    }


def from_env(environment: Optional[Mapping[str, str]] = None) -> Client:
    """The engine that the environment names: `BARQUE_ROOT`, `BARQUE_RUN`."""
    if environment is None:
        return Client()
    return Client(
        environment.get("BARQUE_ROOT") or None, run_dir=environment.get("BARQUE_RUN") or None
    )


def open(root: Optional[Path] = None, *, run_dir: Optional[Path] = None) -> Client:
    """Open an engine: the same as `Client(…)`."""
    return Client(root, run_dir=run_dir)


def run(
    image: Union[str, Image],
    command: Command = None,
    *,
    input: Optional[Input] = None,
    timeout: Optional[float] = None,
    check: bool = False,
    remove: bool = True,
    limit: int = OUTPUT_LIMIT,
    **options: Unpack[CreateOptions],
) -> RunResult:
    """`Client.run` with the engine that the environment names."""
    with from_env() as client:
        return client.run(
            image,
            command,
            input=input,
            timeout=timeout,
            check=check,
            remove=remove,
            limit=limit,
            **options,
        )
