import json

from tests.unit.cli.commands.seam import record
from tests.unit.cli.screens import out, terminal
from vmboot.cli.commands.runs import Options, run
from vmboot.fleet.runs import RunSummary

FACTS = {"started": "2026-11-21T22:04:05.123+00:00", "user": "u", "host": "h", "vcenter": "vc"}
ROLLOUT = "rollout-20261121-233135-60b7"
RUNS = (
    RunSummary("r3", "apply", fleet="/f.yml", machines=4, finished=False, **FACTS),
    RunSummary("r2", "undo", fleet="/f.yml", machines=2, counts={"failed": 1}, **FACTS),
    RunSummary("r1", "apply", fleet="/f.yml", machines=2, undone_by="r2", **FACTS),
    RunSummary(
        "20261121-2332-b7c7",
        "apply",
        fleet="/f.yml",
        machines=30,
        rollout=ROLLOUT,
        wave="wave 1",
        undone_by="rollout-20261121-235000-aaaa",
        **FACTS,
    ),
    RunSummary(
        "20261121-2331-a0a0",
        "apply",
        fleet="/f.yml",
        machines=2,
        rollout=ROLLOUT,
        wave="canary",
        **FACTS,
    ),
)
SCREEN = """\
/f.yml on vc
run                            begun (UTC)        what
────────────────────────────────────────────────────────────────────────────────
r3                             2026-11-21 22:04   apply, 4 machines: unfinished:
                                                  apply again to repair it
r2                             2026-11-21 22:04   undo, 2 machines: 1 failed
r1                             2026-11-21 22:04   apply, 2 machines: undone by
                                                  r2
rollout-20261121-233135-60b7   2026-11-21 22:04   rollout, 32 machines: 2 waves
  20261121-2332-b7c7           2026-11-21 22:04   apply wave 1, 30 machines:
                                                  undone by
                                                  rollout-20261121-235000-aaaa
  20261121-2331-a0a0           2026-11-21 22:04   apply canary, 2 machines: ok
"""


def test_a_run_that_left_nothing_to_undo_is_not_undone_by_itself(monkeypatch):
    empty = RunSummary("r9", "apply", fleet="/f.yml", undone_by="r9", **FACTS)
    record(monkeypatch, runs=(empty,))
    screen = terminal(width=120)
    assert run(Options(), screen) == 0
    assert "apply, 0 machines: nothing was left to undo" in out(screen)


def test_at_80_columns_no_id_and_no_date_is_broken_and_waves_stand_under_their_rollout(monkeypatch):
    record(monkeypatch, runs=RUNS)
    screen = terminal(width=80)
    assert run(Options(), screen) == 0
    assert out(screen) == SCREEN


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
