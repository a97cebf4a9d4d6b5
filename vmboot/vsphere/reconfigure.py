"""One machine's changes as a write for the task window."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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
    live_devices: Callable[[], Sequence[Any] | None] | None = None,
    guard: bool = True,
) -> Job:
    """The write that makes ``changes`` on ``machine`` in one ``ReconfigVM_Task``.

    :param live_devices: gives what :func:`read_devices` read, asked in the submitter thread and
        only if they are needed; without it, or where it gives ``None``, they are read, which costs
        a call for this machine alone
    :param guard: refuse if the machine changed since it was read; see
        :func:`vmboot.vsphere.specs.config_spec`
    """

    def start(session: Session) -> Any:
        from vmboot.vsphere import specs

        live: Sequence[Any] = ()
        if needs_devices(changes):
            known = live_devices() if live_devices is not None else None
            live = read_devices(session, (machine.moid,))[machine.moid] if known is None else known
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
