"""The keyword table: every keyword of docker-py is there and makes the document that docker-py makes."""

import decimal
import enum
import inspect
import json
import typing

import docker.models.containers as theirs
import docker.types
import pytest
from docker.types import ContainerConfig

import barque
from barque import _kwargs, _types
from barque._kwargs import TABLE, CreateOptions, create_document
from barque.api import dump

# What docker-py has and barque does not, and why.
NOT_HERE = {
    "command": "a parameter of its own",
    "detach": "a parameter of its own",
    "image": "a parameter of its own",
    "init_path": "Docker has not had it since API 1.29",
    "lxc_conf": "Docker has not had it since API 1.18",
    "use_config_proxy": "no environment is passed that was not asked for",
    "version": "the API version, which docker-py passes to itself",
}

# One value, or several, for each keyword.
VALUES = {
    "auto_remove": [True, False],
    "blkio_weight": [300],
    "blkio_weight_device": [[{"Path": "/dev/sda", "Weight": 200}]],
    "cap_add": [["NET_ADMIN"]],
    "cap_drop": [["ALL"]],
    "cgroup_parent": ["/custom"],
    "cgroupns": ["host"],
    "cpu_count": [2],
    "cpu_percent": [50],
    "cpu_period": [100000],
    "cpu_quota": [50000],
    "cpu_rt_period": [1000000],
    "cpu_rt_runtime": [950000],
    "cpu_shares": [512],
    "cpuset_cpus": ["0-1"],
    "cpuset_mems": ["0"],
    "device_cgroup_rules": [["c 1:3 rwm"]],
    "device_read_bps": [[{"Path": "/dev/sda", "Rate": 1024}]],
    "device_read_iops": [[{"Path": "/dev/sda", "Rate": 10}]],
    "device_requests": [
        [{"driver": "nvidia", "count": 1, "capabilities": [["gpu"]]}],
        [docker.types.DeviceRequest(count=-1, capabilities=[["gpu"]])],
    ],
    "device_write_bps": [[{"Path": "/dev/sda", "Rate": 1024}]],
    "device_write_iops": [[{"Path": "/dev/sda", "Rate": 10}]],
    "devices": [["/dev/null:/dev/zilch:rw"], ["/dev/null"], ["/dev/null:/dev/zilch"]],
    "dns": [["8.8.8.8"]],
    "dns_opt": [["ndots:1"]],
    "dns_search": [["example.org"]],
    "domainname": ["example.org"],
    "entrypoint": ["/bin/sh -c", ["/bin/sh", "-c"]],
    "environment": [{"A": "1", "B": None, "C": 3}, ["A=1", "B"]],
    "extra_hosts": [{"db": "10.0.0.1", "a": "10.0.0.2"}],
    "group_add": [["users", 100]],
    "healthcheck": [{"test": ["CMD", "true"], "interval": 10**9}, {"test": "true"}],
    "hostname": ["box"],
    "init": [True, False],
    "ipc_mode": ["host"],
    "isolation": ["default"],
    "kernel_memory": [1 << 20],
    "labels": [{"a": "b"}, ["a", "c"]],
    "links": [{"db": "database"}, [("db", "database")]],
    "log_config": [{"type": "json-file", "config": {"max-size": "1m"}}],
    "mac_address": ["02:42:ac:11:00:02"],
    "mem_limit": [64 << 20, "64m", "1g"],
    "mem_reservation": ["32m"],
    "mem_swappiness": [0, 60],
    "memswap_limit": [-1, "128m"],
    "mounts": [
        [docker.types.Mount("/data", "/srv", type="bind", read_only=True)],
        [docker.types.Mount("/tmp", None, type="tmpfs", tmpfs_size=1 << 20, tmpfs_mode=0o1777)],
    ],
    "name": ["web"],
    "nano_cpus": [500000000],
    "network": ["none"],
    "network_disabled": [True],
    "network_mode": ["host"],
    "oom_kill_disable": [True],
    "oom_score_adj": [500],
    "pid_mode": ["host"],
    "pids_limit": [100],
    "platform": ["linux/amd64"],
    "ports": [
        {"80/tcp": 8080, "53/udp": None},
        {"80/tcp": ("127.0.0.1", 8080), "443": [8443, 9443]},
        {"80/tcp": ("127.0.0.1",)},
    ],
    "privileged": [True],
    "publish_all_ports": [True],
    "read_only": [True],
    "restart_policy": [{"Name": "on-failure", "MaximumRetryCount": 3}],
    "runtime": ["barque"],
    "security_opt": [["no-new-privileges"]],
    "shm_size": ["1g", 1 << 26],
    "stdin_open": [True],
    "stop_signal": ["SIGINT"],
    "storage_opt": [{"size": "1G"}],
    "sysctls": [{"net.core.somaxconn": 1024}],
    "tmpfs": [{"/run": "size=64m"}, ["/run", "/tmp:size=1m"]],
    "tty": [True],
    "ulimits": [
        [docker.types.Ulimit(name="nofile", soft=1024, hard=2048)],
        [{"name": "nproc", "soft": 10, "hard": 20}],
    ],
    "user": ["nobody", 1000],
    "userns_mode": ["host"],
    "uts_mode": ["host"],
    "volume_driver": ["local"],
    "volumes": [
        {"/srv": {"bind": "/data", "mode": "ro"}, "cache": {"bind": "/cache"}},
        {"/srv": {"bind": "/data", "ro": True}},
        ["/srv:/data:ro"],
    ],
    "volumes_from": [["other"], "other,another"],
    "working_dir": ["/srv"],
}

# Where docker-py and barque say the same thing differently, after which both are compared.
ONLY_OURS = {"annotations", "networking_config", "stop_timeout"}


def their_document(**options):
    arguments = theirs._create_container_args(
        {**options, "image": "hello", "command": "true", "version": "1.45"}
    )
    name = arguments.pop("name", "")
    platform = arguments.pop("platform", "")
    document = dict(ContainerConfig("1.45", **arguments))
    return {**document, "Name": name, "Platform": platform}


def settled(document):
    """A create document as the engine reads it: its defaults for what is not said, its forms for what may be said in two."""
    document = {name: value for name, value in document.items() if value not in (None, "", {}, [])}
    host = {name: value for name, value in document.pop("HostConfig", {}).items() if value is not None}
    from_client = ("AttachStdin", "AttachStdout", "AttachStderr", "StdinOnce", "NetworkingConfig")
    for name in from_client:
        document.pop(name, None)
    for name in [name for name, value in document.items() if value is False]:
        document.pop(name)
    if host.get("NetworkMode") == "default":
        host.pop("NetworkMode")
    for name in ("Memory", "MemorySwap", "MemoryReservation", "ShmSize", "KernelMemory"):
        if isinstance(host.get(name), str):
            host[name] = theirs_bytes(host[name])
    for theirs_name, name in (
        ("CPURealtimePeriod", "CpuRealtimePeriod"),
        ("CPURealtimeRuntime", "CpuRealtimeRuntime"),
    ):
        if theirs_name in host:
            host[name] = host.pop(theirs_name)
    if "PortBindings" in host:
        host["PortBindings"] = {
            port: [{"HostIp": row.get("HostIp", ""), "HostPort": row.get("HostPort", "")} for row in rows]
            for port, rows in host["PortBindings"].items()
        }
    for mount in host.get("Mounts", ()):
        mount["Source"] = mount.get("Source") or ""
    host = {name: value for name, value in host.items() if value is not False}
    return plain({**document, "HostConfig": host})


def plain(value):
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value


def theirs_bytes(text):
    from docker.utils import parse_bytes

    return parse_bytes(text)


def test_every_keyword_of_docker_py_has_its_row_or_its_reason():
    known = {*theirs.RUN_CREATE_KWARGS, *theirs.RUN_HOST_CONFIG_KWARGS}
    known |= {"ports", "volumes", "network", "networking_config"}
    assert known - set(TABLE) == set(NOT_HERE)
    assert set(TABLE) - known == {"annotations", "stop_timeout"}


def test_the_typed_options_are_the_table():
    assert set(typing.get_type_hints(CreateOptions)) == set(TABLE)


def test_every_row_is_tried():
    assert set(VALUES) == set(TABLE) - ONLY_OURS


@pytest.mark.parametrize(
    "keyword, value", [(keyword, value) for keyword, values in VALUES.items() for value in values]
)
def test_a_keyword_makes_the_document_that_docker_py_makes(keyword, value):
    options = {keyword: value}
    ours = settled(create_document("run", "hello", "true", options))
    expected = settled(their_document(**options))
    if keyword == "volumes":
        # docker-py repeats the targets of binds as anonymous volumes, which Docker then overrides by the binds.
        expected.pop("Volumes", None)
    if keyword == "environment":
        ours["Env"], expected["Env"] = sorted(ours["Env"]), sorted(expected["Env"])
    assert ours == expected
    assert ours != settled(create_document("run", "hello", "true", {})) or value is False


@pytest.mark.parametrize(
    "keyword, value", [(keyword, value) for keyword, values in VALUES.items() for value in values]
)
def test_the_engine_knows_every_field_that_a_keyword_makes(opened, keyword, value):
    document = create_document("run", "no-such-image", "true", {keyword: value})
    with pytest.raises(barque.BarqueError) as raised:
        opened.api.container_create(document)
    assert getattr(raised.value, "reason", "") not in ("unknown_field", "bad_json")
    assert "did you mean" not in str(raised.value)


def test_anonymous_volumes_are_volumes_and_not_binds():
    document = create_document("run", "hello", None, {"volumes": ["/data", "/srv:/srv"]})
    assert document["Volumes"] == {"/data": {}}
    assert document["HostConfig"]["Binds"] == ["/srv:/srv"]


def test_the_other_rows():
    document = create_document(
        "run",
        "hello",
        None,
        {"annotations": {"a": "b"}, "stop_timeout": 3, "networking_config": {"net": {"Aliases": ["x"]}}},
    )
    assert document["HostConfig"]["Annotations"] == {"a": "b"}
    assert document["StopTimeout"] == 3
    assert document["NetworkingConfig"] == {"EndpointsConfig": {"net": {"Aliases": ["x"]}}}


def test_an_unknown_keyword_is_a_type_error_that_names_its_neighbour(opened):
    with pytest.raises(TypeError, match=r"run\(\) got an unexpected keyword argument 'mem_limt'.*'mem_limit'"):
        opened.containers.run("hello", mem_limt="64m")
    with pytest.raises(TypeError, match=r"create\(\) got an unexpected keyword argument 'xyzzy'$"):
        opened.containers.create("hello", xyzzy=1)


def test_a_command_line_is_split_as_a_shell_would():
    assert create_document("run", "hello", "echo 'a b' c", {})["Cmd"] == ["echo", "a b", "c"]
    assert create_document("run", "hello", ("echo", "a b", 3), {})["Cmd"] == ["echo", "a b", "3"]
    assert "Cmd" not in create_document("run", "hello", None, {})
    assert create_document("run", "hello", [], {})["Cmd"] == []


def test_none_is_the_same_as_leaving_it_out():
    assert create_document("run", "hello", None, dict.fromkeys(TABLE)) == {
        "Image": "hello",
        "HostConfig": {},
    }


def test_network_and_network_mode_exclude_each_other():
    with pytest.raises(RuntimeError, match="network_mode"):
        create_document("run", "hello", None, {"network": "a", "network_mode": "none"})


class Hostile:
    """An object whose conversions raise."""

    def __str__(self):
        raise ZeroDivisionError

    __index__ = __fspath__ = __str__


@pytest.mark.parametrize(
    "keyword, value",
    [
        ("mem_limit", True),
        ("mem_limit", 1.5),
        ("mem_limit", "64 parsecs"),
        ("mem_limit", 10**30),
        ("nano_cpus", float("nan")),
        ("hostname", "a\0b\udcff"),
        ("hostname", "\udc80"),
        ("environment", {"A": Hostile()}),
        ("environment", "A=1"),
        ("labels", {"a": object()}),
        ("labels", {1: Hostile()}),
        ("cap_add", "NET_ADMIN"),
        ("ulimits", [{"name": "nofile", "colour": 1}]),
        ("user", Hostile()),
        ("working_dir", Hostile()),
        ("tty", "yes"),
        ("privileged", 1),
        ("ports", {"80/tcp": Hostile()}),
        ("devices", [Hostile()]),
        ("cpu_shares", Hostile()),
        ("nano_cpus", decimal.Decimal("1.5")),
        ("hostname", b"web"),
        ("cap_add", (1 // 0 for _ in "x")),
        ("sysctls", object()),
        ("sysctls", ["net.ipv4.ip_forward=1"]),
        ("ports", [80]),
        ("networking_config", ["net"]),
        ("volumes", 7),
        ("healthcheck", "true"),
        ("mounts", [7]),
        ("restart_policy", object()),
        ("group_add", [None]),
    ],
)
def test_wrong_values_are_clear_errors(opened, keyword, value):
    with pytest.raises((barque.BarqueError, TypeError, ValueError, ZeroDivisionError)) as raised:
        opened.containers.create("no-such-image", **{keyword: value})
    assert not isinstance(raised.value, (barque.errors.NotFound, barque.errors.NotSupported))


def test_proxies_subclasses_and_numbers_like_numpys_are_taken():
    from types import MappingProxyType

    document = create_document(
        "run",
        "hello",
        None,
        {"labels": MappingProxyType({"a": "b"}), "environment": MappingProxyType({"A": "1"})},
    )
    assert document["Labels"] == {"a": "b"} and document["Env"] == ["A=1"]

    class Word(str):
        def __str__(self):
            raise ZeroDivisionError

    class Number(enum.IntEnum):
        FEW = 5

    class Counts:  # As NumPy's integers do, which are no int.
        def __index__(self):
            return 7

    options = {
        "hostname": Word("web"),
        "cpu_shares": Counts(),
        "pids_limit": Number.FEW,
        "storage_opt": MappingProxyType({"size": "1G"}),
        "environment": {"A": Counts(), "a": 2},
    }
    document = json.loads(dump(create_document("run", "hello", None, options)))
    assert document["Hostname"] == "web" and document["Env"] == ["A=7", "a=2"]
    host = document["HostConfig"]
    assert (host["CpuShares"], host["PidsLimit"], host["StorageOpt"]) == (7, 5, {"size": "1G"})


def test_a_list_that_changes_while_it_is_read_does_not_break_the_document():
    class Growing(list):
        def __iter__(self):
            for word in list.__iter__(self):
                if len(self) < 10:
                    self.append("more")
                yield word

    assert len(create_document("run", "hello", Growing(["echo"]), {})["Cmd"]) <= 10


def test_every_low_level_method_is_an_operation_and_has_its_types(opened):
    for name, request, response, kind in barque._barque.operations():
        method = getattr(barque.api.Api, name.replace(".", "_"))
        parameters = list(inspect.signature(method).parameters)
        annotations = method.__annotations__
        if request != "Nothing":
            assert parameters == ["self", "request"], name
            assert f"t.{request}" in annotations["request"], name
            assert hasattr(_types, request)
        returned = annotations["return"]
        if kind == "stream":
            documents = {f"Progress[t.{response}]", f"DocumentStream[t.{response}]"}
            assert returned == "Stream" or returned in documents, name
            continue
        expected = {"Nothing": "None" if request != "Nothing" else ""}.get(
            response, f"t.{response.removeprefix('Vec<').removesuffix('>')}"
        )
        assert expected in returned, name


def test_the_table_says_nothing_twice():
    places = [place for place, _ in TABLE.values() if isinstance(place, str)]
    assert sorted(places) == sorted({*places, "HostConfig.NetworkMode"})
    assert callable(_kwargs.words)
