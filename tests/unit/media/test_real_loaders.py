"""The whole way with this machine's own loaders: find, choose, build, inspect."""

from __future__ import annotations

import pytest

from tests.unit.media.synthetic import config
from vmboot.errors import MissingToolError
from vmboot.media.inspect import inspect
from vmboot.media.iso import build_iso
from vmboot.media.loaders import select_loaders
from vmboot.model import Bootstrap, Firmware


@pytest.mark.parametrize("firmware", Firmware)
def test_an_iso_of_real_loaders_is_sound(firmware: Firmware) -> None:
    try:
        loaders = select_loaders([firmware])
    except MissingToolError as error:
        pytest.skip(f"{error.message}; {error.hint}")
    wanted = config(bootstrap={firmware: Bootstrap("boot.bin")}, random_start=True)
    found = inspect(build_iso(wanted, loaders).data)
    assert found.config == wanted
    assert found.boots.bios == (firmware is Firmware.BIOS)
    assert found.boots.uefi == (firmware is Firmware.UEFI)
    assert len(found.problems) == 1  # that the other firmware will not boot it
    kinds = {loader.identity.kind for loader in found.loaders}
    assert kinds >= ({"isolinux", "ipxe-lkrn"} if firmware is Firmware.BIOS else {"ipxe-efi"})
