"""The steps of the demo, each with what it must find for the demo to hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vmboot import api
from vmboot.cli.commands.plan import group_names
from vmboot.cli.demo.fleet import DEAD, FOLDERS
from vmboot.cli.demo.stage import BrokenPromise, Stage
from vmboot.cli.progress import watching
from vmboot.cli.rawinventory import RawReader
from vmboot.cli.text import plural, size
from vmboot.cli.views.doctor import doctor_view
from vmboot.cli.views.plan import brief_plan_view
from vmboot.cli.views.rehearsal import stages_table
from vmboot.cli.views.result import result_view
from vmboot.errors import MissingToolError, RefusedError
from vmboot.model import Firmware
from vmboot.vsphere.inventory import read_index

if TYPE_CHECKING:
    from vmboot.fleet.result import RunResult
    from vmboot.fleet.spec import Fleet
    from vmboot.lab import Vcenter
    from vmboot.lab.rehearsal_report import RehearsalReport
    from vmboot.vsphere.session import Session


@dataclass
class Story:
    """What the steps hand on to each other."""

    stage: Stage
    lab: Vcenter
    fleet: Fleet
    session: Session
    folder: Path
    before: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    run_id: str = ""

    def doctor(self) -> str:
        findings = api.doctor(self.fleet, self.session, probe_servers=False)
        self.stage.terminal.show(lambda: doctor_view(findings))
        failing = [each.name for each in findings if each.state == "fail"]
        if failing:
            raise BrokenPromise(f"doctor finds: {', '.join(failing)}")
        return f"{plural(len(findings), 'check')}, nothing fails"

    def plan(self) -> str:
        self.before = self._dump()
        plan = api.plan(self.fleet, self.session, power="off")
        self.stage.terminal.show(lambda: brief_plan_view(plan, groups=group_names(self.fleet)))
        if plan.counts["refused"] or not plan.has_changes:
            raise BrokenPromise(f"the plan is {plan.counts}, which is not what was expected")
        self._nothing_written("plan")
        missing = sum(upload.size for upload in plan.uploads if not upload.present)
        return (
            f"{plural(len(plan.machines), 'machine')}, {size(missing)} to upload; nothing changed"
        )

    def apply(self) -> str:
        result = self._apply()
        self.run_id = result.run_id
        if result.failed or result.pending or result.skipped or not result.done:
            self.stage.terminal.show(lambda: result_view(result))
            raise BrokenPromise(f"apply ended with {result.counts}")
        changed = {moid for moid, lines in self._dump().items() if lines != self.before.get(moid)}
        expected = {each.moid for each in result.outcomes if each.verdict == "done"}
        if changed != expected:
            raise BrokenPromise(
                f"{len(changed)} machines differ from before, {len(expected)} should"
            )
        return (
            f"{plural(result.done, 'machine')} changed and read back in {result.seconds:.1f} s, "
            f"journal {result.run_id}"
        )

    def rehearse(self, firmware: Firmware) -> str:
        name = self.machine(firmware)
        report = self._boot(name, self.folder / f"rehearsal-{firmware.value}")
        self.stage.terminal.show(lambda: stages_table(report))
        if not report.ok:
            raise BrokenPromise(report.verdict)
        return f"{name}: {report.verdict}"

    def _boot(self, name: str, out: Path) -> RehearsalReport:
        try:
            with watching(self.stage.terminal, events=False) as sink:
                return api.rehearse(
                    self.fleet, self.session, name, dead=(DEAD,), out=out, sink=sink
                )
        except RefusedError as error:  # this system gives no network of its own
            raise MissingToolError(error.message, hint=error.hint) from error

    def machine(self, firmware: Firmware) -> str:
        """The first machine of that firmware, by its inventory path."""
        return min(entry.path for entry in read_index(self.session).match(FOLDERS[firmware]))

    def again(self) -> str:
        result = self._apply()
        self._nothing_written("the second apply")
        if result.done:
            raise BrokenPromise(f"the second apply changed {plural(result.done, 'machine')}")
        return (
            f"{plural(len(result.outcomes), 'machine')} as wished, 0 writes by the vCenter's count"
        )

    def undo(self) -> str:
        with watching(self.stage.terminal, events=False) as sink:
            result = api.undo(self.run_id, self.session, sink=sink)
        if result.failed or result.skipped:
            self.stage.terminal.show(lambda: result_view(result))
            raise BrokenPromise(f"undo ended with {result.counts}")
        after = self._dump()
        differing = [moid for moid in self.before if after.get(moid) != self.before[moid]]
        if differing or after.keys() != self.before.keys():
            raise BrokenPromise(f"not as before: {', '.join(differing)}")
        return (
            f"{plural(result.done, 'machine')} restored; all {len(after)} machines of the vCenter "
            "are, property by property, as before"
        )

    def _apply(self) -> RunResult:
        with watching(self.stage.terminal, events=False) as sink:
            self.lab.reset_counters()
            plan = api.plan(self.fleet, self.session, power="off", sink=sink)
            return api.apply(
                plan, self.fleet, self.session, power="off", hard_power_off=True, sink=sink
            )

    def _nothing_written(self, what: str) -> None:
        writes = self.lab.counters().total_writes
        if writes:
            raise BrokenPromise(f"{what} wrote: the vCenter counts {plural(writes, 'write')}")

    def _dump(self) -> Mapping[str, tuple[str, ...]]:
        lab = self.lab
        return RawReader(lab.url, lab.user, lab.password, lab.thumbprint).read()
