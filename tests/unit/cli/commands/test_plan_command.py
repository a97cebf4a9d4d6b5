import json
from pathlib import Path

import pytest

from tests.unit.cli import fleets
from tests.unit.cli.commands.seam import record
from tests.unit.cli.screens import err, out, terminal
from vmboot.cli.commands.plan import Options, run
from vmboot.cli.main import main
from vmboot.cli.options import Connection
from vmboot.fleet.plan import Plan

OPTIONS = Options(fleet=Path("fleet.yml"), connection=Connection())


@pytest.mark.parametrize(
    ("plan", "code"),
    [
        (fleets.plan(fleets.fine("a")), 0),
        (fleets.plan(fleets.changing("a")), 6),
        (fleets.plan(fleets.waiting("a")), 6),
        (fleets.plan(fleets.fine("a"), present=False), 6),
        (fleets.plan(fleets.fine("a"), unfinished=("r1",)), 6),
        (fleets.plan(fleets.refused("a")), 1),
        (fleets.plan(fleets.refused("a"), fleets.changing("b")), 6),
    ],
)
def test_the_exit_code_says_whether_something_would_change(monkeypatch, plan, code):
    record(monkeypatch, plan=plan)
    assert run(OPTIONS, terminal()) == code


def test_groups_have_the_names_of_the_fleet_document(monkeypatch):
    record(monkeypatch, plan=fleets.plan(fleets.changing("a")))
    screen = terminal()
    run(OPTIONS, screen)
    assert "/DC1/vm/PVS/*   iso" in out(screen)


def test_json_is_the_plan_itself(monkeypatch):
    plan = fleets.plan(fleets.changing("a"), fleets.refused("b"))
    record(monkeypatch, plan=plan)
    screen = terminal(json=True)
    run(OPTIONS, screen)
    assert Plan.from_json(json.loads(out(screen))) == plan


def test_out_writes_the_plan_beside_showing_it(monkeypatch, tmp_path):
    plan = fleets.plan(fleets.changing("a"))
    record(monkeypatch, plan=plan)
    screen = terminal()
    file = tmp_path / "plan.json"
    run(Options(Path("fleet.yml"), Connection(), out=file), screen)
    assert Plan.from_json(json.loads(file.read_text())) == plan
    assert f"plan written to {file}" in err(screen)
    assert "Plan for fleet.yml" in out(screen)


def test_flags_reach_the_planner_and_the_login(monkeypatch, capsys):
    seam = record(monkeypatch, plan=fleets.plan(fleets.fine("a")))
    words = "plan f.yml --limit a --limit b --power off --loader-dir /l --host vc --user u"
    words += " --thumbprint AA --ca-file ca.pem --insecure"
    assert main(words.split()) == 0
    planned, connected = seam.called("plan"), seam.called("connect")
    assert (planned["limit"], planned["power"]) == (("a", "b"), "off")
    assert planned["loader_dirs"] == (Path("/l"),)
    assert {name: connected[name] for name in ("host", "user", "thumbprint", "ca_file")} == {
        "host": "vc",
        "user": "u",
        "thumbprint": "AA",
        "ca_file": "ca.pem",
    }
    assert connected["insecure"] is True


def test_without_insecure_the_environment_decides(monkeypatch, capsys):
    seam = record(monkeypatch, plan=fleets.plan(fleets.fine("a")))
    main(["plan", "f.yml"])
    assert seam.called("connect")["insecure"] is None


def test_without_a_terminal_no_password_is_asked_for(monkeypatch, capsys):
    seam = record(monkeypatch, plan=fleets.plan(fleets.fine("a")))
    main(["plan", "f.yml"])
    assert seam.called("connect")["password_from"] is None
