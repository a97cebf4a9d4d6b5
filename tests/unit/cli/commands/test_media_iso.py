from types import SimpleNamespace

import pytest

from tests.unit.cli.commands.seam import record
from tests.unit.cli.screens import err, terminal
from vmboot.cli.commands.media_iso import command, parse, run
from vmboot.errors import InputError
from vmboot.media.chain import Chain
from vmboot.model import BootServer, Bootstrap, Firmware, Network

NONE = {
    "fleet": None,
    "servers": (),
    "bootstraps": (),
    "protocol": "tftp",
    "static": None,
    "vlan": None,
    "snippet": None,
    "random_start": False,
    "server_timeout": None,
    "retry_pause": None,
    "name": None,
    "chain": "ipxe",
    "out": None,
    "loader_dirs": (),
}
GOOD = {**NONE, "servers": ("10.0.0.11", "pvs2=10.0.0.12"), "bootstraps": ("bios=ARDBP32.BIN",)}


def test_flags_become_the_config_that_goes_on_the_media():
    config = parse({**GOOD, "vlan": 42, "random_start": True, "retry_pause": 9.0}).source
    assert config.servers == (BootServer("10.0.0.11"), BootServer("10.0.0.12", "pvs2"))
    assert config.bootstrap == {Firmware.BIOS: Bootstrap("ARDBP32.BIN")}
    assert config.network == Network(vlan=42)
    assert (config.server_timeout, config.retry_pause, config.random_start) == (3.0, 9.0, True)


def test_the_snippet_is_read(tmp_path):
    file = tmp_path / "own.ipxe"
    file.write_text("echo hello\n")
    assert parse({**GOOD, "snippet": file}).source.snippet == "echo hello\n"


def test_a_fleet_document_replaces_all_other_flags(tmp_path):
    options = parse({**NONE, "fleet": tmp_path / "fleet.yml"})
    assert options.source == tmp_path / "fleet.yml"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"servers": ()}, "no boot server given"),
        ({"bootstraps": ()}, "no bootstrap given"),
        ({"fleet": "f.yml"}, "--server and --fleet exclude each other"),
        ({"fleet": "f.yml", "servers": (), "bootstraps": (), "vlan": 3}, "--vlan and --fleet"),
        ({"snippet": "/nowhere/x"}, "--snippet /nowhere/x"),
    ],
)
def test_flags_that_cannot_be_meant_are_refused(changed, words):
    from pathlib import Path

    values = {**GOOD, **changed}
    values["snippet"] = Path(values["snippet"]) if values["snippet"] else None
    with pytest.raises(InputError, match=words):
        parse(values)


def test_a_chain_for_secure_boot_is_handed_on_and_its_limits_are_said(tmp_path, monkeypatch):
    made = SimpleNamespace(data=b"iso", sha256="ab", file_name="boot.iso", manifest={})
    seen = record(monkeypatch, build_iso=made)
    screen = terminal(json=True)
    options = parse({**GOOD, "chain": "shim-grub", "out": tmp_path / "boot.iso"})
    assert run(options, screen) == 0
    assert seen.called("build_iso")["chain"] == "shim-grub"
    assert "shim-grub: downloads by TFTP only" in err(screen)


def test_there_are_exactly_the_chains_that_media_know():
    (option,) = (each for each in command.params if each.name == "chain")
    assert list(option.type.choices) == [chain.value for chain in Chain]
