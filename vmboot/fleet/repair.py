"""What a killed run left behind: templates that are VMs now. Found in its journal, put right."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from vmboot.fleet.observe import read_present
from vmboot.fleet.runs import Run
from vmboot.fleet.steps import Step
from vmboot.vsphere.machine import Machine

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session


def were_templates(runs: Sequence[Run]) -> Mapping[str, Machine]:
    """Templates that ``runs`` may have left as VMs, by managed object id, as they were."""
    found: dict[str, Machine] = {}
    for run in runs:
        for moid, machine in run.left_open.items():
            found.setdefault(moid, machine)
    return found


def repair_steps(
    session: Session, runs: Sequence[Run], *, others: Collection[str] = ()
) -> tuple[Step, ...]:
    """Steps that make those of them templates again that really are VMs now.

    :param others: managed object ids that somebody else takes care of
    """
    moids = tuple(moid for moid in were_templates(runs) if moid not in others)
    found = read_present(session, moids)
    return tuple(Step(m, (), to_template=True) for m in found.values() if not m.is_template)
