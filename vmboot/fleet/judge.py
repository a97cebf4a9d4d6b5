"""What became of a machine, judged by reading it back. Pure."""

from __future__ import annotations

from vmboot.errors import RemoteError, VmbootError
from vmboot.fleet.result import Done, MachineOutcome
from vmboot.fleet.steps import Step
from vmboot.vsphere.machine import Machine, Power

#: Faults that mean: not while it runs.
_NEEDS_POWER_OFF = frozenset({"InvalidPowerState"})


def waits(step: Step, error: VmbootError | None) -> bool:
    """True if ``error`` only says that a running machine must be powered off first."""
    running = step.machine.power is not Power.OFF
    return running and isinstance(error, RemoteError) and error.fault in _NEEDS_POWER_OFF


def judge(step: Step, found: Machine | None, error: VmbootError | None) -> MachineOutcome:
    """The outcome of a step that was begun.

    :param found: the machine read back; ``None`` if it does not exist any more
    :param error: what its write said; a state that is right outweighs it
    """
    if found is None:
        return _failed(step, "it was removed meanwhile", "run plan again")
    missing = step.missing(found)
    if not missing:
        return _reached(step)
    if waits(step, error):
        return _outcome(
            step,
            Done.PENDING,
            "its change needs it powered off",
            "power it off and apply again, or apply with --power off",
        )
    if error is None:
        return _failed(
            step,
            f"read back otherwise than written: {'; '.join(missing)}",
            "somebody changed it meanwhile, or the vCenter kept silent about a refusal: plan again",
        )
    if step.untouched(found):
        return _failed(step, error.message, error.hint)
    return _failed(
        step, f"{error.message}; it is changed in part: {'; '.join(missing)}", error.hint
    )


def failed(step: Step, error: VmbootError) -> MachineOutcome:
    """The outcome of a step that was not begun because what it needs first went wrong."""
    return _failed(step, error.message, error.hint)


def unread(step: Step, error: VmbootError) -> MachineOutcome:
    """The outcome of a step whose machine could not be read back."""
    return _failed(
        step,
        f"whether it was changed could not be read: {error.message}",
        "apply again when the vCenter answers; it continues this run",
    )


def skipped(step: Step, *, interrupted: bool) -> MachineOutcome:
    """The outcome of a step that was not begun."""
    if interrupted:
        return _outcome(step, Done.SKIPPED, "the run was interrupted", "apply again to continue")
    return _outcome(
        step,
        Done.SKIPPED,
        "too many machines failed before its turn",
        "see to the failures, then apply again; rollout.max_failures sets the limit",
    )


def _reached(step: Step) -> MachineOutcome:
    if step.rest:
        return _outcome(
            step, Done.PENDING, step.rest, "power it off and apply again, or apply with --power off"
        )
    return _outcome(step, Done.DONE)


def _failed(step: Step, error: str, hint: str | None) -> MachineOutcome:
    return _outcome(step, Done.FAILED, error, hint)


def _outcome(step: Step, verdict: Done, error: str = "", hint: str | None = None) -> MachineOutcome:
    return MachineOutcome(step.machine.path, step.moid, verdict, error, hint)
