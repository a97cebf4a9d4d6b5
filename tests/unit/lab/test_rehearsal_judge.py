"""From what was seen to stages and a verdict, with literals."""

from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from vmboot.lab.network_plan import plan_network
from vmboot.lab.network_wire import WireEvent
from vmboot.lab.rehearsal_case import Case
from vmboot.lab.rehearsal_evidence import Evidence, same_file
from vmboot.lab.rehearsal_judge import finished, judge, notes, stages
from vmboot.lab.rehearsal_machine import RehearsalMachine
from vmboot.lab.rehearsal_report import Reached
from vmboot.lab.rehearsal_serial import SerialFact, SerialWatch
from vmboot.model import BootServer, Firmware, Network, NetworkMode

SERVERS = (BootServer("10.0.0.11", "pvs1"), BootServer("10.0.0.12", "pvs2"))
VM = RehearsalMachine("vm1", Firmware.BIOS, "00:50:56:01:02:03", iso=Path("boot.iso"))
CASE = Case(VM, plan_network(SERVERS, dead=SERVERS[:1]), "boot/x.bin", marked=True)
OWN = replace(CASE, marked=False)

FIRMWARE = [SerialFact(0.1, "console"), SerialFact(0.2, "boot.cdrom")]
LOADER = [*FIRMWARE, SerialFact(0.5, "loader", "ISOLINUX 6.04")]
DHCP = [WireEvent(1.0, "dhcp.discover"), WireEvent(2.0, "dhcp.ack", detail="10.0.0.254")]
ASKED = [
    *DHCP,
    WireEvent(3.0, "server.asked", "pvs1", "arp"),
    WireEvent(6.0, "server.asked", "pvs2", "arp"),
]
ANSWERED = [*ASKED, WireEvent(6.1, "server.answered", "pvs2", "arp")]
DOWNLOADED = [
    *ANSWERED,
    WireEvent(6.2, "transfer.started", "pvs2", "tftp", "boot/x.bin"),
    WireEvent(6.5, "transfer.finished", "pvs2", "tftp", "boot/x.bin", 4096),
]


def evidence(serial: list[SerialFact], wire: list[WireEvent] | None = None) -> Evidence:
    seen = Evidence()
    for fact in serial:
        seen.add_serial(fact)
    for event in wire or []:
        seen.add_wire(event)
    return seen


def verdict(serial, wire=None, *, case: Case = CASE):
    return judge(case, evidence(serial, wire), seconds=60)


def test_success_names_the_server_and_the_cost_of_the_dead_one():
    seen = evidence([*LOADER, SerialFact(6.7, "marker", "bios")], DOWNLOADED)
    found = judge(CASE, seen, seconds=7)
    assert (found.reached, found.ok) == (Reached.STARTED, True)
    assert found.sentence == (
        "the bootstrap boot/x.bin from pvs2 started 6.7 s after power on;"
        " pvs1 was dead and cost 3.0 s"
    )
    assert finished(CASE, seen, 7)


def test_stages_are_in_order_and_dead_servers_carry_their_cost():
    found = stages(CASE, evidence([*LOADER, SerialFact(6.7, "marker", "bios")], DOWNLOADED))
    assert [stage.name for stage in found] == [
        "firmware",
        "device",
        "loader",
        "dhcp",
        "server",
        "server",
        "bootstrap",
        "started",
    ]
    assert [stage.text for stage in found if stage.name == "server"] == [
        "pvs1 is dead: no answer in 3.0 s",
        "pvs2 answers",
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"iso": None}, "the CD drive is empty"),
        ({"iso": None, "boot_order": ("ethernet",)}, "as method pxe wants it, and this version"),
        ({"start_connected": False, "boot_order": ("ethernet",)}, "plays no PXE server"),
        ({"start_connected": False}, "not connected at power on"),
        ({"boot_order": ("ethernet", "cdrom")}, "the CD is not first in the boot order"),
        ({}, "the firmware did not come to the CD"),
    ],
)
def test_loader_never_ran(changes, words):
    case = replace(CASE, machine=replace(VM, **changes))
    found = verdict([SerialFact(0.1, "console")], case=case)
    assert (found.reached, found.ok) == (Reached.FIRMWARE, False)
    assert words in found.sentence


def test_cd_without_a_program_for_this_firmware():
    failed = SerialFact(0.3, "boot.failed", "Could not read from CDROM (code 0009)")
    assert "nothing on it that a bios machine" in verdict([*FIRMWARE, failed]).sentence
    assert finished(CASE, evidence([*FIRMWARE, failed]), 1)


@pytest.mark.parametrize(
    "line",
    ["error: bad shim signature.", "Could not boot: Error 0x7f04818f (https://ipxe.org/7f04818f)"],
)
def test_a_bootstrap_that_secure_boot_refuses_does_not_count_as_started(line):
    machine = replace(VM, firmware=Firmware.UEFI, secure_boot=True)
    case = replace(OWN, machine=machine)
    _, refused = SerialWatch().feed(6.6, f"{line}\n")
    serial = [*LOADER, refused, SerialFact(6.7, "script.returned", "it did not start")]
    again = [*DOWNLOADED, WireEvent(9.0, "dhcp.discover")]
    found = verdict(serial, again, case=case)
    assert (found.reached, found.ok) == (Reached.DOWNLOADED, False)
    assert "Secure Boot is on and it is not signed by a key that the machine trusts" in (
        found.sentence
    )
    assert finished(case, evidence(serial, DOWNLOADED), 6.7)
    half = evidence([*LOADER, refused], DOWNLOADED[:-1])
    assert not finished(case, half, 6.7), "the wire is read later than the console"
    assert finished(case, half, 12)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("error: bad shim signature.", "bad shim signature"),
        ("Could not boot: Error 0x7f04819a (https://ipxe.org/7f04819a)", "Error 0x7f04819a"),
    ],
)
def test_a_stand_in_that_secure_boot_refuses_proves_the_boot_up_to_there(line, words):
    machine = replace(VM, firmware=Firmware.UEFI, secure_boot=True)
    _, refused = SerialWatch().feed(6.6, f"{line}\n")
    found = verdict([*LOADER, refused], DOWNLOADED, case=replace(CASE, machine=machine))
    assert (found.reached, found.ok) == (Reached.DOWNLOADED, True)
    assert found.sentence == (
        "boot/x.bin was downloaded whole from pvs2 (4096 bytes) and offered to Secure Boot, which"
        f" refused it ({words}): it is the lab's stand-in, which no key signs. All before it works;"
        " to see your own start, give it by --bootstrap-file boot/x.bin=signed.efi"
    )


@pytest.mark.parametrize(
    "line", ["", "Could not boot: Error 0x7f04828e (https://ipxe.org/7f04828e)"]
)
def test_a_program_that_started_and_came_back_is_not_blamed(line):
    said = SerialWatch().feed(8.0, f"{line}\n")[1:]
    serial = [*LOADER, *said, SerialFact(8.1, "script.returned", "it did not start, or came back")]
    found = verdict(serial, DOWNLOADED, case=OWN)
    assert (found.reached, found.ok) == (Reached.STARTED, True)
    assert found.sentence.endswith("and started; then it ended by itself")


@pytest.mark.parametrize(
    "line",
    [
        "error: invalid EFI file path.",
        "Could not boot: Exec format error (https://ipxe.org/2e008081)",
    ],
)
def test_a_program_that_could_not_be_started_is(line):
    said = SerialWatch().feed(8.0, f"{line}\n")[1:]
    serial = [*LOADER, *said, SerialFact(8.1, "script.returned", "it did not start, or came back")]
    found = verdict(serial, DOWNLOADED, case=OWN)
    assert (found.reached, found.ok) == (Reached.DOWNLOADED, False)
    assert "is it a bootstrap for bios machines?" in found.sentence


def test_secure_boot_refusal_is_named_and_ends_the_wait():
    machine = replace(VM, firmware=Firmware.UEFI, secure_boot=True)
    case = replace(CASE, machine=machine)
    refused = SerialFact(5, "boot.refused", "Access Denied")
    found = verdict([SerialFact(1, "console"), refused], case=case)
    assert "Secure Boot is on and the loader is not signed" in found.sentence
    assert finished(case, evidence([refused]), 6)


def test_refusal_of_a_network_program_does_not_end_the_wait():
    machine = replace(VM, firmware=Firmware.UEFI, secure_boot=True)
    refused = SerialFact(5, "boot.refused", "UEFI PXEv4 (MAC:005056010203): Access Denied")
    assert not finished(replace(CASE, machine=machine), evidence([refused]), 6)


def test_the_network_cards_own_rom_is_not_the_loader():
    serial = [
        SerialFact(0.1, "console"),
        SerialFact(0.2, "boot.ethernet"),
        SerialFact(0.3, "loader", "iPXE initialising"),
    ]
    seen = evidence(serial, [WireEvent(1.0, "dhcp.ack", detail="10.0.0.254")])
    assert seen.loader is None
    assert judge(CASE, seen, seconds=60).reached is Reached.FIRMWARE


def test_no_server_answered_after_two_rounds():
    again = [*ASKED, WireEvent(14.0, "server.asked", "pvs1", "arp")]
    serial = [*LOADER, SerialFact(9.0, "script.silent", "net0")]
    seen = evidence(serial, again)
    assert not finished(CASE, evidence(serial, ASKED), 10)
    assert finished(CASE, seen, 14)
    found = judge(CASE, seen, seconds=14)
    assert found.reached is Reached.SERVER
    assert "no boot server answered (pvs1, pvs2, asked 2 times)" in found.sentence
    assert [q.ended - q.at for q in seen.questions()[:2]] == [3.0, 3.0]


def test_server_that_lacks_the_file():
    refused = WireEvent(6.2, "server.refused", "pvs2", "tftp", "boot/x.bin", 0, "TFTP error: no")
    found = verdict(LOADER, [*ANSWERED, refused])
    assert "pvs2 answered but did not give boot/x.bin: TFTP error: no" in found.sentence


def test_download_that_does_not_end():
    found = verdict(LOADER, DOWNLOADED[:-1])
    assert (found.reached, found.ok) == (Reached.SERVER, False)
    assert "began but did not end" in found.sentence


def test_server_without_the_service():
    assert "is there but did not answer the request" in verdict(LOADER, ANSWERED).sentence


def test_dhcp_got_no_answer():
    found = verdict(LOADER, DHCP[:1])
    assert found.reached is Reached.LOADER
    assert "asked DHCP for an address and got none" in found.sentence


def test_dhcp_answer_not_taken():
    offer = WireEvent(1.1, "dhcp.offer", detail="10.0.0.254")
    assert "DHCP offered 10.0.0.254, but" in verdict(LOADER, [DHCP[0], offer]).sentence


def test_untagged_frames_in_a_vlan():
    case = replace(CASE, plan=plan_network(SERVERS, network=Network(vlan=7)))
    wrong = WireEvent(1.0, "vlan.wrong", detail="untagged")
    assert (
        "sent frames untagged, but the network is VLAN 7"
        in verdict(LOADER, [wrong], case=case).sentence
    )


def test_servers_behind_a_gateway_that_is_not_there():
    network = Network(NetworkMode.STATIC, IPv4Address("192.0.2.5"), IPv4Address("255.255.255.0"))
    case = replace(CASE, plan=plan_network(SERVERS, network=network))
    found = verdict(LOADER, case=case)
    assert "cannot reach pvs1, pvs2: outside its subnet 192.0.2.0/24" in found.sentence


def test_name_that_dns_does_not_know():
    lost = WireEvent(3.0, "dns.failed", detail="pvs9.example.net")
    found = verdict(LOADER, [*DHCP, lost])
    assert found.reached is Reached.NETWORK
    assert "pvs9.example.net is not known to DNS" in found.sentence


def test_media_for_another_firmware():
    foreign = SerialFact(1, "script.foreign", "these media carry no bootstrap for efi")
    assert "build the media for this firmware too" in verdict([*LOADER, foreign]).sentence


def test_machine_that_restarted():
    seen = evidence(LOADER, ASKED)
    seen.exited = 9.0
    assert judge(CASE, seen, seconds=9).sentence.endswith("restarted or switched itself off")


def test_qemu_that_did_not_start():
    seen = evidence([])
    seen.exited, seen.exit_words = 0.1, "qemu: no such device"
    found = judge(CASE, seen, seconds=1)
    assert (found.reached, found.ok) == (Reached.NOTHING, False)
    assert found.sentence.endswith("qemu: no such device")


def test_own_bootstrap_that_goes_on_by_itself_runs():
    later = WireEvent(7.5, "dhcp.discover")
    seen = evidence(LOADER, [*DOWNLOADED, later])
    found = judge(OWN, seen, seconds=12)
    assert (found.reached, found.ok) == (Reached.STARTED, True)
    assert "went on by itself (dhcp.discover)" in found.sentence


def test_own_bootstrap_that_says_nothing_is_not_claimed_to_run():
    seen = evidence([*LOADER, SerialFact(6.4, "script.starting", "boot/x.bin")], DOWNLOADED)
    assert not finished(OWN, seen, 8)
    assert finished(OWN, seen, 12)
    found = judge(OWN, seen, seconds=12)
    assert (found.reached, found.ok) == (Reached.DOWNLOADED, True)
    assert "handed over" in found.sentence
    assert "cannot be seen from outside" in found.sentence


def test_own_bootstrap_that_the_loader_cannot_start():
    error = SerialFact(6.6, "loader.error", "Could not boot: Exec format error")
    found = verdict([*LOADER, error], DOWNLOADED, case=OWN)
    assert (found.reached, found.ok) == (Reached.DOWNLOADED, False)
    assert "Exec format error; is it a bootstrap for bios machines?" in found.sentence


def test_notes_count_what_came_before_the_cd():
    serial = [
        SerialFact(0.2, "boot.ethernet"),
        SerialFact(20.2, "boot.cdrom"),
        SerialFact(20.3, "loader", "ISOLINUX 6.04"),
    ]
    (note,) = notes(CASE, evidence(serial))
    assert note.startswith("the network card came before the CD and cost 20 s")


@pytest.mark.parametrize(
    ("line", "kind", "detail"),
    [
        ("\x1b[2J\x1b[0mSeaBIOS (version 1.16.2-debian)", "firmware", "1.16.2-debian"),
        ("Booting from DVD/CD...", "boot.cdrom", None),
        ("Booting from ROM...", "boot.ethernet", None),
        ("Boot failed: not a bootable disk", "boot.failed", "not a bootable disk"),
        ("No bootable device.", "boot.nothing", None),
        ('BdsDxe: starting Boot0001 "UEFI QEMU DVD-ROM QM00001 " from X', "boot.cdrom", None),
        ('BdsDxe: starting Boot0002 "UEFI PXEv4 (MAC:0050)" from X', "boot.ethernet", None),
        (
            'BdsDxe: failed to load Boot0001 "UEFI QEMU DVD-ROM " from X: Access Denied',
            "boot.refused",
            "UEFI QEMU DVD-ROM: Access Denied",
        ),
        (
            'BdsDxe: failed to load Boot0001 "UEFI QEMU DVD-ROM " from X: Not Found',
            "boot.failed",
            "UEFI QEMU DVD-ROM: Not Found",
        ),
        ("iPXE initialising devices...", "loader", "iPXE initialising"),
        (
            "vmboot: asking pvs1 10.0.0.11 (1/2) for x",
            "script.asking",
            "pvs1 10.0.0.11 (1/2) for x",
        ),
        ("vmboot: nothing answered, trying again in 5 s", "script.pause", None),
        (
            "tftp://10.0.0.11/x..... Connection timed out (https://ipxe.org/4c072035)",
            "loader.error",
            "tftp://10.0.0.11/x..... Connection timed out",
        ),
        ("VMBOOT-REHEARSAL-OK uefi", "marker", "uefi"),
    ],
)
def test_console_lines_that_mean_something(line, kind, detail):
    (_, fact) = SerialWatch().feed(1.0, f"{line}\r\n")
    assert fact.kind == kind
    assert detail is None or fact.detail == detail


@pytest.mark.parametrize("line", ["", "vmboot: starting iPXE", "vmboot: asking for an address on"])
def test_console_lines_that_mean_nothing(line):
    assert SerialWatch().feed(1.0, f"x\n{line}\n")[1:] == []


def test_console_text_may_come_in_any_pieces():
    watch = SerialWatch()
    text = "noise\r\nVMBOOT-REHEARSAL\x1b[1m-OK bios\r\n"
    facts = [fact for letter in text for fact in watch.feed(1.0, letter)]
    assert [fact.kind for fact in facts] == ["console", "marker"]


def test_console_without_line_ends_does_not_grow_without_end():
    watch = SerialWatch()
    for _ in range(100):
        watch.feed(1.0, "x" * 1000)
    assert len(watch._rest) <= 4096


@pytest.mark.parametrize(
    ("asked", "wanted", "same"),
    [("/a/b.efi", "a/b.efi", True), ("a%20b", "a b", True), ("a", "b", False)],
)
def test_file_names_on_the_wire(asked, wanted, same):
    assert same_file(asked, wanted) is same


WORK = [*LOADER, SerialFact(5.0, "script.no-work", "no work for this machine")]
LEFT = SerialFact(5.1, "script.leaving", "going on to the next boot device")


def test_without_work_a_machine_that_went_on_is_right():
    found = verdict([*WORK, LEFT], ANSWERED)
    assert (found.reached, found.ok) == (Reached.SERVER, True)
    assert found.sentence == (
        "pvs2 had no work, so the machine went on to its next boot device 5.1 s after power on;"
        " its own disks are blank here"
    )
    seen = evidence([*WORK, LEFT], ANSWERED)
    assert not finished(CASE, seen, 6.0)
    assert finished(CASE, seen, 9.2)


def test_going_on_because_no_server_answered_is_not_right():
    found = verdict([*LOADER, LEFT], ASKED)
    assert (found.reached, found.ok) == (Reached.SERVER, False)
