"""Every command with its one line of help: what ``vmboot --help`` prints without importing any.

Importing all commands to ask them costs far more than printing this; a test keeps the two the same.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """One command of the top level.

    :param module: module of :mod:`vmboot.cli.commands` that holds it as ``command``
    """

    name: str
    help: str
    section: str
    module: str = ""

    @property
    def path(self) -> str:
        return f"vmboot.cli.commands.{self.module or self.name}"


_START, _FLEET, _PARTS, _SELF = "Start here", "Fleet", "Media, loaders, lab", "This program"

COMMANDS: tuple[Entry, ...] = (
    Entry("demo", "Show a whole rollout on an embedded vCenter, nothing to configure.", _START),
    Entry("doctor", "Check that everything the fleet needs is in place; change nothing.", _START),
    Entry("plan", "Show what apply would change, machine by machine; change nothing.", _FLEET),
    Entry("apply", "Make the machines boot as fleet.yml says.", _FLEET),
    Entry("status", "Compare the machines with fleet.yml, and list unfinished runs.", _FLEET),
    Entry("rehearse", "Boot in QEMU exactly what the vCenter holds for one machine.", _FLEET),
    Entry("rollout", "Apply through Ansible: canary, waves, failure budget.", _FLEET),
    Entry("undo", "Restore what a run changed, from its journal.", _FLEET),
    Entry("runs", "List the runs that this machine's journals know, newest first.", _FLEET),
    Entry("sweep", "Delete boot media of vmboot that no machine uses any more.", _FLEET),
    Entry("media", "Build boot media, or read what an image holds.", _PARTS),
    Entry("loaders", "Show, fetch, import or sign the loaders that media are built from.", _PARTS),
    Entry("lab", "Start, show and stop an embedded vCenter to try things on.", _PARTS),
    Entry("schema", "Print the JSON schema of fleet.yml.", _SELF),
    Entry("completion", "Print the shell completion script.", _SELF),
)

BY_NAME = {entry.name: entry for entry in COMMANDS}


def _sections() -> dict[str, list[Entry]]:
    sections: dict[str, list[Entry]] = {}
    for entry in COMMANDS:
        sections.setdefault(entry.section, []).append(entry)
    return sections


def top_help(*, colour: bool) -> str:
    """The text of ``vmboot --help``; at most 80 columns wide."""

    def bold(text: str) -> str:
        return f"\x1b[1m{text}\x1b[0m" if colour else text

    lines = [
        "Boot fleets of VMware VMs by boot ISO, boot disk or PXE: plan, apply, undo.",
        "",
        f"{bold('Usage:')} vmboot COMMAND [OPTIONS]",
    ]
    for section, entries in _sections().items():
        lines += ["", bold(f"{section}:")]
        lines += [f"  {entry.name:<11} {entry.help}" for entry in entries]
    lines += [
        "",
        bold("Every command:"),
        "  --help      What it does, its options, an example.",
        "  --json      The result as one JSON document on stdout, errors too.",
        "  -q          Only the result and errors.",
        "  --debug     Show tracebacks.",
        "  --version   (vmboot only) Print the version.",
        "",
        "Exit codes: 0 ok, 1 failed, 2 bad input, 3 partly done, 4 cannot connect or not",
        "authorised, 5 not found, 6 changes pending (plan, status), 130 interrupted, 143",
        "terminated, 129 terminal gone; what was begun is finished first.",
        "",
        "Start with: vmboot demo",
    ]
    return "\n".join(lines) + "\n"
