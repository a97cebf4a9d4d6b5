"""What PVS believes of its target devices, held against what the vCenter has.

MAC addresses join the two. PVS itself says when it last updated a device's boot disk, so that those
from before a change of the server list are found.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmboot.errors import InputError, NotFoundError
from vmboot.events import Event, Sink, ignore
from vmboot.fleet.resolve import resolve
from vmboot.media.pvsdevicelist import PvsDevice, read_devices
from vmboot.vsphere.inventory import read_index, read_machines
from vmboot.vsphere.machine import DeviceKind, Machine

if TYPE_CHECKING:
    from vmboot.fleet.spec import Fleet
    from vmboot.vsphere.session import Session


@dataclass(frozen=True)
class DeviceMatch:
    """One device record.

    :param paths: inventory paths of the machines with its MAC; one, if all is well
    :param stale: its boot disk is older than the last change of the server list, or of unknown age
    :param problems: what does not fit, in words
    """

    device: PvsDevice
    paths: tuple[str, ...]
    stale: bool = False
    problems: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        known = self.device
        return {
            "device": known.name,
            "mac": known.mac,
            "machines": list(self.paths),
            "bdm": known.bdm,
            "firmware": known.firmware.value if known.firmware else None,
            "format": known.format,
            "updated": known.updated.isoformat() if known.updated else None,
            "stale": self.stale,
            "problems": list(self.problems),
        }


@dataclass(frozen=True)
class DeviceReport:
    """All device records, and the fleet's VMs without one.

    :param without: inventory paths of VMs of the fleet whose MAC no device record has
    :param changed_since: when the server list last changed, local time
    """

    vcenter: str
    devices: tuple[DeviceMatch, ...]
    without: tuple[str, ...] = ()
    changed_since: datetime | None = None

    @property
    def stale(self) -> tuple[DeviceMatch, ...]:
        return tuple(each for each in self.devices if each.stale)

    @property
    def fits(self) -> bool:
        """True when there is nothing to look into."""
        return not self.without and not any(each.problems for each in self.devices)

    def to_json(self) -> dict[str, Any]:
        """Keys vcenter, changed_since, counts, devices and without."""
        since = self.changed_since
        return {
            "vcenter": self.vcenter,
            "changed_since": since.isoformat() if since else None,
            "counts": {
                "devices": len(self.devices),
                "stale": len(self.stale),
                "problems": sum(bool(each.problems) for each in self.devices),
                "without": len(self.without),
            },
            "devices": [each.to_json() for each in self.devices],
            "without": list(self.without),
        }


def check_devices(
    fleet: Fleet,
    session: Session,
    devices: str | Path | Sequence[PvsDevice],
    *,
    changed_since: datetime | None = None,
    sink: Sink = ignore,
) -> DeviceReport:
    """Hold an export of ``Get-PvsDevice`` against the vCenter of ``fleet``; changes nothing.

    :param devices: the records, or the CSV or JSON file that has them
    :param changed_since: boot disks from before are stale; local time, without a zone
    :raises NotFoundError: there is no such file
    :raises InputError: the file is no such export
    """
    records = read_devices(devices) if isinstance(devices, str | Path) else devices
    sink(Event("devices.begin", "reading the inventory", fleet.file.name))
    index = read_index(session, datacenter=fleet.vcenter.datacenter)
    gone: list[NotFoundError] = []
    ours = {wish.entry.moid for wish in resolve(fleet, index, missing=gone) if not wish.is_template}
    moids = [entry.moid for entry in index.entries]
    sink(Event("devices.machines", "reading the machines", data={"count": len(moids)}))
    machines = read_machines(session, moids, missing_ok=True)
    matches, without = reconcile(records, machines, ours=ours, changed_since=changed_since)
    return DeviceReport(session.host, matches, without, changed_since)


def reconcile(
    devices: Sequence[PvsDevice],
    machines: Iterable[Machine],
    *,
    ours: Collection[str] = (),
    changed_since: datetime | None = None,
) -> tuple[tuple[DeviceMatch, ...], tuple[str, ...]]:
    """Join by MAC: the matches in the order of ``devices``, and paths of VMs without a record.

    :param ours: managed object ids of the VMs that should have a record
    """
    everyone = tuple(machines)
    by_mac = _by_mac(everyone)
    count = Counter(device.mac for device in devices)
    matches = tuple(
        _match(device, by_mac.get(device.mac, ()), count[device.mac], changed_since)
        for device in devices
    )
    known = set(count)
    without = sorted(m.path for m in everyone if m.moid in ours and known.isdisjoint(_macs(m)))
    return matches, tuple(without)


def parse_since(text: str) -> datetime:
    """``2026-11-20``, ``2026-11-20T14:30`` or with a zone, as local time.

    :raises InputError: none of these
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"{text!r} is no date", hint="write it as 2026-11-20 or 2026-11-20T14:30"
        ) from None
    return found.astimezone().replace(tzinfo=None) if found.tzinfo else found


def _by_mac(machines: Iterable[Machine]) -> Mapping[str, Sequence[Machine]]:
    found: dict[str, list[Machine]] = defaultdict(list)
    for machine in machines:
        for mac in _macs(machine):
            found[mac].append(machine)
    return found


def _macs(machine: Machine) -> list[str]:
    """Each once, in the order of the NICs."""
    nics = (each for each in machine.hardware.devices if each.kind is DeviceKind.NIC)
    return list(dict.fromkeys(nic.mac for nic in nics if nic.mac))


def _match(
    device: PvsDevice, machines: Sequence[Machine], records: int, since: datetime | None
) -> DeviceMatch:
    old = tuple(_old(device, since))
    problems = (*_identity(machines, records), *_firmware(device, machines), *device.doubts, *old)
    return DeviceMatch(device, tuple(m.path for m in machines), bool(old), problems)


def _identity(machines: Sequence[Machine], records: int) -> Iterator[str]:
    if not machines:
        yield "no VM has this MAC"
    if len(machines) > 1:
        yield f"{len(machines)} VMs have this MAC: {', '.join(m.path for m in machines)}"
    if records > 1:
        yield f"{records} device records have this MAC"


def _firmware(device: PvsDevice, machines: Sequence[Machine]) -> Iterator[str]:
    for machine in machines if device.firmware else ():
        if machine.firmware is not device.firmware:
            wanted = device.firmware.name if device.firmware else ""
            yield f"PVS made its BDM for {wanted}, and {machine.path} has {machine.firmware.name}"


def _old(device: PvsDevice, since: datetime | None) -> Iterator[str]:
    """Why its boot disk may be from before ``since``.

    One whose BdmBoot is not understood counts where PVS has a date; the date itself is in doubt in
    words of its own (:attr:`PvsDevice.doubts`).
    """
    if since is None or device.bdm is False or not (device.bdm or device.updated):
        return
    if device.updated is None and device.updated_text:
        yield "the age of its BDM is not known"
    elif device.updated is None:
        yield "PVS has no date of its BDM"
    elif device.updated < since:
        yield (
            f"its BDM is of {device.updated:%Y-%m-%d %H:%M}, before the servers changed "
            f"({since:%Y-%m-%d %H:%M})"
        )
