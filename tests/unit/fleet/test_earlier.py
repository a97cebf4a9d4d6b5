"""What journals say about a copy that is in the way of a new one."""

from __future__ import annotations

from pathlib import Path

from tests.unit.fleet.test_journal import ended, start
from vmboot.fleet.earlier import earlier_copies
from vmboot.fleet.journal import FILE, Copied, Copying, Foreign, Record, runs_dir
from vmboot.fleet.runs import load_all

PATH = "[shared-01] pvs-001/vmboot-boot-0123456789ab.vmdk"
BEGUN = Copying("vm-1", "[shared-01] vmboot/vmboot-boot-0123456789ab.vmdk", PATH, "datastore-1")


def run(state: Path, *records: Record, is_over: bool = True, **fields: object) -> str:
    with start(state, **fields) as journal:
        journal.write(*records)
        if is_over:
            journal.write(ended())
    return journal.run_id


def is_whole(state: Path, **given: object) -> bool | None:
    """What is known of the copy; ``None``: nothing."""
    asked = {"vcenter_uuid": "uuid-1", **given}
    found = earlier_copies(load_all(state=state), [PATH], **asked)  # type: ignore[arg-type]
    return found[PATH].is_whole if found else None


def test_a_copy_that_no_run_saw_to_end_is_half_a_copy(tmp_path: Path) -> None:
    run(tmp_path, BEGUN)
    assert is_whole(tmp_path) is False


def test_a_copy_that_was_seen_to_end_is_whole(tmp_path: Path) -> None:
    run(tmp_path, BEGUN, Copied(PATH))
    assert is_whole(tmp_path) is True


def test_of_another_vcenter_nothing_is_known(tmp_path: Path) -> None:
    run(tmp_path, BEGUN, vcenter_uuid="uuid-2")
    assert is_whole(tmp_path) is None


def test_somebodys_file_is_not_a_copy(tmp_path: Path) -> None:
    run(tmp_path, BEGUN, Foreign(PATH))
    assert is_whole(tmp_path) is None


def test_a_run_that_may_be_at_work_does_not_count_but_a_dead_one_does(tmp_path: Path) -> None:
    mine = run(tmp_path, BEGUN, is_over=False)
    assert is_whole(tmp_path) is None
    assert is_whole(tmp_path, dead=[mine]) is False
    assert is_whole(tmp_path, dead=[mine], this=mine) is None


def test_the_last_run_decides(tmp_path: Path) -> None:
    runs = [run(tmp_path, BEGUN, Copied(PATH)), run(tmp_path, BEGUN)]
    last = max(runs)  # their ids tell their order, also within one second
    assert is_whole(tmp_path) is (last == runs[0])


def test_a_journal_that_cannot_be_read_is_in_no_others_way(tmp_path: Path) -> None:
    run(tmp_path, BEGUN)
    damaged = run(tmp_path, BEGUN, Copied(PATH))
    file = runs_dir(tmp_path) / damaged / FILE
    file.write_bytes(file.read_bytes() + b'{"kind":"copy", oh dear\n')
    assert is_whole(tmp_path) is False
