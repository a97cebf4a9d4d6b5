"""Boot in QEMU what a vCenter holds, before production does.

The machine boots in a network of its own (:mod:`vmboot.lab.network`) in which the boot servers
of the fleet are played, one of them dead if there are several; nothing real is asked.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from vmboot.clock import Deadline, pause
from vmboot.errors import InputError, NotFoundError, RefusedError
from vmboot.events import Event, Sink, ignore
from vmboot.lab.markers import marker_bootstrap
from vmboot.lab.network import IsolatedNetwork, isolated_network
from vmboot.lab.network_plan import plan_network
from vmboot.lab.network_wire import WireEvent
from vmboot.lab.qemu import SERIAL_LOG, RunningMachine, power_on
from vmboot.lab.rehearsal_case import Case
from vmboot.lab.rehearsal_evidence import Evidence
from vmboot.lab.rehearsal_judge import finished, judge, notes, stages
from vmboot.lab.rehearsal_machine import RehearsalMachine
from vmboot.lab.rehearsal_report import RehearsalReport, Stage
from vmboot.lab.rehearsal_serial import SerialWatch
from vmboot.model import BootServer, Bootstrap, Firmware, Network, Transport

CAPTURE = "wire.pcap"
DEADLINE_SECONDS = {Firmware.BIOS: 90.0, Firmware.UEFI: 180.0}
_GLANCE = 0.1  # seconds between two looks at the console
_SCREEN_SETTLES = 0.4


def rehearse(
    machine: RehearsalMachine,
    *,
    servers: Sequence[BootServer],
    bootstrap: Mapping[Firmware, Bootstrap],
    out: Path,
    dead: Collection[BootServer] | None = None,
    files: Mapping[str, Path] | None = None,
    network: Network | None = None,
    work: bool = False,
    deadline_s: float | None = None,
    sink: Sink = ignore,
) -> RehearsalReport:
    """Boot ``machine`` and tell how far it came.

    :param servers: the boot servers on the media, in their order
    :param bootstrap: what the media ask for; where the machine's firmware is not among them, the
        verdict will say so
    :param dead: those that do not answer; by default the first when there are several
    :param files: what the servers serve, by name. Where the bootstrap is not among them, a small
        program stands in for it that prints a line when it starts.
    :param network: how the machine gets its address, as on the media
    :param work: the media ask for work; there need not be a bootstrap then
    :param out: folder for serial.log, screen.png, wire.pcap; made if missing
    :param deadline_s: seconds from power on; 90 for BIOS and 180 for UEFI machines by default
    :param sink: gets ``rehearsal.stage`` events while the machine boots
    :raises InputError: no server, no bootstrap, or an address or name that cannot be played
    :raises NotFoundError: the ISO or one of ``files`` does not exist
    :raises MissingToolError: QEMU, its firmware, dnsmasq or a tap device is missing
    :raises RefusedError: this system gives no network of its own
    """
    _check(machine, servers, bootstrap, work=work)
    wanted = bootstrap.get(machine.firmware)
    file = wanted.file if wanted else ""
    files = files or {}
    dead = (servers[:1] if len(servers) > 1 else ()) if dead is None else dead
    plan = plan_network(servers, dead=dead, network=network)
    case = Case(machine, plan, file, marked=file not in files)
    seconds = DEADLINE_SECONDS[machine.firmware] if deadline_s is None else deadline_s
    out = out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    with (
        _served(bootstrap, files) as root,
        isolated_network(
            plan, machine=machine.mac_bytes, root=root, pcap=out / CAPTURE
        ) as isolated,
        power_on(machine, network=isolated, folder=out, tagged=plan.vlan is not None) as running,
    ):
        watch = _Watch(case, isolated, running, sink)
        watch.run(Deadline.after(seconds))
        pause(_SCREEN_SETTLES, Deadline.after(_SCREEN_SETTLES))
        screenshot = running.screenshot()
    return _report(case, watch, running.differences, out, screenshot)


def _check(
    machine: RehearsalMachine,
    servers: Sequence[BootServer],
    bootstrap: Mapping[Firmware, Bootstrap],
    *,
    work: bool,
) -> None:
    if not servers or not (bootstrap or work):
        raise InputError("a rehearsal needs at least one boot server and one bootstrap")
    if machine.iso is not None and not machine.iso.is_file():
        raise NotFoundError(f"{machine.iso} does not exist")
    wanted = bootstrap.get(machine.firmware)
    for server in servers:
        if wanted and wanted.transport is Transport.TFTP and ":" in server.address:
            raise InputError(f"{server.address}: the rehearsal's TFTP servers use port 69 only")


@contextmanager
def _served(bootstrap: Mapping[Firmware, Bootstrap], files: Mapping[str, Path]) -> Iterator[Path]:
    """A folder with copies of everything that the servers serve, readable by everyone."""
    with TemporaryDirectory(prefix="vmboot-served-") as folder:
        root = Path(folder)
        for firmware, wanted in bootstrap.items():
            if wanted.file not in files:
                _place(root, wanted.file).write_bytes(marker_bootstrap(firmware))
        for name, source in files.items():
            if not source.is_file():
                raise NotFoundError(f"{source} does not exist")
            shutil.copyfile(source, _place(root, name))
        for path in root.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)  # dnsmasq serves only such files
        yield root


def _place(root: Path, name: str) -> Path:
    target = root / name.lstrip("/")
    if ".." in target.parts or target == root:
        raise InputError(f"'{name}' is not a name that a boot server can serve")
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


class _Watch:
    """Collects evidence while the machine boots, and says what is new."""

    def __init__(
        self, case: Case, network: IsolatedNetwork, machine: RunningMachine, sink: Sink
    ) -> None:
        self.seen = Evidence()
        self.seconds = 0.0
        self._case = case
        self._network = network
        self._machine = machine
        self._sink = sink
        self._serial = SerialWatch()
        self._power_on: float | None = None
        self._told: set[tuple[str, float, str]] = set()

    def run(self, deadline: Deadline) -> None:
        """Watch until nothing more is to be expected or ``deadline`` has passed."""
        while not deadline.expired:
            self._wire()
            self.seconds = deadline.seconds - deadline.remaining
            self._console()
            done = finished(self._case, self.seen, self.seconds)
            self._tell(final=done or deadline.expired)
            if done:
                return

    def _wire(self) -> None:
        try:
            events = self._network.events(_GLANCE)
        except EOFError as error:
            raise RefusedError("the lab network ended in the middle of the boot") from error
        for event in events:
            if event["event"] == "started":
                self._power_on = event["at"]
            elif event["event"] == "exit":
                self.seen.exited = event["at"] - (self._power_on or event["at"])
                self.seen.exit_words = self._machine.last_words() if event["code"] else ""
            elif event["event"] == "wire":
                del event["event"]
                event["at"] -= self._power_on or event["at"]
                self.seen.add_wire(WireEvent.from_json(event))

    def _console(self) -> None:
        for fact in self._serial.feed(self.seconds, self._machine.new_text()):
            self.seen.add_serial(fact)

    def _tell(self, *, final: bool) -> None:
        """Emit stages not told yet. The last one may still change its text, so it waits."""
        known = stages(self._case, self.seen)
        for stage in known if final else known[:-1]:
            key = (stage.name, stage.seconds, stage.server or stage.text)
            if key not in self._told:
                self._told.add(key)
                self._sink(_stage_event(self._case.machine, stage))


def _stage_event(machine: RehearsalMachine, stage: Stage) -> Event:
    return Event("rehearsal.stage", stage.text, machine.name, stage.to_json())


def _report(
    case: Case,
    watch: _Watch,
    differences: tuple[str, ...],
    out: Path,
    screenshot: Path | None,
) -> RehearsalReport:
    verdict = judge(case, watch.seen, seconds=watch.seconds)
    return RehearsalReport(
        machine=case.machine.name,
        verdict=verdict.sentence,
        reached=verdict.reached,
        ok=verdict.ok,
        seconds=watch.seconds,
        stages=stages(case, watch.seen),
        notes=differences + notes(case, watch.seen),
        serial_log=out / SERIAL_LOG,
        screenshot=screenshot,
        capture=out / CAPTURE,
    )
