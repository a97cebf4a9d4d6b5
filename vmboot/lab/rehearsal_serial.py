"""What a machine's serial console says about its boot. Pure: text in, facts out.

The texts are those of SeaBIOS, edk2 (BdsDxe), isolinux, iPXE, GRUB, shim and of vmboot's own boot
script, which says everything it does in lines that begin with ``vmboot:``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from vmboot.lab.markers import MARKER

_ESCAPES = re.compile(r"\x1b\[[0-9;?=]*[A-Za-z]|\x1b[()][A-Z0-9]|[\x00\x07\x0e\x0f\r]")
_LINE_LIMIT = 4096

# kind, pattern; its groups, joined, become the detail. The first pattern that matches a line wins.
_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("marker", rf"{MARKER} (bios|uefi)"),
        ("script.started", r"vmboot: boot media started on (.*)"),
        ("script.asking", r"vmboot: asking (?!for an address)(.*)"),
        ("script.silent", r"vmboot: no boot server answered on (.*)"),
        ("script.pause", r"vmboot: (nothing answered, trying again.*)"),
        ("script.work", r"vmboot: (starting the work|there is no work, or it came back)"),
        ("script.no-work", r"vmboot: (no work for this machine)"),
        ("script.leaving", r"vmboot: (going on to the next boot device)"),
        ("script.starting", r"vmboot: starting (?!iPXE)(.*)"),
        ("script.returned", r"vmboot: (.* did not start, or came back)"),
        ("script.foreign", r"vmboot: (these media carry no bootstrap.*)"),
        ("firmware", r"SeaBIOS \(version ([^)]*)\)"),
        (
            "boot.refused",
            r"BdsDxe: failed to \w+ \S+ \"([^\"]*?) *\".*: (Access Denied|Security Violation)",
        ),
        ("boot.refused", r"(bad shim signature|Verification failed: \(0x1A\) Security.*)"),
        # iPXE's numbers where LoadImage ends with EFI_ACCESS_DENIED or EFI_SECURITY_VIOLATION ...
        ("boot.refused", r"(Error 0x7f0481(?:8f|9a))"),
        # ... and where a program that was started ended with an error (StartImage).
        ("program.ended", r"(Error 0x7f0482[0-9a-f]{2}|Could not start image)"),
        ("boot.failed", r"Boot failed: (.*)"),
        (
            "boot.failed",
            r"vmboot: (no active partition|the active partition .*|this disk starts .*)",
        ),
        ("boot.failed", r"BdsDxe: failed to \w+ \S+ \"([^\"]*?) *\".*: (.*)"),
        ("boot.cdrom", r"Booting from DVD/CD|BdsDxe: starting \S+ \"[^\"]*(?:DVD|CD-?ROM|CDROM)"),
        (
            "boot.disk",
            r"Booting from Hard Disk|BdsDxe: starting \S+ \"[^\"]*(?:HARDDISK|SCSI|NVMe)",
        ),
        ("boot.ethernet", r"Booting from ROM|BdsDxe: starting \S+ \"[^\"]*(?:PXE|HTTP)"),
        (
            "boot.nothing",
            r"(No bootable device|BdsDxe: No bootable option.*|UEFI Interactive Shell)",
        ),
        ("loader", r"(ISOLINUX [\d.]+|iPXE initialising|GNU GRUB.*|Welcome to GRUB|UEFI SHIM)"),
        ("loader.error", r"(.*\S) \(https?://ipxe\.org/[0-9a-f]{8}\)"),
        ("loader.error", r"^error: (?:\S+\.c:\d+:)?(.*\S)"),  # GRUB's
    )
)


@dataclass(frozen=True)
class SerialFact:
    """One line that means something; ``at`` is when it was read, on the caller's clock."""

    at: float
    kind: str
    detail: str = ""


def plain(text: str) -> str:
    """Console text without colours, cursor moves and carriage returns."""
    return _ESCAPES.sub("", text)


class SerialWatch:
    """Cuts the console's text into lines and tells which of them mean something."""

    def __init__(self) -> None:
        self._rest = ""
        self._spoke = False

    def feed(self, at: float, text: str) -> list[SerialFact]:
        """Facts in ``text``, read at ``at``; a line without its end waits for the next call."""
        facts: list[SerialFact] = []
        *lines, rest = (self._rest + text).split("\n")
        self._rest = rest[-_LINE_LIMIT:]
        if text and not self._spoke:
            self._spoke = True
            facts.append(SerialFact(at, "console"))
        for line in lines:
            fact = _fact(at, plain(line).strip())
            if fact:
                facts.append(fact)
        return facts


def _fact(at: float, line: str) -> SerialFact | None:
    for kind, pattern in _PATTERNS:
        found = pattern.search(line)
        if found:
            return SerialFact(at, kind, ": ".join(found.groups()) if pattern.groups else line)
    return None
