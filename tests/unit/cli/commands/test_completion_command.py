import os
import subprocess
import sys

import pytest

from tests.unit.cli.screens import out, terminal
from vmboot.cli.commands.completion import SHELLS, Options, run
from vmboot.cli.main import main


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_asks_vmboot_itself(shell):
    screen = terminal()
    assert run(Options(shell), screen) == 0
    assert f"_VMBOOT_COMPLETE={shell}_complete" in out(screen)


def test_another_shell_is_bad_input(capsys):
    assert main(["completion", "powershell"]) == 2


def completed(line):
    """What bash would be offered after ``line``."""
    words = line.split(" ")
    asked = {
        "_VMBOOT_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    ended = subprocess.run(
        [sys.executable, "-m", "vmboot"],
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
    )
    return {each.partition(",")[2] for each in ended.stdout.splitlines()}


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("vmboot pl", {"plan"}),
        ("vmboot media ", {"iso", "inspect"}),
        ("vmboot apply --hard", {"--hard-power-off"}),
    ],
)
def test_commands_and_flags_are_completed(line, offered):
    assert offered <= completed(line)


def test_what_is_no_command_is_no_error_while_completing():
    assert "plan" in completed("vmboot nonsense ")
