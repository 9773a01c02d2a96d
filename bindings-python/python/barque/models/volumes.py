"""Volumes: `client.volumes` and what it gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional, cast

from .._streams import Uncopyable
from .resource import VolumeSnapshot, filters_document, volume_document

if TYPE_CHECKING:
    import builtins

    from .. import _types as t
    from ..client import Client


class Volume(VolumeSnapshot):
    """A volume."""

    def __init__(self, attrs: dict[str, Any], client: Client) -> None:
        self.attrs = attrs
        self.client = client
        """The client it came from."""

    def reload(self) -> None:
        """Get the document again."""
        self.attrs = cast("dict[str, Any]", self.client.api.volume_inspect({"Name": self.id}))

    def remove(self, force: bool = False) -> None:
        """Remove it and all that is in it; `force`: that it is gone already is fine."""
        self.client.api.volume_remove({"Name": self.id, "Force": force})


class VolumeCollection(Uncopyable):
    """All volumes."""

    def __init__(self, client: Client) -> None:
        self.client = client
        """The client it belongs to."""

    def create(
        self,
        name: Optional[str] = None,
        driver: Optional[str] = None,
        driver_opts: Optional[dict[str, str]] = None,
        labels: Optional[dict[str, str]] = None,
    ) -> Volume:
        """Create a volume, or find that there is one of that name."""
        document = volume_document(name, driver, driver_opts, labels)
        attrs = self.client.api.volume_create(document)
        return Volume(cast("dict[str, Any]", attrs), self.client)

    def get(self, volume_id: str) -> Volume:
        """The volume of that name."""
        attrs = self.client.api.volume_inspect({"Name": volume_id})
        return Volume(cast("dict[str, Any]", attrs), self.client)

    def list(self, filters: Optional[dict[str, Any]] = None) -> builtins.list[Volume]:
        """The volumes, by name."""
        listed = self.client.api.volume_list({"Filters": filters_document(filters)})
        return [Volume(cast("dict[str, Any]", row), self.client) for row in listed["Volumes"]]

    def prune(
        self, filters: Optional[dict[str, Any]] = None, dry_run: bool = False
    ) -> t.VolumesPruned:
        """Remove those that no container has and nobody gave a name; `{"all": True}`: the others too."""
        request: t.VolumePrune = {"Filters": filters_document(filters), "DryRun": dry_run}
        return self.client.api.volume_prune(request)
