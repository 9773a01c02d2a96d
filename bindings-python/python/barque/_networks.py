"""Requests about networks, for the blocking and the asyncio objects alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional, TypedDict, Union, cast

from .errors import unexpected_keyword
from .models.resource import Snapshot

if TYPE_CHECKING:
    from . import _types as t


class NetworkOptions(TypedDict, total=False):
    """The keywords of `networks.create`."""

    driver: Optional[str]
    options: Optional[dict[str, str]]
    ipam: Optional[dict[str, Any]]
    check_duplicate: Optional[bool]
    internal: bool
    labels: Optional[dict[str, str]]
    enable_ipv6: bool
    attachable: Optional[bool]
    scope: Optional[str]
    ingress: Optional[bool]


class NetworkSnapshot(Snapshot):
    """A network, as its document was."""

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.attrs["Name"])


def network_document(name: str, options: NetworkOptions) -> t.NetworkCreate:
    """The request of `networks.create`. A name is only ever given once, whatever `check_duplicate` says."""
    known = sorted(NetworkOptions.__annotations__)
    for keyword in sorted(set(options) - set(known)):
        raise unexpected_keyword("networks.create", keyword, known)
    document: dict[str, Any] = {"Name": name}
    for keyword, field in (
        ("driver", "Driver"),
        ("options", "Options"),
        ("ipam", "IPAM"),
        ("internal", "Internal"),
        ("labels", "Labels"),
        ("enable_ipv6", "EnableIPv6"),
        ("attachable", "Attachable"),
        ("scope", "Scope"),
        ("ingress", "Ingress"),
    ):
        value = options.get(keyword)
        if value is not None:
            document[field] = value
    return cast("t.NetworkCreate", document)


def connect_document(
    network: str,
    container: Union[str, Snapshot],
    aliases: Optional[list[str]],
    links: Union[dict[str, str], list[tuple[str, str]], None],
    ipv4_address: Optional[str],
    ipv6_address: Optional[str],
    link_local_ips: Optional[list[str]],
    driver_opt: Optional[dict[str, str]],
    mac_address: Optional[str],
) -> t.NetworkConnect:
    """The request of `network.connect`, with docker-py's keywords."""
    addresses: dict[str, Any] = {}
    if ipv4_address:
        addresses["IPv4Address"] = ipv4_address
    if ipv6_address:
        addresses["IPv6Address"] = ipv6_address
    if link_local_ips:
        addresses["LinkLocalIPs"] = list(link_local_ips)
    settings: dict[str, Any] = {}
    if addresses:
        settings["IPAMConfig"] = addresses
    if aliases:
        settings["Aliases"] = list(aliases)
    if links:
        pairs = links.items() if isinstance(links, dict) else links
        settings["Links"] = [f"{name}:{alias}" for name, alias in pairs]
    if driver_opt:
        settings["DriverOpts"] = dict(driver_opt)
    if mac_address:
        settings["MacAddress"] = mac_address
    request: dict[str, Any] = {"Id": network, "Container": _id(container)}
    if settings:
        request["EndpointConfig"] = settings
    return cast("t.NetworkConnect", request)


def disconnect_document(
    network: str, container: Union[str, Snapshot], force: bool
) -> t.NetworkDisconnect:
    """The request of `network.disconnect`."""
    return {"Id": network, "Container": _id(container), "Force": force}


def named(names: Optional[list[str]], ids: Optional[list[str]]) -> dict[str, Any]:
    """Filters for these names and ids."""
    return {name: values for name, values in (("name", names), ("id", ids)) if values}


def _id(container: Union[str, Snapshot]) -> str:
    return str(getattr(container, "id", container))
