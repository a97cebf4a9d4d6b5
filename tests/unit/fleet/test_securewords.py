"""What a plan says once of Secure Boot, for however many machines."""

from dataclasses import replace

import pytest

from tests.unit.vsphere.builders import uefi
from vmboot.fleet.media import FleetMedia
from vmboot.fleet.plan import MachinePlan, Verdict
from vmboot.fleet.securewords import secure_warnings
from vmboot.fleet.spec import parse_fleet
from vmboot.media.secure import PXE_WARNINGS
from vmboot.model import BootMethod

HEAD = """\
version: 1
boot_servers: [10.0.0.11, 10.0.0.12]
bootstrap: {uefi: pvsnbpx64.efi}
targets: [{vms: a, method: iso}]
"""
SECURE = replace(uefi(), secure_boot=True)


def said(chain: str, *plans: MachinePlan) -> list[str]:
    fleet = parse_fleet(f"{HEAD}media: {{secure_boot: {{chain: {chain}}}}}\n".encode())
    return list(secure_warnings(fleet, FleetMedia(fleet), plans))


def plan(method: BootMethod, verdict: Verdict = Verdict.CHANGE) -> MachinePlan:
    return MachinePlan(SECURE, method, verdict)


def test_the_limits_of_the_chain_are_said_once() -> None:
    found = said("shim-grub", plan(BootMethod.ISO), plan(BootMethod.BDM), plan(BootMethod.ISO))
    assert "Secure Boot by shim-grub: downloads by TFTP only, and without VLAN tags" in found
    assert len(found) == len(set(found))


def test_what_pxe_demands_is_said_once() -> None:
    found = said("none", plan(BootMethod.PXE), plan(BootMethod.PXE))
    assert found == [f"Secure Boot by pxe: {warning}" for warning in PXE_WARNINGS]


@pytest.mark.parametrize(
    "one",
    [
        plan(BootMethod.PXE, Verdict.REFUSED),
        MachinePlan(uefi(), BootMethod.PXE, Verdict.CHANGE),
        plan(BootMethod.ISO),
    ],
    ids=["refused", "without Secure Boot", "plain media"],
)
def test_nothing_is_said_where_it_concerns_nobody(one: MachinePlan) -> None:
    assert said("none", one) == []
