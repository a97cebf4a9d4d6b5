"""From evidence to stages and a verdict. Pure, and tested with literals."""

from __future__ import annotations

from vmboot.lab.network_plan import LabPlan
from vmboot.lab.rehearsal_case import Case
from vmboot.lab.rehearsal_download import downloaded
from vmboot.lab.rehearsal_evidence import Evidence, Question
from vmboot.lab.rehearsal_machine import RehearsalMachine
from vmboot.lab.rehearsal_report import Reached, Stage, Verdict
from vmboot.model import Firmware

_ROUNDS = 2  # a list of dead servers is asked this often before the rehearsal gives up
_SETTLE = 4.0  # seconds in which a bootstrap of the user's own may show that it runs


def finished(case: Case, seen: Evidence, now: float) -> bool:
    """Is there nothing more to wait for? ``now`` is seconds from power on."""
    ends = seen.fact("marker", "boot.nothing", "script.foreign", "script.returned")
    if seen.exited is not None or ends:
        return True
    left = seen.fact("script.leaving")
    if left and sum(disk.image is not None for disk in case.machine.disks) < 2:
        return now - left.at >= _SETTLE  # what comes next is blank here
    download = seen.download(case.file)
    if seen.refused and case.machine.secure_boot:
        # The console may be read before the wire tells of the end of the download.
        half = seen.event("transfer.started") and not download
        return not half or now - seen.refused.at >= _SETTLE
    if download and not case.marked:
        return now - download.at >= _SETTLE
    if _no_device_left(case.machine, seen):
        return True
    return _rounds(seen) >= _ROUNDS


def _no_device_left(machine: RehearsalMachine, seen: Evidence) -> bool:
    """Nothing else can boot: the lab has no PXE server."""
    if not any(disk.image for disk in machine.disks):
        return seen.cd_failed
    # A BIOS tries its first disk only, UEFI all.
    tried = 1 if machine.firmware is Firmware.BIOS else len(machine.disks)
    return machine.medium is None and len(seen.disks_failed) >= tried


def _rounds(seen: Evidence) -> int:
    """How many rounds through the server list have at least begun, when none was of use."""
    if seen.event("transfer.started"):
        return 0
    first = [q for q in seen.questions() if q.server == _first_asked(seen)]
    return max(len(first), seen.count("script.pause"))


def _first_asked(seen: Evidence) -> str:
    questions = seen.questions()
    return questions[0].server if questions else ""


def stages(case: Case, seen: Evidence) -> tuple[Stage, ...]:
    """The boot as a list of steps in the order of time."""
    found = [*_before_network(seen), *_network(seen), *_servers(seen), *_bootstrap(case, seen)]
    return tuple(sorted(found, key=lambda stage: stage.seconds))


def _before_network(seen: Evidence) -> list[Stage]:
    names = {"boot.cdrom": "the CD", "boot.disk": "a disk", "boot.ethernet": "the network card"}
    found = []
    console = seen.fact("firmware", "console")
    if console:
        found.append(Stage(console.at, "firmware", "the firmware runs"))
    for fact in seen.serial:
        if fact.kind in names:
            found.append(Stage(fact.at, "device", f"the firmware boots from {names[fact.kind]}"))
        elif fact.kind == "boot.refused":
            found.append(Stage(fact.at, "refused", f"the firmware refuses it: {fact.detail}"))
        elif fact.kind == "boot.failed":
            found.append(Stage(fact.at, "device", f"no boot from there: {fact.detail}"))
    if seen.loader:
        found.append(Stage(seen.loader.at, "loader", f"the loader runs ({seen.loader.detail})"))
    return found


def _network(seen: Evidence) -> list[Stage]:
    ack = seen.event("dhcp.ack")
    return [Stage(ack.at, "dhcp", f"DHCP gave {ack.detail}")] if ack else []


def _servers(seen: Evidence) -> list[Stage]:
    found = [Stage(q.at, "server", _question_text(q), q.server) for q in seen.questions()]
    pauses = [fact for fact in seen.serial if fact.kind == "script.pause"]
    return found + [Stage(fact.at, "pause", fact.detail) for fact in pauses]


def _question_text(question: Question) -> str:
    if question.refused:
        return f"{question.server} refuses: {question.refused}"
    if question.answered is not None:
        return f"{question.server} answers"
    if question.open:
        return f"{question.server} is asked"
    return f"{question.server} is dead: no answer in {question.ended - question.at:.1f} s"


def _bootstrap(case: Case, seen: Evidence) -> list[Stage]:
    found = []
    download = seen.download(case.file)
    if download:
        text = f"{case.file} downloaded from {download.server}: {download.size} bytes"
        found.append(Stage(download.at, "bootstrap", text, download.server))
    marker = seen.fact("marker")
    if marker:
        found.append(Stage(marker.at, "started", "the bootstrap runs"))
    return found


def judge(case: Case, seen: Evidence, *, seconds: float) -> Verdict:
    """How far the boot came, whether that is enough, and where and why it stuck.

    :param seconds: how long the machine was watched
    """
    marker = seen.fact("marker")
    leaving = seen.fact("script.leaving")
    if marker and leaving:
        return Verdict(Reached.STARTED, True, _next_device(leaving.at, marker.at))
    if marker:
        return Verdict(Reached.STARTED, True, _success(case, seen, marker.at))
    if leaving and seen.fact("script.no-work", "script.work"):
        return Verdict(Reached.SERVER, True, _no_work(seen, leaving.at))
    if seen.download(case.file):
        return downloaded(case, seen)
    reached, sentence = _stuck(case, seen, seconds)
    if seen.exited is not None and reached is not Reached.NOTHING:
        sentence += "; then the machine restarted or switched itself off"
    return Verdict(reached, False, sentence)


def _stuck(case: Case, seen: Evidence, seconds: float) -> tuple[Reached, str]:
    """Where a boot that downloaded nothing stopped, and why."""
    if seen.questions():
        return Reached.SERVER, _no_download(case, seen)
    if seen.event("dhcp.ack"):
        return Reached.NETWORK, _no_question(seen, seconds)
    if seen.loader:
        return Reached.LOADER, _no_network(case, seen, seconds)
    if seen.fact("console", "firmware"):
        return Reached.FIRMWARE, _no_loader(case, seen, seconds)
    words = f": {seen.exit_words}" if seen.exit_words else ""
    return Reached.NOTHING, f"the machine never said a word: QEMU could not play it{words}"


def notes(case: Case, seen: Evidence) -> tuple[str, ...]:
    """What cost time although the boot went on."""
    found = []
    first = next((f for f in seen.serial if f.kind in _DEVICES), None)
    loader = seen.loader
    if loader and first and first.kind != "boot.cdrom" and case.machine.medium:
        cost = loader.at - first.at
        found.append(
            f"{_DEVICES[first.kind]} came before the CD and cost {cost:.0f} s here"
            " (VMware's own firmware may wait longer): put the CD first in the boot order"
        )
    wrong = next((e for e in seen.wire if e.kind == "vlan.wrong"), None)
    if wrong and loader and wrong.at >= loader.at:
        found.append(f"frames went out {wrong.detail} that should carry VLAN {case.plan.vlan}")
    return tuple(found)


_DEVICES = {"boot.cdrom": "the CD", "boot.disk": "a disk", "boot.ethernet": "the network card"}


def _next_device(left: float, at: float) -> str:
    return (
        f"there was no work, so the machine went on {left:.1f} s after power on, and its next boot"
        f" device started {at - left:.1f} s later"
    )


def _no_work(seen: Evidence, left: float) -> str:
    answered = [question.server for question in seen.questions() if question.answered is not None]
    who = answered[-1] if answered else "the boot server"
    return (
        f"{who} had no work, so the machine went on to its next boot device {left:.1f} s after"
        " power on; its own disks are blank here"
    )


def _success(case: Case, seen: Evidence, at: float) -> str:
    download = seen.download(case.file)
    source = f" from {download.server}" if download else ""
    dead = [q for q in seen.questions() if q.answered is None and not q.open]
    cost = "".join(f"; {q.server} was dead and cost {q.ended - q.at:.1f} s" for q in dead)
    return f"the bootstrap {case.file}{source} started {at:.1f} s after power on{cost}"


def _no_download(case: Case, seen: Evidence) -> str:
    questions = seen.questions()
    refused = next((q for q in questions if q.refused), None)
    if refused:
        return (
            f"{refused.server} answered but did not give {case.file}: {refused.refused};"
            " does the name on the media match the name on the server?"
        )
    started = seen.event("transfer.started")
    if started:
        return f"the download of {started.file} from {started.server} began but did not end"
    alive = [q.server for q in questions if q.answered is not None]
    if alive:
        return f"{alive[0]} is there but did not answer the request for {case.file}"
    names = ", ".join(dict.fromkeys(q.server for q in questions))
    rounds = sum(q.server == questions[0].server for q in questions)
    again = f", asked {rounds} times" if rounds > 1 else ""
    return (
        f"no boot server answered ({names}{again}): check that the servers run and that the"
        " addresses on the media are theirs"
    )


def _no_question(seen: Evidence, seconds: float) -> str:
    lost = seen.event("dns.failed")
    if lost:
        return f"the name {lost.detail} is not known to DNS, so its server was never asked"
    return f"the machine has an address but asked no boot server{_loader_error(seen, seconds)}"


def _no_network(case: Case, seen: Evidence, seconds: float) -> str:
    foreign = seen.fact("script.foreign")
    if foreign:
        return f"the loader ran, but {foreign.detail}: build the media for this firmware too"
    wrong = next((e for e in seen.after_loader() if e.kind == "vlan.wrong"), None)
    if wrong and case.plan.vlan is not None:
        return f"the loader sent frames {wrong.detail}, but the network is VLAN {case.plan.vlan}"
    if case.plan.lease is None:
        return _no_static_question(case.plan, seen, seconds)
    offer = seen.event("dhcp.offer")
    if offer:
        return f"DHCP offered {offer.detail}, but the loader did not take it"
    if seen.event("dhcp.discover"):
        return "the loader asked DHCP for an address and got none"
    return f"the loader ran but never used the network{_loader_error(seen, seconds)}"


def _no_static_question(plan: LabPlan, seen: Evidence, seconds: float) -> str:
    outside = [server.label for server in plan.servers if server.address not in plan.subnet]
    if outside and plan.gateway is None:
        return (
            f"the loader cannot reach {', '.join(outside)}: outside its subnet {plan.subnet},"
            " and it has no gateway"
        )
    return f"the loader ran but asked no boot server{_loader_error(seen, seconds)}"


def _loader_error(seen: Evidence, seconds: float) -> str:
    error = seen.fact("loader.error")
    return f": {error.detail}" if error else f" within {seconds:.0f} s; see the serial log"


def _no_loader(case: Case, seen: Evidence, seconds: float) -> str:
    machine = case.machine
    if seen.refused and machine.secure_boot:
        return (
            "the firmware refused the loader: Secure Boot is on and the loader is not signed by a"
            " key it trusts; use media with a signed loader, or turn Secure Boot off for this VM"
        )
    never = "the loader never ran: "
    if machine.medium is None and any(disk.image for disk in machine.disks):
        return never + _no_disk(machine, seen, seconds)
    if machine.medium is None:
        return never + _no_medium(machine)
    if seen.cd_failed or seen.fact("boot.cdrom"):
        return (
            f"{never}the firmware tried the CD and found nothing on it that a"
            f" {machine.firmware.value} machine can start"
        )
    if machine.full_boot_order[0] != "cdrom":
        first = _DEVICES[f"boot.{machine.full_boot_order[0]}"]
        return (
            f"{never}the CD is not first in the boot order, and the firmware was still busy with"
            f" {first} after {seconds:.0f} s; put the CD first"
        )
    return f"{never}the firmware did not come to the CD within {seconds:.0f} s"


def _no_disk(machine: RehearsalMachine, seen: Evidence, seconds: float) -> str:
    """Why the BDM disk did not start: it is not the first, or has nothing for this firmware."""
    slot = next(disk.slot for disk in machine.disks if disk.image)
    first = machine.disks[0]
    if not seen.disks_failed:
        return f"the BDM disk at {slot} was not started within {seconds:.0f} s"
    if first.image is None:
        return (
            f"the firmware tried the disk at {first.slot}, which holds nothing to start, and the"
            f" BDM disk at {slot} was not started; put it at unit 0"
        )
    return (
        f"the BDM disk at {slot} holds nothing that a {machine.firmware.value} machine can start:"
        f" {seen.disks_failed[0]}"
    )


def _no_medium(machine: RehearsalMachine) -> str:
    if machine.full_boot_order[0] == "ethernet":
        return (
            "the network card is first in the boot order, as method pxe wants it, and this"
            " version of vmboot plays no PXE server; only machines with a boot ISO or a BDM disk"
            " can be rehearsed"
        )
    if machine.iso is None:
        return "the CD drive is empty, and there is no BDM disk; 'vmboot apply' attaches one"
    return "the CD holds an ISO but is not connected at power on"
