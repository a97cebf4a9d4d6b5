"""Rows for a PVS site's own files: answer file, exports of PowerShell, volumes that are changed."""

from __future__ import annotations

from tests.fuzz import seeds
from tests.fuzz.mutate import Seed
from tests.unit.media.pvs_samples import (
    INI,
    answers,
    as_json,
    bootstrap,
    csv_text,
    ip_object,
    server,
)
from vmboot.errors import VmbootError
from vmboot.media.fatedit import FatEntry, list_entries, rename_entry, replace_content
from vmboot.media.importing import import_media
from vmboot.media.pvsanswers import read_answers
from vmboot.media.pvsdevicelist import parse_devices
from vmboot.media.pvsini import substitute
from vmboot.media.pvsservers import parse_servers

_DEVICE = {
    "DeviceName": "pvs-001",
    "DeviceMac": "00-50-56-01-02-AF",
    "BdmBoot": "True",
    "BdmType": "2",
    "BdmFormat": "1",
    "BdmUpdated": "5/4/2026 10:20:30 PM",
}


def _whole(*files: bytes) -> tuple[Seed, ...]:
    return tuple(Seed(data, ((0, len(data)),)) for data in files)


def answer_files() -> tuple[Seed, ...]:
    return _whole(answers(), answers(big=True))


def exports() -> tuple[Seed, ...]:
    objects = [{**server("P", ""), "Ip": [ip_object("10.0.0.11")]}, bootstrap("10.0.0.12")]
    return _whole(
        csv_text([bootstrap("10.0.0.11", "10.0.0.12")], kind="PvsServerBootstrap").encode(),
        csv_text([server("A", "10.0.0.11"), server("B", "10.0.0.12")]).encode("utf-16"),
        as_json(objects[0]).encode(),
        as_json({"value": objects[1:], "Count": 1}).encode(),
    )


def devices() -> tuple[Seed, ...]:
    date = {"value": "/Date(1795939200000)/", "DateTime": "x"}
    return _whole(
        csv_text([_DEVICE, {**_DEVICE, "BdmUpdated": "13.05.2026"}]).encode(),
        as_json([{**_DEVICE, "BdmUpdated": date}]).encode(),
    )


def inis() -> tuple[Seed, ...]:
    return _whole(INI.encode(), b"\xff\xfe" + INI.encode("utf-16-le"))


def read_answer_file(data: bytes) -> None:
    """Read, and hold the round trip."""
    found = read_answers(data)
    assert found.to_bytes() == data
    found.problems()
    found.login_servers()


def change_ini(data: bytes) -> None:
    substitute(data, [("10.0.0.11", "10.9.9.9"), ("server", "host")], every=True)


def change_volume(data: bytes) -> None:
    """Every kind of change; what comes out must be a volume of the same size that reads."""
    changes = (
        lambda: rename_entry(data, "PVSBOOT.INI", "a name that is longer than before.ini"),
        lambda: rename_entry(data, "EFI", "X"),
        lambda: replace_content(data, "PVSBOOT.INI", bytes(9000)),
        lambda: replace_content(data, "A.TXT", b""),
    )
    for change in changes:
        try:
            changed = change()
        except VmbootError:
            continue
        assert len(changed) == len(data)
        assert len(_listed(changed)) == len(_listed(data))
    list_entries(data)


def _listed(volume: bytes) -> tuple[FatEntry, ...]:
    """What was changed must still read, so an error of this is a finding."""
    try:
        return list_entries(volume)
    except VmbootError as error:
        raise AssertionError("a change made of a volume one that cannot be read") from error


def take_over(data: bytes) -> None:
    import_media(data, replace=[("10.0.0.11", "10.9.9.9")], replace_all=True)


ROWS = (
    ("pvs-answers", answer_files, read_answer_file),
    ("pvs-servers", exports, parse_servers),
    ("pvs-devices", devices, parse_devices),
    ("pvs-ini", inis, change_ini),
    ("fat-edit", seeds.fat, change_volume),
    ("pvs-import", seeds.gpt, take_over),
)
