"""A site's own disk and ISO: imported, given to machines, taken back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab.bdmlab import boots_first, our_slots
from tests.lab.cliprocess import Shell
from tests.soap import dump
from tests.unit.media.diskmakers import dynamic_vhd
from tests.unit.media.sitemedia import gpt_disk, iso
from vmboot.lab import Vcenter

pytestmark = pytest.mark.lab
PATH = "/DC1/vm/PVS/UEFI/pvs-002"


@pytest.fixture
def lab(small_lab: Callable[..., Vcenter]) -> Vcenter:
    return small_lab(disks=True)


@pytest.fixture
def shell(lab: Vcenter, tmp_path: Path) -> Shell:
    return Shell.at(lab, tmp_path)


def imported(shell: Shell, name: str, data: bytes) -> str:
    """The file that ``media import`` makes, as the document names it."""
    (shell.folder / name).write_bytes(data)
    (shell.folder / "media").mkdir()
    words = ("media", "import", name, "--rename-bootx64", "--out", "media", "--json")
    ended = shell.run(*words)
    assert ended.code == 0, ended.out + ended.err
    (file,) = (shell.folder / "media").iterdir()
    return f"media/{file.name}"


def write(shell: Shell, method: str, image: str, vm: str = "pvs-002", servers: str = "[]") -> None:
    (shell.folder / "fleet.yml").write_text(
        f"version: 1\nboot_servers: {servers}\n"
        f"media: {{{method}: {{name: site, image: {image}}}}}\n"
        f"targets: [{{vms: {vm}, method: {method}}}]\n"
    )


def test_a_vhd_of_the_site_there_and_back(shell: Shell, lab: Vcenter) -> None:
    write(shell, "bdm", imported(shell, "BDM.vhd", dynamic_vhd(gpt_disk())))
    before = dump(lab)
    applied = shell.run("apply", "--yes", "--power", "off", "--json")
    assert applied.code == 0, applied.out
    machine = dump(lab)[PATH]
    assert "/vmboot-site-" in boots_first(machine)
    (copy,) = [path for path in lab.disks() if "/vmboot-site-" in path and "] vmboot/" not in path]
    (master,) = [path for path in lab.disks() if "] vmboot/vmboot-site-" in path]
    assert lab.disks()[copy].digest == lab.disks()[master].digest
    assert our_slots(machine) == []  # by another name than the lab's own
    undone = shell.run("undo", "last", "--yes")
    assert undone.code == 0, undone.out
    assert dump(lab)[PATH] == before[PATH]
    assert copy not in lab.disks()


def test_a_disk_of_vmboots_with_another_list_is_told_by_plan_and_stale(
    shell: Shell, lab: Vcenter
) -> None:
    words = ("--server", "10.0.0.11", "--server", "10.0.0.12", "--bootstrap", "uefi=a.efi")
    made = shell.run("media", "bdm", *words, "--out", "own.img", "--name", "site")
    assert made.code == 0, made.err
    write(shell, "bdm", "own.img", servers="[10.0.0.11, 10.0.0.13]")
    planned = shell.run("plan", "--json")
    (said,) = [each for each in planned.document["warnings"] if "own.img" in each]
    assert "carries the boot servers 10.0.0.11, 10.0.0.12, and boot_servers says" in said
    assert shell.run("apply", "--yes", "--power", "off").code == 0
    stale = shell.run("media", "stale", "--json")
    assert stale.code == 0, stale.out
    assert stale.document["servers"] == ["10.0.0.11", "10.0.0.12"]
    (machine,) = stale.document["machines"]
    assert machine["servers"] == ["10.0.0.11", "10.0.0.12"]
    assert stale.document["notes"] == [said]


def test_an_iso_of_the_site_there_and_back(shell: Shell, lab: Vcenter) -> None:
    write(shell, "iso", imported(shell, "BDM.iso", iso()))
    before = dump(lab)
    assert shell.run("apply", "--yes", "--power", "off").code == 0
    held = [
        device["backing"].get("fileName", "")
        for device in dump(lab)[PATH]["config.hardware.device"].values()
        if device["type"] == "VirtualCdrom"
    ]
    assert any("vmboot/vmboot-site-" in path for path in held)
    assert shell.run("undo", "last", "--yes").code == 0
    assert dump(lab)[PATH] == before[PATH]


def test_a_machine_that_the_image_does_not_boot_is_refused(shell: Shell, lab: Vcenter) -> None:
    write(shell, "bdm", imported(shell, "BDM.vhd", dynamic_vhd(gpt_disk())), vm="pvs-001")
    planned = shell.run("plan")
    assert "its firmware is BIOS, which the fleet's image does not boot" in planned.out


def test_an_image_that_boots_nothing_says_what_is_wrong(shell: Shell, lab: Vcenter) -> None:
    (shell.folder / "raw.vhd").write_bytes(dynamic_vhd(gpt_disk()))  # PVSBOOTX64.EFI only
    write(shell, "bdm", "raw.vhd")
    planned = shell.run("plan")
    assert planned.code == 2
    said = " ".join((planned.out + planned.err).split())
    assert "media.bdm.image" in said
    assert "boots neither BIOS nor UEFI machines" in said
