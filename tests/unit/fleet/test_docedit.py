"""Another server list in a document: everything else stays, byte for byte."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from vmboot.errors import InputError, RefusedError
from vmboot.fleet import docedit
from vmboot.fleet.newservers import new_servers
from vmboot.model import BootServer

NEW = ["10.0.0.21", "10.0.0.11"]


def with_servers(text: bytes, servers: list[str], *, file: str) -> docedit.DocumentEdit:
    given = [each.rpartition("=") for each in servers]
    return docedit.with_servers(text, [BootServer(a, n) for n, _, a in given], file=file)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "boot_servers: [10.0.0.9]  # x\nz: 1\n",
            "boot_servers: [10.0.0.21, 10.0.0.11]  # x\nz: 1\n",
        ),
        (
            "a: 1\nboot_servers:\n  - {name: pvs1, address: 10.0.0.11}\n  # c\n"
            "  - 10.0.0.12\n# e\nb: 2\n",
            "a: 1\nboot_servers:\n  - {address: 10.0.0.21}\n  - {name: pvs1, address: 10.0.0.11}\n"
            "# e\nb: 2\n",
        ),
        (
            "boot_servers:\n- name: a\n  address: 10.0.0.9\n"
            "- name: b\n  address: 10.0.0.11\n\n# c\n",
            "boot_servers:\n- {address: 10.0.0.21}\n- name: b\n  address: 10.0.0.11\n\n# c\n",
        ),
        (
            "boot_servers: ['10.0.0.9']\r\nx: y\r\n",
            "boot_servers: [10.0.0.21, 10.0.0.11]\r\nx: y\r\n",
        ),
        (
            "boot_servers:\r\n- a\r\nx: y\r\n",
            "boot_servers:\r\n- 10.0.0.21\r\n- 10.0.0.11\r\nx: y\r\n",
        ),
    ],
)
def test_only_the_list_changes_in_the_style_it_is_written_in(before: str, after: str) -> None:
    edit = with_servers(before.encode(), NEW, file="fleet.yml")
    assert edit.after.decode() == after


LISTED = """\
a: 1
boot_servers:
  # the new rack
  - {name: pvs1, address: 10.0.0.11}  # rack 1
  # the old rack,
  # to be replaced
  - name: pvs2  # not pvs02
    address: 10.0.0.12  # rack 2
  - 10.0.0.13
# e
b: 2
"""


def listed(*servers: str) -> str:
    return with_servers(LISTED.encode(), list(servers), file="f").after.decode()


@pytest.mark.parametrize("names", [("", ""), ("pvs1=", "pvs2=")])
def test_the_same_list_again_changes_nothing(names: tuple[str, str]) -> None:
    assert listed(f"{names[0]}10.0.0.11", f"{names[1]}10.0.0.12", "10.0.0.13") == LISTED


def test_the_same_list_in_brackets_keeps_even_its_comments() -> None:
    text = "boot_servers: [\n  10.0.0.11,  # a\n  10.0.0.12]\n"
    assert with_servers(text.encode(), ["10.0.0.11", "10.0.0.12"], file="f").diff == ()
    with pytest.raises(InputError, match="has comments, which an edit would lose"):
        with_servers(text.encode(), ["10.0.0.12"], file="f")


def test_a_server_that_stays_keeps_its_name_and_its_comments() -> None:
    assert listed("pvs9=10.0.0.9", "10.0.0.12") == (
        "a: 1\nboot_servers:\n  # the new rack\n  - {name: pvs9, address: 10.0.0.9}\n"
        "  # the old rack,\n  # to be replaced\n  - name: pvs2  # not pvs02\n"
        "    address: 10.0.0.12  # rack 2\n"
        "# e\nb: 2\n"
    )


def test_a_server_may_get_another_name() -> None:
    assert "- {name: new, address: 10.0.0.13}\n# e" in listed("10.0.0.11", "new=10.0.0.13")


@pytest.mark.parametrize("name", ["null", "no", "a-b", "a: b", "x # y"])
def test_names_are_read_back_as_they_were_given(name: str) -> None:
    server = BootServer("10.0.0.1", name)
    after = docedit.with_servers(b"boot_servers: [x]\n", [server], file="f").after
    (found,) = yaml.load(after, yaml.BaseLoader)["boot_servers"]
    assert (found["name"], found["address"]) == (name, "10.0.0.1")


@pytest.mark.parametrize(
    ("servers", "words"),
    [
        ([], "--servers: no boot server is given"),
        (["10.0.0.1", "b=10.0.0.1"], "--servers: 10.0.0.1 is given twice"),
        (["10.0.0.999"], "--servers: .*10.0.0.999"),
        (["a b=10.0.0.1"], "--servers: "),
        (["pvs1="], "--servers: "),
    ],
)
def test_a_list_that_cannot_be_used_is_the_command_lines_fault(
    servers: list[str], words: str
) -> None:
    with pytest.raises(InputError, match=words) as caught:
        new_servers(servers, what="--servers")
    assert caught.value.place is None
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x: &a [y]\nboot_servers: *a\n", "is an alias"),
        ("x: 1\n", "there is no list of boot_servers"),
        ("boot_servers: []\n", "there is no list of boot_servers"),
        ("boot_servers: {a: b}\n", "there is no list of boot_servers"),
        ("boot_servers: &a [x]\ny: *a\n", "cannot be changed in place"),
        ("boot_servers: [x\n", "not YAML"),
    ],
)
def test_what_cannot_be_changed_in_place_is_left_to_a_person(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        with_servers(text.encode(), NEW, file="fleet.yml")


_names = st.from_regex(r"[a-z][a-z0-9.-]{0,20}[a-z0-9](:[1-9][0-9]{1,3})?", fullmatch=True)


@given(
    st.lists(_names, min_size=1, max_size=5, unique=True),
    st.booleans(),
    st.text("# \n", max_size=5),
)
def test_an_edit_and_its_reverse_cancel_each_other(old: list[str], flow: bool, rest: str) -> None:
    value = f" [{', '.join(old)}]" if flow else "".join(f"\n- {each}" for each in old)
    text = f"version: 1\nboot_servers:{value}\n{rest}\ntargets: x\n".encode()
    there = with_servers(text, ["zz.example"], file="f")
    assert with_servers(there.after, old, file="f").after == text


def test_the_diff_shows_the_list_alone() -> None:
    text = b"a: 1\nb: 2\nc: 3\nboot_servers: [x]\nd: 4\n"
    lines = with_servers(text, ["y"], file="f").diff
    changed = [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    assert changed == ["-boot_servers: [x]", "+boot_servers: [y]"]


def test_a_document_that_changed_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "fleet.yml"
    file.write_bytes(b"boot_servers: [x]\n")
    edit = with_servers(file.read_bytes(), ["y"], file=str(file))
    file.write_bytes(b"boot_servers: [z]\n")
    with pytest.raises(RefusedError, match="was changed by somebody"):
        edit.write()
    assert file.read_bytes() == b"boot_servers: [z]\n"


def test_writing_twice_is_the_same_as_once_and_keeps_the_mode(tmp_path: Path) -> None:
    file = tmp_path / "fleet.yml"
    file.write_bytes(b"boot_servers: [x]\n")
    file.chmod(0o640)
    edit = with_servers(file.read_bytes(), ["y"], file=str(file))
    edit.write()
    edit.write()
    assert file.read_bytes() == b"boot_servers: [y]\n"
    assert file.stat().st_mode & 0o777 == 0o640
    assert [each.name for each in tmp_path.iterdir()] == ["fleet.yml"]
