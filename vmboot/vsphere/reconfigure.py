"""One machine's changes as a write for the task window."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from vmboot.vsphere.changes import Change, MoveDevice
from vmboot.vsphere.machine import Machine
from vmboot.vsphere.tasks import Job

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session


def reconfigure_job(
    machine: Machine,
    changes: Sequence[Change],
    *,
    live_devices: Sequence[Any] | None = None,
    guard: bool = True,
) -> Job:
    """The write that makes ``changes`` on ``machine`` in one ``ReconfigVM_Task``.

    :param live_devices: from :func:`read_devices`; ``None`` reads them when they are needed, which
        costs a call for this machine alone
    :param guard: refuse if the machine changed since it was read; see
        :func:`vmboot.vsphere.specs.config_spec`
    """

    def start(session: Session) -> Any:
        from vmboot.vsphere import specs

        live = live_devices or ()
        if live_devices is None and needs_devices(changes):
            live = read_devices(session, (machine.moid,))[machine.moid]
        spec = specs.config_spec(changes, machine=machine, live_devices=live, guard=guard)
        return session.ref("VirtualMachine", machine.moid).ReconfigVM_Task(spec)

    return Job(subject=machine.path, start=start, vm=machine.moid)


def needs_devices(changes: Iterable[Change]) -> bool:
    """True if the write of ``changes`` must send whole devices, from :func:`read_devices`."""
    return any(isinstance(change, MoveDevice) for change in changes)


def read_devices(session: Session, moids: Iterable[str]) -> dict[str, tuple[Any, ...]]:
    """The machines' devices as pyVmomi objects, whole, as an edit of a disk must send them.

    One call for all of them; about 60 KB a machine, so only for those whose disk moves.
    """
    from vmboot.vsphere import specs

    spec = specs.devices_query([session.ref("VirtualMachine", moid) for moid in moids])
    collector = session.content.propertyCollector
    contents = session.call(lambda: collector.RetrieveProperties([spec]))
    return {item.obj._GetMoId(): tuple(item.propSet[0].val) for item in contents}
