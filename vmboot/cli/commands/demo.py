"""``vmboot demo``: a whole rollout on an embedded vCenter."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from vmboot.cli.exits import Exit
from vmboot.cli.options import FILE
from vmboot.cli.options import command as make_command
from vmboot.cli.terminal import Terminal

if TYPE_CHECKING:
    from rich.console import RenderableType

    from vmboot.cli.demo.stage import Stage

SVG_WIDTH = 100


@dataclass(frozen=True)
class Options:
    """
    :param svg: where to keep a picture of the screen
    """

    svg: Path | None = None
    vms: int = 40
    templates: int = 4


@make_command("demo", example="vmboot demo")
@click.option("--svg", type=FILE, help="Also write the screen to this SVG file.")
def command(terminal: Terminal, svg: Path | None) -> Exit:
    """Show a whole rollout on an embedded vCenter, nothing to configure.

    Plans, applies, boots two machines in QEMU from what that vCenter then holds, applies again,
    and undoes it all. Exit code 0 only if each step held; 3 if this machine cannot do one of
    them (the cure is shown).
    """
    return run(Options(svg=svg), terminal)


def run(options: Options, terminal: Terminal) -> Exit:
    """Play the demo, on a recorded screen if a picture is wanted."""
    from vmboot.cli.demo.stage import Stage

    screen = terminal if options.svg is None else _recorded(terminal)
    stage = Stage(screen)
    with tempfile.TemporaryDirectory(prefix="vmboot-demo-") as folder:
        _play(stage, options, Path(folder))
    screen.show(lambda: _ending(stage))
    if terminal.json:
        terminal.deliver_json(_document(stage))
    if options.svg is not None:
        from vmboot.cli.screenshot import write_svg

        write_svg(screen.out, options.svg, title="vmboot demo")
    return stage.exit


def _recorded(terminal: Terminal) -> Terminal:
    """A screen that remembers all it shows, also where only JSON is to be printed."""
    stdout = io.StringIO() if terminal.json else terminal.stdout
    return replace(terminal, record=True, width=SVG_WIDTH, json=False, quiet=False, stdout=stdout)


def _play(stage: Stage, options: Options, folder: Path) -> None:
    from vmboot.cli.demo.loaders import ready_firmwares
    from vmboot.cli.demo.script import play
    from vmboot.lab import start_vcenter

    firmwares = ready_firmwares(stage)
    if firmwares:
        lab = start_vcenter(vms=options.vms, templates=options.templates)
        play(stage, lab, folder=folder, firmwares=firmwares)


def _document(stage: Stage) -> Mapping[str, Any]:
    return {"ok": stage.exit == Exit.OK, "steps": [each.to_json() for each in stage.outcomes]}


def _ending(stage: Stage) -> RenderableType:
    from vmboot.cli.demo.stage import State
    from vmboot.cli.text import plural
    from vmboot.cli.views.table import line

    held = sum(outcome.state is State.HELD for outcome in stage.outcomes)
    total = sum(outcome.seconds for outcome in stage.outcomes)
    words = {
        Exit.OK: "each one held",
        Exit.PARTLY: f"{held} held, none failed, the others cannot be done on this machine",
        Exit.FAILED: f"{held} held, not all did",
    }
    text = f"\n{plural(len(stage.outcomes), 'step')} in {total:.0f} s: {words[stage.exit]}."
    return line(text, "bold green" if stage.exit is Exit.OK else "bold red")
