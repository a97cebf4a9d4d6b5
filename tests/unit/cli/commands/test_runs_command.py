import json

from tests.unit.cli.commands.seam import record
from tests.unit.cli.screens import out, terminal
from vmboot.cli.commands.runs import Options, run
from vmboot.fleet.runs import RunSummary

FACTS = {"started": "2026-11-21T22:04:05.123+00:00", "user": "u", "host": "h", "vcenter": "vc"}
RUNS = (
    RunSummary("r3", "apply", fleet="/f.yml", machines=4, finished=False, **FACTS),
    RunSummary("r2", "undo", fleet="/f.yml", machines=2, counts={"failed": 1}, **FACTS),
    RunSummary("r1", "apply", fleet="/f.yml", machines=2, undone_by="r2", **FACTS),
    RunSummary("r0", "apply", fleet="/f.yml", rollout="ro-1", wave="canary", **FACTS),
)


def test_each_run_is_a_line(monkeypatch):
    record(monkeypatch, runs=RUNS)
    screen = terminal(width=160)
    assert run(Options(), screen) == 0
    lines = out(screen).splitlines()[2:]
    assert "2026-11-21 22:04" in lines[0]
    assert "unfinished: apply again to repair it" in lines[0]
    assert "1 failed" in lines[1]
    assert "undone by r2" in lines[2]
    assert "apply, canary of ro-1" in lines[3]


def test_no_run_is_no_error(monkeypatch):
    record(monkeypatch, runs=())
    screen = terminal()
    assert run(Options(), screen) == 0
    assert out(screen) == "No run is recorded on this machine.\n"


def test_json_lists_them(monkeypatch):
    record(monkeypatch, runs=RUNS)
    screen = terminal(json=True)
    run(Options(), screen)
    assert json.loads(out(screen)) == {"runs": [each.to_json() for each in RUNS]}
