"""docker-py's keywords and the documents they make.

`TABLE` has a row for every keyword of `containers.run` and `containers.create`: where its value goes in the create document, and
how docker-py's forms of it become Docker's. What the engine's own parser reads (`512m`, `/a:/b:ro`) passes unchanged.
"""

from __future__ import annotations

import operator
import shlex
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Callable, Optional, SupportsIndex, TypedDict, Union

from . import types
from .errors import InvalidArgument, unexpected_keyword

if TYPE_CHECKING:
    from ._types import ContainerConnect, ContainerCreate, ContainerUpdate

Command = Union[str, Iterable[str], None]
"""A command line (split as a shell would, nothing expanded) or a list of words."""

Environment = Union[Mapping[str, Union[str, int, float, bool, None]], Iterable[str]]
"""`{"A": "1"}` or `["A=1"]`; `None` for a value takes a variable of the image away."""

Port = Union[int, str, tuple[str, int], tuple[str], list[Any], None]


class CreateOptions(TypedDict, total=False):
    """The keywords of `containers.create` and `containers.run`."""

    annotations: Mapping[str, str]
    auto_remove: bool
    blkio_weight: int
    blkio_weight_device: list[dict[str, Any]]
    cap_add: list[str]
    cap_drop: list[str]
    cgroup_parent: str
    cgroupns: str
    cpu_count: int
    cpu_percent: int
    cpu_period: int
    cpu_quota: int
    cpu_rt_period: int
    cpu_rt_runtime: int
    cpu_shares: int
    cpuset_cpus: str
    cpuset_mems: str
    device_cgroup_rules: list[str]
    device_read_bps: list[dict[str, Any]]
    device_read_iops: list[dict[str, Any]]
    device_requests: list[types.DeviceRequest]
    device_write_bps: list[dict[str, Any]]
    device_write_iops: list[dict[str, Any]]
    devices: list[Union[str, dict[str, str]]]
    dns: list[str]
    dns_opt: list[str]
    dns_search: list[str]
    domainname: str
    entrypoint: Union[str, list[str]]
    environment: Environment
    extra_hosts: Union[Mapping[str, str], list[str]]
    group_add: list[Union[str, int]]
    healthcheck: Union[types.Healthcheck, dict[str, Any]]
    hostname: str
    init: bool
    ipc_mode: str
    isolation: str
    kernel_memory: Union[int, str]
    labels: Union[Mapping[str, str], list[str]]
    links: Union[Mapping[str, str], list[tuple[str, str]], list[str]]
    log_config: Union[types.LogConfig, dict[str, Any]]
    mac_address: str
    mem_limit: Union[int, str]
    mem_reservation: Union[int, str]
    mem_swappiness: int
    memswap_limit: Union[int, str]
    mounts: list[Union[types.Mount, dict[str, Any]]]
    name: str
    nano_cpus: int
    network: str
    network_disabled: bool
    network_mode: str
    networking_config: dict[str, Any]
    oom_kill_disable: bool
    oom_score_adj: int
    pid_mode: str
    pids_limit: int
    platform: str
    ports: Mapping[Union[str, int], Port]
    privileged: bool
    publish_all_ports: bool
    read_only: bool
    restart_policy: dict[str, Any]
    runtime: str
    security_opt: list[str]
    shm_size: Union[int, str]
    stdin_open: bool
    stop_signal: str
    stop_timeout: int
    storage_opt: Mapping[str, str]
    sysctls: Mapping[str, Union[str, int]]
    tmpfs: Union[Mapping[str, str], list[str]]
    tty: bool
    ulimits: list[Union[types.Ulimit, dict[str, Any]]]
    user: Union[str, int]
    userns_mode: str
    uts_mode: str
    volume_driver: str
    volumes: Union[Mapping[str, Union[str, dict[str, str]]], list[str]]
    volumes_from: Union[list[str], str]
    working_dir: str


class UpdateOptions(TypedDict, total=False):
    """The keywords of `Container.update`."""

    blkio_weight: int
    cpu_period: int
    cpu_quota: int
    cpu_rt_period: int
    cpu_rt_runtime: int
    cpu_shares: int
    cpuset_cpus: str
    cpuset_mems: str
    mem_limit: Union[int, str]
    mem_reservation: Union[int, str]
    memswap_limit: Union[int, str]
    nano_cpus: int
    pids_limit: int
    restart_policy: Mapping[str, Any]


def connect_document(container: str, port: int, timeout: float) -> ContainerConnect:
    """The request of a connection to a port; `timeout` in seconds."""
    return {"Id": container, "Port": port, "TimeoutMs": round(timeout * 1000)}


def update_document(container: str, options: Mapping[str, Any]) -> ContainerUpdate:
    """The update document of a call: `update(mem_limit="64m")`. The words are those of `create`."""
    document: dict[str, Any] = {"Id": container}
    for keyword, value in options.items():
        if keyword not in UpdateOptions.__annotations__:
            known = sorted(UpdateOptions.__annotations__)
            raise unexpected_keyword("update", keyword, known)
        if value is not None:
            place, _ = TABLE[keyword]
            document[str(place).rpartition(".")[2]] = (
                dict(value) if keyword == "restart_policy" else value
            )
    return document  # type: ignore[return-value]  # the table is what makes it one


def create_document(
    function: str, image: Any, command: Command, options: Mapping[str, Any]
) -> ContainerCreate:
    """The create document of a call: `run("alpine", "true", mem_limit="64m")`."""
    document: dict[str, Any] = {"Image": getattr(image, "id", image), "HostConfig": {}}
    if command is not None:
        document["Cmd"] = words(command)
    if options.get("network") and options.get("network_mode"):
        raise RuntimeError("'network' and 'network_mode' say the same thing: give one of them")
    for keyword, value in options.items():
        row = TABLE.get(keyword)
        if row is None:
            raise unexpected_keyword(function, keyword, sorted(TABLE))
        if value is None:
            continue
        place, convert = row
        if callable(place):
            place(document, value)
            continue
        target = document
        *parents, name = place.split(".")
        for parent in parents:
            target = target[parent]
        target[name] = convert(value) if convert else value
    return document  # type: ignore[return-value]  # the table is what makes it one; a test checks every row


def words(command: Union[str, Iterable[str]]) -> list[str]:
    """A command line as a list of words."""
    if isinstance(command, str):
        return shlex.split(command)
    return [_text(word) for word in command]


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, (str, int, float)):
        return str(value)
    if isinstance(value, SupportsIndex):
        return str(operator.index(value))
    raise InvalidArgument(f"expected text, not {type(value).__name__}")


def _texts(values: Any) -> list[str]:
    if isinstance(values, str):
        raise InvalidArgument(f"expected a list of strings, not the string '{values}'")
    return [_text(value) for value in values]


def _items(values: Any) -> Iterable[tuple[Any, Any]]:
    if not isinstance(values, Mapping):
        raise InvalidArgument(f"expected a mapping, not {type(values).__name__}")
    return values.items()


def _text_map(values: Any) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in _items(values)}


def _environment(values: Any) -> list[str]:
    if not isinstance(values, Mapping):
        return _texts(values)
    return [
        _text(name) if value is None else f"{_text(name)}={_text(value)}"
        for name, value in values.items()
    ]


def _labels(values: Any) -> dict[str, str]:
    if isinstance(values, Mapping):
        return _text_map(values)
    return {name: "" for name in _texts(values)}


def _extra_hosts(values: Any) -> list[str]:
    if not isinstance(values, Mapping):
        return _texts(values)
    return [f"{name}:{address}" for name, address in sorted(values.items())]


def _links(values: Any) -> list[str]:
    pairs = sorted(values.items()) if isinstance(values, Mapping) else values
    return [pair if isinstance(pair, str) else f"{pair[0]}:{pair[1] or pair[0]}" for pair in pairs]


def _tmpfs(values: Any) -> dict[str, str]:
    if isinstance(values, Mapping):
        return _text_map(values)
    pairs = (value.partition(":") for value in _texts(values))
    return {path: options for path, _, options in pairs}


def _devices(values: Any) -> list[dict[str, str]]:
    def device(value: Any) -> dict[str, str]:
        if isinstance(value, Mapping):
            return dict(value)
        on_host, _, rest = _text(value).partition(":")
        inside, _, permissions = rest.partition(":")
        return {
            "PathOnHost": on_host,
            "PathInContainer": inside or on_host,
            "CgroupPermissions": permissions or "rwm",
        }

    return [device(value) for value in values]


def _documents(kind: Callable[..., dict[str, Any]]) -> Callable[[Any], list[dict[str, Any]]]:
    return lambda values: [
        value if isinstance(value, kind) else kind(**value)  # type: ignore[arg-type]
        for value in values
    ]


def _document(kind: Callable[..., dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
    return lambda value: value if isinstance(value, kind) else kind(**value)  # type: ignore[arg-type]


def _volumes_from(values: Any) -> list[str]:
    return values.split(",") if isinstance(values, str) else _texts(values)


def _ports(document: dict[str, Any], ports: Mapping[Any, Any]) -> None:
    bindings: dict[str, list[dict[str, str]]] = {}
    for inside, outside in _items(ports):
        port = str(inside) if "/" in str(inside) else f"{inside}/tcp"
        rows = bindings.setdefault(port, [])
        rows.extend(_binding(row) for row in (outside if isinstance(outside, list) else [outside]))
    document["HostConfig"]["PortBindings"] = bindings
    document["ExposedPorts"] = {port: {} for port in bindings}


def _binding(outside: Any) -> dict[str, str]:
    """`None`, a port, `(address, port)`, `(address,)` or Docker's own `{"HostPort": …}`."""
    if isinstance(outside, Mapping):
        return {name: _text(value) for name, value in outside.items()}
    if isinstance(outside, tuple):
        port = outside[1] if len(outside) > 1 else None
        return {"HostIp": outside[0], "HostPort": "" if port is None else str(port)}
    return {"HostIp": "", "HostPort": "" if outside is None else str(outside)}


def _volumes(document: dict[str, Any], volumes: Any) -> None:
    if isinstance(volumes, Mapping):
        binds = [_bind(source, target) for source, target in volumes.items()]
    else:
        binds = _texts(volumes)
    # A path alone is an anonymous volume; with a source it is a bind mount or a named volume.
    document["HostConfig"]["Binds"] = [bind for bind in binds if ":" in bind]
    anonymous = [bind for bind in binds if ":" not in bind]
    if anonymous:
        document["Volumes"] = {path: {} for path in anonymous}


def _bind(source: Any, target: Any) -> str:
    source = _text(source)
    if not isinstance(target, Mapping):
        return f"{source}:{_text(target)}:rw"
    if "ro" in target and "mode" in target:
        raise ValueError(f"both 'ro' and 'mode' are given for the volume '{source}'")
    mode = target.get("mode", "ro" if target.get("ro") else "rw")
    if "propagation" in target:
        mode = f"{mode},{target['propagation']}"
    return f"{source}:{target['bind']}:{mode}"


def _network(document: dict[str, Any], network: str) -> None:
    document["HostConfig"]["NetworkMode"] = network


def _networking_config(document: dict[str, Any], networks: Mapping[str, Any]) -> None:
    document["NetworkingConfig"] = (
        dict(networks)
        if "EndpointsConfig" in networks
        else {"EndpointsConfig": dict(_items(networks))}
    )



_Row = tuple[
    Union[str, Callable[[dict[str, Any], Any], None]],
    Optional[Callable[[Any], Any]],
]

TABLE: dict[str, _Row] = {
    "annotations": ("HostConfig.Annotations", _text_map),
    "auto_remove": ("HostConfig.AutoRemove", None),
    "blkio_weight": ("HostConfig.BlkioWeight", None),
    "blkio_weight_device": ("HostConfig.BlkioWeightDevice", None),
    "cap_add": ("HostConfig.CapAdd", _texts),
    "cap_drop": ("HostConfig.CapDrop", _texts),
    "cgroup_parent": ("HostConfig.CgroupParent", None),
    "cgroupns": ("HostConfig.CgroupnsMode", None),
    "cpu_count": ("HostConfig.CpuCount", None),
    "cpu_percent": ("HostConfig.CpuPercent", None),
    "cpu_period": ("HostConfig.CpuPeriod", None),
    "cpu_quota": ("HostConfig.CpuQuota", None),
    "cpu_rt_period": ("HostConfig.CpuRealtimePeriod", None),
    "cpu_rt_runtime": ("HostConfig.CpuRealtimeRuntime", None),
    "cpu_shares": ("HostConfig.CpuShares", None),
    "cpuset_cpus": ("HostConfig.CpusetCpus", None),
    "cpuset_mems": ("HostConfig.CpusetMems", None),
    "device_cgroup_rules": ("HostConfig.DeviceCgroupRules", _texts),
    "device_read_bps": ("HostConfig.BlkioDeviceReadBps", None),
    "device_read_iops": ("HostConfig.BlkioDeviceReadIOps", None),
    "device_requests": ("HostConfig.DeviceRequests", _documents(types.DeviceRequest)),
    "device_write_bps": ("HostConfig.BlkioDeviceWriteBps", None),
    "device_write_iops": ("HostConfig.BlkioDeviceWriteIOps", None),
    "devices": ("HostConfig.Devices", _devices),
    "dns": ("HostConfig.Dns", _texts),
    "dns_opt": ("HostConfig.DnsOptions", _texts),
    "dns_search": ("HostConfig.DnsSearch", _texts),
    "domainname": ("Domainname", None),
    "entrypoint": ("Entrypoint", words),
    "environment": ("Env", _environment),
    "extra_hosts": ("HostConfig.ExtraHosts", _extra_hosts),
    "group_add": ("HostConfig.GroupAdd", _texts),
    "healthcheck": ("Healthcheck", _document(types.Healthcheck)),
    "hostname": ("Hostname", None),
    "init": ("HostConfig.Init", None),
    "ipc_mode": ("HostConfig.IpcMode", None),
    "isolation": ("HostConfig.Isolation", None),
    "kernel_memory": ("HostConfig.KernelMemory", None),
    "labels": ("Labels", _labels),
    "links": ("HostConfig.Links", _links),
    "log_config": ("HostConfig.LogConfig", _document(types.LogConfig)),
    "mac_address": ("MacAddress", None),
    "mem_limit": ("HostConfig.Memory", None),
    "mem_reservation": ("HostConfig.MemoryReservation", None),
    "mem_swappiness": ("HostConfig.MemorySwappiness", None),
    "memswap_limit": ("HostConfig.MemorySwap", None),
    "mounts": ("HostConfig.Mounts", list),
    "name": ("Name", None),
    "nano_cpus": ("HostConfig.NanoCpus", None),
    "network": (_network, None),
    "network_disabled": ("NetworkDisabled", None),
    "network_mode": ("HostConfig.NetworkMode", None),
    "networking_config": (_networking_config, None),
    "oom_kill_disable": ("HostConfig.OomKillDisable", None),
    "oom_score_adj": ("HostConfig.OomScoreAdj", None),
    "pid_mode": ("HostConfig.PidMode", None),
    "pids_limit": ("HostConfig.PidsLimit", None),
    "platform": ("Platform", None),
    "ports": (_ports, None),
    "privileged": ("HostConfig.Privileged", None),
    "publish_all_ports": ("HostConfig.PublishAllPorts", None),
    "read_only": ("HostConfig.ReadonlyRootfs", None),
    "restart_policy": ("HostConfig.RestartPolicy", dict),
    "runtime": ("HostConfig.Runtime", None),
    "security_opt": ("HostConfig.SecurityOpt", _texts),
    "shm_size": ("HostConfig.ShmSize", None),
    "stdin_open": ("OpenStdin", None),
    "stop_signal": ("StopSignal", None),
    "stop_timeout": ("StopTimeout", None),
    "storage_opt": ("HostConfig.StorageOpt", _text_map),
    "sysctls": ("HostConfig.Sysctls", _text_map),
    "tmpfs": ("HostConfig.Tmpfs", _tmpfs),
    "tty": ("Tty", None),
    "ulimits": ("HostConfig.Ulimits", _documents(types.Ulimit)),
    "user": ("User", _text),
    "userns_mode": ("HostConfig.UsernsMode", None),
    "uts_mode": ("HostConfig.UTSMode", None),
    "volume_driver": ("HostConfig.VolumeDriver", None),
    "volumes": (_volumes, None),
    "volumes_from": ("HostConfig.VolumesFrom", _volumes_from),
    "working_dir": ("WorkingDir", None),
}
"""Keyword → the place in the create document (or what puts it there), and the conversion."""
