"""Make a fleet boot from its shared ISO, and show how to take it back.

VMBOOT_HOST=vc.example.net VMBOOT_USER=... VMBOOT_PASSWORD=... python apply_fleet.py fleet.yml
"""

from __future__ import annotations

import sys

import vmboot
from vmboot.errors import VmbootError
from vmboot.events import Event


def show(event: Event) -> None:
    if event.kind in ("vm.done", "vm.failed"):
        print(f"  {event.data['done']}/{event.data['total']} {event.subject}: {event.message}")


def main(file: str) -> int:
    fleet = vmboot.load_fleet(file)
    with vmboot.connect(fleet) as session:
        plan = vmboot.plan(fleet, session)
        for machine in plan.machines:
            print(f"{machine.machine.path}: {machine.verdict}")
            for line in machine.diff:
                print(f"    {line.what}: {line.before} -> {line.after}")
        result = vmboot.apply(plan, fleet, session, sink=show)
    print(result.counts)
    if result.run_id:
        print(f"to take it back: vmboot undo {result.run_id}")
    return 1 if result.failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "fleet.yml"))
    except VmbootError as error:
        sys.exit(f"{error}\nhint: {error.hint}" if error.hint else str(error))
