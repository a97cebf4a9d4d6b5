import json

import pytest

from tests.unit.cli.screens import err, out, terminal
from tests.unit.media import sitemedia
from tests.unit.media.pvs_samples import bios_program
from tests.unit.media.synthetic import pe
from vmboot.cli.commands.media_import import Options, run
from vmboot.cli.main import main
from vmboot.errors import InputError, NotFoundError, RefusedError
from vmboot.fleet.spec import parse_fleet
from vmboot.media.inspect import inspect


@pytest.fixture
def disk(tmp_path):
    file = tmp_path / "site.img"
    file.write_bytes(sitemedia.gpt_disk())
    return file


def test_without_a_folder_it_only_looks(disk, tmp_path):
    screen = terminal(width=160)
    assert run(Options(disk), screen) == 0
    text = out(screen)
    assert "a boot disk" in text
    assert "PVS UEFI boot disk loader, by its name, not signed" in text
    assert "--rename-bootx64" in text
    assert "nothing is written" in err(screen)
    assert sorted(tmp_path.iterdir()) == [disk]


def test_what_is_written_is_what_is_shown(disk, tmp_path):
    folder = tmp_path / "media"
    folder.mkdir()
    screen = terminal(json=True)
    options = Options(
        disk, rename_bootx64=True, replace=("10.0.0.11=10.9.0.11",), name="site", out=folder
    )
    assert run(options, screen) == 0
    found = json.loads(out(screen))
    (file,) = folder.iterdir()
    assert found["files"] == [str(file)]
    assert file.name == f"vmboot-site-{found['sha256'][:12]}.vmdk"
    assert inspect(file).sha256 == found["sha256"]
    assert found["inspection"]["boots"]["uefi"]
    assert found["fleet"] == {"media": {"bdm": {"name": "site", "image": str(file)}}}
    assert "-server1=10.0.0.11" in found["diff"].splitlines()


def test_the_diff_and_the_lines_for_the_document_can_be_copied(disk, tmp_path):
    screen = terminal(width=160)
    run(Options(disk, replace=("10.0.0.11=10.9.0.11",), out=tmp_path), screen)
    lines = out(screen).splitlines()
    assert "+server1=10.9.0.11" in lines
    (image,) = tmp_path.glob("*.vmdk")
    at = lines.index("for fleet.yml:")
    assert lines[at + 1 :] == ["media:", "  bdm:", "    name: pvs", f"    image: {image}"]


def test_a_flat_disk_is_named_by_its_descriptor(disk, tmp_path):
    screen = terminal(json=True)
    run(Options(disk, format="vmdk-flat", out=tmp_path), screen)
    found = json.loads(out(screen))
    assert [name.endswith("-flat.vmdk") for name in found["files"]] == [False, True]
    assert inspect(found["files"][0]).sha256 == found["sha256"]


def test_an_iso_has_no_other_format(tmp_path):
    (tmp_path / "x.iso").write_bytes(sitemedia.iso())
    with pytest.raises(InputError, match="--format is for disks"):
        run(Options(tmp_path / "x.iso", format="raw"), terminal())


def test_the_folder_must_be_there(disk, tmp_path):
    with pytest.raises(NotFoundError, match="gone does not exist") as caught:
        run(Options(disk, out=tmp_path / "gone"), terminal())
    assert (caught.value.hint or "").startswith("make it: mkdir ")


def test_the_flags_reach_the_import(disk, capsys):
    assert main(["media", "import", str(disk), "--replace", "server=host"]) == 1
    assert "2 times" in capsys.readouterr().err
    assert main(["media", "import", str(disk), "--replace", "server=host", "--all"]) == 0
    assert "+host1=10.0.0.11" in capsys.readouterr().out.splitlines()


@pytest.fixture
def bootstrap(tmp_path):
    file = tmp_path / "ARDBP32.BIN"
    file.write_bytes(bios_program("7.15.0.1"))
    return file


def test_a_bootstrap_by_itself_is_identified_and_can_be_named_in_a_document(bootstrap):
    screen = terminal(width=160)
    assert run(Options(bootstrap), screen) == 0
    text = out(screen)
    assert "PVS BIOS bootstrap v7.15.0.1" in text
    head = "version: 1\nboot_servers: [a]\ntargets: [{vms: a, method: iso}]\n"
    fleet = parse_fleet((head + text.partition("for fleet.yml:\n")[2]).encode())
    assert fleet.bootstrap.bios.file == "ARDBP32.BIN"
    assert fleet.bootstrap.bios.sha256 in text


def test_a_uefi_program_by_itself_is_identified(tmp_path):
    (tmp_path / "pvsnbpx64.efi").write_bytes(pe(b"x"))
    screen = terminal(json=True)
    run(Options(tmp_path / "pvsnbpx64.efi"), screen)
    found = json.loads(out(screen))
    assert (found["kind"], found["program"]["arch"]) == ("program", "x86_64")
    assert found["fleet"]["bootstrap"]["uefi"]["file"] == "pvsnbpx64.efi"


@pytest.mark.parametrize("wish", [{"rename_bootx64": True}, {"replace": ("a=b",)}])
def test_a_program_by_itself_is_never_changed(bootstrap, wish):
    before = bootstrap.read_bytes()
    with pytest.raises(RefusedError, match="is not changed: it is a boot program"):
        run(Options(bootstrap, **wish), terminal())
    assert bootstrap.read_bytes() == before


def test_a_program_by_itself_is_not_written_to_a_folder(bootstrap, tmp_path):
    with pytest.raises(InputError, match="no media"):
        run(Options(bootstrap, out=tmp_path), terminal())
