import json
from pathlib import Path

import pytest

from tests.unit.cli.screens import err, out, terminal
from tests.unit.media.synthetic import ipxe_efi, isolinux, ldlinux, lkrn
from vmboot.cli.commands import media_inspect, media_iso
from vmboot.cli.main import main
from vmboot.model import BootConfig, BootServer, Bootstrap, Firmware

CONFIG = BootConfig(
    servers=tuple(BootServer(f"10.0.0.{n}", f"pvs{n}") for n in (11, 12)),
    bootstrap={Firmware.BIOS: Bootstrap("ARDBP32.BIN"), Firmware.UEFI: Bootstrap("pvsnbpx64.efi")},
)


@pytest.fixture
def loaders(tmp_path):
    folder = tmp_path / "loaders"
    folder.mkdir()
    programs = {
        "isolinux.bin": isolinux(),
        "ldlinux.c32": ldlinux(),
        "ipxe.lkrn": lkrn(),
        "ipxe.efi": ipxe_efi(),
    }
    for name, data in programs.items():
        (folder / name).write_bytes(data)
    return folder


def build(loaders, file, source=CONFIG, **flags):
    screen = terminal(**flags)
    options = media_iso.Options(source=source, out=file, loader_dirs=(loaders,))
    assert media_iso.run(options, screen) == 0
    return screen


def test_what_was_built_is_what_an_inspection_finds(loaders, tmp_path):
    file = tmp_path / "boot.iso"
    built = json.loads(out(build(loaders, file, json=True)))
    screen = terminal(json=True)
    media_inspect.run(media_inspect.Options(file), screen)
    found = json.loads(out(screen))
    assert (found["sha256"], found["size"]) == (built["sha256"], built["size"])
    assert found["manifest"] == built["manifest"]
    assert [each["address"] for each in found["servers"]] == ["10.0.0.11", "10.0.0.12"]


def test_the_same_flags_give_the_same_bytes(loaders, tmp_path):
    for name in ("a.iso", "b.iso"):
        build(loaders, tmp_path / name)
    assert (tmp_path / "a.iso").read_bytes() == (tmp_path / "b.iso").read_bytes()


def test_the_manifest_is_shown(loaders, tmp_path):
    text = out(build(loaders, tmp_path / "boot.iso"))
    assert "    1   10.0.0.11     pvs11" in text
    assert "uefi       pvsnbpx64.efi   tftp" in text
    assert "a dead server costs   3 s" in text


def test_without_a_name_the_file_carries_its_hash(loaders, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    built = json.loads(out(build(loaders, None, json=True)))
    assert built["file"] == f"vmboot-boot-{built['sha256'][:12]}.iso"
    assert Path(built["file"]).stat().st_size == built["size"]


def test_a_fleet_document_says_it_all(loaders, tmp_path):
    fleet = tmp_path / "fleet.yml"
    fleet.write_text(
        "version: 1\n"
        "boot_servers: [10.0.0.11]\n"
        "bootstrap: {bios: ARDBP32.BIN}\n"
        "media: {iso: {name: site}}\n"
        "targets: [{vms: '/DC1/vm/*', method: iso}]\n"
    )
    built = json.loads(out(build(loaders, tmp_path / "boot.iso", fleet, json=True)))
    assert list(built["manifest"]["bootstrap"]) == ["bios"]


def test_what_the_site_may_not_take_is_a_warning(loaders, tmp_path):
    five = BootConfig(
        servers=tuple(BootServer(f"10.0.0.{n}") for n in range(1, 6)),
        bootstrap={Firmware.BIOS: Bootstrap("ARDBP32.BIN")},
    )
    assert err(build(loaders, tmp_path / "boot.iso", five)).startswith("warning: ")


def test_a_strangers_image_is_shown_for_what_it_is(tmp_path, capsys):
    import pycdlib

    iso = pycdlib.PyCdlib()
    iso.new()
    iso.write(str(tmp_path / "x.iso"))
    iso.close()
    assert main(["media", "inspect", str(tmp_path / "x.iso")]) == 0
    text = capsys.readouterr().out
    assert "somebody else" in text
    assert "No El Torito boot catalog" in text


def test_what_is_no_image_is_an_error(tmp_path, capsys):
    (tmp_path / "x.iso").write_bytes(b"no" * 40000)
    assert main(["media", "inspect", str(tmp_path / "x.iso")]) == 1
    assert "not an ISO 9660 image" in capsys.readouterr().err
