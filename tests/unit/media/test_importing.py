"""A site's own media are taken over with at most the two changes that were asked for."""

from __future__ import annotations

import hashlib

import pytest

from tests.unit.media import sitemedia
from tests.unit.media.pvs_samples import INI, bios_program
from tests.unit.media.qemuimg import converted, qemu_img
from vmboot.errors import InputError, MediaError, NotFoundError, RefusedError
from vmboot.media.diskimage import raw_bytes
from vmboot.media.importing import check_pairs, import_media
from vmboot.media.inspect import inspect
from vmboot.media.sitevolumes import find_volumes, volume_files

MIB = 1024 * 1024


def content(imported):
    """Files of all volumes."""
    places = find_volumes(imported.data, imported.kind)
    return {path: data for p in places for path, data in volume_files(imported.data, p).items()}


def test_without_a_wish_nothing_is_changed():
    disk = sitemedia.gpt_disk()
    found = import_media(disk)
    assert (found.kind, found.data, found.diff) == ("disk", disk, "")
    assert found.sha256 == hashlib.sha256(disk).hexdigest()
    assert found.file_name == f"vmboot-pvs-{found.sha256[:12]}.vmdk"


@pytest.mark.parametrize(
    ("kind", "options"),
    [("vpc", "force_size=on"), ("vpc", "subformat=fixed,force_size=on"), ("vhdx", "")],
)
def test_disks_of_any_format_become_the_same_raw_disk(kind, options, tmp_path):
    disk = sitemedia.gpt_disk()
    assert import_media(converted(disk, tmp_path, kind, options)).data == disk


def test_the_loader_gets_the_name_that_firmware_looks_for():
    before = import_media(sitemedia.gpt_disk())
    assert not before.inspection.boots.uefi
    assert "--rename-bootx64" in " ".join(before.inspection.problems)
    after = import_media(sitemedia.gpt_disk(), rename_bootx64=True)
    assert after.inspection.boots.uefi
    assert after.notes == ("EFI/BOOT/PVSBOOTX64.EFI is now EFI/BOOT/BOOTX64.EFI",)
    assert content(after) == sitemedia.files("BOOTX64.EFI")
    assert after.vendor == before.vendor


def test_an_iso_without_the_name_that_firmware_looks_for_says_how_to_get_it():
    before = import_media(sitemedia.iso())
    assert "--rename-bootx64" in before.notes[0]
    after = import_media(sitemedia.iso(), rename_bootx64=True)
    assert after.inspection.boots.uefi
    assert after.notes == ("EFI/BOOT/PVSBOOTX64.EFI is now EFI/BOOT/BOOTX64.EFI",)


def test_a_loader_that_has_the_right_name_already_is_left_alone():
    disk = sitemedia.gpt_disk(sitemedia.files("BOOTX64.EFI"))
    found = import_media(disk, rename_bootx64=True)
    assert found.data == disk
    assert "there already" in found.notes[0]


def test_a_loader_under_both_names_is_refused():
    both = {**sitemedia.files(), **sitemedia.files("BOOTX64.EFI")}
    with pytest.raises(RefusedError, match=r"already has a BOOTX64\.EFI"):
        import_media(sitemedia.gpt_disk(both), rename_bootx64=True)


def test_a_disk_without_loader_has_nothing_to_rename():
    with pytest.raises(RefusedError, match="neither"):
        import_media(sitemedia.mbr_disk(), rename_bootx64=True)


@pytest.mark.parametrize("make", [sitemedia.gpt_disk, sitemedia.iso], ids=["disk", "iso"])
def test_texts_are_replaced_in_the_ini_and_nowhere_else(make):
    image = make()
    found = import_media(image, replace=[("10.0.0.11", "10.9.0.11")])
    wanted = {**sitemedia.files(), "PVSBOOT.INI": INI.replace("10.0.0.11", "10.9.0.11").encode()}
    assert content(found) == wanted
    assert "+server1=10.9.0.11" in found.diff.splitlines()
    assert len(found.data) == len(image)
    assert sum(a != b for a, b in zip(found.data, image, strict=True)) == 1


def test_a_longer_list_takes_more_room_and_everything_else_is_still_right():
    every = "\r\n".join(f"server{n}=10.9.0.{n}" for n in range(200))
    found = import_media(sitemedia.gpt_disk(), replace=[("server1=10.0.0.11", every)])
    assert content(found)["EFI/BOOT/PVSBOOTX64.EFI"] == sitemedia.LOADER
    assert every.encode() in content(found)["PVSBOOT.INI"]


def test_a_text_in_the_vendors_program_is_not_replaced():
    disk = sitemedia.mbr_disk({"TSBBDM.BIN": bios_program() + b"10.0.0.11"})
    with pytest.raises(RefusedError, match=r"TSBBDM\.BIN is not changed: it is a boot program"):
        import_media(disk, replace=[("10.0.0.11", "10.9.0.11")])


@pytest.mark.parametrize("image", [sitemedia.mbr_disk(), sitemedia.iso({"x.txt": b""})])
def test_media_without_an_ini_say_where_their_list_is(image):
    with pytest.raises(RefusedError, match=r"there is no PVSBOOT\.INI") as caught:
        import_media(image, replace=[("10.0.0.11", "10.9.0.11")])
    assert "Configure Bootstrap" in caught.value.hint


def test_two_inis_are_refused():
    two = {**sitemedia.files(), "EFI/PVSBOOT.INI": b"x"}
    with pytest.raises(RefusedError, match="there are 2 files of that name"):
        import_media(sitemedia.gpt_disk(two), replace=[("10.0.0.11", "10.9.0.11")])


def test_the_vendors_programs_are_named():
    uefi = import_media(sitemedia.gpt_disk()).vendor["EFI/BOOT/PVSBOOTX64.EFI"]
    assert uefi.kind == "pvs-bdm-loader"
    found = import_media(sitemedia.iso(bios=bios_program("7.6.0.1"))).vendor
    assert {each.version for each in found.values()} == {"7.6.0.1", ""}
    assert import_media(sitemedia.mbr_disk()).vendor["TSBBDM.BIN"].kind == "pvs-two-stage"


def test_a_disk_of_an_odd_size_is_filled_up():
    odd = sitemedia.mbr_disk() + bytes(512)
    found = import_media(odd)
    assert found.data == odd + bytes(MIB - 512)
    assert found.notes == (f"the disk was filled up by {MIB - 512} bytes of zeroes to whole MiB",)


def test_an_iso_stays_an_iso():
    found = import_media(sitemedia.iso(bios=bios_program()), name="site-1")
    assert found.file_name == f"vmboot-site-1-{found.sha256[:12]}.iso"
    assert found.files() == {found.file_name: found.data}
    assert found.to_json()["inspection"]["volume_id"] == "CTXPVS"


@pytest.mark.parametrize("format", ["raw", "vmdk-stream", "vmdk-flat"])
def test_files_of_every_format_hold_the_same_disk(format, tmp_path):
    found = import_media(sitemedia.gpt_disk(), rename_bootx64=True)
    files = found.files(format)
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    first = tmp_path / next(iter(files))
    assert raw_bytes(first, limit=64 * MIB) == found.data
    assert inspect(first).sha256 == found.sha256
    qemu_img("convert", "-O", "raw", first, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == found.data


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"no image" * 1000, "not an ISO 9660 image"),
        (sitemedia.iso()[:40_000], "cut off"),
    ],
)
def test_what_is_no_boot_media_is_refused(data, words):
    with pytest.raises(MediaError, match=words):
        import_media(data)


def test_a_system_disk_is_refused_without_reading_it(tmp_path):
    file = tmp_path / "system.img"
    with file.open("wb") as stream:
        stream.truncate(40 << 30)
    with pytest.raises(MediaError, match="a boot disk has at most"):
        import_media(file)


def test_a_file_that_is_not_there_is_not_found(tmp_path):
    with pytest.raises(NotFoundError):
        import_media(tmp_path / "gone.vhd")


def test_a_name_that_no_file_can_have_is_refused():
    with pytest.raises(InputError):
        import_media(sitemedia.gpt_disk(), name="A/B")


@pytest.mark.parametrize(
    ("text", "pair"),
    [("a=b", ("a", "b")), ("a=", ("a", "")), ("k=1=>k=2", ("k=1", "k=2"))],
)
def test_pairs_are_read(text, pair):
    assert check_pairs([text]) == (pair,)


@pytest.mark.parametrize("text", ["", "a", "=b", "=>b"])
def test_pairs_that_are_none_are_refused(text):
    with pytest.raises(InputError, match="is not OLD=NEW"):
        check_pairs([text])
