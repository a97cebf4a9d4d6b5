"""The boot ISO: the same bytes every time, and what an independent tool reads of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from ipaddress import IPv4Address
from pathlib import Path

import pycdlib
import pytest

from tests.unit.media.synthetic import PROGRAMS, config, lkrn, loader_set
from vmboot.errors import InputError, MissingToolError
from vmboot.media.fat import read_fat
from vmboot.media.iso import build_iso, needs
from vmboot.media.script import render
from vmboot.model import Bootstrap, Firmware, Network, NetworkMode

BIOS_ONLY = {Firmware.BIOS: Bootstrap("ARDBP32.BIN")}
UEFI_ONLY = {Firmware.UEFI: Bootstrap("pvsnbpx64.efi")}
ROOT = Path(__file__).parents[3]


def extract(data: bytes, folder: Path) -> dict[str, bytes]:
    """Every file, by pycdlib's own reader."""
    path = folder / "read.iso"
    path.write_bytes(data)
    iso = pycdlib.PyCdlib()
    iso.open(str(path))
    found = {}
    for child in iso.list_children(rr_path="/"):
        if child.is_file():
            name = child.rock_ridge.name().decode()
            iso.get_file_from_iso(str(folder / "out"), rr_path=f"/{name}")
            found[name] = (folder / "out").read_bytes()
    iso.close()
    return found


def test_everything_is_on_it(tmp_path: Path) -> None:
    files = extract(build_iso(config(), loader_set()).data, tmp_path)
    script = render(config()).encode()
    assert files["script.ipx"] == script
    assert files["ipxe.lkrn"] == PROGRAMS["ipxe_lkrn"]
    assert files["ldlinux.c32"] == PROGRAMS["ldlinux_c32"]
    assert files["isolinux.bin"][64:] == PROGRAMS["isolinux_bin"][64:]
    assert read_fat(files["efi.img"]) == {
        "EFI/BOOT/BOOTX64.EFI": PROGRAMS["ipxe_efi"],
        "EFI/BOOT/autoexec.ipxe": script,
    }


def test_the_manifest_on_it_is_the_one_returned(tmp_path: Path) -> None:
    iso = build_iso(config(), loader_set())
    assert json.loads(extract(iso.data, tmp_path)["vmboot.json"]) == iso.manifest
    assert iso.manifest["servers"][0] == {"address": "10.0.0.11", "name": "pvs1"}
    assert iso.manifest["loaders"]["ipxe_efi"]["version"] == "1.21.1+git20250501"


def test_the_manifest_keeps_secrets_and_this_machines_paths_out() -> None:
    iso = build_iso(config(snippet="set password hunter2"), loader_set())
    assert "hunter2" not in json.dumps(iso.manifest)
    assert "/made/up" not in json.dumps(iso.manifest)


def test_the_file_name_carries_the_digest() -> None:
    iso = build_iso(config(), loader_set(), name="site-1")
    assert iso.file_name == f"vmboot-site-1-{iso.sha256[:12]}.iso"


@pytest.mark.parametrize(
    ("bootstrap", "digest"),
    [
        (None, "230a27f0d1d50e00393fd5d3eacb9e0027d4b3e93d87e2cd67ca0be3d7c346fb"),
        (UEFI_ONLY, "6b2a972b416de7ecaae6afe10c3a54218c03857e7493e787b102b906095c09d2"),
    ],
)
def test_isos_are_the_same_bytes_as_in_the_releases_before_the_chains(
    bootstrap: dict[Firmware, Bootstrap] | None, digest: str
) -> None:
    wanted = config(bootstrap=bootstrap) if bootstrap else config()
    assert build_iso(wanted, loader_set()).sha256 == digest


def test_another_server_list_gives_another_name() -> None:
    first = build_iso(config(), loader_set())
    second = build_iso(config(servers=config().servers[::-1]), loader_set())
    assert first.file_name != second.file_name


def test_the_clock_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    first = build_iso(config(), loader_set()).sha256
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 123_456_789)
    assert build_iso(config(), loader_set()).sha256 == first


def test_time_zone_and_hash_seed_do_not_matter() -> None:
    program = (
        "from tests.unit.media.synthetic import config, loader_set;"
        "from vmboot.media.iso import build_iso;"
        "print(build_iso(config(), loader_set()).sha256)"
    )
    found = {build_iso(config(), loader_set()).sha256}
    for zone, seed in (("Asia/Kathmandu", "1"), ("America/St_Johns", "2")):
        environment = {**os.environ, "TZ": zone, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", program]
        done = subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True
        )
        found.add(done.stdout.strip())
    assert len(found) == 1


def test_no_date_but_the_fixed_one_is_on_it() -> None:
    iso = build_iso(config(), loader_set())
    years = {int(year) for year in re.findall(rb"(20\d\d)[01]\d[0-3]\d\d{8,10}", iso.data)}
    assert years == {2020}
    assert bytes((time.gmtime().tm_year - 1900, time.gmtime().tm_mon)) not in iso.data[:100_000]


def test_it_is_built_in_less_than_a_second_of_cpu() -> None:
    build_iso(config(), loader_set())
    before = time.process_time()
    build_iso(config(), loader_set())
    assert time.process_time() - before < 1


def test_media_for_one_firmware_need_its_loaders_only() -> None:
    bios = build_iso(config(bootstrap=BIOS_ONLY), loader_set(ipxe_efi=b""))
    uefi = build_iso(
        config(bootstrap=UEFI_ONLY), loader_set(isolinux_bin=b"", ldlinux_c32=b"", ipxe_lkrn=b"")
    )
    assert PROGRAMS["ipxe_lkrn"] in bios.data
    assert PROGRAMS["ipxe_efi"] in uefi.data


@pytest.mark.parametrize("part", PROGRAMS)
def test_a_missing_loader_is_named(part: str) -> None:
    with pytest.raises(MissingToolError, match=part):
        build_iso(config(), loader_set(**{part: b""}))


def test_a_vlan_with_a_loader_that_knows_none_is_refused() -> None:
    wanted = config(network=Network(vlan=7))
    assert needs(wanted) == {"vlan"}
    assert needs(config()) == set()
    with pytest.raises(MissingToolError, match="VLAN 7"):
        build_iso(wanted, loader_set(ipxe_lkrn=lkrn(abilities=())))
    build_iso(wanted, loader_set())


@pytest.mark.parametrize("name", ["", "Boot", "a b", "../x", "x" * 41, "-a", "ä"])
def test_a_name_that_is_no_file_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="not a name"):
        build_iso(config(), loader_set(), name=name)


def test_a_bad_config_is_refused_before_anything_is_built() -> None:
    static = Network(NetworkMode.STATIC, IPv4Address("10.0.0.5"))
    with pytest.raises(InputError, match="netmask"):
        build_iso(config(network=static), loader_set())


def test_xorriso_reads_both_boot_entries(tmp_path: Path) -> None:
    if not shutil.which("xorriso"):
        pytest.skip("xorriso is not installed: apt-get install xorriso")
    path = tmp_path / "boot.iso"
    path.write_bytes(build_iso(config(), loader_set()).data)
    command = ["xorriso", "-indev", str(path), "-report_el_torito", "plain"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    report = re.sub(r" +", " ", done.stdout)
    assert "El Torito boot img : 1 BIOS y none" in report
    assert "El Torito boot img : 2 UEFI y none" in report
    assert "El Torito img path : 1 /isolinux.bin" in report
    assert "El Torito img opts : 1 boot-info-table" in report
    assert "El Torito img path : 2 /efi.img" in report
