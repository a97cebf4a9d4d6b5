"""Only one question is ever answered."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from vmboot.errors import RemoteError
from vmboot.events import Event
from vmboot.vsphere import questions
from vmboot.vsphere.soap import Ref

REPLY = """<r xmlns="urn:vim25"><returnval><objects><obj type="VirtualMachine">vm-1</obj>
<propSet><name>runtime.question</name><val><id>17</id><text>Really?</text>
<choice><choiceInfo><key>0</key></choiceInfo><choiceInfo><key>1</key></choiceInfo></choice>
<message><id>{}</id><text>Really?</text></message></val></propSet></objects></returnval></r>"""
NOTHING = """<r xmlns="urn:vim25"><returnval><objects><obj type="VirtualMachine">vm-1</obj>
</objects></returnval></r>"""


class Wire:
    """The few things of a session that asking and answering need."""

    def __init__(self, reply: str, *, refuses: bool = False) -> None:
        self.reply = reply
        self.refuses = refuses
        self.answers: list[tuple[str, str]] = []
        collector = SimpleNamespace(_GetMoId=lambda: "propertyCollector")
        self.content = SimpleNamespace(propertyCollector=collector)

    def soap(self, _method: str, _this: Ref, _arguments: str) -> ET.Element:
        return ET.fromstring(self.reply)

    def ref(self, _kind: str, _moid: str) -> Any:
        return SimpleNamespace(AnswerVM=lambda number, key: self.answers.append((number, key)))

    def call(self, fn: Any, *, write: bool) -> None:
        assert write
        if self.refuses:
            raise RemoteError("too late", fault="ConcurrentAccess")
        fn()


def asked(wire: Wire) -> list[str]:
    events: list[Event] = []
    questions.answer(wire, {"vm-1": "/DC1/vm/a"}, sink=events.append)
    assert {event.subject for event in events} <= {"/DC1/vm/a"}
    return [event.kind for event in events]


def test_the_locked_cd_is_let_go():
    wire = Wire(REPLY.format("msg.cdromdisconnect.locked"))

    assert asked(wire) == ["vm.answered"]
    assert wire.answers == [("17", "0")]


@pytest.mark.parametrize("message", ["msg.disk.onlineConnectFail", "msg.uuid.altered", ""])
def test_any_other_question_is_left_to_a_person_and_told(message: str):
    wire = Wire(REPLY.format(message))

    assert asked(wire) == ["vm.question"]
    assert wire.answers == []


def test_an_answer_that_comes_too_late_is_told():
    wire = Wire(REPLY.format("msg.cdromdisconnect.locked"), refuses=True)

    assert asked(wire) == ["vm.question"]


def test_no_question_no_answer():
    assert asked(Wire(NOTHING)) == []


def test_patience_grows_with_what_is_usual():
    assert questions.after_s(0.5) == 3.0
    assert questions.after_s(20.0) == 60.0
