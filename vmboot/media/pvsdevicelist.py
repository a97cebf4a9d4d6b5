"""The target devices of a PVS farm as ``Get-PvsDevice`` exports them, as CSV or JSON.

Source: Citrix Provisioning PowerShell guide, PvsDevice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from vmboot.errors import InputError
from vmboot.media.pvsexport import Record, read_export
from vmboot.media.pvslogin import number
from vmboot.media.pvstext import read_bytes
from vmboot.model import Firmware

FIRMWARES = {1: Firmware.BIOS, 2: Firmware.UEFI}
FORMATS = {0: "", 1: "VHD", 2: "ISO", 3: "USB"}
# BdmBoot is a flag, a number or the word of an enumeration, by version and by how it was exported.
BOOTS = {
    **dict.fromkeys(("1", "true", "yes", "bdm", "bdmboot", "bdmdisk", "bdmiso", "bdmusb"), True),
    **dict.fromkeys(("0", "false", "no", "none", "pxe", "pxeboot"), False),
}
_MAC = re.compile(r"(?:[0-9a-f]{2}[-:. ]?){5}[0-9a-f]{2}")
_TICKS = re.compile(r"/Date\((-?\d{1,15})(?:[+-]\d{4})?\)/")
_CULTURE = re.compile(
    r"(\d{1,2})([./-])(\d{1,2})\2(\d{4})(?:,? (\d{1,2}):(\d\d)(?::(\d\d))?(?: ?([AP])\.?M\.?)?)?",
    re.IGNORECASE,
)
_NO_DATE = 1900  # an empty System.DateTime is of the year 1
_EMPTY = re.compile(r"0001-01-01.*|0?1[./-]0?1[./-]0001.*|/Date\(-6\d{13}(?:[+-]\d{4})?\)/")
_SORTABLE = "export it with @{n='BdmUpdated';e={$_.BdmUpdated.ToString('s')}}"

Dates = Callable[[str], datetime | None]


@dataclass(frozen=True)
class PvsDevice:
    """One target device.

    :param mac: lower case with colons
    :param bdm: it boots from boot media, not by PXE; ``None`` where the export does not say
    :param firmware: what its boot media are for, ``None`` for PXE or where it is not said
    :param format: ``VHD``, ``ISO``, ``USB`` or ``""``
    :param updated: when its boot disk was last updated, in local time without a zone; ``None``
        where PVS has no date, or the text can be read in two ways
    :param updated_text: the same as it was written, ``""`` for no date
    :param vm_id: the hypervisor's id of the VM, as PVS has it
    :param doubts: values that were not understood, in words with their line
    """

    name: str
    mac: str
    bdm: bool | None = None
    firmware: Firmware | None = None
    format: str = ""
    updated: datetime | None = None
    updated_text: str = ""
    vm_id: str = ""
    doubts: tuple[str, ...] = ()


def read_devices(path: str | Path) -> tuple[PvsDevice, ...]:
    """The devices in a file.

    :raises NotFoundError: there is no such file
    :raises InputError: it is no such export, with file, line and field
    """
    return parse_devices(read_bytes(path), file=str(path))


def parse_devices(raw: bytes, *, file: str = "devices") -> tuple[PvsDevice, ...]:
    """The same for a file that is already in memory."""
    records = read_export(raw, file=file)
    if not records[0].has("DeviceMac"):
        raise InputError(
            "no column DeviceMac",
            place=records[0].place,
            hint="export Get-PvsDevice with DeviceName, DeviceMac, BdmBoot, BdmType, BdmUpdated",
        )
    dates = date_reader([record.text("BdmUpdated") for record in records])
    return tuple(_device(record, dates) for record in records)


def _device(record: Record, dates: Dates) -> PvsDevice:
    text = record.text("BdmUpdated")
    updated = None if _EMPTY.fullmatch(text) else dates(text)
    return PvsDevice(
        name=record.text("DeviceName", "Name"),
        mac=_mac(record),
        bdm=BOOTS.get(record.text("BdmBoot").lower()),
        firmware=FIRMWARES.get(_number(record, "BdmType", 2)),
        format=FORMATS[_number(record, "BdmFormat", 3)],
        updated=updated,
        updated_text="" if _EMPTY.fullmatch(text) else text,
        vm_id=record.text("HypVmId"),
        doubts=tuple(_doubts(record, updated)),
    )


def _doubts(record: Record, updated: datetime | None) -> Iterator[str]:
    boot, date = record.text("BdmBoot"), record.text("BdmUpdated")
    if boot and boot.lower() not in BOOTS:
        known = "1, True, BdmDisk, BdmIso, BdmUsb, 0, False, PxeBoot"
        yield f"{_where(record, 'BdmBoot')}: {boot!r} is not understood; known are {known}"
    if date and updated is None and not _EMPTY.fullmatch(date):
        yield f"{_where(record, 'BdmUpdated')}: {date!r} is no sure date: {_SORTABLE}"


def _where(record: Record, name: str) -> str:
    line = f"line {record.place.line}, " if record.place.line else ""
    return f"{line}{record.field(name)}"


def _mac(record: Record) -> str:
    text = record.text("DeviceMac").lower()
    if not _MAC.fullmatch(text):
        raise record.error(
            "DeviceMac", f"{text!r} is no MAC address", hint="it is written 00-50-56-01-02-03"
        )
    digits = re.sub("[^0-9a-f]", "", text)
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def _number(record: Record, name: str, greatest: int) -> int:
    text = record.text(name)
    return number(text or "0", 0, greatest, field=record.field(name), place=record.place)


def date_reader(texts: Sequence[str]) -> Dates:
    """A reader for dates as one Windows writes them; all ``texts`` together tell its habits.

    ISO, the ticks of ``ConvertTo-Json``, and the forms of a culture: a dot means day first, AM and
    PM month first; else a number above 12 anywhere decides. It returns ``None`` where there is no
    date, or where day and month cannot be told apart.
    """
    found = [match for match in map(_CULTURE.fullmatch, texts) if match]
    month_first = any(match[8] or int(match[3]) > 12 for match in found)
    day_first = any(match[2] == "." or int(match[1]) > 12 for match in found)

    def read(text: str) -> datetime | None:
        match = _CULTURE.fullmatch(text)
        if match is None:
            return _absolute(text)
        if month_first == day_first and match[1] != match[3]:
            return None
        return _of_culture(match, day_first=day_first)

    return read


def _absolute(text: str) -> datetime | None:
    ticks = _TICKS.fullmatch(text)
    try:
        if ticks:
            found = datetime.fromtimestamp(int(ticks[1]) / 1000, UTC)
        else:
            found = datetime.fromisoformat(text)
        local = found.astimezone().replace(tzinfo=None) if found.tzinfo else found
    except (ValueError, OverflowError, OSError):
        return None
    return local if local.year > _NO_DATE else None


def _of_culture(match: re.Match[str], *, day_first: bool) -> datetime | None:
    first, second = int(match[1]), int(match[3])
    day, month = (first, second) if day_first else (second, first)
    hour, minute, seconds = (int(match[n] or 0) for n in (5, 6, 7))
    if match[8]:
        hour = hour % 12 + (12 if match[8].upper() == "P" else 0)
    try:
        found = datetime(int(match[4]), month, day, hour, minute, seconds)
    except ValueError:
        return None
    return found if found.year > _NO_DATE else None
