"""When a fleet document gets its text from before an edit back."""

from pathlib import Path

import pytest

from vmboot.fleet.docedit import with_servers
from vmboot.fleet.docundo import DocumentUndo, plan_documents
from vmboot.fleet.journal import Edited
from vmboot.model import BootServer

BEFORE = b"boot_servers: [10.0.0.1]  # hall 3\n"


@pytest.fixture
def edited(tmp_path: Path) -> Edited:
    file = tmp_path / "fleet.yml"
    file.write_bytes(BEFORE)
    edit = with_servers(BEFORE, [BootServer("10.0.0.2")], file=str(file))
    edit.write()
    return edit.record


def one(edited: Edited, *, whole: bool = True) -> DocumentUndo:
    (found,) = plan_documents([edited], whole=whole)
    return found


def test_it_goes_back_byte_for_byte(edited: Edited) -> None:
    edit = one(edited).edit
    assert edit is not None
    edit.write()
    assert Path(edited.file).read_bytes() == BEFORE
    assert (one(edited).edit, one(edited).words) == (None, "")


def test_not_while_machines_stay(edited: Edited) -> None:
    assert "not all machines of it go back" in one(edited, whole=False).words


def test_not_where_a_person_wrote_in_it(edited: Edited) -> None:
    with Path(edited.file).open("ab") as stream:
        stream.write(b"\n")
    assert "it was changed since" in one(edited).words


def test_one_that_is_gone_is_told(edited: Edited) -> None:
    Path(edited.file).unlink()
    assert "cannot be read: No such file" in one(edited).words
    assert one(edited).to_json()["restored"] is False
