"""Everything seen of one boot, in order, and the questions that can be asked about it. Pure.

All times are seconds from power on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote

from vmboot.lab.network_wire import WireEvent
from vmboot.lab.rehearsal_serial import SerialFact

_KEPT = 2000
_NETWORK = re.compile(r"PXE|HTTP")
_DISK = re.compile(r"\bdisk\b|partition|HARDDISK|SCSI|NVMe")
_CD = re.compile(r"DVD|CD-?ROM")
_NO_ANSWER_ENDS = ("script.silent", "script.pause", "script.returned")


@dataclass(frozen=True)
class Question:
    """One boot server asked once.

    :param ended: when the next server was asked, or the machine gave up, or the evidence ends
    :param open: the evidence ends before the machine gave up
    """

    at: float
    ended: float
    server: str
    answered: float | None = None
    refused: str = ""
    open: bool = False


@dataclass
class Evidence:
    """Serial facts and wire events of one boot.

    :param exited: when QEMU ended by itself, if it did: the machine restarted or switched off
    :param exit_words: QEMU's last words, when it ended because it could not play the machine
    """

    serial: list[SerialFact] = field(default_factory=list)
    wire: list[WireEvent] = field(default_factory=list)
    exited: float | None = None
    exit_words: str = ""
    last: float = 0.0

    def add_serial(self, fact: SerialFact) -> None:
        if len(self.serial) < _KEPT:
            self.serial.append(fact)
        self.last = max(self.last, fact.at)

    def add_wire(self, event: WireEvent) -> None:
        if len(self.wire) < _KEPT:
            self.wire.append(event)
        self.last = max(self.last, event.at)

    def fact(self, *kinds: str) -> SerialFact | None:
        """The first serial fact of one of ``kinds``."""
        return next((fact for fact in self.serial if fact.kind in kinds), None)

    def count(self, kind: str) -> int:
        """How often the console said ``kind``."""
        return sum(fact.kind == kind for fact in self.serial)

    @property
    def cd_failed(self) -> bool:
        """The firmware tried the CD and found nothing to start."""
        return any(f.kind == "boot.failed" and _CD.search(f.detail) for f in self.serial)

    @property
    def disks_failed(self) -> list[str]:
        """What the firmware, or a disk's own boot program, said of each that does not start."""
        failed = [fact.detail for fact in self.serial if fact.kind == "boot.failed"]
        return [words for words in failed if _DISK.search(words) and not _CD.search(words)]

    @property
    def refused(self) -> SerialFact | None:
        """The firmware, or a signed loader, refused a program on the media for its signature."""
        refusals = [fact for fact in self.serial if fact.kind == "boot.refused"]
        return next((fact for fact in refusals if not _NETWORK.search(fact.detail)), None)

    @property
    def loader(self) -> SerialFact | None:
        """The first sign of a loader from media (not of the network card's own ROM)."""
        device = ""
        for fact in self.serial:
            if fact.kind in ("boot.cdrom", "boot.disk", "boot.ethernet"):
                device = fact.kind
            from_media = device in ("boot.cdrom", "boot.disk")
            if fact.kind == "script.started" or (fact.kind == "loader" and from_media):
                return fact
        return None

    def ended_by_itself(self, since: float) -> bool:
        """A program started after ``since`` came back to the loader, whatever it said."""
        later = [fact.kind for fact in self.serial if fact.at >= since]
        if "program.ended" in later:
            return True
        return "script.returned" in later and "loader.error" not in later

    def after_loader(self) -> Iterator[WireEvent]:
        """Wire events of the loader and what follows; earlier ones belong to the card's ROM."""
        loader = self.loader
        for event in self.wire:
            # The console is read a moment after it was written.
            if loader and event.at >= loader.at - 0.3:
                yield event

    def event(self, kind: str) -> WireEvent | None:
        """The first wire event of ``kind`` since the loader started."""
        return next((event for event in self.after_loader() if event.kind == kind), None)

    def questions(self) -> tuple[Question, ...]:
        """Every time a boot server was asked, in order."""
        events = list(self.after_loader())
        asked = [event for event in events if event.kind == "server.asked"]
        if not asked:
            return ()
        ends = [event.at for event in asked[1:]] + [max(self.last, self.exited or 0.0)]
        return tuple(
            self._question(event, end, events) for event, end in zip(asked, ends, strict=True)
        )

    def _question(self, asked: WireEvent, end: float, events: list[WireEvent]) -> Question:
        given_up = [
            fact.at for fact in self.serial if fact.kind in _NO_ANSWER_ENDS and fact.at > asked.at
        ]
        last = asked is next(e for e in reversed(events) if e.kind == "server.asked")
        end = min([end, *given_up])
        mine = [
            event
            for event in events
            if event.server == asked.server and asked.at <= event.at <= end
        ]
        answered = next((e.at for e in mine if e.kind != "server.asked"), None)
        refused = next((e.detail for e in mine if e.kind == "server.refused"), "")
        is_open = last and not given_up
        return Question(asked.at, end, asked.server, answered, refused, is_open)

    def download(self, file: str) -> WireEvent | None:
        """The complete download of ``file``, acknowledged if possible, if there was one."""
        whole = [
            event
            for event in self.after_loader()
            if event.kind in ("transfer.sent", "transfer.finished") and same_file(event.file, file)
        ]
        acknowledged = [event for event in whole if event.kind == "transfer.finished"]
        return next(iter(acknowledged + whole), None)


def same_file(asked: str, wanted: str) -> bool:
    """Loaders add or drop the leading slash and percent-encode in URLs."""
    return unquote(asked).lstrip("/") == wanted.lstrip("/")
