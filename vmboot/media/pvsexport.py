"""What PowerShell exports of a PVS farm: CSV of ``Export-Csv``, JSON of ``ConvertTo-Json``.

Both become records of texts. Quirks that are taken care of: the ``#TYPE`` line, a delimiter that
follows the language of Windows, UTF-16 and byte order marks, one object instead of a list of one,
addresses as objects, and lists that ``Export-Csv`` writes as the name of their type.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vmboot.errors import InputError, Place
from vmboot.media.pvstext import decode

MAX_RECORDS = 100_000
_DELIMITERS = ",;\t"
_HOW = "in PowerShell: Get-Pvs… | Export-Csv -NoTypeInformation FILE, or ConvertTo-Json > FILE"


@dataclass(frozen=True)
class Record:
    """One object of an export.

    :param fields: texts by lower-case field name; several where the field is a list
    :param place: the file, and the line where it is known
    :param label: what errors call it, e.g. ``"object 3"``, ``""`` where the line says it
    """

    fields: Mapping[str, tuple[str, ...]]
    place: Place
    label: str = ""

    def has(self, name: str) -> bool:
        return name.lower() in self.fields

    def text(self, *names: str) -> str:
        """The first of these fields that holds something, as one text."""
        found = (" ".join(self.fields.get(name.lower(), ())).strip() for name in names)
        return next((text for text in found if text), "")

    def field(self, name: str) -> str:
        """How errors name a field of this record."""
        return f"{self.label}, {name}" if self.label else name

    def error(self, name: str, message: str, *, hint: str) -> InputError:
        """An error that names file, line and field."""
        return InputError(f"{self.field(name)}: {message}", place=self.place, hint=hint)


def read_export(raw: bytes, *, file: str) -> tuple[Record, ...]:
    """The records of a CSV or JSON export, told apart by their first character.

    :param file: what errors call it
    :raises InputError: neither, damaged, or without a record
    """
    text = decode(raw, file=file).text
    first = text.lstrip()[:1]
    records = tuple(_from_json(text, file) if first in {"{", "["} else _from_csv(text, file))
    if not records:
        raise InputError("there is no record in it", place=Place(file), hint=_HOW)
    return records


def _from_json(text: str, file: str) -> Iterator[Record]:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        place = Place(file, error.lineno, error.colno)
        raise InputError(f"not JSON: {error.msg}", place=place, hint=_HOW) from None
    except (RecursionError, ValueError):  # nested without end; a number of 5,000 digits
        raise InputError("not JSON of an export", place=Place(file), hint=_HOW) from None
    if isinstance(document, dict) and isinstance(document.get("value"), list):
        document = document["value"]  # what Windows PowerShell makes of a piped list
    objects = document if isinstance(document, list) else [document]
    for number, each in enumerate(objects[: MAX_RECORDS + 1], start=1):
        if not isinstance(each, dict) or number > MAX_RECORDS:
            raise InputError(
                f"object {number} is not a record, or one of more than {MAX_RECORDS}",
                place=Place(file),
                hint=_HOW,
            )
        fields = {str(name).lower(): _texts(value) for name, value in each.items()}
        yield Record(fields, Place(file), f"object {number}")


def _texts(value: Any) -> tuple[str, ...]:
    """One value of an object, lists flattened by one level: PowerShell nests no deeper here."""
    if isinstance(value, dict) and isinstance(value.get("value"), list):
        value = value["value"]
    if isinstance(value, list):
        return tuple(_scalar(each) for each in value)
    return () if value is None else (_scalar(value),)


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        known = value.get("IPAddressToString") or value.get("value")  # an address, a date
        return known if isinstance(known, str) else "(an object)"
    return "(a list)" if isinstance(value, list) else str(value)


def _from_csv(text: str, file: str) -> Iterator[Record]:
    skipped, body = _without_type_line(text)
    header_line = body.split("\n", 1)[0]
    delimiter = max(_DELIMITERS, key=header_line.count)
    rows = csv.reader(io.StringIO(body, newline=""), delimiter=delimiter, strict=True)
    header: tuple[str, ...] = ()
    line = 0
    try:
        for number, row in enumerate(rows):
            place = Place(file, skipped + line + 1)
            line = rows.line_num
            if not header:
                header = _header(row, place)
            elif any(row):
                _check_row(row, header, number, place)
                yield Record({n: (v,) for n, v in zip(header, row, strict=True)}, place)
    except csv.Error as error:
        place = Place(file, skipped + line + 1)
        raise InputError(f"not CSV: {error}", place=place, hint=_HOW) from None


def _without_type_line(text: str) -> tuple[int, str]:
    """How many lines were skipped, and the rest."""
    skipped = 0
    while text.startswith(("#TYPE", "\r", "\n")):
        _line, end, text = text.partition("\n")
        skipped += bool(end)
    return skipped, text


def _header(row: Sequence[str], place: Place) -> tuple[str, ...]:
    names = tuple(name.strip().lower() for name in row)
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None or not any(names):
        what = f"column {double!r} is there twice" if double else "there are no column names"
        raise InputError(what, place=place, hint=_HOW)
    return names


def _check_row(row: Sequence[str], header: Sequence[str], number: int, place: Place) -> None:
    if len(row) != len(header) or number > MAX_RECORDS:
        raise InputError(
            f"{len(row)} values for {len(header)} columns, or more than {MAX_RECORDS} rows",
            place=place,
            hint="a value that has the delimiter in it must stand in quotes",
        )
