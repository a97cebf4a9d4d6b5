"""The folder of grub.cfg and the modules of a GRUB image; damage makes nothing of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.media.synthetic import grub_area, grub_efi
from vmboot.media.grubimage import GrubImage, read_grub
from vmboot.media.identify import identify


def test_prefix_and_modules_are_read() -> None:
    area = grub_area("/EFI/some", ("net", "tftp"))
    assert read_grub(area) == GrubImage("/EFI/some", frozenset({"net", "tftp"}))


def test_only_a_grub_with_tftp_has_that_ability() -> None:
    assert _abilities(grub_efi(modules=("net", "tftp", "http"))) == {"tftp", "http"}
    assert _abilities(grub_efi(modules=("net",))) == set()


def test_no_area_is_no_grub() -> None:
    assert read_grub(b"") == read_grub(b"mimg") == read_grub(b"x" * 64) == GrubImage()


@given(st.data())
def test_damage_is_survived(data: st.DataObject) -> None:
    area = bytearray(grub_area("/grub", ("net", "tftp")))
    for _ in range(data.draw(st.integers(1, 8))):
        area[data.draw(st.integers(0, len(area) - 1))] = data.draw(st.integers(0, 255))
    read_grub(bytes(area[: data.draw(st.integers(0, len(area)))]))


def _abilities(program: bytes) -> frozenset[str]:
    known = identify(program)
    assert known is not None
    assert known.kind == "grub-efi"
    return known.capabilities
