"""Reading in pages, when a page does not come."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.lab.vsphere_lab import session_on
from vmboot.errors import ConnectError, RemoteError
from vmboot.lab import Vcenter
from vmboot.vsphere.collector import Walk, retrieve
from vmboot.vsphere.session import Session
from vmboot.vsphere.soap import Ref

pytestmark = pytest.mark.lab

NEXT = "ContinueRetrievePropertiesEx"
WALKS = (
    Walk("Folder", "childEntity", "down", then=("down", "vms")),
    Walk("Datacenter", "vmFolder", "vms", then=("down",)),
)


@pytest.fixture
def paged(small_lab: Callable[..., Vcenter]) -> Iterator[tuple[Vcenter, Session]]:
    lab = small_lab(vms=30, templates=2, specials=False)
    with session_on(lab) as session:
        yield lab, session


def names(session: Session) -> Iterator[str]:
    root = Ref("Folder", session.content.rootFolder._GetMoId())
    for found in retrieve(session, (root,), {"VirtualMachine": ("name",)}, walks=WALKS, page=10):
        yield found.text("name")


def calls(lab: Vcenter, method: str) -> int:
    return lab.counters().calls.get(method, 0)


def all_of(lab: Vcenter, session: Session) -> list[str]:
    """Every name, read while all is well."""
    lab.reset_counters()
    found = list(names(session))
    if calls(lab, NEXT) == 0:
        pytest.skip("an older simulator knows no pages")
    assert len(set(found)) == len(found) == 32
    return sorted(found)


@pytest.mark.parametrize("when", ["before", "after"])
def test_after_a_lost_page_everything_is_read_again_and_nothing_is_missing(paged, when):
    lab, session = paged
    wanted = all_of(lab, session)
    lab.fault("drop-connection", method=NEXT, when=when, after=1)
    lab.reset_counters()
    assert sorted(names(session)) == wanted
    assert calls(lab, "RetrievePropertiesEx") == 2


def test_a_session_that_ends_between_two_pages_costs_one_more_reading(paged):
    lab, session = paged
    wanted = all_of(lab, session)
    reading = names(session)
    found = [next(reading) for _ in range(15)]
    lab.expire_sessions()
    assert sorted([*found, *reading]) == wanted


def test_a_page_that_the_vcenter_refuses_costs_one_more_reading(paged):
    lab, session = paged
    wanted = all_of(lab, session)
    lab.fault("fault", method=NEXT, fault="InvalidArgument")
    assert sorted(names(session)) == wanted


@pytest.mark.parametrize(
    ("kind", "options", "error"),
    [
        ("drop-connection", {}, ConnectError),
        ("fault", {"fault": "InvalidArgument"}, RemoteError),
    ],
)
def test_pages_that_never_come_are_an_error_and_not_a_short_list(paged, kind, options, error):
    lab, session = paged
    all_of(lab, session)
    lab.fault(kind, method=NEXT, count=100, **options)
    with pytest.raises(error):
        list(names(session))
