"""Networks of asyncio: what needs the engine is awaited, what the document says is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional, Union, cast

from .._networks import (
    NetworkOptions,
    NetworkSnapshot,
    connect_document,
    disconnect_document,
    named,
    network_document,
)
from .._streams import Uncopyable
from ..models.resource import filters_document

if TYPE_CHECKING:
    import builtins
    import sys

    from .. import _types as t
    from ._client import AsyncClient
    from ._models import AsyncContainer

    if sys.version_info >= (3, 12):
        from typing import Unpack
    else:
        from typing_extensions import Unpack


class AsyncNetwork(NetworkSnapshot):
    """A network."""

    def __init__(self, attrs: dict[str, Any], client: AsyncClient) -> None:
        self.attrs = attrs
        self.client = client
        """The client it came from."""

    async def reload(self) -> None:
        """Get the document again, with the running containers in it."""
        self.attrs = await self.client.api.call("network.inspect", {"Id": self.id})

    async def connect(
        self,
        container: Union[str, AsyncContainer],
        aliases: Optional[list[str]] = None,
        links: Union[dict[str, str], list[tuple[str, str]], None] = None,
        ipv4_address: Optional[str] = None,
        ipv6_address: Optional[str] = None,
        link_local_ips: Optional[list[str]] = None,
        driver_opt: Optional[dict[str, str]] = None,
        mac_address: Optional[str] = None,
    ) -> None:
        """Connect a container to it: at once if it runs, else from its next start on."""
        request = connect_document(
            self.id,
            container,
            aliases,
            links,
            ipv4_address,
            ipv6_address,
            link_local_ips,
            driver_opt,
            mac_address,
        )
        await self.client.api.call("network.connect", request)

    async def disconnect(
        self, container: Union[str, AsyncContainer], force: bool = False
    ) -> None:
        """Disconnect a container from it; `force`: that the link cannot be taken away is fine."""
        request = disconnect_document(self.id, container, force)
        await self.client.api.call("network.disconnect", request)

    async def remove(self) -> None:
        """Remove it. No running container may be in it."""
        await self.client.api.call("network.remove", {"Id": self.id})


class AsyncNetworks(Uncopyable):
    """All networks."""

    def __init__(self, client: AsyncClient) -> None:
        self.client = client
        """The client it belongs to."""

    async def create(self, name: str, **options: Unpack[NetworkOptions]) -> AsyncNetwork:
        """Create a network."""
        created = await self.client.api.call("network.create", network_document(name, options))
        return await self.get(created["Id"])

    async def get(self, network_id: str) -> AsyncNetwork:
        """The network of that name or id."""
        attrs = await self.client.api.call("network.inspect", {"Id": network_id})
        return AsyncNetwork(attrs, self.client)

    async def list(
        self,
        names: Optional[builtins.list[str]] = None,
        ids: Optional[builtins.list[str]] = None,
        filters: Optional[dict[str, Any]] = None,
        greedy: bool = False,
    ) -> builtins.list[AsyncNetwork]:
        """The networks, by name; `greedy`: with the running containers in each."""
        wanted = filters_document({**(filters or {}), **named(names, ids)})
        rows = await self.client.api.call("network.list", {"Filters": wanted})
        found = [AsyncNetwork(row, self.client) for row in rows]
        if greedy:
            for network in found:
                await network.reload()
        return found

    async def prune(
        self, filters: Optional[dict[str, Any]] = None, dry_run: bool = False
    ) -> t.NetworksPruned:
        """Remove those that no container has; `dry_run`: only say which these are."""
        request = {"Filters": filters_document(filters), "DryRun": dry_run}
        return cast("t.NetworksPruned", await self.client.api.call("network.prune", request))
