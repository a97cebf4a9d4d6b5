"""Bad input and bad luck, as they end on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.cliprocess import Shell
from vmboot.lab import Vcenter

pytestmark = pytest.mark.lab

ONE = 'targets: [{vms: "/DC1/vm/PVS/BIOS/pvs-001", method: iso}]\n'
WRONG_PIN = ":".join(["AB"] * 32)


@pytest.fixture
def shell(lab: Vcenter, tmp_path: Path) -> Shell:
    return Shell.at(lab, tmp_path)


CASES = {
    "unknown key": ("fleet.yml", "targts: []\n" + ONE, {}, 2, "unknown key 'targts'"),
    "wrong type": ("fleet.yml", ONE + "media: {iso: {retry_pause: soon}}\n", {}, 2, "retry_pause"),
    "no such file": ("gone.yml", ONE, {}, 2, "cannot read gone.yml"),
    "glob without match": (
        "fleet.yml",
        'targets: [{vms: "/DC1/vm/nowhere/*", method: iso}]\n',
        {},
        5,
        "matches no machine",
    ),
    "datastore misspelt": (
        "fleet.yml",
        ONE + "media: {iso: {datastore: sharde-01}}\n",
        {},
        5,
        "fleet.yml:5:26: no datastore 'sharde-01'",
    ),
    "name of two": ("fleet.yml", "targets: [{vms: twin, method: iso}]\n", {}, 2, "/two/twin"),
    "wrong password": (
        "fleet.yml",
        ONE,
        {"VMBOOT_PASSWORD": "wr0ng-secret"},
        4,
        "refuses this user name and password: ",
    ),
    "wrong thumbprint": ("fleet.yml", ONE, {"VMBOOT_THUMBPRINT": WRONG_PIN}, 4, "is pinned"),
    "unknown CA": ("fleet.yml", ONE, {"VMBOOT_THUMBPRINT": None}, 4, "is not trusted"),
    "nobody listens": ("fleet.yml", ONE, {"VMBOOT_HOST": "127.0.0.1:9"}, 4, "cannot reach"),
    "no password anywhere": ("fleet.yml", ONE, {"VMBOOT_PASSWORD": None}, 2, "no password"),
    "no vCenter": ("fleet.yml", ONE, {"VMBOOT_HOST": None}, 2, "no vCenter named"),
    "no loader": ("fleet.yml", ONE, {"VMBOOT_LOADERS": "/nowhere"}, 2, "/nowhere"),
}


@pytest.mark.parametrize(("file", "groups", "changes", "code", "words"), CASES.values(), ids=CASES)
def test_each_mistake_has_its_exit_code_and_two_lines(shell, file, groups, changes, code, words):
    shell.fleet(groups)
    ended = shell.run("plan", file, **changes)
    lines = ended.err.splitlines()
    assert (ended.code, ended.out) == (code, "")
    assert lines[0].startswith("error: ")
    assert words in ended.err
    assert any(line.startswith("hint: ") for line in lines)
    assert "Traceback" not in ended.err
    assert "wr0ng-secret" not in ended.err


@pytest.mark.parametrize("name", ["unknown key", "glob without match", "wrong thumbprint"])
def test_with_json_a_mistake_is_a_document(shell, name):
    file, groups, changes, code, _ = CASES[name]
    shell.fleet(groups)
    ended = shell.run("plan", file, "--json", **changes)
    assert set(ended.error) >= {"message", "hint", "place", "code"}
    assert (ended.code, ended.error["code"]) == (code, code)
    assert ended.err == ""


def test_a_mistake_in_the_document_has_its_place(shell):
    shell.fleet("targts: []\n")
    ended = shell.run("plan", "fleet.yml", "--json")
    assert ended.error["place"] == "fleet.yml:4:1"
    assert "targets" in ended.error["hint"]


def test_a_missing_privilege_is_named_with_its_machine(shell, lab):
    shell.fleet(ONE)
    lab.withhold_privilege("/DC1/vm/PVS/BIOS/pvs-001", "VirtualMachine.Config.Settings")
    try:
        plan, doctor = shell.run("plan"), shell.run("doctor", "--no-probe", COLUMNS="200")
    finally:
        lab.grant_privileges()
    assert "VirtualMachine.Config.Settings" in plan.out
    assert plan.code == 1
    assert "VirtualMachine.Config.Settings on /DC1/vm/PVS/BIOS/pvs-001" in doctor.out
    assert doctor.code == 1


def test_doctor_goes_on_without_the_vcenter_and_says_so_by_its_exit_code(shell):
    shell.fleet(ONE)
    ended = shell.run("doctor", "--json", "--no-probe", VMBOOT_THUMBPRINT=WRONG_PIN)
    states = {each["name"]: each["state"] for each in ended.document["findings"]}
    assert (ended.code, states["vCenter"], states["boot ISO"]) == (4, "fail", "ok")


def test_doctor_offline_asks_no_vcenter(shell):
    shell.fleet(ONE)
    ended = shell.run("doctor", "--json", "--offline", "--no-probe", VMBOOT_HOST="127.0.0.1:9")
    assert ended.code == 0
    assert [each["name"] for each in ended.document["findings"]] == ["boot ISO"]


@pytest.mark.parametrize(
    "words", [["apply"], ["undo", "last"], ["rollout"]], ids=["apply", "undo", "rollout"]
)
def test_without_a_terminal_nobody_is_asked_and_the_flag_is_named(shell, lab, words):
    shell.fleet(ONE)
    if words[0] == "undo":
        assert shell.run("apply", "--yes").code == 0
    lab.reset_counters()
    ended = shell.run(*words)
    assert (ended.code, lab.counters().total_writes) == (2, 0)
    assert "pass --yes" in ended.err
    if words[0] == "undo":
        assert shell.run("undo", "last", "--yes").code == 0


def test_an_unknown_run_is_not_found(shell):
    ended = shell.run("undo", "20200101-0000-zzzz", "--yes")
    assert ended.code == 5
    assert "vmboot runs" in ended.err


@pytest.mark.parametrize(
    ("words", "changes", "code"),
    [
        (["--limit", "zzz*"], {}, 5),
        (["--check"], {"VMBOOT_PASSWORD": "wr0ng-secret"}, 4),
        (["--yes"], {"VMBOOT_HOST": "127.0.0.1:9"}, 4),
    ],
)
def test_a_rollout_that_cannot_begin_ends_as_an_apply_would(shell, words, changes, code):
    shell.fleet(ONE)
    ended = shell.run("rollout", *words, **changes)
    assert ended.code == code
    assert "hint: " in ended.err
