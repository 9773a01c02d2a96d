"""What the objects have in common: an id and a snapshot of the document, which `reload()` renews.

What can be read from the document is here, for the blocking and the asyncio objects alike.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Optional, Union

from .._streams import Uncopyable

if TYPE_CHECKING:
    from .. import _types as t

Moment = Union[datetime, int, float, str]
"""A `datetime` (without a zone: UTC), seconds since 1970, RFC 3339, or a duration ago such as `10m`."""


class Snapshot(Uncopyable):
    """An object of the engine, as its document was."""

    attrs: dict[str, Any]
    """The document, as it was when this object was made or reloaded."""

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.attrs["Id"])

    @property
    def short_id(self) -> str:
        """The first 12 digits of its id."""
        return self.id[:12]

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        config = self.attrs.get("Config", self.attrs)
        return dict(config.get("Labels") or {})

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.short_id}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self.id == other.id

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.id))


class ContainerSnapshot(Snapshot):
    """A container, as its document was."""

    @property
    def name(self) -> Optional[str]:
        """Its name."""
        name = self.attrs.get("Name") or next(iter(self.attrs.get("Names", ())), None)
        return None if name is None else str(name).lstrip("/")

    @property
    def status(self) -> str:
        """`created`, `running`, `exited`, … when this object was made or reloaded."""
        state = self.attrs["State"]
        return str(state["Status"] if isinstance(state, dict) else state)

    @property
    def ports(self) -> dict[str, Any]:
        """Its published ports."""
        return dict(self.attrs.get("NetworkSettings", {}).get("Ports") or {})

    def logs_request(
        self,
        stdout: bool,
        stderr: bool,
        follow: bool,
        timestamps: bool,
        tail: Union[int, str],
        since: Optional[Moment],
        until: Optional[Moment],
    ) -> t.ContainerLogs:
        """The request of `logs`."""
        return {
            "Id": self.id,
            "Follow": follow,
            "Stdout": stdout,
            "Stderr": stderr,
            "Timestamps": timestamps,
            "Tail": str(tail),
            "Since": moment_text(since),
            "Until": moment_text(until),
        }


class ImageSnapshot(Snapshot):
    """An image, as its document was."""

    @property
    def short_id(self) -> str:
        """The first 12 digits of its id, with the algorithm in front."""
        algorithm, colon, digits = self.id.rpartition(":")
        return f"{algorithm}{colon}{digits[:12]}"

    @property
    def tags(self) -> list[str]:
        """Its names: `name:tag` each."""
        return [tag for tag in self.attrs.get("RepoTags") or () if tag != "<none>:<none>"]

    def __repr__(self) -> str:
        tags = "', '".join(self.tags)
        return f"<{type(self).__name__}: '{tags}'>" if tags else super().__repr__()


class VolumeSnapshot(Snapshot):
    """A volume, as its document was."""

    @property
    def id(self) -> str:
        """Its name, which is its id."""
        return str(self.attrs["Name"])

    @property
    def name(self) -> str:
        """Its name."""
        return self.id

    @property
    def path(self) -> str:
        """The directory with its files."""
        return str(self.attrs["Mountpoint"])


def volume_document(
    name: Optional[str],
    driver: Optional[str],
    driver_opts: Optional[dict[str, str]],
    labels: Optional[dict[str, str]],
) -> t.VolumeCreate:
    """The request of `volumes.create`."""
    return {
        "Name": name or "",
        "Driver": driver or "",
        "DriverOpts": dict(driver_opts or {}),
        "Labels": dict(labels or {}),
    }


def filters_document(filters: Any) -> dict[str, list[str]]:
    """docker-py's filters, whose values may be one value instead of a list."""

    def values(value: Any) -> list[str]:
        many = value if isinstance(value, (list, tuple, set)) else [value]
        return [str(one).lower() if isinstance(one, bool) else str(one) for one in many]

    return {name: values(value) for name, value in (filters or {}).items()}


def search_document(
    term: str, limit: int, filters: Any, auth: Optional[t.AuthConfig]
) -> t.ImageSearch:
    """The request of a search."""
    return {"Term": term, "Limit": limit, "Filters": filters_document(filters), "Auth": auth}


def signal_text(signal: Union[str, int, None]) -> str:
    """A signal's name or number as text; nothing for none. `signal.SIGTERM` is an int that prints as its name."""
    if signal is None:
        return ""
    return str(int(signal)) if isinstance(signal, int) else signal


def reference(repository: str, tag: Optional[str]) -> str:
    """`repository` or `repository:tag`."""
    return f"{repository}:{tag}" if repository and tag else repository


def moment_text(moment: Optional[Moment]) -> str:
    if moment is None:
        return ""
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        return moment.isoformat()
    return str(moment)
