"""Boot media as doctor sees them, without a vCenter. For UEFI, where no installed program helps."""

from pathlib import Path

import pytest

from tests.unit.media.synthetic import ipxe_efi
from vmboot.fleet.checkmedia import MediaCheck
from vmboot.fleet.doctor import check_fleet
from vmboot.fleet.spec import Fleet, load_fleet
from vmboot.model import BootMethod
from vmboot.vsphere.machine import Machine

HEAD = """\
version: 1
boot_servers: [{name: pvs1, address: 10.0.0.11}, {name: pvs2, address: 10.0.0.12}]
bootstrap: {uefi: pvsnbpx64.efi}
"""
DISKS = "targets: [{vms: a, method: bdm}]\n"
BOTH = "targets: [{vms: a, method: bdm}, {vms: b, method: iso}]\n"


@pytest.fixture
def loaders(tmp_path: Path) -> Path:
    folder = tmp_path / "loaders"
    folder.mkdir()
    (folder / "ipxe.efi").write_bytes(ipxe_efi())
    return folder


def fleet(tmp_path: Path, text: str, *, head: str = HEAD) -> Fleet:
    file = tmp_path / "fleet.yml"
    file.write_text(head + text)
    return load_fleet(file)


def machine(*, secure_boot: bool = False) -> Machine:
    return Machine(moid="vm-1", name="a", path="/DC1/vm/a", secure_boot=secure_boot)


def test_each_kind_of_media_that_is_used_is_built_and_named(tmp_path: Path, loaders: Path) -> None:
    check = MediaCheck(fleet(tmp_path, BOTH), loader_dirs=[loaders])
    iso, disk = check.findings()
    assert (iso.name, iso.state, disk.name, disk.state) == ("boot ISO", "ok", "BDM disk", "ok")
    assert disk.message.startswith("vmboot-boot-")
    assert ".vmdk, 8.0 MiB, with ipxe_" in disk.message
    medium = check.medium_for(BootMethod.BDM, machine(secure_boot=True))
    assert medium is not None
    assert medium.file_name in disk.message


def test_media_that_nobody_uses_are_not_built(tmp_path: Path, loaders: Path) -> None:
    check = MediaCheck(fleet(tmp_path, DISKS), loader_dirs=[loaders])
    assert [finding.name for finding in check.findings()] == ["BDM disk"]
    assert check.medium_for(BootMethod.ISO, machine()) is None


def test_every_firmware_that_lacks_a_loader_is_told_with_its_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmboot.media.loaders.find_grub", lambda: None)
    monkeypatch.setattr("vmboot.media.loaders.find_loaders", lambda *, dirs: ())
    both = HEAD.replace("{uefi:", "{bios: ARDBP32.BIN, uefi:")
    found = check_fleet(fleet(tmp_path, DISKS, head=both), None, probe_servers=False)
    assert [(f.name, f.state) for f in found] == [("BDM disk", "fail"), ("BDM disk", "fail")]
    assert "no loader for BIOS boot disks: GRUB for BIOS" in found[0].message
    assert "no loader for UEFI boot disks: iPXE for UEFI" in found[1].message
    assert all("run: " in (f.hint or "") for f in found)


def test_a_chain_that_cannot_be_built_is_a_finding_of_its_own_with_ways_out(
    tmp_path: Path, loaders: Path
) -> None:
    text = f"media: {{secure_boot: {{chain: site-key}}}}\n{DISKS}"
    check = MediaCheck(fleet(tmp_path, text), loader_dirs=[loaders])
    plain, secure = check.findings()
    assert (plain.name, plain.state) == ("BDM disk", "ok")
    assert (secure.name, secure.state) == ("BDM disk for Secure Boot", "fail")
    assert "vmboot loaders sign" in (secure.hint or "")
    assert check.medium_for(BootMethod.BDM, machine()) is not None
    assert check.medium_for(BootMethod.BDM, machine(secure_boot=True)) is None


def test_an_image_of_the_site_s_own_is_taken_as_it_is(tmp_path: Path, loaders: Path) -> None:
    check = MediaCheck(fleet(tmp_path, DISKS), loader_dirs=[loaders])
    tuple(check.findings())
    built = check.medium_for(BootMethod.BDM, machine())
    assert built is not None
    (tmp_path / "site.img").write_bytes(built.data)
    text = f"media: {{bdm: {{image: site.img}}}}\n{DISKS}"
    with_image = MediaCheck(fleet(tmp_path, text), loader_dirs=[loaders])
    (found,) = with_image.findings()
    assert found.state == "ok"
    assert found.message.endswith(f"made of {tmp_path / 'site.img'}")
    medium = with_image.medium_for(BootMethod.BDM, machine())
    assert medium is not None
    assert medium.sha256 == built.sha256
    hint = with_image.secure_hint(medium, [machine(secure_boot=True)])
    assert hint == "name an image whose loader is signed, or turn Secure Boot off"


def test_an_image_with_another_server_list_is_warned_of(tmp_path: Path, loaders: Path) -> None:
    check = MediaCheck(fleet(tmp_path, DISKS), loader_dirs=[loaders])
    tuple(check.findings())
    built = check.medium_for(BootMethod.BDM, machine())
    assert built is not None
    (tmp_path / "site.img").write_bytes(built.data)
    text = f"media: {{bdm: {{image: site.img}}}}\n{DISKS}"
    other = HEAD.replace("10.0.0.12", "10.0.0.13")
    ok, warning = MediaCheck(fleet(tmp_path, text, head=other)).findings()
    assert (ok.state, warning.name, warning.state) == ("ok", "boot servers", "warn")
    assert warning.message.endswith(
        "site.img) carries the boot servers 10.0.0.11, 10.0.0.12, and boot_servers says 10.0.0.11, "
        "10.0.0.13: machines ask those on the image"
    )


def test_a_list_of_one_server_is_warned_of(tmp_path: Path, loaders: Path) -> None:
    one = HEAD.replace(", {name: pvs2, address: 10.0.0.12}", "")
    _, warning = MediaCheck(fleet(tmp_path, DISKS, head=one), loader_dirs=[loaders]).findings()
    assert (warning.name, warning.state) == ("boot servers", "warn")
    assert warning.message == "one boot server only: no failover when it is down"


def test_an_image_that_cannot_be_used_is_named_with_its_place(tmp_path: Path) -> None:
    text = f"media: {{bdm: {{image: nowhere.vhd}}}}\n{DISKS}"
    (found,) = MediaCheck(fleet(tmp_path, text)).findings()
    assert found.state == "fail"
    assert "fleet.yml:4:" in found.message
    assert "nowhere.vhd" in found.message
    assert "vmboot media inspect" in (found.hint or "")
