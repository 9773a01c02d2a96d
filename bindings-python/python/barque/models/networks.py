"""Networks: `client.networks` and what it gives."""

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
from .containers import Container
from .resource import filters_document

if TYPE_CHECKING:
    import builtins
    import sys

    from .. import _types as t
    from ..client import Client

    if sys.version_info >= (3, 12):
        from typing import Unpack
    else:
        from typing_extensions import Unpack


class Network(NetworkSnapshot):
    """A network."""

    def __init__(self, attrs: dict[str, Any], client: Client) -> None:
        self.attrs = attrs
        self.client = client
        """The client it came from."""

    def reload(self) -> None:
        """Get the document again, with the running containers in it."""
        self.attrs = cast("dict[str, Any]", self.client.api.network_inspect({"Id": self.id}))

    @property
    def containers(self) -> list[Container]:
        """The containers that were running in it when this object was reloaded."""
        return [self.client.containers.get(name) for name in self.attrs.get("Containers") or {}]

    def connect(
        self,
        container: Union[str, Container],
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
        self.client.api.network_connect(request)

    def disconnect(self, container: Union[str, Container], force: bool = False) -> None:
        """Disconnect a container from it; `force`: that the link cannot be taken away is fine."""
        self.client.api.network_disconnect(disconnect_document(self.id, container, force))

    def remove(self) -> None:
        """Remove it. No running container may be in it."""
        self.client.api.network_remove({"Id": self.id})


class NetworkCollection(Uncopyable):
    """All networks."""

    def __init__(self, client: Client) -> None:
        self.client = client
        """The client it belongs to."""

    def create(self, name: str, **options: Unpack[NetworkOptions]) -> Network:
        """Create a network."""
        created = self.client.api.network_create(network_document(name, options))
        return self.get(created["Id"])

    def get(self, network_id: str) -> Network:
        """The network of that name or id."""
        attrs = self.client.api.network_inspect({"Id": network_id})
        return Network(cast("dict[str, Any]", attrs), self.client)

    def list(
        self,
        names: Optional[builtins.list[str]] = None,
        ids: Optional[builtins.list[str]] = None,
        filters: Optional[dict[str, Any]] = None,
        greedy: bool = False,
    ) -> builtins.list[Network]:
        """The networks, by name; `greedy`: with the running containers in each."""
        wanted = filters_document({**(filters or {}), **named(names, ids)})
        rows = self.client.api.network_list({"Filters": wanted})
        found = [Network(cast("dict[str, Any]", row), self.client) for row in rows]
        if greedy:
            for network in found:
                network.reload()
        return found

    def prune(
        self, filters: Optional[dict[str, Any]] = None, dry_run: bool = False
    ) -> t.NetworksPruned:
        """Remove those that no container has; `dry_run`: only say which these are."""
        request: t.NetworkPrune = {"Filters": filters_document(filters), "DryRun": dry_run}
        return self.client.api.network_prune(request)
