"""Undo of one machine: restore what is ours, refuse what is somebody else's."""

from dataclasses import replace

import pytest

from tests.unit.vsphere.builders import (
    AHCI,
    BDM,
    BDM_MEDIA,
    IDE0,
    LSI1,
    MASTER_UUID,
    NVME,
    OLD_BDM,
    OLD_MEDIA,
    OTHER,
    OURS,
    SCSI,
    cd,
    disk,
    machine,
    nic,
)
from tests.unit.vsphere.serverside import read_back
from vmboot.fleet.decide import IsoWish, Wanted, plan_machine
from vmboot.fleet.journal import Intent
from vmboot.fleet.plan import PowerPolicy, Verdict
from vmboot.fleet.steps import Step
from vmboot.fleet.wayback import MachineUndo, way_back
from vmboot.model import BootMethod, Firmware
from vmboot.vsphere.devices import (
    AddDisk,
    DetachDisk,
    SetExtra,
    defer_boot_order,
    machine_after,
    plan_bdm,
    same_boot,
)
from vmboot.vsphere.machine import (
    BootEntry,
    CdBacking,
    Controller,
    DeviceKind,
    DiskBacking,
    Machine,
    Power,
)

ISO = Wanted(BootMethod.ISO, IsoWish(OURS, frozenset(Firmware)))
WITH_DRIVE = machine(cd(IDE0, backing=OTHER), disk(SCSI), nic())
WITHOUT_DRIVE = machine(disk(SCSI), nic())
DISK_AT_0_0 = machine(disk(IDE0), nic(), boot_order=(BootEntry("disk", 2000),))
THIRD = CdBacking("iso", path="[shared-01] iso/third.iso")


def applied(before: Machine, **options: object) -> tuple[list[Intent], Machine]:
    changes = plan_machine(before, ISO).now
    assert changes
    intent = Step(before, changes, to_template=before.is_template).intent
    return [intent], replace(machine_after(before, changes), is_template=before.is_template)


def undo(before: Machine, now: Machine | None, **options: bool) -> MachineUndo:
    return way_back(before, applied(before)[0], now, **options)


@pytest.mark.parametrize("before", [WITH_DRIVE, WITHOUT_DRIVE, DISK_AT_0_0])
def test_a_changed_machine_is_restored(before: Machine) -> None:
    now = applied(before)[1]
    back = undo(before, now)
    assert back.verdict is Verdict.CHANGE
    assert same_boot(before, machine_after(now, back.now)) == ()


def test_a_machine_that_was_never_reached_is_left_alone() -> None:
    assert undo(WITH_DRIVE, WITH_DRIVE).verdict is Verdict.OK


def test_a_machine_caught_between_two_reconfigures_is_restored() -> None:
    now = applied(DISK_AT_0_0)[1]
    half_way = replace(now, boot_order=(BootEntry("disk", 2001),))
    back = undo(DISK_AT_0_0, half_way)
    assert back.verdict is Verdict.CHANGE
    assert same_boot(DISK_AT_0_0, machine_after(half_way, back.now)) == ()


def test_a_machine_that_a_killed_undo_left_half_way_is_restored() -> None:
    intents, now = applied(DISK_AT_0_0)
    back = Step(now, way_back(DISK_AT_0_0, intents, now).now)
    half_way = replace(DISK_AT_0_0, boot_order=(BootEntry("cdrom"), BootEntry("disk", 2001)))
    assert way_back(DISK_AT_0_0, intents, half_way).verdict is Verdict.REFUSED
    again = way_back(DISK_AT_0_0, intents, half_way, undo_intents=[back.intent])
    assert again.verdict is Verdict.CHANGE
    assert same_boot(DISK_AT_0_0, machine_after(half_way, again.now)) == ()


def test_a_machine_that_somebody_changed_is_refused_with_the_differences() -> None:
    now = applied(WITH_DRIVE)[1]
    theirs = replace(now, boot_order=(*now.boot_order, BootEntry("ethernet", 4000)))
    back = undo(WITH_DRIVE, theirs)
    assert back.verdict is Verdict.REFUSED
    assert "changed since by someone: the boot order is" in back.problems[0].message
    assert "--force" in (back.problems[0].hint or "")


def test_force_keeps_what_others_added() -> None:
    now = applied(WITHOUT_DRIVE)[1]
    theirs = disk(SCSI, 5, key=2005)
    changed = replace(now, hardware=replace(now.hardware, devices=(*now.hardware.devices, theirs)))
    back = undo(WITHOUT_DRIVE, changed, force=True)
    assert back.verdict is Verdict.CHANGE
    after = machine_after(changed, back.now)
    assert theirs in after.hardware.devices
    assert [d for d in after.hardware.devices if d.backing == OURS] == []


def test_force_keeps_a_drive_we_added_that_holds_another_iso_by_now() -> None:
    now = applied(WITHOUT_DRIVE)[1]
    devices = tuple(
        replace(d, backing=THIRD) if d.backing == OURS else d for d in now.hardware.devices
    )
    changed = replace(now, hardware=replace(now.hardware, devices=devices))
    back = undo(WITHOUT_DRIVE, changed, force=True)
    after = machine_after(changed, back.now)
    assert [d.backing for d in after.hardware.devices if d.backing] == [THIRD]
    assert after.boot_order == ()


def test_a_machine_that_is_gone_is_refused() -> None:
    back = undo(WITH_DRIVE, None)
    assert (back.verdict, back.machine) == (Verdict.REFUSED, WITH_DRIVE)
    other = replace(applied(WITH_DRIVE)[1], uuid="another machine")
    assert undo(WITH_DRIVE, other).verdict is Verdict.REFUSED


def test_a_template_left_as_a_vm_becomes_one_again() -> None:
    template = replace(WITH_DRIVE, is_template=True)
    now = applied(template)[1]
    for found in (replace(now, is_template=False), replace(template, is_template=False)):
        back = undo(template, found)
        assert (back.verdict, back.to_template, back.make_template) == (Verdict.CHANGE, True, True)


def test_a_vm_that_somebody_made_a_template_since_is_refused() -> None:
    now = replace(applied(WITH_DRIVE)[1], is_template=True)
    for force in (False, True):
        back = undo(WITH_DRIVE, now, force=force)
        assert back.verdict is Verdict.REFUSED
        assert "made it a template since" in back.problems[0].message
    assert undo(WITH_DRIVE, replace(WITH_DRIVE, is_template=True)).verdict is Verdict.OK


@pytest.mark.parametrize(
    "theirs",
    [
        (BootEntry("ethernet", 4000), BootEntry("floppy")),
        (BootEntry("ethernet", 4000), BootEntry("disk", 2000)),
        (BootEntry("floppy"),),
        (),
    ],
)
def test_an_order_that_no_crash_of_ours_leaves_is_somebody_elses(
    theirs: tuple[BootEntry, ...],
) -> None:
    before = replace(DISK_AT_0_0, boot_order=(BootEntry("disk", 2000), BootEntry("ethernet", 4000)))
    now = replace(applied(before)[1], boot_order=theirs)
    assert undo(before, now).verdict is Verdict.REFUSED


@pytest.mark.parametrize("left", [2000, 2999, None])
def test_an_order_that_a_crash_leaves_is_ours(left: int | None) -> None:
    before = replace(DISK_AT_0_0, boot_order=(BootEntry("disk", 2000), BootEntry("ethernet", 4000)))
    disks = () if left is None else (BootEntry("disk", left),)
    half_way = replace(applied(before)[1], boot_order=(*disks, BootEntry("ethernet", 4000)))
    back = undo(before, half_way)
    assert back.verdict is Verdict.CHANGE
    assert same_boot(before, machine_after(half_way, back.now)) == ()


def with_files(machine: Machine, file: str, uuid: str) -> Machine:
    devices = tuple(
        replace(d, file=file, uuid=uuid) if d.kind is DeviceKind.DISK else d
        for d in machine.hardware.devices
    )
    return replace(machine, hardware=replace(machine.hardware, devices=devices))


@pytest.mark.parametrize("file", ["[other] vm/vm.vmdk", "[shared-01] vm/vm-000001.vmdk"])
def test_a_disk_that_got_another_file_since_is_still_known_by_its_uuid(file: str) -> None:
    before = with_files(DISK_AT_0_0, "[shared-01] vm/vm.vmdk", "6000c29a")
    now = with_files(applied(before)[1], file, "6000c29a")
    for force in (False, True):
        back = undo(before, now, force=force)
        assert back.verdict is Verdict.CHANGE
        assert same_boot(before, machine_after(now, back.now)) == ()


def test_force_never_drops_a_disk_from_the_boot_order_that_it_cannot_tell() -> None:
    now = with_files(applied(DISK_AT_0_0)[1], "[other] vm/vm.vmdk", "")
    back = undo(DISK_AT_0_0, now, force=True)
    assert back.verdict is Verdict.REFUSED
    assert "cannot be told" in back.problems[0].message


def test_a_drive_we_added_to_a_machine_that_runs_now_waits() -> None:
    now = replace(applied(WITHOUT_DRIVE)[1], power=Power.ON)
    back = undo(WITHOUT_DRIVE, now)
    assert (back.verdict, back.now) == (Verdict.PENDING, ())
    assert back.later


def test_a_drive_we_filled_on_a_machine_that_runs_now_is_restored_live() -> None:
    now = replace(applied(WITH_DRIVE)[1], power=Power.ON)
    assert undo(WITH_DRIVE, now).verdict is Verdict.CHANGE


def test_a_machine_that_was_shut_down_for_its_change_is_powered_on_again() -> None:
    now = applied(WITH_DRIVE)[1]
    back = undo(WITH_DRIVE, now, was_shut_down=True)
    assert back.power_on
    assert back.diff[-1].to_json() == {
        "what": "power",
        "before": "off",
        "after": "on",
        "later": False,
    }
    assert not undo(WITH_DRIVE, replace(now, power=Power.ON), was_shut_down=True).power_on


def test_the_first_state_counts_when_a_later_run_resumed() -> None:
    first, now = applied(WITH_DRIVE)
    second = Step(now, ()).intent
    back = way_back(WITH_DRIVE, [*first, second], now)
    assert same_boot(WITH_DRIVE, machine_after(now, back.now)) == ()


def test_the_way_back_is_data() -> None:
    data = undo(WITH_DRIVE, applied(WITH_DRIVE)[1]).to_json()
    assert (data["path"], data["verdict"], data["problems"]) == ("/DC1/vm/a", "change", [])
    assert [line["what"] for line in data["diff"]] == ["CD/DVD drive 3000 (IDE 0:0)", "boot order"]


OCCUPIED = machine(disk(SCSI), nic(), boot_order=(BootEntry("disk", 2000),))
STALE = machine(
    disk(SCSI, file=OLD_BDM),
    disk(SCSI, 1, key=2001),
    nic(),
    media=OLD_MEDIA,
    boot_order=(BootEntry("disk", 2000), BootEntry("ethernet", 4000)),
)


def with_bdm(before: Machine) -> tuple[list[Intent], Machine]:
    changes = plan_bdm(before, file=BDM, datastore="datastore-1", media=BDM_MEDIA).changes
    return [Step(before, changes).intent], read_back(machine_after(before, changes))


@pytest.mark.parametrize("before", [OCCUPIED, STALE, machine(nic(), controllers=(IDE0,))])
def test_a_boot_disk_is_taken_out_again(before: Machine) -> None:
    intents, now = with_bdm(before)
    back = way_back(before, intents, now)
    restored = read_back(machine_after(now, back.now))

    assert back.verdict is Verdict.CHANGE
    assert same_boot(before, restored) == ()
    assert way_back(before, intents, restored).verdict is Verdict.OK


def test_one_in_a_running_machine_waits_for_its_power_off() -> None:
    intents, now = with_bdm(OCCUPIED)
    back = way_back(OCCUPIED, intents, replace(now, power=Power.ON))

    assert (back.verdict, back.now) == (Verdict.PENDING, ())


def test_one_in_a_running_machine_that_may_be_shut_down_goes_back_and_runs_again() -> None:
    intents, now = with_bdm(OCCUPIED)
    back = way_back(OCCUPIED, intents, replace(now, power=Power.ON), power="off")

    assert (back.verdict, back.later, back.problems) == (Verdict.CHANGE, (), ())
    assert (back.down, back.power_on) == (True, True)
    assert back.diff[-1].after == "off, then on again"
    asleep = way_back(OCCUPIED, intents, replace(now, power=Power.SUSPENDED), power="off")
    assert (asleep.verdict, asleep.down) == (Verdict.PENDING, False)


def test_a_name_alone_goes_at_once() -> None:
    before = with_bdm(OCCUPIED)[1]
    intents = [Step(before, (SetExtra("vmboot.media", BDM_MEDIA, "x"),)).intent]
    back = way_back(before, intents, replace(before, media="x", power=Power.ON))

    assert (back.verdict, back.now) == (
        Verdict.CHANGE,
        (SetExtra("vmboot.media", "x", BDM_MEDIA),),
    )


@pytest.mark.parametrize("before", [OCCUPIED, STALE])
def test_a_boot_disk_without_its_place_in_the_order_is_ours_all_the_same(before: Machine) -> None:
    (intent,), _ = with_bdm(before)
    first, _ = defer_boot_order(intent.changes, machine=before)
    half_way = read_back(machine_after(before, first))
    there = {device.key for device in half_way.hardware.devices}
    order = tuple(entry for entry in half_way.boot_order if entry.key in there)
    back = way_back(before, [intent], replace(half_way, boot_order=order))

    assert back.verdict is Verdict.CHANGE
    assert same_boot(before, read_back(machine_after(half_way, back.now))) == ()


@pytest.mark.parametrize("before", [OCCUPIED, STALE])
def test_force_takes_only_the_boot_disk_back(before: Machine) -> None:
    intents, now = with_bdm(before)
    theirs = disk(SCSI, 5, key=2005)
    changed = replace(now, hardware=replace(now.hardware, devices=(*now.hardware.devices, theirs)))

    assert way_back(before, intents, changed).verdict is Verdict.REFUSED
    back = way_back(before, intents, changed, force=True)
    restored = read_back(machine_after(changed, back.now))
    assert back.verdict is Verdict.CHANGE
    assert same_boot(before, restored) == (f"there is a disk {theirs.file} that was not there",)


def test_force_leaves_a_place_alone_that_somebody_took_since() -> None:
    intents, now = with_bdm(OCCUPIED)
    theirs = disk(SCSI, 0, key=2000, file="[shared-01] vm/theirs.vmdk")
    devices = tuple(theirs if d.file == BDM else d for d in now.hardware.devices)
    changed = replace(now, hardware=replace(now.hardware, devices=devices), boot_order=())
    back = way_back(OCCUPIED, intents, changed, force=True)
    restored = machine_after(changed, back.now)

    assert [d for d in restored.hardware.devices if d.kind is DeviceKind.DISK] == [
        d for d in changed.hardware.devices if d.kind is DeviceKind.DISK
    ]
    assert restored.media == ""


def test_force_keeps_another_name_that_somebody_gave() -> None:
    intents, now = with_bdm(OCCUPIED)
    changed = replace(now, media="theirs 0123456789ab")
    back = way_back(OCCUPIED, intents, changed, force=True)

    assert machine_after(changed, back.now).media == "theirs 0123456789ab"


def renamed(machine: Machine, folder: str = "[b] a") -> Machine:
    """As storage vMotion leaves it that renames files after their machine."""
    devices = tuple(
        replace(d, file=f"{folder}/a_{number}.vmdk") if d.kind is DeviceKind.DISK else d
        for number, d in enumerate(machine.hardware.devices)
    )
    return replace(machine, home=folder, hardware=replace(machine.hardware, devices=devices))


def with_uuids(machine: Machine) -> Machine:
    devices = tuple(
        replace(d, uuid=d.uuid or f"6000c29a-{d.key}") if d.kind is DeviceKind.DISK else d
        for d in machine.hardware.devices
    )
    return replace(machine, hardware=replace(machine.hardware, devices=devices))


def small(machine: Machine, file: str) -> Machine:
    """With the disk ``file`` as a copy of the master is."""
    backing = DiskBacking("datastore-1", 8 * 1024**2)
    devices = tuple(
        replace(d, disk=backing, uuid=MASTER_UUID) if d.file == file else d
        for d in machine.hardware.devices
    )
    return replace(machine, hardware=replace(machine.hardware, devices=devices))


KNOWN_STALE = small(with_uuids(STALE), OLD_BDM)


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("before", [with_uuids(OCCUPIED), KNOWN_STALE])
def test_a_boot_disk_that_storage_vmotion_renamed_is_taken_out_again(
    before: Machine, force: bool
) -> None:
    intents, now = with_bdm(before)
    moved = renamed(now)
    back = way_back(before, intents, moved, force=force)
    restored = read_back(machine_after(moved, back.now))

    assert back.verdict is Verdict.CHANGE
    (gone,) = [c.file for c in back.now if isinstance(c, DetachDisk)]
    assert [(p.warning, gone in p.message) for p in back.problems] == [(True, True)]
    assert gone in [d.file for d in moved.hardware.devices]
    assert same_boot(before, restored) == ()
    assert way_back(before, intents, restored).verdict is Verdict.OK


@pytest.mark.parametrize("force", [False, True])
def test_one_that_was_renamed_before_it_was_replaced_comes_back_as_it_was(force: bool) -> None:
    before = renamed(KNOWN_STALE, "[shared-01] a")
    intents, now = with_bdm(before)
    back = way_back(before, intents, now, force=force)
    restored = read_back(machine_after(now, back.now))

    assert [c.file for c in back.now if isinstance(c, AddDisk)] == ["[shared-01] a/a_0.vmdk"]
    assert same_boot(before, restored) == ()
    assert way_back(before, intents, restored).verdict is Verdict.OK


def test_somebodys_change_beside_the_new_name_is_told_and_kept() -> None:
    before = with_uuids(OCCUPIED)
    intents, now = with_bdm(before)
    theirs = disk(SCSI, 5, key=2005, uuid="theirs")
    moved = renamed(now)
    hardware = replace(moved.hardware, devices=(*moved.hardware.devices, theirs))
    changed = replace(moved, hardware=hardware)

    refused = way_back(before, intents, changed)
    assert refused.problems[0].message == (
        f"changed since by someone: there is a disk {theirs.file} that was not there"
    )
    forced = way_back(before, intents, changed, force=True)
    restored = read_back(machine_after(changed, forced.now))
    assert same_boot(before, restored) == (f"there is a disk {theirs.file} that was not there",)
    assert restored.media == ""


@pytest.mark.parametrize(("power", "warnings"), [("leave", [False, True]), ("off", [True])])
def test_a_plan_for_a_running_machine_says_too_which_disk_it_takes_for_ours(
    power: PowerPolicy, warnings: list[bool]
) -> None:
    before = with_uuids(OCCUPIED)
    intents, now = with_bdm(before)
    back = way_back(before, intents, replace(renamed(now), power=Power.ON), power=power)

    assert [problem.warning for problem in back.problems] == warnings


def test_a_killed_change_to_a_machine_with_a_renamed_boot_disk_goes_back() -> None:
    before = with_uuids(OCCUPIED)
    (intent,), _ = with_bdm(before)
    first, _ = defer_boot_order(intent.changes, machine=before)
    half_way = renamed(read_back(machine_after(before, first)))
    back = way_back(before, [intent], replace(half_way, boot_order=()))

    assert back.verdict is Verdict.CHANGE
    assert same_boot(before, read_back(machine_after(half_way, back.now))) == ()


@pytest.mark.parametrize("theirs", [LSI1, NVME, AHCI])
def test_force_keeps_an_empty_controller_that_somebody_added(theirs: Controller) -> None:
    before = machine(nic(), controllers=(IDE0,))
    intents, now = with_bdm(before)
    hardware = replace(now.hardware, controllers=(*now.hardware.controllers, theirs))
    back = way_back(before, intents, replace(now, hardware=hardware), force=True)
    restored = read_back(machine_after(replace(now, hardware=hardware), back.now))

    assert [(c.bus, c.number) for c in restored.hardware.controllers] == [
        (c.bus, c.number) for c in (IDE0, theirs)
    ]
