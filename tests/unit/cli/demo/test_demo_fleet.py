import pytest

from vmboot.cli.demo.fleet import ALIVE, DEAD, fleet_text
from vmboot.fleet.spec import parse_fleet
from vmboot.model import Firmware

PIN = ":".join(["AB"] * 32)


def fleet(*firmwares):
    text = fleet_text(host="127.0.0.1", port=8989, thumbprint=PIN, firmwares=firmwares)
    return parse_fleet(text.encode())


@pytest.mark.parametrize(
    "firmwares", [(Firmware.BIOS,), (Firmware.UEFI,), (Firmware.BIOS, Firmware.UEFI)]
)
def test_it_is_a_fleet_document_for_what_this_machine_can_boot(firmwares):
    made = fleet(*firmwares)
    assert set(made.bootstraps()) == set(firmwares)
    patterns = [pattern for entry in made.targets for pattern in entry.vms]
    assert [pattern.split("/")[4].lower() for pattern in patterns] == list(firmwares)
    assert made.templates


def test_the_dead_boot_server_is_asked_first():
    assert [server.address for server in fleet(Firmware.BIOS).boot_servers] == [DEAD, ALIVE]


def test_the_lab_is_pinned():
    made = fleet(Firmware.BIOS)
    assert (made.vcenter.host, made.vcenter.port) == ("127.0.0.1", 8989)
    assert made.vcenter.thumbprint == PIN
