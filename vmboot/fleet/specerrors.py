"""What is wrong with a fleet document, in words and with a place."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from vmboot.errors import InputError
from vmboot.fleet.specmodels import Document
from vmboot.fleet.specyaml import WHERE_TO_START, Located, Path

_SECRET_WORDS = ("password", "passwd", "user", "username", "token", "secret")
_LATER_KEYS: frozenset[Path] = frozenset({("services",)})
_LATER_METHODS = ("http",)


def refuse_early(located: Located) -> None:
    """Refuse what needs a better answer than 'unknown key': secrets, and what is still to come.

    :raises InputError: with the place of the key
    """
    if not isinstance(located.data, Mapping):
        raise InputError(
            "a fleet document is a mapping of keys such as vcenter, targets",
            place=located.place(()),
            hint=WHERE_TO_START,
        )
    for path, place in located.keys.items():
        if path in _LATER_KEYS:
            name = ".".join(str(part) for part in path)
            raise InputError(
                f"'{name}' is not available in this version",
                place=place,
                hint="remove it; vmboot does not run boot servers yet",
            )
        if str(path[-1]).lower() in _SECRET_WORDS:
            raise InputError(
                f"'{path[-1]}' does not belong in a fleet document",
                place=place,
                hint="use VMBOOT_USER and VMBOOT_PASSWORD (or VMBOOT_PASSWORD_FILE), a keyring, "
                "or wait for the prompt",
            )


def explain(error: ValidationError, located: Located) -> InputError:
    """The first problem in the order of the text; the hint says how many follow."""
    details = sorted(error.errors(include_url=False), key=lambda d: _position(d, located))
    first = _one(details[0], located)
    if len(details) > 1:
        more = f"{len(details) - 1} more problem{'s' if len(details) > 2 else ''} in this file"
        first.hint = f"{first.hint}; {more}" if first.hint else more
    return first


def _position(detail: ErrorDetails, located: Located) -> tuple[int, bool, int]:
    """A misspelt key comes before the missing one it should have been."""
    place = located.key_place(tuple(detail["loc"]))
    return place.line or 0, detail["type"] == "missing", place.column or 0


def _one(detail: ErrorDetails, located: Located) -> InputError:
    path: Path = tuple(detail["loc"])
    special: Callable[[ErrorDetails, Path, Located], InputError] | None = _WORDS.get(detail["type"])
    if special is not None:
        return special(detail, path, located)
    message = detail["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:].removeprefix("Input ")
    message = message.removeprefix("input ").replace("a valid tuple", "a list")
    return InputError(
        f"{_name(path)}: {message}", place=located.place(path), hint=_got(detail["input"])
    )


def _unknown(_detail: ErrorDetails, path: Path, located: Located) -> InputError:
    key = str(path[-1])
    return InputError(
        f"unknown key '{key}'",
        place=located.key_place(path),
        hint=_nearest(key, _known_keys(path[:-1])),
    )


def _missing(_detail: ErrorDetails, path: Path, located: Located) -> InputError:
    return InputError(
        f"{_name(path[:-1])}: key '{path[-1]}' is missing"
        if path[:-1]
        else f"key '{path[-1]}' is missing",
        place=located.place(path[:-1]),
        hint="add 'version: 1'" if path == ("version",) else f"add '{path[-1]}:' there",
    )


def _choice(detail: ErrorDetails, path: Path, located: Located) -> InputError:
    expected = str(detail.get("ctx", {}).get("expected", "")).replace("'", "")
    given = detail["input"]
    place = located.place(path)
    if path and path[-1] == "method" and given in _LATER_METHODS:
        return InputError(
            f"method '{given}' is not available in this version",
            place=place,
            hint=f"available: {expected}",
        )
    return InputError(f"{_name(path)}: should be {expected}", place=place, hint=_got(given))


def _not_a_mapping(detail: ErrorDetails, path: Path, located: Located) -> InputError:
    keys = ", ".join(_known_keys(path))
    return InputError(
        f"{_name(path)}: should be a mapping with keys such as {keys}",
        place=located.place(path),
        hint=_got(detail["input"]),
    )


#: What a text must look like, where the model only has a regular expression.
_FORMATS = {
    "thumbprint": "a SHA-256 thumbprint: 32 bytes in hexadecimal such as AA:BB:...",
    "sha256": "64 hexadecimal digits",
    "host": "a host name without scheme, port or path",
    "address": "an IPv4 address or DNS name, optionally with :port",
    "file": "a path without blanks",
    "folder": "a folder path such as vmboot or images/vmboot",
    "name": "lower case letters, digits and dashes, at most 31",
}


def _format(detail: ErrorDetails, path: Path, located: Located) -> InputError:
    return InputError(
        f"{_name(path)}: should be {_FORMATS[str(path[-1])]}",
        place=located.place(path),
        hint=_got(detail["input"]),
    )


#: What the parser of a type complains of, and what a person should write instead.
_PLAIN = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "ip_v4_address": "an IPv4 address",
}


def _plain(detail: ErrorDetails, path: Path, located: Located) -> InputError:
    return InputError(
        f"{_name(path)}: should be {_PLAIN[detail['type']]}",
        place=located.place(path),
        hint=_got(detail["input"]),
    )


_WORDS: dict[str, Callable[[ErrorDetails, Path, Located], InputError]] = {
    "extra_forbidden": _unknown,
    "missing": _missing,
    "string_pattern_mismatch": _format,
    "enum": _choice,
    "literal_error": _choice,
    "model_type": _not_a_mapping,
    "model_attributes_type": _not_a_mapping,
    **dict.fromkeys(_PLAIN, _plain),
}


def _name(path: Path) -> str:
    """``("targets", 0, "nic")`` as YAML and JSON tools say it: ``targets[0].nic``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".") or "document"


def _got(given: Any) -> str | None:
    if given is None:
        return "nothing is given there"
    if isinstance(given, str):
        return f"given is {given[:80]!r}"
    if isinstance(given, list | tuple):
        return f"given is a list of {len(given)}"
    return "given is a mapping" if isinstance(given, Mapping) else None


def _nearest(key: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    return f"did you mean '{near[0]}'?" if near else f"known here: {', '.join(known)}"


def _known_keys(path: Path) -> list[str]:
    """The keys allowed at ``path``, found by walking the models."""
    model: type[BaseModel] | None = Document
    for part in path:
        if isinstance(part, int) or model is None:
            continue
        field = _field(model, str(part))
        model = _model_in(field.annotation) if field else None
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def _field(model: type[BaseModel], key: str) -> FieldInfo | None:
    named = ((field.alias or name, field) for name, field in model.model_fields.items())
    return next((field for name, field in named if name == key), None)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in get_args(annotation):
        found = _model_in(inner)
        if found is not None:
            return found
    return None
