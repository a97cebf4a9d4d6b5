"""Which boot ISOs have to stay, and why."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.unit.vsphere.builders import IDE0, cd, machine
from vmboot.errors import RefusedError
from vmboot.fleet import needed
from vmboot.fleet.journal import Intent, Uploading, begin
from vmboot.fleet.needed import Needed, look
from vmboot.vsphere.files import FileInfo
from vmboot.vsphere.holders import Holders
from vmboot.vsphere.machine import CdBacking

NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)
X = "vmboot/vmboot-x-0123456789ab.iso"
NAME = "vmboot-x-0123456789ab.iso"


def info(modified: str = "2026-07-01T00:00:00Z", path: str = X) -> FileInfo:
    return FileInfo(path, 1, modified)


@pytest.mark.parametrize(
    ("modified", "young"),
    [
        ("2026-08-01T11:59:00Z", True),
        ("2026-08-01T10:59:00Z", False),
        ("2026-08-01T14:30:00+02:00", True),
        ("2026-08-02T00:00:00Z", True),
        ("2026-07-01T00:00:00", True),
        ("", True),
    ],
)
def test_an_hour_counts_from_the_modification(modified: str, young: bool) -> None:
    reason = Needed(now=NOW).reason(info(modified))
    assert (reason is not None) == young


def test_a_holder_counts_whatever_the_datastore_is_called() -> None:
    assert Needed(Holders({NAME: ("/DC1/vm/a",)}), now=NOW).reason(info()) == "/DC1/vm/a holds it"


def test_a_master_stays_while_extra_config_says_that_a_copy_of_it_boots() -> None:
    name = "vmboot-boot-0123456789ab.vmdk"
    found = Needed(Holders(by_media={name: ("/DC1/vm/clone",)}), now=NOW)
    reason = found.reason(info(path=f"vmboot/{name}"), "a")
    assert reason == "/DC1/vm/clone boots from a copy of it, as extraConfig says"


def test_of_a_master_those_machines_count_that_are_on_its_datastore() -> None:
    name = "vmboot-boot-0123456789ab.vmdk"
    master = info(path=f"vmboot/{name}")
    by_disk = {f"[a] m{n}/{name}": (f"/DC1/vm/m{n}",) for n in range(3)}
    by_disk[f"[b] x/{name}"] = ("/DC1/vm/x",)
    everybody = tuple(who for (who,) in by_disk.values())
    found = Needed(Holders({name: everybody}, by_disk=by_disk), now=NOW)
    assert found.reason(master, "a") == "/DC1/vm/m0 and 2 more boot from a copy of it"
    assert found.reason(master, "b") == "/DC1/vm/x boots from a copy of it"
    there = "/DC1/vm/m0 and 3 more boot from a copy of it on another datastore"
    assert found.reason(master, "c") == there


def test_a_part_stays_only_for_its_upload() -> None:
    part = info(path=f"{X}.01234567.part")
    assert Needed(Holders({NAME: ("/DC1/vm/a",)}), {NAME: "undo"}, now=NOW).reason(part) is None
    assert Needed(uploads={NAME: "an upload"}, now=NOW).reason(part) == "an upload"


def test_nothing_is_swept_while_a_machine_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needed, "read_holders", lambda _: Holders({}, ("/DC1/vm/lost",)))
    with pytest.raises(RefusedError, match="/DC1/vm/lost") as refused:
        look(None, keep_days=30, everything=True, state=None)  # type: ignore[arg-type]
    assert "System.Read" in (refused.value.hint or "")


def test_what_an_unfinished_run_uploads_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needed, "read_holders", lambda _: Holders())
    monkeypatch.setattr(needed, "_now", lambda _: NOW)
    holding = machine(cd(IDE0, backing=CdBacking("iso", path="[a] vmboot/y.iso")))
    given = {"fleet": "f", "fleet_sha256": "", "vcenter": "v", "vcenter_uuid": "u", "user": "me"}
    with begin(verb="apply", state=tmp_path, **given) as journal:
        journal.write(Uploading(f"[a] {X}", "ds-1", "00"))
        journal.write(Intent(holding, ()))
    found = look(None, keep_days=0, everything=True, state=tmp_path)  # type: ignore[arg-type]
    for file in (info(), info(path="vmboot/y.iso")):
        assert f"run {journal.run_id} needs it and is not finished" in (found.reason(file) or "")
