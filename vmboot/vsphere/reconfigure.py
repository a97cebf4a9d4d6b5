"""One machine's changes as a write for the task window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vmboot.vsphere.changes import Change
from vmboot.vsphere.machine import Machine
from vmboot.vsphere.tasks import Job

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session


def reconfigure_job(machine: Machine, changes: Sequence[Change], *, guard: bool = True) -> Job:
    """The write that makes ``changes`` on ``machine`` in one ``ReconfigVM_Task``.

    :param guard: refuse if the machine changed since it was read; see
        :func:`vmboot.vsphere.specs.config_spec`
    """

    def start(session: Session) -> Any:
        from vmboot.vsphere import specs

        live = read_devices(session, machine.moid) if specs.needs_live_devices(changes) else ()
        spec = specs.config_spec(changes, machine=machine, live_devices=live, guard=guard)
        return session.ref("VirtualMachine", machine.moid).ReconfigVM_Task(spec)

    return Job(subject=machine.path, start=start, vm=machine.moid)


def read_devices(session: Session, moid: str) -> tuple[Any, ...]:
    """The machine's devices as pyVmomi objects, whole, as an edit of a disk must send them."""
    return tuple(session.ref("VirtualMachine", moid).config.hardware.device)
