"""Write docs/reference from what the program itself knows: every command, every key of fleet.yml.

python tools/gen_reference.py           write the pages
python tools/gen_reference.py --check   fail if a page is not up to date
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from vmboot import api
from vmboot.cli.app import root
from vmboot.cli.commandtable import COMMANDS
from vmboot.cli.exits import Exit
from vmboot.fleet.spec import json_schema

PLACE = Path(__file__).resolve().parent.parent / "docs" / "reference"
NOTE = "<!-- Written by tools/gen_reference.py; change the program, not this page. -->"
EXITS = {
    Exit.OK: "done; `apply`: also when all that is left is pending, i.e. waits for a power off; "
    "`plan`, `status`: every machine is as wished",
    Exit.FAILED: "failed, or refused because it would break something",
    Exit.USAGE: "bad flag, file or fleet.yml; nothing was touched",
    Exit.PARTLY: "some machines done, some failed or refused",
    Exit.CONNECT: "the vCenter is not reachable, not the one it should be, or refuses the login",
    Exit.NOT_FOUND: "something named does not exist",
    Exit.CHANGES: "`plan`, `status`, `apply --dry-run`: what is differs from what is wished",
    Exit.HUNG_UP: "the terminal or connection went away (SIGHUP); what was begun was finished",
    Exit.INTERRUPTED: "Ctrl-C, what was begun was finished; or a question was answered with no",
    Exit.TERMINATED: "SIGTERM, e.g. from systemd; what was begun was finished",
}


def pages() -> dict[str, str]:
    """File name → text."""
    return {
        "commands.md": commands_page(),
        "fleet-yml.md": fleet_page(),
        "python.md": python_page(),
    }


def commands_page() -> str:
    parts = [
        "# Commands",
        NOTE,
        "Results go to stdout, talk and progress to stderr. Every command that gives a result has "
        "`--json` (the result as one document; an error as "
        '`{"error": {"message", "hint", "place", "code"}}`), `-q`, `--debug` and `--help`; '
        "`completion` prints a script in any case, and `lab`, `media` and `loaders` alone print "
        "their help. Without a terminal nothing ever prompts; the error names the flag to pass. "
        "`NO_COLOR` and `FORCE_COLOR` are honoured. The password is never a flag: see "
        "[how-to](../how-to.md#log-in).",
        "## Exit codes",
        table(("code", "meaning"), [(str(int(code)), text) for code, text in EXITS.items()]),
    ]
    for name, command in leaves():
        parts += command_section(name, command)
    return "\n\n".join(parts) + "\n"


def leaves() -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, with its full name, in the order of the help."""
    context = click.Context(root)
    for entry in COMMANDS:
        command = root.get_command(context, entry.name)
        if isinstance(command, click.Group):
            for sub in command.list_commands(context):
                yield f"{entry.name} {sub}", command.commands[sub]
        elif command is not None:
            yield entry.name, command


def command_section(name: str, command: click.Command) -> list[str]:
    arguments = [p for p in command.params if isinstance(p, click.Argument)]
    options = [p for p in command.params if isinstance(p, click.Option)]
    usage = " ".join(
        ["vmboot", name, "[OPTIONS]", *(a.make_metavar(_context()) for a in arguments)]
    )
    example = getattr(command, "example", "")
    return [
        f"## vmboot {name}",
        f"```\n{usage}\n```",
        _paragraphs(command.help or ""),
        table(("option", "meaning"), [_option(each) for each in options]),
        f"```\n{example}\n```",
    ]


def _context() -> click.Context:
    return click.Context(root)


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def _option(option: click.Option) -> tuple[str, str]:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    value = "" if option.is_flag else f" `{option.make_metavar(_context())}`"
    text = option.help or ""
    if option.show_default and not option.is_flag and "[default" not in text:
        text += f"  [default: {option.default}]"
    return names + value, text


def python_page() -> str:
    parts = [
        "# Python",
        NOTE,
        "`import vmboot` gives the verbs of the command line as functions. They return values, "
        "raise `vmboot.errors.VmbootError` (with `hint` and `place`), never print, ask or exit, "
        "and tell their progress to `sink` as `vmboot.events.Event`. Public are the names in "
        "`vmboot.__all__`, `vmboot.errors`, `vmboot.events`, and the attributes and `to_json()` of "
        "what the verbs return; all other modules may change in any version. The keys of a value's "
        "`to_json()` are those of the command's `--json`; a command that prints several values has "
        "each under a key of its own (`apply`: `plan` and `result`). A whole program: "
        "[examples/apply_fleet.py](../../examples/apply_fleet.py).",
    ]
    for name in api.__all__:
        verb = getattr(api, name)
        call = f"```\nvmboot.{name}({_parameters(verb)}) -> {_returned(verb)}\n```"
        parts += [f"## vmboot.{name}", call, _docstring(verb)]
    return "\n\n".join(parts) + "\n"


def _parameters(verb: Callable[..., Any]) -> str:
    """As in the source, one a line where there are several."""
    texts, named = [], False
    for each in inspect.signature(verb).parameters.values():
        if each.kind is each.KEYWORD_ONLY and not named:
            texts, named = [*texts, "*"], True
        stars = "**" if each.kind is each.VAR_KEYWORD else ""
        default = "" if each.default is each.empty else f" = {_shown(each.default)}"
        texts.append(f"{stars}{each.name}: {each.annotation}{default}")
    return "".join(f"\n    {text}," for text in texts) + "\n" if texts else ""


def _shown(default: Any) -> str:
    return str(getattr(default, "__name__", repr(default)))


def _returned(verb: Callable[..., Any]) -> str:
    return str(inspect.signature(verb).return_annotation)


def _docstring(verb: Callable[..., Any]) -> str:
    """The prose, then parameters and errors as a list; what a verb is thin over says the rest."""
    text = inspect.getdoc(verb) or ""
    prose, fields = _split(text)
    below = re.search(r"See :func:`([^`]+)\.([^`.]+)`\.", prose)
    if below:
        prose, its_fields = _split(inspect.getdoc(getattr(import_module(below[1]), below[2])) or "")
        fields += [field for field in its_fields if field[0] not in dict(fields)]
    known = {*inspect.signature(verb).parameters}
    items = [f"- {head}: {meaning}" for head, meaning in fields if _told(head, known)]
    return _markdown("\n\n".join((_paragraphs(prose).strip(), "\n".join(items))).strip())


def _split(text: str) -> tuple[str, list[tuple[str, str]]]:
    """Prose, and the fields as pairs such as ``("`power`", "…")``, ``("raises `X`", "…")``."""
    prose, *fields = re.split(r"^:(?=param|raises|returns)", text, flags=re.MULTILINE)
    pairs = []
    for field in fields:
        head, _, meaning = " ".join(field.split()).partition(": ")
        kind, _, name = head.partition(" ")
        pairs.append((f"`{name}`" if kind == "param" else f"{kind} `{name}`", meaning))
    return prose, pairs


def _told(head: str, known: set[str]) -> bool:
    return not head.startswith("`") or head.strip("`") in known


def _markdown(text: str) -> str:
    return re.sub(r":(?:func|class|mod):`~?([^`]+)`", r"`\1`", text).replace("``", "`")


def fleet_page() -> str:
    schema = json_schema()
    rows = list(keys(schema, schema["$defs"]))
    parts = [
        "# fleet.yml",
        NOTE,
        "One document describes the wish. Unknown keys are errors, with file, line, column and the "
        "nearest known key. `vmboot schema` prints the JSON schema, for editors. A complete "
        "document for a real site: [examples/fleet.yml](../../examples/fleet.yml); for boot disks: "
        "[examples/boot-disks.yml](../../examples/boot-disks.yml).",
        table(("key", "value", "default", "meaning"), rows),
    ]
    return "\n\n".join(parts) + "\n"


def keys(
    section: Mapping[str, Any], defs: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, str, str, str]]:
    """Key path, value, default and meaning of everything below ``section``."""
    required = set(section.get("required", ()))
    for name, given in section.get("properties", {}).items():
        field = _resolved(given, defs)
        path = f"{prefix}{name}"
        below, suffix = _below(field, defs)
        default = "*required*" if name in required else _default(given)
        yield f"`{path}`", _value(field, defs), default, _meaning(given, field)
        if below is not None:
            yield from keys(below, defs, f"{path}{suffix}.")


def _resolved(field: Mapping[str, Any], defs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow references, and take the alternative that is not null."""
    while True:
        if "$ref" in field:
            field = {**defs[field["$ref"].rpartition("/")[2]], **_own(field)}
        elif "anyOf" in field and len(_choices(field)) == 1:
            field = {**_choices(field)[0], **_own(field)}
        else:
            return field


def _own(field: Mapping[str, Any]) -> dict[str, Any]:
    return {key: field[key] for key in ("default",) if key in field}


def _choices(field: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [each for each in field.get("anyOf", ()) if each.get("type") != "null"]


def _below(
    field: Mapping[str, Any], defs: Mapping[str, Any]
) -> tuple[Mapping[str, Any] | None, str]:
    """The section inside a field, if it is one or a list of them."""
    if "properties" in field:
        return field, ""
    items = _resolved(field.get("items", {}), defs)
    for each in (items, *(_resolved(choice, defs) for choice in _choices(items))):
        if "properties" in each:
            return each, "[]"
    return None, ""


def _value(field: Mapping[str, Any], defs: Mapping[str, Any]) -> str:
    if "enum" in field:
        return ", ".join(dict.fromkeys(f"`{each}`" for each in field["enum"]))
    if "const" in field:
        return f"`{field['const']}`"
    if "anyOf" in field:
        return " or ".join(_value(_resolved(each, defs), defs) for each in _choices(field))
    if field.get("type") == "array":
        return f"list of {_value(_resolved(field.get('items', {}), defs), defs)}"
    words = {
        "object": "section",
        "integer": "number",
        "string": "text",
        "boolean": "`true` or `false`",
    }
    kind = field.get("type", "")
    text = field.get("format") or words.get(kind, kind)
    least, most = field.get("minimum"), field.get("maximum")
    return text if least is None and most is None else f"{text}, {least} to {most}"


def _default(field: Mapping[str, Any]) -> str:
    value = field.get("default")
    if value in (None, "", [], ()) or isinstance(value, dict):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _meaning(given: Mapping[str, Any], field: Mapping[str, Any]) -> str:
    text = given.get("description") or field.get("description") or ""
    return " ".join(str(text).split())


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(_cell(each) for each in line)} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def main(arguments: Sequence[str]) -> int:
    stale = [
        name
        for name, text in pages().items()
        if not (PLACE / name).is_file() or (PLACE / name).read_text("utf-8") != text
    ]
    if "--check" in arguments:
        for name in stale:
            sys.stderr.write(f"docs/reference/{name} is stale: python tools/gen_reference.py\n")
        return bool(stale)
    PLACE.mkdir(parents=True, exist_ok=True)
    for name in stale:
        (PLACE / name).write_text(pages()[name], "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
