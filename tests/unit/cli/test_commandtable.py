import importlib

import pytest

from vmboot.cli.app import root
from vmboot.cli.commandtable import BY_NAME, COMMANDS, top_help


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)
def test_the_table_says_of_a_command_what_the_command_says_of_itself(entry):
    command = importlib.import_module(entry.path).command
    first = command.help.split("\n\n")[0]
    assert (command.name, " ".join(first.split())) == (entry.name, entry.help)


def test_every_command_module_is_in_the_table(repository):
    modules = {path.stem for path in (repository / "vmboot/cli/commands").glob("*.py")}
    groups = {name for name in modules if any(m.startswith(f"{name}_") for m in modules)}
    top = {m for m in modules if m != "__init__" and not any(m.startswith(f"{g}_") for g in groups)}
    assert top == {entry.path.rpartition(".")[2] for entry in COMMANDS}


def test_the_top_help_names_every_command_and_fits_80_columns():
    text = top_help(colour=False)
    assert all(f"  {name} " in text for name in BY_NAME)
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text


def commands(command, words=()):
    yield words, command
    for name, sub in getattr(command, "commands", {}).items():
        yield from commands(sub, (*words, name))


ALL = [pair for name in BY_NAME for pair in commands(root.get_command(None, name), (name,))]
LEAVES = [pair for pair in ALL if not hasattr(pair[1], "commands")]


@pytest.mark.parametrize(("words", "command"), LEAVES, ids=str)
def test_every_command_has_output_flags_an_example_of_itself_and_help_for_each_flag(words, command):
    flags = {flag for parameter in command.params for flag in parameter.opts}
    assert {"--json", "--quiet", "--debug"} <= flags
    assert f"vmboot {' '.join(words)}" in command.example
    assert all(p.help for p in command.params if p.param_type_name == "option")
    assert max(map(len, command.example.splitlines())) <= 96


@pytest.mark.parametrize(("words", "command"), LEAVES, ids=str)
def test_no_flag_takes_a_password(words, command):
    flags = {flag for parameter in command.params for flag in parameter.opts}
    assert not {flag for flag in flags if "pass" in flag}
