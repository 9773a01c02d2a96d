"""Values of create keywords that are documents of their own: docker-py's `docker.types`."""

from __future__ import annotations

from typing import Any, Optional, Union

__all__ = ["DeviceRequest", "Healthcheck", "LogConfig", "Mount", "Ulimit"]


class Mount(dict[str, Any]):
    """A mount in the long form.

    `Mount("/data", "/srv/data", type="bind", read_only=True)`
    """

    def __init__(
        self,
        target: str,
        source: Optional[str],
        type: str = "volume",
        read_only: bool = False,
        consistency: Optional[str] = None,
        propagation: Optional[str] = None,
        no_copy: bool = False,
        labels: Optional[dict[str, str]] = None,
        driver_config: Optional[dict[str, Any]] = None,
        tmpfs_size: Union[int, str, None] = None,
        tmpfs_mode: Optional[int] = None,
        subpath: Optional[str] = None,
    ) -> None:
        if type not in ("bind", "volume", "tmpfs", "npipe"):
            raise ValueError(f"mount type '{type}' is none of bind, volume, tmpfs, npipe")
        super().__init__(Target=target, Source=source or "", Type=type, ReadOnly=read_only)
        if consistency:
            self["Consistency"] = consistency
        if type == "bind":
            _only(type, no_copy, labels, driver_config, tmpfs_size, tmpfs_mode, subpath)
            if propagation:
                self["BindOptions"] = {"Propagation": propagation}
        elif type == "volume":
            _only(type, propagation, tmpfs_size, tmpfs_mode)
            options: dict[str, Any] = {
                "NoCopy": no_copy,
                "Labels": labels,
                "DriverConfig": driver_config,
                "Subpath": subpath,
            }
            options = {name: value for name, value in options.items() if value}
            if options:
                self["VolumeOptions"] = options
        elif type == "tmpfs":
            _only(type, propagation, no_copy, labels, driver_config, subpath)
            options = {"SizeBytes": tmpfs_size, "Mode": tmpfs_mode}
            options = {name: value for name, value in options.items() if value is not None}
            if options:
                self["TmpfsOptions"] = options


def _only(type: str, *others: object) -> None:
    if any(others):
        raise ValueError(f"an option was given that a {type} mount does not have")


class Ulimit(dict[str, Any]):
    """A resource limit: `Ulimit(name="nofile", soft=1024, hard=2048)`."""

    def __init__(
        self,
        name: Optional[str] = None,
        soft: Optional[int] = None,
        hard: Optional[int] = None,
        **spelled: Any,
    ) -> None:
        name = spelled.pop("Name", name)
        soft = spelled.pop("Soft", soft)
        hard = spelled.pop("Hard", hard)
        if spelled or not isinstance(name, str):
            raise TypeError("a ulimit has a name, a soft and a hard limit")
        # Docker reads a missing hard limit as the soft one, and a missing soft limit as the hard one.
        first, second = (soft, hard) if soft is not None else (hard, hard)
        super().__init__(Name=name, Soft=first, Hard=first if second is None else second)


class LogConfig(dict[str, Any]):
    """How output is kept: `LogConfig(type=LogConfig.types.JSON, config={"max-size": "1m"})`."""

    class types:
        """Drivers."""

        JSON = "json-file"
        NONE = "none"

    def __init__(
        self,
        type: str = "json-file",
        config: Optional[dict[str, str]] = None,
        **spelled: Any,
    ) -> None:
        type = spelled.pop("Type", type)
        config = spelled.pop("Config", config)
        if spelled:
            raise TypeError("a log configuration has a type and a config")
        super().__init__(Type=type, Config=dict(config or {}))


class Healthcheck(dict[str, Any]):
    """A health check; times in nanoseconds, as Docker has them."""

    def __init__(
        self,
        test: Union[str, list[str], None] = None,
        interval: Optional[int] = None,
        timeout: Optional[int] = None,
        retries: Optional[int] = None,
        start_period: Optional[int] = None,
        start_interval: Optional[int] = None,
        **spelled: Any,
    ) -> None:
        test = spelled.pop("Test", test)
        fields = {
            "Test": ["CMD-SHELL", test] if isinstance(test, str) else test,
            "Interval": spelled.pop("Interval", interval),
            "Timeout": spelled.pop("Timeout", timeout),
            "Retries": spelled.pop("Retries", retries),
            "StartPeriod": spelled.pop("StartPeriod", start_period),
            "StartInterval": spelled.pop("StartInterval", start_interval),
        }
        if spelled:
            raise TypeError(f"a health check has no '{next(iter(spelled))}'")
        super().__init__({name: value for name, value in fields.items() if value is not None})


class DeviceRequest(dict[str, Any]):
    """GPUs and the like."""

    def __init__(
        self,
        driver: str = "",
        count: int = 0,
        device_ids: Optional[list[str]] = None,
        capabilities: Optional[list[list[str]]] = None,
        options: Optional[dict[str, str]] = None,
        **spelled: Any,
    ) -> None:
        fields = {
            "Driver": spelled.pop("Driver", driver),
            "Count": spelled.pop("Count", count),
            "DeviceIDs": spelled.pop("DeviceIDs", device_ids) or [],
            "Capabilities": spelled.pop("Capabilities", capabilities) or [],
            "Options": spelled.pop("Options", options) or {},
        }
        if spelled:
            raise TypeError(f"a device request has no '{next(iter(spelled))}'")
        super().__init__(fields)
