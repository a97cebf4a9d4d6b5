"""Questions that a running machine asks in the middle of a reconfigure.

Replacing media that the guest has locked makes the VM ask, and the task hangs for minutes. Only
this one question is answered, only with "yes, disconnect"; any other is left to a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from vmboot.errors import RemoteError
from vmboot.events import Event, Sink, ignore
from vmboot.vsphere import soap
from vmboot.vsphere.collector import retrieve
from vmboot.vsphere.soap import Ref

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from vmboot.vsphere.session import Session

LOCKED_CD = "msg.cdromdisconnect.locked"
YES = "0"
EVERY_S = 5.0
_PATIENCE_S = 3.0


def after_s(usual_s: float) -> float:
    """How old a task must be before its machine is asked for questions."""
    return max(_PATIENCE_S, 3 * usual_s)


def answer(session: Session, subjects: Mapping[str, str], *, sink: Sink = ignore) -> None:
    """Answer the known question on the given machines.

    :param subjects: what to call each machine in events, by managed object id
    """
    refs = [Ref("VirtualMachine", moid) for moid in subjects]
    asked = list(retrieve(session, refs, {"VirtualMachine": ("runtime.question",)}))
    for found in asked:
        question = found.props.get("runtime.question")
        if question is not None:
            _answer_one(session, found.ref.moid, question, subjects[found.ref.moid], sink)


def _answer_one(session: Session, moid: str, question: Element, subject: str, sink: Sink) -> None:
    messages = {soap.text(message, "id") for message in soap.children(question, "message")}
    text = soap.text(question, "text")
    if LOCKED_CD not in messages:
        sink(Event("vm.question", f"{subject} waits for an answer: {text}", subject))
        return
    machine = session.ref("VirtualMachine", moid)
    question_id = soap.text(question, "id")
    try:
        session.call(lambda: machine.AnswerVM(question_id, YES), write=True)
    except RemoteError as error:
        sink(Event("vm.question", f"{subject} did not take the answer: {error.message}", subject))
        return
    sink(Event("vm.answered", f"{subject}: the guest's lock on the CD was overridden", subject))
