import json
from pathlib import Path

import pytest

from tests.unit.cli.commands.test_media_iso import GOOD as ISO_GOOD
from tests.unit.cli.screens import out as shown
from tests.unit.cli.screens import terminal
from tests.unit.media.grubs import disk_loaders
from vmboot.cli.commands.media_bdm import Options, parse, parse_size, run
from vmboot.cli.exits import Exit
from vmboot.errors import InputError, RefusedError
from vmboot.media import loaders as loaders_module
from vmboot.media.bdm import build_bdm
from vmboot.media.diskimage import open_disk
from vmboot.media.vmdk import content_id
from vmboot.model import BootConfig, BootServer, Bootstrap, Firmware

NONE = {"pxe_on_disk": False, "layout": None, "format_": None, "size": None}
GOOD = {**ISO_GOOD, **NONE}
CONFIG = BootConfig(
    (BootServer("10.0.0.11"), BootServer("10.0.0.12", "pvs2")),
    {Firmware.BIOS: Bootstrap("ARDBP32.BIN")},
)


def test_flags_become_what_is_built():
    options = parse({**GOOD, "layout": "mbr", "size": "16M", "out": Path("x.img")})
    assert (options.layout, options.size, options.format) == ("mbr", 16 << 20, "raw")
    assert options.source == CONFIG


def test_pxe_on_disk_asks_for_work_and_needs_no_bootstrap():
    source = parse({**GOOD, "pxe_on_disk": True, "bootstraps": ()}).source
    assert isinstance(source, BootConfig)
    assert (source.work, source.bootstrap) == (True, {})
    with pytest.raises(InputError, match="no bootstrap given"):
        parse({**GOOD, "bootstraps": ()})


def test_pxe_on_disk_is_said_in_the_fleet_document():
    values = {**GOOD, "servers": (), "bootstraps": (), "fleet": Path("f.yml"), "pxe_on_disk": True}
    with pytest.raises(InputError, match="--pxe-on-disk and --fleet exclude each other"):
        parse(values)


@pytest.mark.parametrize(
    ("out", "given", "chosen"),
    [
        (None, None, "vmdk-stream"),
        ("x.vmdk", None, "vmdk-stream"),
        ("x.VMDK", None, "vmdk-stream"),
        ("x.img", None, "raw"),
        ("x", None, "raw"),
        (None, "raw", "raw"),
        ("x.vmdk", "vmdk-flat", "vmdk-flat"),
    ],
)
def test_the_format_goes_by_the_file_s_name(out, given, chosen):
    values = {**GOOD, "out": Path(out) if out else None, "format_": given}
    assert parse(values).format == chosen


def test_a_raw_disk_is_not_called_a_vmdk():
    with pytest.raises(InputError, match="a raw disk is no VMDK"):
        parse({**GOOD, "out": Path("x.vmdk"), "format_": "raw"})


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        (
            "a/x.vhd",
            "write a/x.img, then qemu-img convert -f raw -O vpc -o subformat=fixed,force_size a/",
        ),
        ("x.VHDX", "write x.img, then qemu-img convert -f raw -O vhdx x.img x.VHDX"),
        ("x.iso", "vmboot media iso"),
    ],
)
def test_a_name_that_promises_another_format_is_refused(name, hint):
    with pytest.raises(InputError, match="raw, vmdk-stream or vmdk-flat only") as caught:
        parse({**GOOD, "out": Path(name)})
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("form", ["vmdk-stream", "vmdk-flat"])
@pytest.mark.parametrize("name", ["x.img", "x"])
def test_a_vmdk_is_called_one(form, name):
    with pytest.raises(InputError, match="tell a VMDK by its name"):
        parse({**GOOD, "out": Path(name), "format_": form})


@pytest.mark.parametrize(("text", "size"), [(None, None), ("auto", None), ("8M", 8 << 20)])
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["8", "8G", "-8M", "8.5M", "M", "٨M", "1M", "257M", "100G", "999999M"]
)
def test_a_size_that_is_none(text):
    with pytest.raises(InputError, match="not a size from 2M to 256M"):
        parse_size(text)


@pytest.fixture
def build(monkeypatch, tmp_path):
    """Runs the command in an empty folder with made-up loaders; gives its JSON."""
    monkeypatch.setattr(loaders_module, "select_loaders", lambda *_, **__: disk_loaders())
    monkeypatch.chdir(tmp_path)

    def run_it(**options):
        screen = terminal(json=True)
        assert run(Options(CONFIG, **options), screen) is Exit.OK
        return json.loads(screen.stdout.getvalue())

    return run_it


DISK = build_bdm(CONFIG, disk_loaders())


def test_a_raw_disk_is_written(build):
    document = build(format="raw", out=Path("x.img"))
    assert Path("x.img").read_bytes() == DISK.data
    assert (document["sha256"], document["size"]) == (DISK.sha256, len(DISK.data))
    assert (document["layout"], document["files"]) == ("mbr", ["x.img"])
    assert document["starts"] == ["bios"]
    assert document["manifest"] == DISK.manifest


def test_without_a_name_the_file_has_that_of_its_content(build):
    assert build(format="vmdk-stream")["file"] == DISK.file_name
    assert Path(DISK.file_name).read_bytes().startswith(b"KDMV")


def test_a_flat_vmdk_is_two_files(build):
    document = build(format="vmdk-flat", out=Path("x.vmdk"))
    assert document["files"] == ["x.vmdk", "x-flat.vmdk"]
    assert Path("x-flat.vmdk").read_bytes() == DISK.data
    assert 'FLAT "x-flat.vmdk" 0' in Path("x.vmdk").read_text()


def test_a_flat_vmdk_says_of_its_content_what_it_says_in_any_other_way(build):
    build(format="vmdk-flat", out=Path("größe, x [1].VMDK"))
    text = Path("größe, x [1].VMDK").read_text(encoding="utf-8")
    assert f"CID={content_id(DISK.data):08x}" in text
    assert 'FLAT "größe, x [1]-flat.vmdk" 0' in text
    with open_disk("größe, x [1].VMDK") as disk:
        assert disk.sha256() == DISK.sha256


def test_a_name_that_a_vmdk_cannot_hold_writes_nothing(build):
    with pytest.raises(InputError, match="in a file named") as caught:
        build(format="vmdk-flat", out=Path('x"y.vmdk'))
    assert "quotation marks" in (caught.value.hint or "")
    assert list(Path().iterdir()) == []


def test_it_never_replaces_another_file(build):
    Path("x.img").write_text("precious")
    with pytest.raises(RefusedError, match="with other content"):
        build(format="raw", out=Path("x.img"))
    assert Path("x.img").read_text() == "precious"


def test_what_was_built_is_shown_within_80_columns(build):
    screen = terminal()
    run(Options(CONFIG, format="vmdk-flat", out=Path("y.vmdk")), screen)
    text = shown(screen)
    assert "y-flat.vmdk" in text
    assert "MBR, starts BIOS machines" in text
    assert DISK.sha256 in text
    assert max(map(len, text.splitlines())) <= 80
