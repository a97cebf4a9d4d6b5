"""What keeps boot media from being swept: machines, snapshots, runs, and their youth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from vmboot.errors import RefusedError
from vmboot.fleet.journal import Copying
from vmboot.fleet.runs import RunSummary, load_run, read_runs
from vmboot.fleet.strays import as_stray, is_held
from vmboot.vsphere import soap
from vmboot.vsphere.flatimport import PART_DISK
from vmboot.vsphere.holders import Holders, file_name, read_holders
from vmboot.vsphere.machine import Machine
from vmboot.vsphere.ourdisks import our_name
from vmboot.vsphere.soap import Ref

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session
    from vmboot.vsphere.transfer import FileInfo

#: A file that changed this lately may belong to an upload or an apply at work somewhere else.
YOUNG = timedelta(hours=1)


@dataclass(frozen=True)
class Needed:
    """What was found in use. All by file name, which carries the content's hash.

    :param runs: why a run needs a file
    :param uploads: why what an upload has sent so far must stay, by the name it is to get
    :param now: the earlier of our clock and the vCenter's, so that no file seems too old
    """

    holders: Holders = field(default_factory=Holders)
    runs: Mapping[str, str] = field(default_factory=dict)
    uploads: Mapping[str, str] = field(default_factory=dict)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def reason(self, info: FileInfo, datastore: str = "") -> str | None:
        """Why a file has to stay; ``None`` if nothing needs it.

        :param datastore: its name, so that of a master's machines those on it are told
        """
        name = file_name(info.path)
        if name in self.holders.by_file:
            who = self.holders.by_file[name]
            return self._copied_for(name, datastore) if our_name(name) else _held_by(who)
        if name in self.holders.by_media:
            return f"{_copied_for(self.holders.by_media[name])}, as extraConfig says"
        return self._needed(name, info)

    def _copied_for(self, name: str, datastore: str) -> str:
        here = {
            who: None
            for path, holders in self.holders.by_disk.items()
            if our_name(path) == name and path.startswith(f"[{datastore}] ")
            for who in holders
        }
        if here:
            return _copied_for(tuple(here))
        return f"{_copied_for(self.holders.by_file[name])} on another datastore"

    def reason_of_copy(self, copy: Copying, info: FileInfo) -> str | None:
        """The same for one machine's copy of a BDM disk: others have copies of the same name."""
        if is_held(as_stray(copy), self.holders):
            return _held_by(self.holders.by_disk.get(copy.path, ("its machine",)))
        return self._needed(file_name(copy.path), info)

    def _needed(self, name: str, info: FileInfo) -> str | None:
        known = self.runs.get(name) or self.uploads.get(_whole(name))
        if known is None and self._is_young(info):
            return "it is less than an hour old: an apply or an upload may be at work on it"
        return known

    def _is_young(self, info: FileInfo) -> bool:
        try:
            changed = datetime.fromisoformat(info.modified)
        except ValueError:  # the datastore does not tell
            return True
        return changed.tzinfo is None or self.now - changed < YOUNG


def look(session: Session, *, keep_days: float, everything: bool, state: Path | None) -> Needed:
    """What is in use right now.

    :param keep_days: how old runs may be whose undo counts
    :param everything: what only an undo would need does not count
    :raises RefusedError: the configuration of a machine, or a run's journal, cannot be read, so
        what it needs is unknown
    """
    holders = read_holders(session)
    if holders.unreadable:
        named = ", ".join(holders.unreadable[:5])
        raise RefusedError(
            f"what {len(holders.unreadable)} of the machines hold cannot be read: {named}",
            hint="bring back their hosts and datastores, remove them from the inventory, or grant "
            "System.Read on them; nothing is swept before",
        )
    listed = read_runs(state=state)
    for message in listed.damaged.values():
        raise RefusedError(
            f"what a run needs cannot be read: {message}",
            hint="move that run's folder away if nobody will undo it; nothing is swept before",
        )
    undoable = {} if everything else _undoable(listed.runs, keep_days, state)
    return Needed(holders, undoable, _begun(listed.runs, state), _now(session))


def _undoable(
    runs: Iterable[RunSummary], keep_days: float, state: Path | None
) -> Mapping[str, str]:
    """What machines held before runs that can be undone; an undo is such a run too."""
    oldest = (datetime.now(UTC) - timedelta(days=keep_days)).isoformat()
    needed: dict[str, str] = {}
    for summary in runs:
        if summary.undoable and summary.started >= oldest:
            why = f"undo of run {summary.id} needs it; --all removes it all the same"
            for intents in load_run(summary.id, state=state).intents.values():
                needed |= dict.fromkeys(_media(intents[0].before), why)
    return needed


def _begun(runs: Iterable[RunSummary], state: Path | None) -> Mapping[str, str]:
    """What unfinished runs were about to upload, or to put into machines."""
    needed: dict[str, str] = {}
    for summary in runs:
        if not summary.finished:
            run = load_run(summary.id, state=state)
            why = f"run {summary.id} needs it and is not finished: apply again, or undo it"
            needed |= dict.fromkeys((file_name(upload.path) for upload in run.uploads), why)
            needed |= dict.fromkeys(map(file_name, (*run.copies, *run.removed)), why)
            for intents in run.intents.values():
                needed |= dict.fromkeys(_media(intents[-1].after), why)
    return needed


def _media(machine: Machine) -> Iterator[str]:
    """The names of the ISOs and the BDM disk that a machine has."""
    for device in machine.hardware.devices:
        if device.backing is not None and device.backing.kind == "iso":
            yield file_name(device.backing.path)
        elif our_name(device.file):
            yield our_name(device.file)


def _whole(name: str) -> str:
    """The name that an upload's temporary file gets when all of it is there."""
    part = PART_DISK.fullmatch(name)
    if part is not None:
        return f"{part['stem']}.vmdk"
    return name[: name.index(".iso") + len(".iso")] if ".iso." in name else name


def _copied_for(who: tuple[str, ...]) -> str:
    more = f" and {len(who) - 1} more boot" if len(who) > 1 else " boots"
    return f"{who[0]}{more} from a copy of it"


def _held_by(who: tuple[str, ...]) -> str:
    return f"{who[0]} and {len(who) - 1} more hold it" if len(who) > 1 else f"{who[0]} holds it"


def _now(session: Session) -> datetime:
    reply = session.soap("CurrentTime", Ref("ServiceInstance", "ServiceInstance"))
    server = datetime.fromisoformat(soap.text(reply, "returnval"))
    return min(server, datetime.now(UTC))
