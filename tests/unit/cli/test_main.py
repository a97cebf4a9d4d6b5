import json
import subprocess
import sys

import pytest

from vmboot.cli.main import main
from vmboot.errors import AmbiguousError, InputError, Place


def test_without_words_the_help_is_shown(capsys):
    assert main([]) == 0
    assert "vmboot COMMAND" in capsys.readouterr().out


def test_an_unknown_command_is_bad_input_with_a_hint(capsys):
    assert main(["plann"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: there is no command 'plann'",
        "hint: did you mean: vmboot plan",
    ]


def test_an_unknown_flag_is_bad_input_and_names_the_command_whose_help_to_read(capsys):
    assert main(["media", "inspect", "--bogus"]) == 2
    assert "hint: see vmboot media inspect --help" in capsys.readouterr().err


def test_a_usage_error_is_a_document_with_json(capsys):
    assert main(["media", "inspect", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == 2


def raising(error):
    def run(*_):
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (
            InputError("bad", hint="good", place=Place("f.yml", 3, 7)),
            2,
            "error: f.yml:3:7: bad\nhint: good\n",
        ),
        (AmbiguousError("two", matches=("/a", "/b")), 2, "error: two\n  /a\n  /b\n"),
        (
            PermissionError(13, "Permission denied", "plan.json"),
            1,
            "error: plan.json: Permission denied\n",
        ),
        (KeyboardInterrupt(), 130, "\nerror: interrupted\n"),
    ],
)
def test_each_end_of_a_command_is_reported_once(monkeypatch, capsys, error, code, text):
    monkeypatch.setattr("vmboot.cli.commands.schema.run", raising(error))
    assert main(["schema"]) == code
    assert capsys.readouterr() == ("", text)


def test_debug_adds_the_traceback(monkeypatch, capsys):
    monkeypatch.setattr("vmboot.cli.commands.schema.run", raising(InputError("bad")))
    assert main(["schema", "--debug"]) == 2
    text = capsys.readouterr().err
    assert text.startswith("Traceback")
    assert text.endswith("error: bad\n")


def vmboot(*words, **options):
    return subprocess.run(
        [sys.executable, "-m", "vmboot", *words], capture_output=True, text=True, **options
    )


def test_a_bug_ends_without_a_traceback_and_with_exit_code_1():
    code = (
        "import vmboot.cli.commands.schema as s, vmboot.cli.main as m, sys\n"
        "s.run = lambda *_: {}['x']\n"
        "sys.exit(m.main(['schema']))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[0] == "error: unexpected KeyError: 'x'"
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("words", ["--help", "schema"])
def test_a_closed_pipe_is_no_error(words):
    process = subprocess.Popen(
        [sys.executable, "-m", "vmboot", words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() in (0, 1)


HEAVY = {"click", "rich", "pyVmomi", "pydantic", "yaml", "pycdlib", "ansible_runner", "ansible"}


@pytest.mark.parametrize("words", [["--help"], ["--version"]])
def test_the_top_help_imports_nothing_heavy(words):
    code = (
        f"import sys; from vmboot.cli.main import main; main({words!r})\n"
        "print(*(name for name in sys.modules if '.' not in name), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert not HEAVY & set(ended.stderr.split())


def test_the_help_of_one_command_imports_no_vsphere_and_no_document_library():
    code = (
        "import sys; from vmboot.cli.main import main; main(['apply', '--help'])\n"
        "print(*(name for name in sys.modules if '.' not in name), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert not (HEAVY - {"click", "rich"}) & set(ended.stderr.split())


def test_the_version_is_the_packages():
    from importlib.metadata import version

    assert vmboot("--version").stdout == f"vmboot {version('vmboot')}\n"
    assert json.loads(vmboot("--version", "--json").stdout) == {"version": version("vmboot")}
