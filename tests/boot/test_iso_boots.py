"""The boot ISO reaches its bootstrap, in emulation of BIOS and UEFI machines."""

import re

import pytest

from tests.boot.bootlab import PVS1, PVS2
from vmboot.lab.markers import marker_line
from vmboot.lab.network_pcap import read_pcap
from vmboot.lab.rehearsal_report import Reached, RehearsalReport
from vmboot.lab.rehearsal_serial import plain
from vmboot.model import BootServer, Firmware, Network, NetworkMode, Transport

pytestmark = [pytest.mark.boot, pytest.mark.netns, pytest.mark.timeout(300)]

BIOS, UEFI = Firmware.BIOS, Firmware.UEFI


def console(report: RehearsalReport) -> str:
    assert report.serial_log is not None
    return plain(report.serial_log.read_text("utf-8", "replace"))


def names(report: RehearsalReport) -> list[str]:
    return [stage.name for stage in report.stages]


def seconds_of(report: RehearsalReport, name: str, server: str = "") -> float:
    return next(s.seconds for s in report.stages if s.name == name and s.server == server)


@pytest.mark.parametrize("transport", list(Transport))
@pytest.mark.parametrize("firmware", list(Firmware))
def test_boots_with_the_first_of_two_servers_dead(boot, firmware, transport):
    report = boot(firmware, transport=transport, media_for=(BIOS, UEFI))
    assert report.ok, report.verdict
    assert report.reached is Reached.STARTED
    steps = ["loader", "dhcp", "server", "server", "bootstrap", "started"]
    assert [name for name in names(report) if name in steps] == steps
    cost = seconds_of(report, "server", "pvs2") - seconds_of(report, "server", "pvs1")
    assert 2.5 < cost < 5, "a dead server costs 3 seconds"
    assert re.search(
        rf"asking pvs1 10\.0\.0\.11 \(1/2\).*asking pvs2 10\.0\.0\.12 \(2/2\).*"
        rf"{marker_line(firmware)}",
        console(report),
        re.DOTALL,
    )


def test_evidence_is_kept(boot):
    report = boot(BIOS, servers=(PVS2,))
    assert report.ok, report.verdict
    assert report.screenshot.read_bytes().startswith(b"\x89PNG\r\n")
    with report.capture.open("rb") as stream:
        frames = list(read_pcap(stream))
    assert len(frames) > 10
    assert report.to_json()["stages"][-1]["name"] == "started"


def test_static_address_with_servers_behind_the_gateway_and_a_snippet(boot, static_network):
    report = boot(UEFI, network=static_network, snippet="echo snippet says ${net0/ip}")
    assert report.ok, report.verdict
    assert "dhcp" not in names(report)
    assert "snippet says 192.0.2.50" in console(report)


@pytest.fixture
def static_network() -> Network:
    from ipaddress import IPv4Address

    return Network(
        NetworkMode.STATIC,
        IPv4Address("192.0.2.50"),
        IPv4Address("255.255.255.128"),
        IPv4Address("192.0.2.1"),
    )


def test_random_start_asks_one_server_when_all_answer(boot):
    servers = tuple(BootServer(f"10.0.0.{11 + n}", f"pvs{n}") for n in range(5))
    report = boot(BIOS, servers=servers, dead=(), random_start=True)
    assert report.ok, report.verdict
    assert names(report).count("server") == 1


def test_random_start_finds_the_one_living_server(boot):
    servers = tuple(BootServer(f"10.0.0.{11 + n}", f"pvs{n}") for n in range(3))
    report = boot(BIOS, servers=servers, dead=servers[:2], random_start=True)
    assert report.ok, report.verdict
    assert "from pvs2" in report.verdict


def test_servers_by_name(boot):
    servers = (BootServer("pvs1.example.net"), BootServer("pvs2.example.net:8080"))
    report = boot(BIOS, servers=servers, transport=Transport.HTTP)
    assert report.ok, report.verdict


@pytest.mark.parametrize("firmware", list(Firmware))
def test_vlan(boot, firmware):
    report = boot(firmware, network=Network(vlan=42), servers=(PVS2,), nic_type="e1000e")
    assert report.ok, report.verdict
    with report.capture.open("rb") as stream:
        tags = {frame[12:16] for _, frame in read_pcap(stream) if frame[12:14] == b"\x81\x00"}
    assert tags == {b"\x81\x00\x00\x2a"}


@pytest.mark.parametrize(
    ("firmware", "machine"),
    [
        (BIOS, {"nic_type": "E1000", "cd_controller": "sata"}),
        (UEFI, {"nic_type": "E1000E", "cd_controller": "sata"}),
    ],
)
def test_other_hardware(boot, firmware, machine):
    report = boot(firmware, servers=(PVS2,), **machine)
    assert report.ok, report.verdict
    assert report.notes == ()


def test_own_bootstrap_is_served_and_not_claimed_to_run(boot, tmp_path):
    own = tmp_path / "own.bin"
    own.write_bytes(b"\xfa\xf4\xeb\xfd".ljust(100_000, b"\0"))  # cli; hlt; jmp to hlt
    report = boot(BIOS, servers=(PVS1,), files={"ARDBP32.BIN": own})
    assert report.ok, report.verdict
    assert report.reached is Reached.DOWNLOADED
    assert "(100000 bytes)" in report.verdict
    assert "cannot be seen from outside" in report.verdict
