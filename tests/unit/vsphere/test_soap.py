"""The lean SOAP path: requests and replies as text."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from vmboot.vsphere import soap
from vmboot.vsphere.faults import SoapFault
from vmboot.vsphere.soap import Ref

ENVELOPE = (
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>{}'
    "</soapenv:Body></soapenv:Envelope>"
)


def test_what_a_request_carries_is_escaped():
    sent = soap.request("Search", Ref("Folder", "a<b"), soap.text_element("path", "[x] a&b"))
    body = ET.fromstring(sent)[0][0]

    assert body.tag == "{urn:vim25}Search"
    assert [(part.get("type"), part.text) for part in body] == [
        ("Folder", "a<b"),
        (None, "[x] a&b"),
    ]


def test_a_fault_has_the_name_of_its_type():
    reply = ENVELOPE.format(
        "<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>no</faultstring>"
        '<detail><NoPermissionFault xmlns="urn:vim25" xsi:type="NoPermission">'
        '<object type="VirtualMachine">vm-1</object><privilegeId>X.Y</privilegeId>'
        "</NoPermissionFault></detail></soapenv:Fault>"
    )
    with pytest.raises(SoapFault) as fault:
        soap.reply(reply.encode())

    assert (fault.value.name, fault.value.message) == ("NoPermission", "no")
    assert fault.value.facts == {"object": "vm-1", "privilegeId": "X.Y"}


def test_a_fault_without_detail_is_still_one():
    reply = ENVELOPE.format("<soapenv:Fault><faultstring>odd</faultstring></soapenv:Fault>")
    with pytest.raises(SoapFault, match="RuntimeFault: odd"):
        soap.reply(reply.encode())


@pytest.mark.parametrize(
    "reply", [b"", b"<html>", ENVELOPE.format("").encode(), ENVELOPE[:99].encode()]
)
def test_what_is_cut_off_or_no_soap_is_a_parse_error(reply: bytes):
    with pytest.raises(ET.ParseError):
        soap.reply(reply)


def test_a_task_error_tells_fault_and_words():
    error = ET.fromstring(
        '<error xmlns="urn:vim25" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        '<fault xsi:type="ns1:InvalidPowerState"><existingState>poweredOn</existingState></fault>'
        "<localizedMessage>not now</localizedMessage></error>"
    )
    fault = soap.fault_of(error)

    assert (fault.name, fault.message) == ("InvalidPowerState", "not now")
    assert fault.facts == {"existingState": "poweredOn"}


@pytest.mark.parametrize(
    ("text", "flag"), [("true", True), ("1", True), ("false", False), ("", None)]
)
def test_flags(text: str, flag: bool | None):
    element = ET.fromstring(f'<a xmlns="urn:vim25"><b>{text}</b></a>')

    assert soap.flag(element, "b") is flag
    assert soap.flag(element, "missing") is None
    assert soap.flag(None, "b") is None
