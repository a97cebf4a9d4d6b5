"""The order of the demo, and the words that explain each step."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path

from vmboot import api
from vmboot.cli.demo.fleet import fleet_text
from vmboot.cli.demo.stage import Stage
from vmboot.cli.demo.story import Story
from vmboot.lab import Vcenter
from vmboot.model import Firmware

_UP = "An embedded vCenter on this machine: 2 clusters, 6 hosts, VMs with real slots, templates."
_DOCTOR = "Can this work? Login, privileges, datastores against hosts, boot loaders."
_PLAN = "What would change, machine by machine. Below, one machine's diff; nothing is changed."
_APPLY = (
    "One ISO is uploaded and attached at slot 0:0 everywhere, CD first. Templates make the round "
    "trip that vCenter demands; machines that must be off for their change are shut down."
)
_REHEARSE = (
    "A {} machine boots in QEMU what the vCenter now holds for it; the first boot server is dead."
)
_AGAIN = "Everything is as wished, so nothing is written."
_UNDO = "Back to the journaled state, compared property by property with the one from before."
_DOWN = "The embedded vCenter ends."


def play(
    stage: Stage,
    lab: AbstractContextManager[Vcenter],
    *,
    folder: Path,
    firmwares: Sequence[Firmware],
) -> None:
    """All steps, as far as each allows the next."""
    with ExitStack() as stack:
        started: list[Vcenter] = []
        if not stage.step("lab up", _UP, lambda: _start(stack, lab, started)):
            return
        story = _story(stage, stack, started[0], folder, firmwares)
        _tell(stage, story, firmwares)
        stage.step("lab down", _DOWN, lambda: _stop(stack))


def _start(stack: ExitStack, lab: AbstractContextManager[Vcenter], started: list[Vcenter]) -> str:
    started.append(stack.enter_context(lab))
    return f"{started[0].url}, user {started[0].user}"


def _stop(stack: ExitStack) -> str:
    stack.close()
    return "nothing is left running"


def _story(
    stage: Stage, stack: ExitStack, lab: Vcenter, folder: Path, firmwares: Sequence[Firmware]
) -> Story:
    variables = {**lab.environment(), "VMBOOT_STATE": str(folder / "state")}
    stack.enter_context(environment(variables))
    file = folder / "fleet.yml"
    file.write_text(
        fleet_text(host=lab.host, port=lab.port, thumbprint=lab.thumbprint, firmwares=firmwares),
        "utf-8",
    )
    fleet = api.load_fleet(file)
    session = stack.enter_context(api.connect(fleet))
    return Story(stage=stage, lab=lab, fleet=fleet, session=session, folder=folder)


def _tell(stage: Stage, story: Story, firmwares: Sequence[Firmware]) -> None:
    stage.step("doctor", _DOCTOR, story.doctor)
    if not stage.step("plan", _PLAN, story.plan):
        return
    applied = stage.step("apply", _APPLY, story.apply)
    if applied:
        for firmware in firmwares:
            name = firmware.name
            boot = partial(story.rehearse, firmware)
            stage.step(f"rehearse {name}", _REHEARSE.format(name), boot)
        stage.step("apply again", _AGAIN, story.again)
    if story.run_id:
        stage.step("undo", _UNDO, story.undo)


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables of this process for the length of a ``with`` block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
