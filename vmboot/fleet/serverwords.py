"""What plans and doctor warn of about boot server lists: one server, or another list on an image.

An image of the site's own is taken as it is, so that only a warning can tell that the document's
list is not the one on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from vmboot.fleet.media import TITLES, Medium
from vmboot.vsphere.changes import Problem

if TYPE_CHECKING:
    from vmboot.fleet.spec import Fleet

ONE_SERVER = "one boot server only: no failover when it is down"


def server_warnings(fleet: Fleet, media: Iterable[Medium]) -> Iterator[Problem]:
    """Each once, however many of ``media`` it is about."""
    mine = tuple(media)
    if any(len(medium.servers) == 1 for medium in mine):
        yield Problem(ONE_SERVER, hint="add another one to boot_servers", warning=True)
    for medium in mine:
        problem = other_servers(fleet, medium)
        if problem is not None:
            yield problem


def other_servers(fleet: Fleet, medium: Medium) -> Problem | None:
    """How the list on an image of the site's own differs from the document's, if both are known.

    A stranger's image has no list that vmboot can read for sure; there, a listed server is missed
    where the image's texts name addresses and not this one.
    """
    wanted = tuple(server.address for server in fleet.boot_servers)
    if medium.chain is not None or not wanted:
        return None
    what = f"media.{medium.method.value}.image ({medium.made_of})"
    if medium.servers:
        if medium.servers == wanted:
            return None
        message = f"{what} carries the boot servers {', '.join(medium.servers)}, and boot_servers "
        return _problem(medium, f"{message}says {', '.join(wanted)}")
    missed = [each for each in wanted if medium.addresses and each not in medium.addresses]
    if not missed:
        return None
    named = ", ".join(medium.addresses[:4])
    return _problem(medium, f"{what} names {named}, and not the boot server {', '.join(missed)}")


def _problem(medium: Medium, message: str) -> Problem:
    return Problem(
        f"{message}: machines ask those on the image",
        hint="correct boot_servers, or make the image anew ('vmboot media import --replace'), or "
        f"leave out image, and vmboot builds the {TITLES[medium.method]}",
        warning=True,
    )
