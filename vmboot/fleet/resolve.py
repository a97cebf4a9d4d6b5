"""Which machines a fleet document means: its patterns against the inventory, no doubt left open.

Globs select what their section is for: VMs under ``targets``, templates under ``templates``. A name
without wildcards that turns out to be the other kind is a problem of that machine, named in the
plan.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from vmboot.errors import AmbiguousError, InputError, NotFoundError, Place
from vmboot.fleet.plan import Problem
from vmboot.model import BootMethod

if TYPE_CHECKING:
    from vmboot.fleet.spec import Fleet
    from vmboot.fleet.specmodels import Target
    from vmboot.vsphere.inventory import Entry


class Matcher(Protocol):
    """The part of :class:`vmboot.vsphere.inventory.Index` that is used here."""

    def match(self, pattern: str) -> tuple[Entry, ...]: ...


@dataclass(frozen=True)
class Wish:
    """One selected machine and what its entry in the document wants.

    :param is_template: it is one, or an unfinished run left it a VM
    :param group: index of its entry; those of ``templates`` follow those of ``targets``
    """

    entry: Entry
    method: BootMethod
    nic: int
    is_template: bool
    group: int
    place: Place
    problem: Problem | None = None


def resolve(
    fleet: Fleet,
    index: Matcher,
    *,
    limit: Sequence[str] = (),
    were_templates: Collection[str] = (),
    missing: list[NotFoundError] | None = None,
) -> tuple[Wish, ...]:
    """The machines ``fleet`` selects, in the order of the document.

    :param limit: only those that one of these patterns matches too
    :param were_templates: managed object ids of VMs that an unfinished run found as templates
    :param missing: takes the errors of patterns that match nothing, instead of raising the first
    :raises NotFoundError: a pattern matches nothing
    :raises AmbiguousError: a bare name matches several machines
    :raises InputError: two entries want different things of one machine
    """
    chosen: dict[str, Wish] = {}
    for wish in _wishes(fleet, index, were_templates, missing):
        earlier = chosen.setdefault(wish.entry.moid, wish)
        if (earlier.method, earlier.nic) != (wish.method, wish.nic):
            raise _contradiction(earlier, wish)
    wishes = tuple(chosen.values())
    return limited(wishes, index, limit) if limit else wishes


def _wishes(
    fleet: Fleet,
    index: Matcher,
    were_templates: Collection[str],
    missing: list[NotFoundError] | None,
) -> Iterator[Wish]:
    sections = (("targets", fleet.targets, 0), ("templates", fleet.templates, len(fleet.targets)))
    for section, entries, offset in sections:
        for number, target in enumerate(entries):
            for position, pattern in enumerate(target.vms):
                place = fleet.place(section, number, "vms", position)
                for_templates = section == "templates"
                try:
                    found = _found(index, pattern, for_templates, were_templates, place)
                except NotFoundError as error:
                    if missing is None:
                        raise
                    missing.append(error)
                    continue
                yield from _as_wishes(
                    found, target, offset + number, for_templates, were_templates, place
                )


def _as_wishes(
    found: Iterable[Entry],
    target: Target,
    group: int,
    for_templates: bool,
    were_templates: Collection[str],
    place: Place,
) -> Iterator[Wish]:
    for entry in found:
        is_template = entry.is_template or entry.moid in were_templates
        problem = None if is_template == for_templates else _wrong_kind(is_template, place)
        yield Wish(entry, target.method, target.nic, is_template, group, place, problem)


def _found(
    index: Matcher,
    pattern: str,
    for_templates: bool,
    were_templates: Collection[str],
    place: Place,
) -> tuple[Entry, ...]:
    matched = one_or_pattern(index, pattern, place=place)
    if not is_glob(pattern):
        return matched
    right = tuple(
        e for e in matched if (e.is_template or e.moid in were_templates) == for_templates
    )
    if not right:
        other, section = ("templates", "templates") if not for_templates else ("VMs", "targets")
        raise NotFoundError(
            f"{pattern!r} matches {len(matched)} {other} only",
            place=place,
            hint=f"list it under {section}",
        )
    return right


def one_or_pattern(
    index: Matcher, pattern: str, *, place: Place | None = None
) -> tuple[Entry, ...]:
    """What ``pattern`` matches: at least one machine, and exactly one if it has no wildcard.

    :raises NotFoundError: nothing matches
    :raises AmbiguousError: a name without wildcard matches several
    """
    matched = index.match(pattern)
    if not matched:
        raise NotFoundError(
            f"{pattern!r} matches no machine",
            place=place,
            hint="paths are as /DC1/vm/Folder/name; ** goes through folders; a name alone is "
            "looked for everywhere",
        )
    if len(matched) > 1 and not is_glob(pattern):
        paths = tuple(entry.path for entry in matched)
        raise AmbiguousError(
            f"{pattern!r} is the name of {len(paths)} machines: {', '.join(paths[:5])}",
            matches=paths,
            place=place,
            hint="write the path of the one you mean",
        )
    return matched


def is_glob(pattern: str) -> bool:
    """True if ``pattern`` may select several machines."""
    return any(character in pattern for character in "*?[")


def _wrong_kind(is_template: bool, place: Place) -> Problem:
    kind, section = ("template", "templates") if is_template else ("VM", "targets")
    other = "targets" if is_template else "templates"
    return Problem(
        f"it is a {kind}, listed under {other} ({place})", hint=f"list it under {section}"
    )


def _contradiction(first: Wish, second: Wish) -> InputError:
    def words(wish: Wish) -> str:
        nic = f" from NIC {wish.nic}" if wish.method is BootMethod.PXE else ""
        return f"{wish.method}{nic} ({wish.place})"

    return InputError(
        f"{first.entry.path} is selected twice with different wishes: "
        f"{words(first)} and {words(second)}",
        place=second.place,
        hint="make the patterns select different machines",
    )


def limited(wishes: tuple[Wish, ...], index: Matcher, limit: Sequence[str]) -> tuple[Wish, ...]:
    """Those of ``wishes`` that one of the patterns in ``limit`` matches.

    :raises NotFoundError: none of them
    """
    paths = {wish.entry.path: wish.entry.moid for wish in wishes}
    allowed: set[str] = set()
    for pattern in limit:
        named = paths.get(pattern)
        found = [named] if named else [e.moid for e in one_or_pattern(index, pattern)]
        allowed.update(found)
    kept = tuple(wish for wish in wishes if wish.entry.moid in allowed)
    if not kept:
        raise NotFoundError(
            f"no machine of this fleet matches {', '.join(map(repr, limit))}",
            hint="a limit narrows the fleet's own selection; 'vmboot plan' shows that",
        )
    return kept
