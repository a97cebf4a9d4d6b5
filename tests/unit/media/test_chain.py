"""Which files each chain puts where, and its limits in words."""

from __future__ import annotations

from pathlib import Path

import pycdlib
import pytest

from tests.unit.media.synthetic import (
    config,
    grub_efi,
    ipxe_efi,
    loader_set,
    pe,
    shim,
    signature,
)
from vmboot.errors import InputError, MediaError, MissingToolError
from vmboot.media.chain import Chain, iso_files, limits, uefi_files, uefi_parts
from vmboot.media.fat import read_fat
from vmboot.media.grubcfg import render_grub
from vmboot.media.iso import build_iso
from vmboot.media.script import render
from vmboot.model import BootConfig, Bootstrap, Firmware, Network, Transport

SHIM, GRUB = shim(), grub_efi()
IPXES_SHIM, SIGNED = shim(starts="ipxe.efi"), ipxe_efi(certificates=signature("A", "B"))
SCRIPT = b"#!ipxe\n"
LOADERS = {
    Chain.IPXE: loader_set(),
    Chain.SHIM_GRUB: loader_set(ipxe_efi=b"", shim_efi=SHIM, grub_efi=GRUB),
    Chain.SHIM_IPXE: loader_set(ipxe_efi=SIGNED, shim_efi=IPXES_SHIM),
    Chain.SITE_KEY: loader_set(ipxe_efi=SIGNED),
}


def uefi(**instead: object) -> BootConfig:
    return config(**{"bootstrap": {Firmware.UEFI: Bootstrap("boot.efi")}, **instead})


def test_each_program_has_the_name_by_which_it_is_asked_for() -> None:
    cfg = render_grub(uefi()).encode()
    assert {chain: uefi_files(uefi(), LOADERS[chain], SCRIPT, chain=chain) for chain in Chain} == {
        Chain.IPXE: {
            "EFI/BOOT/BOOTX64.EFI": loader_set().ipxe_efi,
            "EFI/BOOT/autoexec.ipxe": SCRIPT,
        },
        Chain.SHIM_GRUB: {
            "EFI/BOOT/BOOTX64.EFI": SHIM,
            "EFI/BOOT/grubx64.efi": GRUB,
            "grub/grub.cfg": cfg,
        },
        Chain.SHIM_IPXE: {
            "EFI/BOOT/BOOTX64.EFI": IPXES_SHIM,
            "EFI/BOOT/ipxe.efi": SIGNED,
            "EFI/BOOT/autoexec.ipxe": SCRIPT,
        },
        Chain.SITE_KEY: {"EFI/BOOT/BOOTX64.EFI": SIGNED, "EFI/BOOT/autoexec.ipxe": SCRIPT},
    }


def test_every_part_that_a_chain_names_is_on_the_volume() -> None:
    for chain in Chain:
        on_it = uefi_files(uefi(), LOADERS[chain], SCRIPT, chain=chain).values()
        assert all(getattr(LOADERS[chain], part) in on_it for part in uefi_parts(chain))


def test_only_grub_reads_the_tree_of_the_iso_and_in_the_folder_built_into_it() -> None:
    loaders = loader_set(shim_efi=SHIM, grub_efi=grub_efi(prefix="/EFI/some"))
    found = {chain: set(iso_files(uefi(), loaders, chain=chain)) for chain in Chain}
    assert found.pop(Chain.SHIM_GRUB) == {"EFI/some/grub.cfg"}
    assert not any(found.values())


def test_programs_that_do_not_say_what_they_want_are_refused() -> None:
    mute_shim = loader_set(shim_efi=pe(b"UEFI SHIM\0"), grub_efi=GRUB)
    mute_grub = loader_set(shim_efi=SHIM, grub_efi=pe(b"Welcome to GRUB!\0"))
    with pytest.raises(MediaError, match="does not say which program it starts"):
        uefi_files(uefi(), mute_shim, SCRIPT, chain=Chain.SHIM_GRUB)
    with pytest.raises(MediaError, match="does not say in which folder"):
        uefi_files(uefi(), mute_grub, SCRIPT, chain=Chain.SHIM_GRUB)


def test_grubs_limits_are_said_as_far_as_they_concern_the_config() -> None:
    text = "\n".join(limits(Chain.SHIM_GRUB, uefi(random_start=True)))
    assert "a dead boot server costs 30 to 90 s" in text
    assert "random_start has no effect" in text
    assert "must be in the boot order" in text
    assert "must be signed" in text
    alone = "\n".join(limits(Chain.SHIM_GRUB, uefi(servers=config().servers[:1])))
    assert "dead boot server" not in alone


def test_plain_media_have_no_limits_and_the_others_say_who_must_sign() -> None:
    assert limits(Chain.IPXE, uefi()) == ()
    for chain in (Chain.SHIM_IPXE, Chain.SITE_KEY):
        assert any("must be signed" in each for each in limits(chain, uefi()))


@pytest.mark.parametrize("chain", Chain)
def test_an_iso_of_each_chain_is_the_same_every_time_and_says_which_it_is(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build_iso(config(), LOADERS[chain], chain=chain)
    monkeypatch.setattr("time.time", lambda: 1_000_000_000.0)
    assert build_iso(config(), LOADERS[chain], chain=chain).data == first.data
    assert first.manifest.get("chain", "ipxe") == chain


def test_the_iso_of_shim_and_grub_has_the_script_in_tree_and_volume(tmp_path: Path) -> None:
    (tmp_path / "x.iso").write_bytes(
        build_iso(config(), LOADERS[Chain.SHIM_GRUB], chain=Chain.SHIM_GRUB).data
    )
    iso = pycdlib.PyCdlib()
    iso.open(str(tmp_path / "x.iso"))
    for path, name in (("/grub/grub.cfg", "cfg"), ("/efi.img", "esp")):
        iso.get_file_from_iso(str(tmp_path / name), rr_path=path)
        iso.get_file_from_iso(str(tmp_path / name), joliet_path=path)
    iso.close()
    assert (tmp_path / "cfg").read_text() == render_grub(config())
    esp = read_fat((tmp_path / "esp").read_bytes())
    assert esp["grub/grub.cfg"] == (tmp_path / "cfg").read_bytes()
    assert "EFI/BOOT/autoexec.ipxe" not in esp
    assert render(config()).startswith("#!ipxe")  # which BIOS machines go on to use


@pytest.mark.parametrize("chain", set(Chain) - {Chain.IPXE})
def test_a_chain_with_a_part_missing_is_refused_with_its_cure(chain: Chain) -> None:
    for part in uefi_parts(chain):
        loaders = loader_set(**{**_programs(chain), part: b""})
        with pytest.raises(MissingToolError, match=f"no {part}"):
            build_iso(config(), loaders, chain=chain)


def _programs(chain: Chain) -> dict[str, bytes]:
    return {part: getattr(LOADERS[chain], part) for part in uefi_parts(chain)}


@pytest.mark.parametrize(
    "instead",
    [
        {"bootstrap": {Firmware.UEFI: Bootstrap("x", Transport.HTTP)}},
        {"network": Network(vlan=7)},
    ],
)
def test_http_and_vlans_are_refused_for_grub_only(instead: dict[str, object]) -> None:
    wanted = config(**instead)
    with pytest.raises(InputError, match="the signed GRUB cannot boot this"):
        build_iso(wanted, LOADERS[Chain.SHIM_GRUB], chain=Chain.SHIM_GRUB)
    assert build_iso(wanted, LOADERS[Chain.SHIM_IPXE], chain=Chain.SHIM_IPXE).data
