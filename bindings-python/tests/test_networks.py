"""docker-py's networks, as far as nothing starts in them: these tests run beside the machine's own links and rules."""

import asyncio

import pytest

from barque import aio
from barque.errors import BarqueError, NotFound


@pytest.fixture
def networks(client):
    """Networks that are gone afterwards."""
    yield client.networks
    for network in client.networks.list(filters={"type": "custom"}):
        network.remove()


def test_a_network_is_created_found_and_removed(networks):
    ipam = {"Config": [{"Subnet": "10.213.0.0/24"}]}
    network = networks.create("py-web", ipam=ipam, internal=True, labels={"team": "red"})
    assert (network.name, network.labels) == ("py-web", {"team": "red"})
    assert network.attrs["IPAM"]["Config"] == [
        {"Subnet": "10.213.0.0/24", "Gateway": "10.213.0.1"}
    ]
    assert networks.get("py-web") == networks.get(network.short_id) == network
    assert networks.list(names=["py-web"]) == networks.list(ids=[network.id]) == [network]
    assert networks.list(filters={"label": "team=blue"}) == []
    assert networks.list(greedy=True)[0].containers == []
    with pytest.raises(BarqueError, match="already exists"):
        networks.create("py-web", check_duplicate=True)
    network.remove()
    with pytest.raises(NotFound, match="network py-web not found"):
        networks.get("py-web")


def test_a_container_is_connected_and_disconnected(client, networks, busybox):
    one = networks.create("py-one")
    two = networks.create("py-two", ipam={"Config": [{"Subnet": "10.214.0.0/24"}]})
    container = client.containers.create("busybox", network="py-one")
    try:
        two.connect(container, ipv4_address="10.214.0.9")
        container.reload()
        settings = container.attrs["NetworkSettings"]["Networks"]
        assert sorted(settings) == ["py-one", "py-two"]
        assert settings["py-two"]["IPAMConfig"] == {"IPv4Address": "10.214.0.9"}
        three = networks.create("py-three")
        with pytest.raises(BarqueError, match="not implemented yet"):
            three.connect(container, driver_opt={"a": "b"})
        three.connect(container, aliases=["db"])
        container.reload()
        assert container.attrs["NetworkSettings"]["Networks"]["py-three"]["Aliases"] == ["db"]
        three.disconnect(container)
        one.disconnect(container.name, force=True)
        container.reload()
        assert sorted(container.attrs["NetworkSettings"]["Networks"]) == ["py-two"]
    finally:
        container.remove()
    assert networks.prune(filters={"label": "none"})["NetworksDeleted"] == []
    assert sorted(networks.prune()["NetworksDeleted"]) == ["py-one", "py-three", "py-two"]


def test_an_unknown_keyword_is_named(networks):
    with pytest.raises(TypeError, match="colour"):
        networks.create("py-web", colour="red")


def test_asyncio_has_the_same(client):
    async def main():
        async with aio.from_env() as asynchronous:
            network = await asynchronous.networks.create("py-aio", labels={"a": "b"})
            assert [n.name for n in await asynchronous.networks.list(names=["py-aio"])] == ["py-aio"]
            await network.reload()
            assert (await asynchronous.networks.get(network.id)).labels == {"a": "b"}
            container = await asynchronous.containers.create("hello", network="none")
            with pytest.raises(BarqueError, match="network mode none"):
                await network.connect(container)
            with pytest.raises(BarqueError, match="network mode none"):
                await network.disconnect(container)
            await container.remove()
            assert (await asynchronous.networks.prune(dry_run=True))["NetworksDeleted"] == ["py-aio"]
            await network.remove()

    asyncio.run(main())
