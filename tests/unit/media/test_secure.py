"""Which chain would work, why another would not, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.media.synthetic import (
    config,
    grub_efi,
    ipxe_efi,
    loader_set,
    shim,
    signature,
)
from vmboot.media import loaders as module
from vmboot.media.chain import Chain
from vmboot.media.distro import Distro
from vmboot.media.find import Loader, load
from vmboot.media.secure import (
    SECURE_CHAINS,
    SecureOption,
    advice,
    refusal,
    secure_options,
)
from vmboot.model import Bootstrap, Firmware, Network, Transport

BY_MICROSOFT = signature("A Publisher", "Microsoft Corporation UEFI CA 2011")
SHIM = shim(certificates=BY_MICROSOFT)
GRUB = grub_efi(certificates=signature("Signer", "Distro CA"))
UNSIGNED = ipxe_efi()
BY_SITE = ipxe_efi(certificates=signature("Site Key", "Site CA"))


@pytest.fixture(autouse=True)
def debian(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "read_distro", lambda: Distro("debian", frozenset(), "bookworm"))


def shelf(folder: Path, **programs: bytes) -> list[Loader]:
    found = []
    for name, data in programs.items():
        (folder / f"{name}.efi").write_bytes(data)
        one = load(folder / f"{name}.efi", source="given")
        assert one is not None
        found.append(one)
    return found


def by_chain(options: tuple[SecureOption, ...]) -> dict[Chain, SecureOption]:
    return {each.chain: each for each in options}


def test_debians_shim_and_grub_make_the_first_chain_and_only_that(tmp_path: Path) -> None:
    options = by_chain(secure_options(shelf(tmp_path, a=SHIM, b=GRUB, c=UNSIGNED), config()))
    assert tuple(options) == SECURE_CHAINS
    assert [options[chain].ok for chain in SECURE_CHAINS] == [True, False, False]
    assert options[Chain.SHIM_GRUB].limits
    assert "does not start iPXE" in options[Chain.SHIM_IPXE].why
    assert "loaders import ipxeboot" in options[Chain.SHIM_IPXE].cure
    assert "is not signed" in options[Chain.SITE_KEY].why
    assert "loaders sign" in options[Chain.SITE_KEY].cure


@pytest.mark.parametrize(
    ("instead", "words"),
    [
        ({"bootstrap": {Firmware.UEFI: Bootstrap("x", Transport.HTTP)}}, "by TFTP only"),
        ({"network": Network(vlan=7)}, "VLAN 7"),
    ],
)
def test_what_grub_cannot_do_stands_against_its_chain(
    tmp_path: Path, instead: dict[str, object], words: str
) -> None:
    found = shelf(tmp_path, a=SHIM, b=GRUB, c=BY_SITE)
    options = by_chain(secure_options(found, config(**instead)))
    assert not options[Chain.SHIM_GRUB].ok
    assert words in options[Chain.SHIM_GRUB].why
    assert options[Chain.SITE_KEY].ok


def test_the_advice_names_what_works_or_else_every_way_there(tmp_path: Path) -> None:
    works = secure_options(shelf(tmp_path, a=SHIM, b=GRUB, c=BY_SITE), config())
    assert advice(works) == (
        "set media.secure_boot.chain to shim-grub or site-key, or turn Secure Boot off"
    )
    ways = advice(secure_options([], config()))
    assert "for shim-grub run: sudo apt-get install shim-signed" in ways
    assert "for site-key run: vmboot loaders sign" in ways


def test_options_are_json() -> None:
    (first, *_) = secure_options([], config())
    assert first.to_json()["chain"] == "shim-grub"
    assert set(first.to_json()) == {"chain", "ok", "why", "cure", "limits"}


def test_firmware_as_delivered_starts_what_microsoft_signed_and_no_more() -> None:
    loaders = loader_set(shim_efi=SHIM, grub_efi=GRUB)
    assert refusal(Chain.SHIM_GRUB, loaders) == ""
    assert "is not signed" in refusal(Chain.IPXE, loaders)
    own = refusal(Chain.SITE_KEY, loader_set(ipxe_efi=BY_SITE))
    assert "signed by Site Key, which only machines that were told so trust" in own
    assert "no loader" in refusal(Chain.IPXE, loader_set(ipxe_efi=b""))
