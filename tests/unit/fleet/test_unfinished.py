"""Dead runs are found by their vCenter, told from living ones, and damaged journals are named."""

import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.unit.fleet.test_journal import BEFORE, FLEET, TEMPLATE, ended, intent, start
from vmboot.errors import LockedError
from vmboot.fleet import lock
from vmboot.fleet.journal import FILE, Closed, append, runs_dir
from vmboot.fleet.lock import check_free, run_lock
from vmboot.fleet.runs import list_runs
from vmboot.fleet.unfinished import (
    claimed,
    concerning,
    foreign_warnings,
    unfinished,
    unfinished_or_busy,
)

OTHER_FLEET = "/srv/other.yml"


def crashed(state: Path, *, fleet: str = FLEET, uuid: str = "uuid-1") -> str:
    with start(state, fleet=fleet, vcenter_uuid=uuid) as run:
        run.write(intent())
    return run.run_id


def ids(state: Path, uuid: str = "uuid-1") -> list[str]:
    return [run.id for run in unfinished(uuid, state=state)[0]]


def test_a_run_is_unfinished_until_it_ends_or_is_closed(tmp_path: Path) -> None:
    run = crashed(tmp_path)
    with start(tmp_path) as whole:
        whole.write(intent(), ended())
    assert ids(tmp_path) == [run]
    assert ids(tmp_path, "uuid-2") == []
    append(run, Closed("20990101-0000-0000"), state=tmp_path)
    assert ids(tmp_path) == []


def test_a_run_of_a_moved_document_is_found(tmp_path: Path) -> None:
    run, elsewhere = crashed(tmp_path, fleet=OTHER_FLEET), crashed(tmp_path, uuid="uuid-2")
    found, warnings = unfinished_or_busy("uuid-1", FLEET, state=tmp_path)
    assert [one.id for one in found] == [run] != [elsewhere]
    assert warnings == ()
    assert concerning(found, FLEET, [BEFORE.moid]) == found
    assert concerning(found, FLEET, [TEMPLATE.moid]) == ()
    assert concerning(found, OTHER_FLEET, []) == found


def test_a_run_of_another_document_is_told(tmp_path: Path) -> None:
    run = crashed(tmp_path, fleet=OTHER_FLEET)
    crashed(tmp_path)
    found, _ = unfinished_or_busy("uuid-1", FLEET, state=tmp_path)
    (mine,) = foreign_warnings(found, FLEET, [BEFORE.moid])
    (other,) = foreign_warnings(found, FLEET, [TEMPLATE.moid])
    assert run in mine and OTHER_FLEET in mine and "an apply continues it" in mine
    assert run in other and OTHER_FLEET in other and "apply that document again" in other


def test_a_run_at_work_is_not_dead(tmp_path: Path) -> None:
    crashed(tmp_path, fleet=OTHER_FLEET)
    mine = crashed(tmp_path)
    with run_lock("uuid-1", OTHER_FLEET, state=tmp_path):
        found, warnings = unfinished_or_busy("uuid-1", FLEET, state=tmp_path)
        assert ([run.id for run in found], warnings) == ([mine], ())
    with run_lock("uuid-1", FLEET, state=tmp_path):
        found, warnings = unfinished_or_busy("uuid-1", FLEET, state=tmp_path)
        assert [run.started.fleet for run in found] == [OTHER_FLEET]
        assert "another run works on" in warnings[0]


def test_a_run_of_another_document_is_claimed_with_its_lock(tmp_path: Path) -> None:
    theirs, mine = crashed(tmp_path, fleet=OTHER_FLEET), crashed(tmp_path)
    with ExitStack() as locks:
        assert [run.id for run in claimed(locks, "uuid-1", FLEET, (), state=tmp_path)] == [mine]
        both = claimed(locks, "uuid-1", FLEET, (theirs,), state=tmp_path)
        assert {run.id for run in both} == {theirs, mine}
        with pytest.raises(LockedError):
            check_free("uuid-1", OTHER_FLEET, state=tmp_path)
    with run_lock("uuid-1", OTHER_FLEET, state=tmp_path), ExitStack() as locks:
        left = claimed(locks, "uuid-1", FLEET, (theirs,), state=tmp_path)
        assert [run.id for run in left] == [mine]


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"kind":"intent"}',
        '{"kind":"end","counts":3}',
        '{"kind":"intent","before":{"moid":"vm-1"},"changes":[]}',
    ],
)
def test_a_damaged_journal_stands_in_no_other_run_s_way(tmp_path: Path, line: str) -> None:
    damaged, run = crashed(tmp_path), crashed(tmp_path)
    file = runs_dir(tmp_path) / damaged / FILE
    with file.open("a") as stream:
        stream.write(f"{line}\n")
    found, warnings = unfinished_or_busy("uuid-1", FLEET, state=tmp_path)
    assert [one.id for one in found] == [run]
    assert len(warnings) == 1
    assert warnings[0].startswith(f"{file} is damaged: ")
    assert run in {summary.id for summary in list_runs(state=tmp_path)}


def test_looking_does_not_stand_in_a_run_s_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who looks holds the lock for an instant; a run that starts just then waits for it."""
    monkeypatch.setattr(lock, "PATIENCE_S", 30.0)
    looked, begun = threading.Event(), threading.Event()

    def run() -> None:
        looked.set()
        with run_lock("uuid-1", FLEET, state=tmp_path):
            begun.set()

    with lock._open("uuid-1", FLEET, tmp_path) as descriptor:
        assert lock._try(descriptor, lock.fcntl.LOCK_SH)
        check_free("uuid-1", FLEET, state=tmp_path)  # two may look at once
        worker = threading.Thread(target=run)
        worker.start()
        assert looked.wait(10)
        assert not begun.is_set()
    worker.join(10)
    assert begun.is_set()
