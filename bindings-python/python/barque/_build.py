"""docker-py's keywords of a build, and the document they make."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Optional, TypedDict, Union

from ._input import Content, Data, content, pieces
from .errors import unexpected_keyword

if TYPE_CHECKING:
    from ._types import BuildCacheStore, BuildOutput, BuildSecret, ImageBuild, Ulimit


Files = Mapping[str, Union[str, bytes]]
"""A context that is in memory: what is in each file, text in UTF-8."""


class BuildOptions(TypedDict, total=False):
    """The keywords of `images.build`. `rm` and `forcerm` are docker-py's and change nothing: no container of a step is ever kept."""

    build_contexts: Mapping[str, str]
    buildargs: Mapping[str, str]
    cache_from: Sequence[Union[str, BuildCacheStore]]
    cache_to: Sequence[Union[str, BuildCacheStore]]
    custom_context: bool
    dockerfile: str
    extra_hosts: Union[Mapping[str, str], Sequence[str]]
    fileobj: Union[Data, Content]
    forcerm: bool
    keep_failed: bool
    labels: Mapping[str, str]
    mem_limit: Union[int, str]
    nano_cpus: int
    network_mode: str
    nocache: bool
    outputs: Sequence[BuildOutput]
    pids_limit: int
    platform: str
    pull: bool
    rm: bool
    secrets: Mapping[str, BuildSecret]
    shmsize: Union[int, str]
    ssh: Mapping[str, str]
    tag: Union[str, Sequence[str]]
    target: str
    ulimits: Sequence[Ulimit]


FIELDS = {
    "build_contexts": "BuildContexts",
    "buildargs": "BuildArgs",
    "cache_from": "CacheFrom",
    "cache_to": "CacheTo",
    "dockerfile": "Dockerfile",
    "extra_hosts": "ExtraHosts",
    "keep_failed": "KeepFailed",
    "labels": "Labels",
    "mem_limit": "Memory",
    "nano_cpus": "NanoCpus",
    "network_mode": "NetworkMode",
    "nocache": "NoCache",
    "outputs": "Outputs",
    "pids_limit": "PidsLimit",
    "platform": "Platform",
    "pull": "Pull",
    "secrets": "Secrets",
    "shmsize": "ShmSize",
    "ssh": "SSH",
    "tag": "Tags",
    "target": "Target",
    "ulimits": "Ulimits",
}
"""Where each keyword goes that is no content."""


def keeps_image(request: ImageBuild) -> bool:
    """Whether an image of this engine comes of it, and not only files or archives."""
    outputs = request.get("Outputs") or []
    return not outputs or any(
        output["Type"] in ("image", "docker") and "Path" not in output and "Fd" not in output
        for output in outputs
    )


def archive(files: Files) -> bytes:
    """These files as a tar archive."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, text in files.items():
            data = text.encode() if isinstance(text, str) else bytes(text)
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return written.getvalue()


def build_document(
    path: Optional[Union[Data, Files]], options: Mapping[str, Any]
) -> tuple[ImageBuild, Optional[Data]]:
    """The request of a call as far as it can be said without its context, and the context."""
    request: dict[str, Any] = {}
    for keyword, value in options.items():
        if keyword not in BuildOptions.__annotations__:
            raise unexpected_keyword("build", keyword, sorted(BuildOptions.__annotations__))
        if value is not None and keyword in FIELDS:
            request[FIELDS[keyword]] = value
    if isinstance(request.get("Tags"), str):
        request["Tags"] = [request["Tags"]]
    hosts = request.get("ExtraHosts")
    if isinstance(hosts, Mapping):
        request["ExtraHosts"] = [f"{name}:{address}" for name, address in hosts.items()]
    for field in ("CacheFrom", "CacheTo"):
        if field in request:
            # A name is that of a cache at a registry.
            request[field] = [
                {"Type": "registry", "Ref": store} if isinstance(store, str) else store
                for store in request[field]
            ]
    fileobj = options.get("fileobj")
    if path is not None and fileobj is not None:
        raise TypeError("a build takes path or fileobj, one of them")
    if fileobj is not None and not options.get("custom_context"):
        # docker-py's word for a Dockerfile that needs no context.
        request["DockerfileText"] = b"".join(pieces(content(fileobj))).decode()
        return request, None  # type: ignore[return-value]  # the table is what makes it one
    context = archive(path) if isinstance(path, Mapping) else path
    return request, fileobj if context is None else context  # type: ignore[return-value]
