"""An import that was killed: its machine is locked until the lease ends; nobody waits for that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.lab import sdk
from tests.lab.bdmlab import copies, need_grub, our_slots
from tests.lab.fleetlab import Site, changed, site_on
from vmboot.events import Event
from vmboot.fleet import inflight
from vmboot.fleet import sweep as fleet_sweep
from vmboot.fleet.sweep import Kind
from vmboot.lab import Vcenter
from vmboot.vsphere import nfcimport
from vmboot.vsphere.importing import KEPT, leftovers

pytestmark = pytest.mark.lab
ONE = "/DC1/vm/PVS/BIOS/pvs-001"
TEXT = f"targets: [{{vms: {ONE}, method: bdm}}]\n"
LEASE_S = 2


class KilledError(Exception):
    """Stands for kill -9: no except clause of the product catches it."""


@pytest.fixture
def make_site(small_lab: Callable[..., Vcenter], tmp_path: Path) -> Iterator[Callable[..., Site]]:
    need_grub()
    opened = []

    def make(**options: int) -> Site:
        manager = site_on(
            small_lab(vms=1, templates=0, specials=False, disks=True, **options), tmp_path
        )
        opened.append(manager)
        return manager.__enter__()

    yield make
    for manager in opened:
        manager.__exit__(None, None, None)


@pytest.fixture(autouse=True)
def nothing_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """These runs end between two calls, so nothing arrives late."""
    monkeypatch.setattr(inflight, "LATE_S", 0.0)


def die_while_sending(site: Site) -> str:
    """An apply that ends when its disk is on its way; the name of the machine that it leaves."""

    def die(*_args: object, **_options: object) -> None:
        raise KilledError

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(nfcimport, "send_disk", die)
        for cleaning in ("abort", "remove_shell"):  # what a killed process does not come to
            patch.setattr(nfcimport, cleaning, lambda *_args, **_options: None)
        site.apply(site.fleet(TEXT))
    (shell,) = leftovers(site.session)
    return shell.name


def test_the_next_apply_says_so_and_goes_on(make_site: Callable[..., Site]) -> None:
    site = make_site()
    before = site.dump()
    name = die_while_sending(site)
    told: list[Event] = []

    result = site.apply(site.fleet(TEXT), sink=told.append)

    assert (result.done, result.failed) == (1, 0)
    (kept,) = [event for event in told if event.kind == KEPT]
    assert kept.subject == name
    assert f"still holds {name} for the import that made it, until the lease" in kept.message
    assert "within five minutes" in kept.message
    assert our_slots(site.dump()[ONE]) == [("scsi", 0, 0)]
    assert [shell.name for shell in leftovers(site.session)] == [name]
    assert site.undo(result.run_id).done == 1
    machine = f"/DC1/vm/{name}"
    assert changed(before, site.dump()) == [machine]
    assert copies(site.lab) == []


def test_a_sweep_says_so_and_takes_everything_else(
    make_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmboot.fleet.needed.YOUNG", timedelta(0))
    site = make_site()
    name = die_while_sending(site)
    fleet = site.fleet(TEXT)
    site.undo(site.apply(fleet).run_id)

    swept = fleet_sweep.sweep(fleet, site.session, everything=True)

    assert [file.kind for file in swept.removed] == [Kind.MASTER]
    assert list(swept.failed) == [name]
    assert "until the lease of that ends" in swept.failed[name]


def test_after_the_lease_the_machine_is_gone_by_itself(make_site: Callable[..., Site]) -> None:
    site = make_site(lease_timeout=LEASE_S)
    before = site.dump()
    name = die_while_sending(site)
    sdk.until(lambda: not leftovers(site.session), LEASE_S + 10)
    fleet, told = site.fleet(TEXT), []
    result = site.apply(fleet, sink=told.append)
    assert (result.done, [event for event in told if event.kind == KEPT]) == (1, [])
    assert not any(name in path for path in site.lab.disks())
    assert site.undo(result.run_id).done == 1
    assert changed(before, site.dump()) == []
