"""The PropertyCollector: named leaf properties of many objects in one call.

Leaf paths only: whole ``runtime``, ``summary`` or ``TaskInfo`` values are big, and pyVmomi cannot
read all of those a simulator sends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from vmboot.errors import VmbootError
from vmboot.vsphere import soap
from vmboot.vsphere.soap import Ref

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session

PAGE = 500


@dataclass(frozen=True)
class Walk:
    """One step of a traversal: from objects of ``type`` along ``path``, then on by ``then``.

    :param name: what other steps call it in their ``then``; ``""`` if none does
    """

    type: str
    path: str
    name: str = ""
    then: tuple[str, ...] = ()
    nested: tuple[Walk, ...] = ()

    def xml(self) -> str:
        """The step as a ``TraversalSpec``."""
        name = soap.text_element("name", self.name) if self.name else ""
        on = "".join(f"<selectSet><name>{step}</name></selectSet>" for step in self.then)
        on += "".join(step.xml() for step in self.nested)
        return (
            f'<selectSet xsi:type="TraversalSpec">{name}<type>{self.type}</type>'
            f"<path>{self.path}</path><skip>false</skip>{on}</selectSet>"
        )


@dataclass(frozen=True, slots=True)
class Found:
    """One object with the properties that are set on it."""

    ref: Ref
    props: dict[str, ET.Element] = field(default_factory=dict)

    def text(self, path: str) -> str:
        """A scalar property; ``""`` where it is unset."""
        element = self.props.get(path)
        return (element.text or "") if element is not None else ""

    def flag(self, path: str) -> bool | None:
        """A boolean property; ``None`` where it is unset."""
        element = self.props.get(path)
        return None if element is None else element.text in ("true", "1")

    def ref_to(self, path: str) -> Ref | None:
        """A managed object reference."""
        element = self.props.get(path)
        return None if element is None else reference(element)


def reference(element: ET.Element) -> Ref:
    """A ``ManagedObjectReference`` element as a value."""
    return Ref(element.get("type", ""), element.text or "")


def retrieve(
    session: Session,
    starts: Iterable[Ref],
    properties: Mapping[str, Sequence[str]],
    *,
    walks: Iterable[Walk] = (),
    page: int = PAGE,
) -> Iterator[Found]:
    """Read ``properties`` (paths by type) of ``starts`` and of what ``walks`` lead to.

    A page's XML is dropped before the next one is asked for, so convert as you go. Objects that do
    not exist (any more) are left out.

    A page can be asked for only once: whether or not its reply arrives, the vCenter goes on to the
    next. So when that fails, or the session ended, everything is read again from the start, once,
    and what the caller has already is not handed out twice.

    :param page: objects per reply; more than one reply costs a call each
    :raises VmbootError: reading failed, also the second time
    """
    collector = Ref("PropertyCollector", session.content.propertyCollector._GetMoId())
    options = f"<options><maxObjects>{page}</maxObjects></options>"
    query = _spec(starts, properties, walks) + options
    handed_out: set[Ref] = set()
    try:
        for found in _pages(session, collector, query):
            handed_out.add(found.ref)
            yield found
        return
    except _BrokenPagingError:
        pass
    try:
        yield from (f for f in _pages(session, collector, query) if f.ref not in handed_out)
    except _BrokenPagingError as broken:
        raise broken.reason from None


class _BrokenPagingError(Exception):
    """The next page was asked for and did not come."""

    def __init__(self, reason: VmbootError) -> None:
        super().__init__(reason.message)
        self.reason = reason


def _pages(session: Session, collector: Ref, query: str) -> Iterator[Found]:
    reply = session.soap("RetrievePropertiesEx", collector, query)
    while True:
        result = soap.child(reply, "returnval")
        if result is None:
            return
        for item in soap.children(result, "objects"):
            yield _found(item)
        token = soap.text(result, "token")
        if not token:
            return
        del result, reply
        reply = _next_page(session, collector, soap.text_element("token", token))


def _next_page(session: Session, collector: Ref, token: str) -> ET.Element:
    try:
        return session.soap_once("ContinueRetrievePropertiesEx", collector, token)
    except VmbootError as error:
        raise _BrokenPagingError(error) from error


def _spec(
    starts: Iterable[Ref], properties: Mapping[str, Sequence[str]], walks: Iterable[Walk]
) -> str:
    props = "".join(
        f"<propSet><type>{kind}</type><all>false</all>"
        + "".join(f"<pathSet>{path}</pathSet>" for path in paths)
        + "</propSet>"
        for kind, paths in properties.items()
    )
    steps = "".join(walk.xml() for walk in walks)
    objects = "".join(
        f"<objectSet>{start.xml('obj')}<skip>false</skip>{steps}</objectSet>" for start in starts
    )
    # Otherwise one object that is gone would fail the whole call.
    gone = "<reportMissingObjectsInResults>true</reportMissingObjectsInResults>"
    return f"<specSet>{props}{objects}{gone}</specSet>"


def _found(item: ET.Element) -> Found:
    obj: ET.Element | None = None
    props: dict[str, ET.Element] = {}
    for part in item:
        name = soap.name_of(part)
        if name == "obj":
            obj = part
        elif name == "propSet" and len(part) > 1:
            # govmomi's simulator sends unset references as a name without a value.
            props[part[0].text or ""] = part[1]
    return Found(reference(obj) if obj is not None else Ref("", ""), props)
