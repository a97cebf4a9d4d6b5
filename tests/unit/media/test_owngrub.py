"""An ISO with GRUB says whom it asks, and is not believed where its sides do not agree."""

from __future__ import annotations

import pytest

from tests.unit.media.synthetic import config, grub_efi, loader_set, shim, signature
from vmboot.media.chain import Chain
from vmboot.media.inspect import inspect
from vmboot.media.inspection import Inspection
from vmboot.media.iso import build_iso
from vmboot.model import BootConfig, Bootstrap, Firmware

UEFI = {Firmware.UEFI: Bootstrap("boot.efi")}
LOADERS = loader_set(
    ipxe_efi=b"",
    shim_efi=shim(certificates=signature("A", "Microsoft UEFI CA 2023")),
    grub_efi=grub_efi(certificates=signature("Signer", "Distro CA")),
)
SERVER = b"set root=tftp,10.0.0.11"


def made(wanted: BootConfig) -> bytes:
    return build_iso(wanted, LOADERS, chain=Chain.SHIM_GRUB).data


def read(data: bytes) -> Inspection:
    found = inspect(data)
    assert isinstance(found, Inspection)
    return found


def test_the_config_of_uefi_media_is_that_of_their_grub_script() -> None:
    wanted = config(bootstrap=UEFI)
    found = read(made(wanted))
    assert found.config == wanted
    assert found.servers == wanted.servers
    assert found.problems == ("no BIOS boot entry: BIOS VMs will not boot it",)


@pytest.mark.parametrize("which", [1, 2])
def test_a_copy_that_was_changed_alone_is_found(which: int) -> None:
    data = made(config(bootstrap=UEFI))
    assert data.count(SERVER) == 2
    at = data.index(SERVER) if which == 1 else data.rindex(SERVER)
    changed = data[:at] + SERVER.replace(b".11", b".99") + data[at + len(SERVER) :]
    assert "the copies of the GRUB script are not the same" in read(changed).problems


def test_sides_that_ask_different_servers_are_found() -> None:
    data = made(config()).replace(SERVER, SERVER.replace(b".11", b".99"))
    problems = read(data).problems
    assert "the BIOS and the UEFI side of the media carry different scripts" in problems


def test_a_script_that_makes_no_sense_is_said() -> None:
    data = made(config(bootstrap=UEFI)).replace(b"  sleep 5", b"  sleeps ")
    assert any("the GRUB script cannot be read" in each for each in read(data).problems)
