"""Who has which address in a rehearsal's network, and what dnsmasq is told."""

from ipaddress import IPv4Address, IPv4Network

import pytest

from vmboot.errors import InputError, RefusedError
from vmboot.lab.network_plan import LabPlan, dnsmasq_config, plan_network
from vmboot.model import BootServer, Network, NetworkMode

PVS1 = BootServer("10.0.0.11", "pvs1")
PVS2 = BootServer("10.0.0.12", "pvs2")


def address(text: str) -> IPv4Address:
    return IPv4Address(text)


def static(own: str, mask: str, gateway: str | None = None, dns: str | None = None) -> Network:
    return Network(
        NetworkMode.STATIC,
        address(own),
        address(mask),
        address(gateway) if gateway else None,
        address(dns) if dns else None,
    )


def test_a_dead_servers_address_is_nobodys():
    plan = plan_network([PVS1, PVS2], dead=[PVS1])
    assert address("10.0.0.11") not in plan.owned
    assert address("10.0.0.12") in plan.owned
    assert [server.dead for server in plan.servers] == [True, False]


def test_dhcp_machine_lives_beside_the_first_server():
    plan = plan_network([PVS1, BootServer("172.16.9.9")])
    assert plan.subnet == IPv4Network("10.0.0.0/24")
    assert plan.lease == address("10.0.0.254")
    assert plan.gateway == address("10.0.0.1")
    assert plan.owned[0] == plan.gateway


def test_lab_addresses_avoid_those_of_servers():
    plan = plan_network([BootServer("10.0.0.1"), BootServer("10.0.0.254")])
    assert plan.gateway == address("10.0.0.2")
    assert plan.lease == address("10.0.0.253")


def test_static_machine_keeps_its_network_and_the_lab_plays_its_gateway():
    network = static("192.0.2.50", "255.255.255.128", "192.0.2.1", "192.0.2.2")
    plan = plan_network([PVS1], network=network)
    assert plan.subnet == IPv4Network("192.0.2.0/25")
    assert plan.lease is None
    assert set(plan.owned) == {address("192.0.2.1"), address("192.0.2.2"), address("10.0.0.11")}


def test_named_servers_get_free_addresses_and_dns_entries():
    plan = plan_network([BootServer("pvs1.example.net:8080"), BootServer("10.0.0.1")])
    server = plan.servers[0]
    assert (server.name, server.http_port) == ("pvs1.example.net", 8080)
    assert plan.names == {"pvs1.example.net": server.address}
    assert server.address in plan.subnet
    assert server.address not in (plan.gateway, plan.lease, address("10.0.0.1"))


def test_only_names_and_no_address_at_all():
    assert plan_network([BootServer("pvs1")]).lease is not None


@pytest.mark.parametrize(
    "text", ["127.0.0.1", "224.0.0.1", "0.0.0.0", "", ":80", "10.0.0.1:x", "10.0.0.1:70000"]
)
def test_addresses_no_machine_can_boot_from(text):
    with pytest.raises(InputError):
        plan_network([BootServer(text)])


def test_a_static_network_without_address():
    with pytest.raises(InputError, match="an address and a netmask"):
        plan_network([PVS1], network=Network(NetworkMode.STATIC))


def test_a_server_cannot_be_dead_and_alive():
    twin = BootServer("10.0.0.11:8080", "twin")
    with pytest.raises(RefusedError, match="twin and pvs1 share the address"):
        plan_network([PVS1, twin], dead=[PVS1])


def test_a_subnet_that_is_full():
    network = static("10.0.0.1", "255.255.255.252")
    with pytest.raises(InputError, match="no free address"):
        plan_network([BootServer("a"), BootServer("b")], network=network)


def test_plan_survives_json():
    plan = plan_network([PVS1, BootServer("pvs2")], dead=[PVS1], network=Network(vlan=7))
    assert LabPlan.from_json(plan.to_json()) == plan


def render(plan: LabPlan) -> list[str]:
    text = dnsmasq_config(plan, interface="lab0", root="/srv", lease_file="/tmp/leases")
    return text.splitlines()


def test_dnsmasq_serves_dhcp_dns_and_tftp():
    lines = render(plan_network([PVS1, BootServer("pvs2")]))
    assert "dhcp-range=10.0.0.254,10.0.0.254,255.255.255.0,1h" in lines
    assert "dhcp-option=option:router,10.0.0.2" in lines
    assert "tftp-root=/srv" in lines
    assert "host-record=pvs2,10.0.0.1" in lines


def test_dnsmasq_asks_nobody_outside():
    lines = render(plan_network([PVS1]))
    assert {"no-resolv", "no-hosts", "local=/#/"} <= set(lines)


def test_dnsmasq_gives_no_addresses_in_a_static_network():
    lines = render(plan_network([PVS1], network=static("10.0.0.50", "255.255.255.0")))
    assert not [line for line in lines if line.startswith("dhcp")]
