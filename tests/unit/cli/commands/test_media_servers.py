import json

import pytest

from tests.unit.cli.screens import err, out, terminal
from tests.unit.media.pvs_samples import ANSWERS, answers, csv_text, server
from vmboot.cli.commands.media_servers import Options, run
from vmboot.cli.main import main
from vmboot.fleet.spec import parse_fleet


@pytest.fixture
def export(tmp_path):
    file = tmp_path / "servers.csv"
    rows = server("PVS1", "10.0.0.11"), server("on", "10.0.0.12", port="6920")
    file.write_text(csv_text(rows))
    return file


def test_the_block_can_be_pasted_into_a_fleet_document(export):
    screen = terminal()
    assert run(Options(export), screen) == 0
    rest = "version: 1\nbootstrap: {bios: x}\ntargets: [{vms: a, method: iso}]\n"
    fleet = parse_fleet((out(screen) + rest).encode())
    found = [(each.name, each.address) for each in fleet.boot_servers]
    assert found == [("PVS1", "10.0.0.11"), ("on", "10.0.0.12")]
    assert "note: the login port is 6920, not 6910" in err(screen)


def test_json_has_all_that_was_found(tmp_path):
    file = tmp_path / "ConfigWizard.ans"
    file.write_bytes(answers())
    screen = terminal(json=True)
    run(Options(file), screen)
    found = json.loads(out(screen))
    assert found["source"] == "answers"
    assert found["servers"][1]["login_port"] == 6911


def test_a_wrong_file_is_an_error_of_its_place(tmp_path, capsys):
    file = tmp_path / "ConfigWizard.ans"
    file.write_text(ANSWERS)
    assert main(["media", "servers", str(file)]) == 2
    text = capsys.readouterr().err
    assert f"{file}: an answer file is UTF-16" in text
    assert "hint: " in text


def test_the_kind_of_the_file_can_be_said(export, capsys):
    assert main(["media", "servers", str(export), "--from", "answers"]) == 2
    assert main(["media", "servers", str(export), "--from", "csv", "--bios"]) == 0
    assert "boot_servers:" in capsys.readouterr().out
