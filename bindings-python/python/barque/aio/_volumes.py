"""Volumes of asyncio: what needs the engine is awaited, what the document says is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional, cast

from .._streams import Uncopyable
from ..models.resource import VolumeSnapshot, filters_document, volume_document

if TYPE_CHECKING:
    import builtins

    from .. import _types as t
    from ._client import AsyncClient


class AsyncVolume(VolumeSnapshot):
    """A volume."""

    def __init__(self, attrs: dict[str, Any], client: AsyncClient) -> None:
        self.attrs = attrs
        self.client = client
        """The client it came from."""

    async def reload(self) -> None:
        """Get the document again."""
        self.attrs = await self.client.api.call("volume.inspect", {"Name": self.id})

    async def remove(self, force: bool = False) -> None:
        """Remove it and all that is in it; `force`: that it is gone already is fine."""
        await self.client.api.call("volume.remove", {"Name": self.id, "Force": force})


class AsyncVolumes(Uncopyable):
    """All volumes."""

    def __init__(self, client: AsyncClient) -> None:
        self.client = client
        """The client it belongs to."""

    async def create(
        self,
        name: Optional[str] = None,
        driver: Optional[str] = None,
        driver_opts: Optional[dict[str, str]] = None,
        labels: Optional[dict[str, str]] = None,
    ) -> AsyncVolume:
        """Create a volume, or find that there is one of that name."""
        document = volume_document(name, driver, driver_opts, labels)
        return AsyncVolume(await self.client.api.call("volume.create", document), self.client)

    async def get(self, volume_id: str) -> AsyncVolume:
        """The volume of that name."""
        attrs = await self.client.api.call("volume.inspect", {"Name": volume_id})
        return AsyncVolume(attrs, self.client)

    async def list(self, filters: Optional[dict[str, Any]] = None) -> builtins.list[AsyncVolume]:
        """The volumes, by name."""
        request = {"Filters": filters_document(filters)}
        listed = await self.client.api.call("volume.list", request)
        return [AsyncVolume(row, self.client) for row in listed["Volumes"]]

    async def prune(
        self, filters: Optional[dict[str, Any]] = None, dry_run: bool = False
    ) -> t.VolumesPruned:
        """Remove those that no container has and nobody gave a name; `{"all": True}`: the others too."""
        request = {"Filters": filters_document(filters), "DryRun": dry_run}
        return cast("t.VolumesPruned", await self.client.api.call("volume.prune", request))
