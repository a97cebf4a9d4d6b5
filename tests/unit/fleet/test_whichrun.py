"""A name on the command line means the runs that a person has in mind."""

import pytest

from tests.unit.cli.fleets import summary
from vmboot.errors import NotFoundError
from vmboot.fleet.whichrun import find_runs

WAVES = (
    summary("4", rollout="rollout-1", wave="wave 1"),
    summary("3", rollout="rollout-1", wave="canary"),
    summary("2"),
)


def ids(name, runs):
    found = find_runs(name, runs)
    return found.id, [run.id for run in found.runs]


@pytest.mark.parametrize(
    ("name", "runs", "meant"),
    [
        ("2", WAVES, ("2", ["2"])),
        ("3", WAVES, ("3", ["3"])),
        ("rollout-1", WAVES, ("rollout-1", ["4", "3"])),
        ("last", WAVES, ("rollout-1", ["4", "3"])),
        ("last", WAVES[2:], ("2", ["2"])),
        ("last", (summary("5", "undo"), summary("4", undone_by="5"), *WAVES[2:]), ("2", ["2"])),
        ("last", (summary("4", machines=0), *WAVES[2:]), ("2", ["2"])),
    ],
)
def test_a_name_means_a_run_a_rollout_or_the_newest_that_is_left(name, runs, meant):
    assert ids(name, runs) == meant


@pytest.mark.parametrize(("name", "runs"), [("nosuch", WAVES), ("last", ()), ("", WAVES)])
def test_without_such_a_run_nothing_is_found(name, runs):
    with pytest.raises(NotFoundError) as caught:
        find_runs(name, runs)
    assert "vmboot runs" in str(caught.value.hint)


def test_a_rollout_is_undone_only_when_all_its_waves_are():
    undone = summary("4", rollout="r", undone_by="9")
    assert find_runs("r", (undone, summary("3", rollout="r"))).undone_by == ""
    assert find_runs("r", (undone, summary("3", rollout="r", undone_by="9"))).undone_by == "9"


def test_an_interrupted_run_that_was_gone_on_from_is_told():
    runs = (summary("3"), summary("2", interrupted=True), summary("1"))
    assert find_runs("last", runs).before == runs[1]
    assert find_runs("2", runs).before is None
    assert find_runs("last", (summary("3"), summary("1"))).before is None
