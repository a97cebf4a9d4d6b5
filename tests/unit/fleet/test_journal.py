"""What is journalled is on disk, complete, private, and read back as the same values."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.vsphere.builders import IDE0, OTHER, OURS, cd, disk, machine, nic
from vmboot.errors import InputError, NotFoundError, RefusedError
from vmboot.fleet import journal
from vmboot.fleet.chain import load_chain
from vmboot.fleet.decide import IsoWish, Wanted, plan_machine
from vmboot.fleet.journal import (
    FILE,
    Closed,
    Copied,
    Copying,
    Edited,
    Ended,
    Foreign,
    Intent,
    Journal,
    Marked,
    PoweringOff,
    Removing,
    Settled,
    Undone,
    Uploaded,
    Uploading,
    append,
    begin,
    runs_dir,
)
from vmboot.fleet.runs import list_runs, load_run
from vmboot.fleet.strays import as_stray
from vmboot.model import BootMethod, Firmware
from vmboot.vsphere.machine import Machine

FLEET = "/etc/fleet.yml"
BEFORE = machine(cd(IDE0, backing=OTHER), disk(IDE0, 1), nic())
TEMPLATE = machine(cd(IDE0, backing=OTHER), nic(), moid="vm-2", path="/DC1/vm/t", is_template=True)


def start(state: Path, **fields: object) -> Journal:
    given = {
        "verb": "apply",
        "fleet": FLEET,
        "fleet_sha256": "ab" * 32,
        "vcenter": "vc.example.net",
        "vcenter_uuid": "uuid-1",
        "user": "operator",
        "state": state,
        **fields,
    }
    return begin(**given)  # type: ignore[arg-type]


def intent(before: Machine = BEFORE) -> Intent:
    wanted = Wanted(BootMethod.ISO, IsoWish(OURS, frozenset(Firmware)))
    return Intent(before, plan_machine(before, wanted).now)


def ended(**fields: object) -> Ended:
    return Ended("2026-11-21T22:00:00+00:00", {"done": 1}, **fields)  # type: ignore[arg-type]


def test_every_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    upload = Uploading("[shared-01] vmboot/x.iso", "datastore-1", "cd" * 32)
    with start(tmp_path, resumes=("20260101-0000-0000",)) as run:
        run.write(upload)
        run.write(intent(), intent(TEMPLATE), PoweringOff(("vm-1",)))
        run.write(Marked("vm-2"), Settled("vm-1", "/DC1/vm/a", "done"), ended())
    read = load_run(run.run_id, state=tmp_path)
    assert read.intents == {"vm-1": (intent(),), "vm-2": (intent(TEMPLATE),)}
    assert read.uploads == (upload,)
    assert read.marked == {"vm-2"}
    assert read.shut_down == {"vm-1"}
    assert read.settled["vm-1"].verdict == "done"
    assert read.started.resumes == ("20260101-0000-0000",)
    assert read.started.owner["pid"] == os.getpid()
    assert read.finished


def test_a_record_is_on_disk_when_write_returns(tmp_path: Path) -> None:
    with start(tmp_path) as run:
        run.write(intent())
        assert load_run(run.run_id, state=tmp_path).intents["vm-1"][0].before == BEFORE


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    with start(tmp_path) as run:
        run.write(intent())
    file = runs_dir(tmp_path) / run.run_id / FILE
    with file.open("ab") as stream:
        stream.write(b'{"kind":"intent","before":{"moid":"vm-9"')
    assert list(load_run(run.run_id, state=tmp_path).intents) == ["vm-1"]
    assert list_runs(state=tmp_path)[0].machines == 1


def test_a_torn_line_is_cut_off_before_the_next_is_written(tmp_path: Path) -> None:
    with start(tmp_path) as run:
        run.write(intent())
    file = runs_dir(tmp_path) / run.run_id / FILE
    whole = file.read_bytes()
    file.write_bytes(whole + whole.splitlines()[-1][:-1] * 20)  # a tear longer than a block
    append(run.run_id, Closed("20990101-0000-0000"), state=tmp_path)
    read = load_run(run.run_id, state=tmp_path)
    assert file.read_bytes().startswith(whole + b'{"kind":"closed"')
    assert (list(read.intents), read.finished) == (["vm-1"], True)
    assert list_runs(state=tmp_path)[0].finished


def test_a_journal_torn_in_its_first_line_can_be_written_again(tmp_path: Path) -> None:
    file = runs_dir(tmp_path) / "20261121-2210-0000" / FILE
    file.parent.mkdir(parents=True)
    file.write_bytes(b'{"kind":"run","id":"2026')
    append(file.parent.name, Closed("20990101-0000-0000"), state=tmp_path)
    assert file.read_bytes().startswith(b'{"kind":"closed"')
    assert list_runs(state=tmp_path) == ()


def test_a_write_that_the_disk_cuts_short_leaves_whole_lines(tmp_path: Path, monkeypatch) -> None:
    def short(descriptor: int, text: bytes) -> None:
        os.write(descriptor, text[: len(text) // 2])
        raise OSError(28, "No space left on device")

    with start(tmp_path) as run:
        with monkeypatch.context() as patch, pytest.raises(RefusedError):
            patch.setattr(journal, "_write_all", short)
            run.write(intent(), intent(TEMPLATE))
        assert (runs_dir(tmp_path) / run.run_id / FILE).read_bytes().count(b"\n") == 1
        run.write(ended())
    read = load_run(run.run_id, state=tmp_path)
    assert (read.finished, read.intents) == (True, {})


def test_a_journal_is_its_owner_s_alone(tmp_path: Path) -> None:
    with start(tmp_path) as run:
        folder = runs_dir(tmp_path) / run.run_id
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (folder / FILE).stat().st_mode & 0o777 == 0o600


def test_a_full_disk_is_an_error_before_anything_is_sent(tmp_path: Path, monkeypatch) -> None:
    def full(descriptor: int, text: bytes) -> None:
        raise OSError(28, "No space left on device")

    with start(tmp_path) as run:
        monkeypatch.setattr(journal, "_write_all", full)
        with pytest.raises(RefusedError, match="cannot write the journal") as caught:
            run.write(intent())
    assert "VMBOOT_STATE" in (caught.value.hint or "")


def test_ids_sort_in_the_order_of_the_runs(tmp_path: Path) -> None:
    ids = []
    for _ in range(5):
        with start(tmp_path) as run:
            ids.append(run.run_id)
    assert ids == sorted(ids)
    assert len(set(ids)) == 5
    assert [summary.id for summary in list_runs(state=tmp_path)] == ids[::-1]


@pytest.mark.parametrize("name", ["nothing", "../x", ".", ""])
def test_a_run_that_is_not_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotFoundError, match="there is no run"):
        load_run(name, state=tmp_path)


@pytest.mark.parametrize("line", ["{", "[]", '{"kind": "later"}', '{"kind": "outcome"}'])
def test_a_damaged_journal_is_named(tmp_path: Path, line: str) -> None:
    with start(tmp_path) as run:
        pass
    file = runs_dir(tmp_path) / run.run_id / FILE
    with file.open("a") as stream:
        stream.write(f"{line}\n")
    with pytest.raises(InputError, match=str(file)):
        load_run(run.run_id, state=tmp_path)


def test_a_template_is_left_open_until_it_is_marked(tmp_path: Path) -> None:
    with start(tmp_path) as run:
        run.write(intent(), intent(TEMPLATE))
        assert load_run(run.run_id, state=tmp_path).left_open == {"vm-2": TEMPLATE}
        run.write(Marked("vm-2"))
        assert load_run(run.run_id, state=tmp_path).left_open == {}


def test_a_run_that_ended_with_an_open_template_is_not_finished(tmp_path: Path) -> None:
    with start(tmp_path) as run:
        run.write(intent(TEMPLATE), ended(open=("vm-2",)))
    assert not load_run(run.run_id, state=tmp_path).finished
    assert not list_runs(state=tmp_path)[0].finished


def test_an_upload_that_ended_is_not_open(tmp_path: Path) -> None:
    with start(tmp_path) as run:
        run.write(Uploading("[a] b", "datastore-1", ""), Uploaded("[a] b"))
    assert load_run(run.run_id, state=tmp_path).uploads == ()


def test_a_run_can_be_undone_once_it_changed_something(tmp_path: Path) -> None:
    with start(tmp_path) as nothing:
        nothing.write(ended())
    with start(tmp_path) as run:
        run.write(intent(), ended())
    summaries = {summary.id: summary for summary in list_runs(state=tmp_path)}
    assert not summaries[nothing.run_id].undoable
    assert summaries[run.run_id].undoable
    append(run.run_id, Undone("20990101-0000-0000", complete=True), state=tmp_path)
    assert list_runs(state=tmp_path)[0].undone_by == "20990101-0000-0000"


def test_runs_that_resumed_each_other_are_one_piece_of_work(tmp_path: Path) -> None:
    with start(tmp_path) as first:
        first.write(intent())
    between = intent().after
    with start(tmp_path, resumes=(first.run_id,)) as second:
        second.write(Intent(between, ()), intent(TEMPLATE))
    with start(tmp_path) as alone:
        alone.write(intent())
    for name in (first.run_id, second.run_id):
        chain = load_chain(name, state=tmp_path)
        assert [run.id for run in chain.runs] == [first.run_id, second.run_id]
        assert chain.moids == ("vm-1", "vm-2")
        assert chain.before("vm-1") == BEFORE
        assert len(chain.intents("vm-1")) == 2
    assert [run.id for run in load_chain(alone.run_id, state=tmp_path).runs] == [alone.run_id]


def test_a_summary_is_json_with_stable_keys(tmp_path: Path) -> None:
    with start(tmp_path, rollout="r1", wave="canary") as run:
        run.write(intent(), ended(interrupted=True))
    data = json.loads(json.dumps(list_runs(state=tmp_path)[0].to_json()))
    assert data["id"] == run.run_id
    assert (data["machines"], data["finished"], data["interrupted"]) == (1, True, True)
    assert (data["rollout"], data["wave"], data["undoable"]) == ("r1", "canary", True)


def test_a_machine_that_was_only_shut_down_belongs_to_the_run(tmp_path: Path) -> None:
    with start(tmp_path) as run:
        run.write(PoweringOff(("vm-1",), (BEFORE,)), PoweringOff(("vm-2",), (TEMPLATE,)))
        run.write(intent(TEMPLATE), ended())
    (summary,) = list_runs(state=tmp_path)
    assert (summary.machines, summary.undoable) == (2, True)
    chain = load_chain(run.run_id, state=tmp_path)
    assert chain.moids == ("vm-2", "vm-1")
    assert chain.before("vm-1") == BEFORE
    assert chain.intents("vm-1") == (Intent(BEFORE, ()),)
    assert chain.shut_down("vm-1")


def test_journals_of_earlier_versions_name_no_machine_that_was_shut_down(tmp_path: Path) -> None:
    with start(tmp_path) as run:
        run.write(PoweringOff(("vm-1", "vm-2")), ended())
    assert list_runs(state=tmp_path)[0].machines == 0
    assert load_chain(run.run_id, state=tmp_path).moids == ()


def test_a_clock_that_was_set_back_does_not_turn_the_order_round(tmp_path: Path) -> None:
    with start(tmp_path) as crashed:
        crashed.write(intent())
    with start(tmp_path, resumes=(crashed.run_id,)) as resuming:
        resuming.write(Intent(intent().after, ()))
    earlier = rename(tmp_path, resuming.run_id, "20200101-0000-0000")
    chain = load_chain(crashed.run_id, state=tmp_path)
    assert [run.id for run in chain.runs] == [crashed.run_id, earlier]
    assert chain.before("vm-1") == BEFORE


def rename(state: Path, run_id: str, name: str) -> str:
    """The same run under an id of another time."""
    folder = (runs_dir(state) / run_id).rename(runs_dir(state) / name)
    file = folder / FILE
    file.write_text(file.read_text().replace(f'"id":"{run_id}"', f'"id":"{name}"'))
    return name


def test_a_run_that_cannot_have_a_journal_does_not_begin(tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir(mode=0o700)
    (full / "runs").symlink_to("/proc/self/task")  # where nobody can make a folder

    with pytest.raises(RefusedError, match="the journal of a new run cannot be made in") as caught:
        start(full)

    assert "VMBOOT_STATE" in (caught.value.hint or "")


def copying(number: int = 1) -> Copying:
    path = f"[shared-01] vm-{number}/vmboot-boot-0123456789ab.vmdk"
    master = "[shared-01] vmboot/vmboot-boot-0123456789ab.vmdk"
    return Copying(f"vm-{number}", master, path, "datastore-1", 8 << 20, "ef" * 32)


def test_copies_are_told_apart_by_what_became_of_them(tmp_path: Path) -> None:
    done, cut_off, somebodys = copying(1), copying(2), copying(3)
    gone, locked = as_stray(copying(4)), as_stray(copying(5))
    with start(tmp_path) as run:
        run.write(done, cut_off, somebodys, Copied(done.path), Foreign(somebodys.path))
        run.write(gone, locked, replace(locked, failed=True))
    read = load_run(run.run_id, state=tmp_path)
    assert read.copies == {done.path: done, cut_off.path: cut_off}
    assert read.copied == {done.path}
    assert read.removed == {gone.path: gone}


def test_what_an_undo_deletes_is_what_its_chain_made_and_nobody_deleted(tmp_path: Path) -> None:
    with start(tmp_path) as run:
        run.write(copying(1), copying(2), copying(3))
        run.write(ended())
    with start(tmp_path, verb="undo", undoes=(run.run_id,)) as undo:
        undo.write(as_stray(copying(1)), ended())
    chain = load_chain(run.run_id, state=tmp_path)
    assert [copy.moid for copy in chain.copies()] == ["vm-2", "vm-3"]
    assert [copy.moid for copy in chain.copies({"vm-3"})] == ["vm-3"]
    assert chain.sources()[copying(1).path].source == copying(1).source


def test_the_text_of_a_document_before_its_edit_is_kept(tmp_path: Path) -> None:
    edited = Edited("/etc/fleet.yml", "version: 1\n# ünïcode\n", "ab" * 32)
    with start(tmp_path) as run:
        run.write(edited)
    assert load_run(run.run_id, state=tmp_path).edited == edited
    assert load_chain(run.run_id, state=tmp_path).edits == (edited,)


def test_a_file_counts_as_deleted_when_an_end_of_the_run_came_after(tmp_path: Path) -> None:
    first, second = (
        Removing("vm-1", "[a] vmboot/x.vmdk", f"[a] {name}/x.vmdk", "datastore-1")
        for name in ("a", "b")
    )
    with start(tmp_path) as run:
        run.write(first, ended(), second)
        cut_off = load_run(run.run_id, state=tmp_path)
        assert cut_off.removed.keys() == {first.path, second.path}
        assert cut_off.deleted.keys() == {first.path}
        run.write(ended())
    assert load_run(run.run_id, state=tmp_path).deleted.keys() == {first.path, second.path}
