"""Reading journals: which runs there were, and what they left."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from vmboot.errors import InputError, NotFoundError
from vmboot.fleet.codec import decode
from vmboot.fleet.journal import (
    FILE,
    Certifying,
    Closed,
    Copied,
    Copying,
    Decertifying,
    Edited,
    Ended,
    Foreign,
    Intent,
    Marked,
    PoweringOff,
    Record,
    Removing,
    Settled,
    Started,
    Undone,
    Uploaded,
    Uploading,
    runs_dir,
)
from vmboot.vsphere.machine import Machine

_KINDS: Mapping[str, type[Record]] = {
    kind.kind: kind
    for kind in (
        Started,
        Uploading,
        Uploaded,
        Copying,
        Copied,
        Foreign,
        Removing,
        Certifying,
        Decertifying,
        Edited,
        Intent,
        PoweringOff,
        Marked,
        Settled,
        Ended,
        Closed,
        Undone,
    )
}
#: How a machine's line begins; a summary counts these without decoding them.
_INTENT = b'{"kind":"intent"'
_POWER_OFF = b'{"kind":"power-off"'
_DETAILS = tuple(
    f'{{"kind":"{kind.kind}"'.encode()
    for kind in (
        Settled,
        Copying,
        Copied,
        Foreign,
        Removing,
        Certifying,
        Decertifying,
        Edited,
    )
)
T = TypeVar("T")


@dataclass(frozen=True)
class RunSummary:
    """One run, as ``vmboot runs`` lists it.

    :param machines: how many machines it was about to change or to shut down
    :param finished: it came to its end, or a later run repaired what it left
    :param undone_by: the run that took all of it back, ``""`` if none
    :param rollout: the rollout it is a wave of, ``""`` if none; ``wave`` is its name there
    """

    id: str
    verb: str
    started: str
    user: str
    host: str
    fleet: str
    vcenter: str
    machines: int = 0
    finished: bool = True
    interrupted: bool = False
    counts: Mapping[str, int] = field(default_factory=dict)
    resumes: tuple[str, ...] = ()
    undoes: tuple[str, ...] = ()
    undone_by: str = ""
    rollout: str = ""
    wave: str = ""

    @property
    def undoable(self) -> bool:
        return bool(self.machines) and not self.undone_by

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "verb": self.verb,
            "started": self.started,
            "user": self.user,
            "host": self.host,
            "fleet": self.fleet,
            "vcenter": self.vcenter,
            "machines": self.machines,
            "finished": self.finished,
            "interrupted": self.interrupted,
            "counts": dict(self.counts),
            "resumes": list(self.resumes),
            "undoes": list(self.undoes),
            "undone_by": self.undone_by,
            "rollout": self.rollout,
            "wave": self.wave,
            "undoable": self.undoable,
        }


@dataclass(frozen=True)
class Run:
    """A whole journal.

    :param intents: by managed object id, in order; a machine changed twice has two
    :param marked: templates whose round trip is over
    :param uploads: uploads of boot ISOs and masters that were begun and not seen to end
    :param sent: those that were begun, whether they ended or not
    :param copies: BDM disks that were begun to be made, by path, without those where somebody's
        file was in the way; ``copied`` were seen to end
    :param removed: BDM disks that it was about to delete, by path; not those where that failed
    :param unconfirmed: those about to be deleted of which no end of the run tells
    :param certificates: files with a certificate that it was about to put into folders of machines,
        by path; ``decertified`` it was about to delete
    :param edited: what became of the fleet document, ``None`` if nothing
    :param shut_down: managed object ids of machines it was about to shut down
    :param powered: those machines as they were, by managed object id
    """

    started: Started
    intents: Mapping[str, tuple[Intent, ...]]
    marked: frozenset[str] = frozenset()
    uploads: tuple[Uploading, ...] = ()
    sent: tuple[Uploading, ...] = ()
    copies: Mapping[str, Copying] = field(default_factory=dict)
    copied: frozenset[str] = frozenset()
    removed: Mapping[str, Removing] = field(default_factory=dict)
    unconfirmed: frozenset[str] = frozenset()
    certificates: Mapping[str, Certifying] = field(default_factory=dict)
    decertified: Mapping[str, Decertifying] = field(default_factory=dict)
    edited: Edited | None = None
    shut_down: frozenset[str] = frozenset()
    powered: Mapping[str, Machine] = field(default_factory=dict)
    settled: Mapping[str, Settled] = field(default_factory=dict)
    ended: Ended | None = None
    closed: Closed | None = None
    undone: Undone | None = None

    @property
    def id(self) -> str:
        return self.started.id

    @property
    def finished(self) -> bool:
        return self.closed is not None or (self.ended is not None and not self.ended.open)

    @property
    def deleted(self) -> Mapping[str, Removing]:
        """Those of ``removed`` that are known to be gone: a run that was killed says only what it
        was about to do."""
        return {path: r for path, r in self.removed.items() if path not in self.unconfirmed}

    @property
    def moids(self) -> tuple[str, ...]:
        """Machines it was about to change, in that order, then those it only shut down."""
        return tuple(dict.fromkeys((*self.intents, *self.powered)))

    def before(self, moid: str) -> Machine:
        """The machine as it was when this run came to it."""
        return self.intents[moid][0].before if moid in self.intents else self.powered[moid]

    @property
    def left_open(self) -> Mapping[str, Machine]:
        """Templates it may have left as VMs, by managed object id, as they were before."""
        return {
            moid: intents[0].before
            for moid, intents in self.intents.items()
            if intents[0].before.is_template and moid not in self.marked
        }


def load_run(run_id: str, *, state: Path | None = None) -> Run:
    """The journal of one run; a last line torn by a crash is left out.

    :raises NotFoundError: there is no such run
    :raises InputError: its journal is not one
    """
    path = runs_dir(state) / run_id / FILE
    if "/" in run_id or run_id.startswith(".") or not path.is_file():
        raise NotFoundError(
            f"there is no run {run_id!r} in {path.parent.parent}",
            hint="'vmboot runs' lists them; VMBOOT_STATE says where they are kept",
        )
    return _assemble(_records(path), path)


def _records(path: Path) -> Iterator[Record]:
    for line in _lines(path):
        data = _parse(line, path)
        kind = _KINDS.get(str(data.get("kind")))
        if kind is None:
            raise InputError(
                f"{path}: unknown record {data.get('kind')!r}",
                hint="it was written by a newer version of vmboot; use that one",
            )
        yield _decoded(kind, data, path)


def _decoded(kind: type[T], data: dict[str, Any], path: Path) -> T:
    try:
        return decode(kind, data)
    except InputError as error:
        raise InputError(f"{path} is damaged: {error.message}", hint=error.hint) from error


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        for line in stream:
            if line.endswith(b"\n"):  # a torn last line was never acted upon
                yield line


def _parse(line: bytes, path: Path) -> dict[str, Any]:
    try:
        data = json.loads(line)
    except ValueError as error:
        raise InputError(f"{path} is damaged: {error}", hint="was it edited?") from None
    if not isinstance(data, dict) or not isinstance(data.get("kind"), str):
        raise InputError(f"{path} is damaged: a line is no record", hint="was it edited?")
    return data


def _assemble(records: Iterable[Record], path: Path) -> Run:
    by_kind: dict[type, list[Any]] = {kind: [] for kind in _KINDS.values()}
    unconfirmed: set[str] = set()
    for record in records:
        by_kind[type(record)].append(record)
        if isinstance(record, Removing):
            unconfirmed.add(record.path)
        elif isinstance(record, Ended):
            unconfirmed.clear()
    if not by_kind[Started]:
        raise InputError(f"{path} has no beginning", hint="its disk may have been full")
    sent = {record.path for record in by_kind[Uploaded]}
    foreign = {record.path for record in by_kind[Foreign]}
    return Run(
        started=by_kind[Started][0],
        intents=_grouped(by_kind[Intent]),
        marked=frozenset(record.moid for record in by_kind[Marked]),
        uploads=tuple(u for u in by_kind[Uploading] if u.path not in sent),
        sent=tuple(by_kind[Uploading]),
        copies={c.path: c for c in by_kind[Copying] if c.path not in foreign},
        copied=frozenset(record.path for record in by_kind[Copied]),
        removed=_removed(by_kind[Removing]),
        unconfirmed=frozenset(unconfirmed),
        certificates={c.path: c for c in by_kind[Certifying]},
        decertified={c.path: c for c in by_kind[Decertifying]},
        edited=_last(by_kind[Edited]),
        shut_down=frozenset(m for record in by_kind[PoweringOff] for m in record.moids),
        powered={m.moid: m for record in by_kind[PoweringOff] for m in record.before},
        settled={record.moid: record for record in by_kind[Settled]},
        ended=_last(by_kind[Ended]),
        closed=_last(by_kind[Closed]),
        undone=_last(by_kind[Undone]),
    )


def _removed(records: Iterable[Removing]) -> dict[str, Removing]:
    last = {record.path: record for record in records}
    return {path: record for path, record in last.items() if not record.failed}


def _grouped(intents: Iterable[Intent]) -> dict[str, tuple[Intent, ...]]:
    grouped: dict[str, tuple[Intent, ...]] = {}
    for intent in intents:
        moid = intent.before.moid
        grouped[moid] = (*grouped.get(moid, ()), intent)
    return grouped


def _last(records: list[Any]) -> Any:
    return records[-1] if records else None


@dataclass(frozen=True)
class Listed:
    """What is in the state directory.

    :param runs: the newest first
    :param damaged: journals that cannot be read, and why
    """

    runs: tuple[RunSummary, ...]
    damaged: Mapping[Path, str]


def list_runs(*, state: Path | None = None) -> tuple[RunSummary, ...]:
    """All runs, the newest first. Journals that cannot be read are left out."""
    return read_runs(state=state).runs


def read_runs(*, state: Path | None = None) -> Listed:
    """All runs, and the journals that cannot be read: one of them stands in no other's way."""
    found: list[RunSummary] = []
    damaged: dict[Path, str] = {}
    for path in sorted(runs_dir(state).glob(f"*/{FILE}"), reverse=True):
        try:
            summary = _summary(path)
        except InputError as error:
            damaged[path] = error.message
        except OSError as error:
            damaged[path] = f"{path} cannot be read: {error.strerror}"
        else:
            found += [summary] if summary is not None else []
    return Listed(tuple(found), damaged)


def load_all(*, state: Path | None = None) -> Iterator[Run]:
    """Every run, the newest first, one in memory at a time.

    Journals that cannot be read are left out: one of them stands in no other run's way.
    """
    for summary in read_runs(state=state).runs:
        try:
            run = load_run(summary.id, state=state)
        except (InputError, NotFoundError, OSError):
            continue
        yield run


def _summary(path: Path) -> RunSummary | None:
    machines, rest = set(), []
    for line in _lines(path):
        if line.startswith(_INTENT):
            machines.add(_moid(line, path))
        elif line.startswith(_POWER_OFF):
            machines |= _shut_down(_parse(line, path))
        elif not line.startswith(_DETAILS):
            rest.append(_parse(line, path))
    records = {data["kind"]: data for data in rest}
    if "run" not in records:  # killed before its first line: it cannot have written anything else
        return None
    started = _decoded(Started, records["run"], path)
    ended = _decoded(Ended, records["end"], path) if "end" in records else None
    undone = _decoded(Undone, records["undone"], path) if "undone" in records else None
    return RunSummary(
        id=started.id,
        verb=started.verb,
        started=started.started,
        user=started.user,
        host=str(started.owner.get("host", "")),
        fleet=started.fleet,
        vcenter=started.vcenter,
        machines=len(machines),
        finished="closed" in records or (ended is not None and not ended.open),
        interrupted=bool(ended and ended.interrupted),
        counts=ended.counts if ended else {},
        resumes=started.resumes,
        undoes=started.undoes,
        undone_by=undone.by if undone and undone.complete else "",
        rollout=started.rollout,
        wave=started.wave,
    )


def _moid(line: bytes, path: Path) -> str:
    """The managed object id in a machine's line, by its fixed beginning."""
    _, found, rest = line.partition(b'"moid":"')
    if not found:
        raise InputError(f"{path} is damaged: a machine has no id", hint="was it edited?")
    return rest.partition(b'"')[0].decode(errors="replace")


def _shut_down(data: Mapping[str, Any]) -> set[str]:
    """Machines that an undo can start again: those whose line tells what they were."""
    return set(data.get("moids", ())) if data.get("before") else set()
