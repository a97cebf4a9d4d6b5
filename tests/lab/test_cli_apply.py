"""The main job on the command line: plan, apply, status, undo, with every way to watch it."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pexpect
import pytest

from tests.lab.cliprocess import SECONDS, Shell
from tests.soap import dump
from vmboot.lab import Vcenter

pytestmark = pytest.mark.lab

SOME = """\
targets: [{vms: ["/DC1/vm/PVS/BIOS/pvs-00[!3]", "/DC1/vm/PVS/UEFI/pvs-00*"], method: iso}]
templates: [{vms: "/DC1/vm/Templates/*", method: iso}]
"""


@pytest.fixture
def shell(lab: Vcenter, tmp_path: Path) -> Shell:
    shell = Shell.at(lab, tmp_path)
    shell.fleet(SOME)
    return shell


def test_plan_apply_status_undo_tell_the_same_story_by_exit_codes_and_json(shell, lab):
    planned = shell.run("plan", "--json")
    count = len(planned.document["machines"])
    assert (planned.code, planned.document["counts"]["change"]) == (6, count)

    applied = shell.run("apply", "--json", "--yes")
    result = applied.document["result"]
    assert (applied.code, result["counts"]["done"]) == (0, count)

    lab.reset_counters()
    again = shell.run("apply", "--json")
    assert (again.code, again.document["result"]) == (0, None)
    assert lab.counters().total_writes == 0

    status = shell.run("status", "--json")
    assert (status.code, status.document["counts"]["as-wished"]) == (0, count)

    listed = shell.run("runs", "--json").document["runs"]
    assert [each["id"] for each in listed] == [result["run_id"]]

    undone = shell.run("undo", "last", "--json", "--yes")
    assert (undone.code, undone.document["counts"]["done"]) == (0, count)
    assert shell.run("status").code == 6

    swept = shell.run("sweep", "--all", "--yes", "--json")
    (young,) = swept.document["plan"]["files"]
    assert (swept.code, young["fate"]) == (0, "keep")
    assert "less than an hour old" in young["reason"]


def test_apply_prints_the_command_that_takes_it_back(shell):
    applied = shell.run("apply", "--yes", "--limit", "/DC1/vm/**/pvs-001")
    command = applied.out.splitlines()[-1].partition("to take it back: vmboot ")[2]
    undone = shell.run(*command.split(), "--yes")
    assert (applied.code, undone.code) == (0, 0)
    assert "1 machine" in undone.out


def test_a_dry_run_writes_nothing(shell, lab):
    lab.reset_counters()
    assert shell.run("apply", "--dry-run").code == 6
    assert lab.counters().total_writes == 0


def test_events_are_json_lines_and_the_result_stays_one_document(shell):
    ended = shell.run("apply", "--json", "--events", "--yes", "--limit", "/DC1/vm/**/pvs-001")
    events = [json.loads(line) for line in ended.err.splitlines()]
    assert all(set(event) == {"kind", "message", "subject", "data"} for event in events)
    assert {"plan.begin", "run.begin", "vm.done"} <= {event["kind"] for event in events}
    assert ended.document["result"]["counts"]["done"] == 1
    shell.run("undo", "last", "--yes")


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [({}, False), ({"FORCE_COLOR": "1"}, True), ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False)],
)
def test_colour_follows_the_environment(shell, variables, coloured):
    assert ("\x1b[" in shell.run("plan", **variables).out) is coloured


def test_a_pipe_gets_whole_paths_without_padding(shell):
    lines = shell.run("plan").out.splitlines()
    assert "/DC1/vm/PVS/BIOS/pvs-001" in lines
    assert not [line for line in lines if line != line.rstrip()]


def test_a_plan_at_80_columns_without_colour_tells_items_from_folded_lines(shell):
    process = terminal(shell, "plan", "-q", NO_COLOR="1")
    process.expect(pexpect.EOF)
    lines = [line.rstrip() for line in process.before.splitlines()]
    assert "\x1b" not in process.before
    assert max(map(len, lines)) <= 80
    assert "/DC1/vm/PVS/BIOS/pvs-001" in lines
    items = [line for line in lines if line.startswith("  ") and line[2] != " "]
    assert items
    assert all(": " in item for item in items)
    assert [line for line in lines if line.startswith("      ")]


def test_quiet_leaves_only_the_result(shell):
    ended = shell.run("apply", "-q", "--yes", "--limit", "/DC1/vm/**/pvs-001")
    assert ended.err == ""
    assert ended.out.splitlines()[0].startswith("1 machine in ")
    shell.run("undo", "last", "--yes")


def test_a_plan_file_is_the_json_of_the_plan(shell):
    ended = shell.run("plan", "--json", "--out", "plan.json")
    assert json.loads((shell.folder / "plan.json").read_text()) == ended.document


def terminal(shell: Shell, *words: str, **changes: str | None) -> pexpect.spawn[str]:
    program, *arguments = shell.command(*words)
    return pexpect.spawn(
        program,
        arguments,
        cwd=str(shell.folder),
        env=shell.environment(TERM="xterm-256color", **changes),  # type: ignore[arg-type]
        encoding="utf-8",
        timeout=SECONDS,
        dimensions=(40, 80),
    )


def ended(process: pexpect.spawn[str]) -> int | None:
    process.expect(pexpect.EOF)
    process.close()
    return process.exitstatus


def test_on_a_terminal_no_means_no(shell, lab):
    lab.reset_counters()
    process = terminal(shell, "apply")
    process.expect(r"Apply this to .*\? \[y/N\] ")
    process.sendline("n")
    process.expect("nothing was changed")
    assert ended(process) == 130
    assert lab.counters().total_writes == 0


def test_on_a_terminal_yes_shows_progress_and_then_the_result(shell):
    process = terminal(shell, "apply", "--limit", "/DC1/vm/**/pvs-00[12]")
    process.expect(r"\[y/N\] ")
    process.sendline("y")
    process.expect("2 machines in ")
    process.expect("vmboot undo ")
    assert ended(process) == 0
    assert shell.run("undo", "last", "--yes").code == 0


def test_on_a_terminal_the_password_is_asked_for_and_not_shown(shell, lab):
    process = terminal(shell, "plan", VMBOOT_PASSWORD=None)
    process.expect(f"Password for {lab.user}@{lab.host}: ")
    process.waitnoecho()
    process.sendline(lab.password)
    process.expect("Plan for fleet.yml")
    before = str(process.before)
    assert lab.password not in before
    assert ended(process) == 6


def interrupted(
    shell: Shell, *words: str, times: int, at: str, number: int = signal.SIGINT
) -> subprocess.Popen[str]:
    """An apply that gets a signal ``times`` times, the first when event ``at`` is seen."""
    process = subprocess.Popen(
        shell.command("apply", "--yes", "--json", "--events", *words),
        cwd=shell.folder,
        env=shell.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        kind = json.loads(line)["kind"]
        if kind == at:
            if at == "run.interrupted":
                time.sleep(0.5)  # a second one at the same instant would be one with the first
            process.send_signal(number)
            times, at = times - 1, "run.interrupted"
        if not times:
            break
    return process


def off(lab: Vcenter) -> set[str]:
    return {path for path, m in dump(lab).items() if m["runtime.powerState"] == "poweredOff"}


def test_machines_that_were_shut_down_are_told_in_the_result(small_lab, tmp_path):
    lab = small_lab(vms=10, templates=0)
    shell = Shell.at(lab, tmp_path)
    shell.fleet('targets: [{vms: "/DC1/vm/PVS/**", method: iso}]\n')
    before = off(lab)
    applied = shell.run("apply", "--yes", "--json", "--power", "off", "--hard-power-off")
    went_down = off(lab) - before
    assert went_down
    assert set(applied.document["result"]["shut_down"]) == went_down
    undone = shell.run("undo", "last", "--yes", "--json")
    assert undone.document["shut_down"] == []
    assert off(lab) == before


def test_an_apply_that_only_waits_ends_with_0_and_lists_what_waits(small_lab, tmp_path):
    lab = small_lab(vms=10, templates=0)
    shell = Shell.at(lab, tmp_path)
    shell.fleet('targets: [{vms: "/DC1/vm/PVS/**", method: iso}]\n')
    assert shell.run("apply", "--yes").code == 0
    plan = shell.run("plan", "--json")
    assert (plan.code, plan.document["counts"]["change"]) == (6, 0)
    waiting = plan.document["counts"]["pending"]
    assert waiting
    again = shell.run("apply", "--yes", "--json")
    assert again.code == 0
    assert again.document["result"]["counts"]["pending"] == waiting
    assert shell.run("status").code == 6


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_sigterm_and_hang_up_leave_every_template_a_template(small_lab, tmp_path, number, code):
    lab = small_lab(vms=4, templates=8, task_ms=200)
    shell = Shell.at(lab, tmp_path)
    shell.fleet('templates: [{vms: "/DC1/vm/Templates/*", method: iso}]\n')
    planned = len(shell.run("plan", "--json").document["machines"])
    process = interrupted(shell, "--window", "2", times=2, at="vm.done", number=number)
    out, _err = process.communicate(timeout=SECONDS)
    assert process.returncode == code, out
    result = json.loads(out)["result"]
    assert result["interrupted"]
    assert result["counts"]["skipped"] > 0
    machines = shell.run("plan", "--json").document["machines"]
    assert len(machines) == planned
    assert shell.run("status", "--json").document["unfinished"] == []


def test_ctrl_c_says_what_it_finishes_ends_with_130_and_undo_works(small_lab, tmp_path):
    lab = small_lab(vms=40, templates=4, task_ms=150)
    shell = Shell.at(lab, tmp_path)
    shell.fleet('targets: [{vms: "/DC1/vm/PVS/**", method: iso}]\n')
    process = interrupted(shell, "--window", "2", times=1, at="vm.done")
    out, err = process.communicate(timeout=SECONDS)
    kinds = [json.loads(line)["kind"] for line in err.splitlines()]
    assert process.returncode == 130, out
    counts = json.loads(out)["result"]["counts"]
    assert "run.interrupted" in kinds
    assert counts["done"] > 0
    assert counts["skipped"] > 0
    assert counts["failed"] == 0
    undone = shell.run("undo", "last", "--yes", "--json")
    assert (undone.code, undone.document["counts"]["done"]) == (0, counts["done"])
    assert shell.run("status", "--json").document["unfinished"] == []


def test_a_second_ctrl_c_abandons_the_work_and_the_next_apply_repairs_it(small_lab, tmp_path):
    lab = small_lab(vms=6, templates=2, task_ms=3000)
    shell = Shell.at(lab, tmp_path)
    shell.fleet(
        'targets: [{vms: "/DC1/vm/PVS/**", method: iso}]\n'
        'templates: [{vms: "/DC1/vm/Templates/*", method: iso}]\n'
    )
    process = interrupted(shell, "--window", "2", times=2, at="vm.done")
    out, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert json.loads(out)["error"]["message"] == "interrupted"
    (left,) = shell.run("runs", "--json").document["runs"]
    assert left["finished"] is False
    again = shell.run("apply", "--yes", "--json", "--power", "off", "--hard-power-off")
    assert (again.code, again.document["result"]["resumed"]) == (0, [left["id"]])
    assert shell.run("status").code == 0
