"""An undo that was killed is a run like any other: undone again, or repaired by an apply."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.lab.fleetlab import ALL, Site, changed, site_on
from vmboot.fleet import inflight, journal
from vmboot.fleet.runs import list_runs
from vmboot.lab import Vcenter

pytestmark = pytest.mark.lab


class KilledError(Exception):
    """Stands for kill -9: no except clause of the product catches it."""


@pytest.fixture
def site(small_lab: Callable[..., Vcenter], tmp_path) -> Iterator[Site]:
    with site_on(small_lab(vms=12, templates=2), tmp_path) as opened:
        yield opened


@pytest.fixture(autouse=True)
def nothing_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """These kills come between two calls, so nothing arrives late."""
    monkeypatch.setattr(inflight, "LATE_S", 0.0)


def kill_at(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """The next journal line of that kind is the last thing that happens."""
    real = journal._write_all

    def write(descriptor: int, text: bytes) -> None:
        if f'{{"kind":"{kind}"'.encode() in text:
            raise KilledError
        real(descriptor, text)

    monkeypatch.setattr(journal, "_write_all", write)


def templates(dump: dict[str, dict[str, Any]]) -> set[str]:
    return {path for path, machine in dump.items() if machine["config.template"] == "true"}


@pytest.mark.parametrize("kind", ["intent", "template-mark", "outcome", "end"])
def test_a_killed_undo_is_undone_by_the_next(
    site: Site, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    before = site.dump()
    result = site.apply(site.fleet(ALL))
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        kill_at(patch, kind)
        site.undo(result.run_id)
    assert not list_runs()[0].finished

    again = site.undo(result.run_id)

    assert again.failed == again.pending == 0
    assert changed(before, site.dump()) == []
    assert all(run.finished for run in list_runs())


def test_a_killed_undo_is_put_right_by_an_apply(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = site.dump()
    fleet = site.fleet(ALL)
    first = site.apply(fleet)
    applied = site.dump()
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        kill_at(patch, "template-mark")
        site.undo(first.run_id)

    second = site.apply(fleet)

    assert second.failed == second.pending == 0
    assert templates(site.dump()) == templates(applied)
    assert all(run.finished for run in list_runs())
    site.undo(second.run_id)
    site.undo(first.run_id)
    assert changed(before, site.dump()) == []


@pytest.mark.parametrize("kind", ["upload", "intent", "power-off", "template-mark", "outcome"])
def test_a_killed_apply_is_continued(
    site: Site, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    before = site.dump()
    fleet = site.fleet(ALL)
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        kill_at(patch, kind)
        site.apply(fleet)
    (crashed,) = list_runs()

    result = site.apply(fleet)

    assert result.resumed == (crashed.id,)
    assert result.done + result.ok == 14
    assert templates(site.dump()) == templates(before)
    assert site.undo(crashed.id).failed == 0
    assert changed(before, site.dump()) == []
    assert all(run.undone_by for run in list_runs() if run.verb == "apply" and run.machines)


def test_a_killed_apply_is_continued_under_another_name_of_the_document(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = site.dump()
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        kill_at(patch, "outcome")
        patch.setattr("vmboot.fleet.roundtrip.PutBack.all", lambda *_: None)
        patch.setattr("vmboot.fleet.roundtrip.make_template", lambda *_, **__: None)
        site.apply(site.fleet(ALL))
    (crashed,) = list_runs()
    assert len(templates(site.dump())) < len(templates(before))
    moved = site.fleet(ALL, name="moved.yml")

    plan = site.plan(moved)
    assert any(f"run {crashed.id} of {crashed.fleet}" in text for text in plan.warnings)
    result = site.apply(moved)

    assert result.resumed == (crashed.id,)
    assert templates(site.dump()) == templates(before)
    assert all(run.finished for run in list_runs())
    assert site.undo(crashed.id).failed == 0
    assert changed(before, site.dump()) == []


def test_a_damaged_journal_is_a_warning_of_every_plan(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = site.fleet(ALL)
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        kill_at(patch, "outcome")
        site.apply(fleet)
    (crashed,) = list_runs()
    file = journal.runs_dir() / crashed.id / journal.FILE
    file.write_bytes(file.read_bytes() + b"{\n")

    assert any(str(file) in text for text in site.plan(fleet).warnings)
    result = site.apply(fleet)
    assert result.failed == result.skipped == 0
