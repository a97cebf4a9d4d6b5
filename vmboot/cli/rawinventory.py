"""What a vCenter says of its machines, read with nothing but HTTP and XML.

The demo compares two of these dumps to prove that undo restored everything. They come from here and
not from :mod:`vmboot.vsphere`, so that a mistake in vmboot's own reading cannot hide one in its
writing.

Source: vSphere Web Services API, RetrievePropertiesEx and ContainerView.
"""

from __future__ import annotations

import hashlib
import http.client
import ssl
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from vmboot.errors import ConnectError, RemoteError

_SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
_XSI = "{http://www.w3.org/2001/XMLSchema-instance}type"
_PROPERTIES = ("name", "config.template", "config.bootOptions", "config.hardware.device")
_SECONDS = 60


@dataclass
class RawReader:
    """One login. Give it the thumbprint of the vCenter's certificate, it trusts nothing else."""

    url: str
    user: str
    password: str = field(repr=False)
    thumbprint: str = ""
    _cookie: str = field(default="", repr=False)

    def read(self) -> Mapping[str, tuple[str, ...]]:
        """For each machine and template, by managed object id, its state as sorted lines."""
        self._call(
            "Login",
            _ref("SessionManager", "SessionManager")
            + _tag("userName", self.user)
            + _tag("password", self.password),
        )
        view = self._call(
            "CreateContainerView",
            _ref("ViewManager", "ViewManager")
            + _ref("Folder", "group-d1", tag="container")
            + _tag("type", "VirtualMachine")
            + _tag("recursive", "true"),
        )
        found = self._retrieve((view.findtext(".//{*}returnval") or "").strip())
        self._call("Logout", _ref("SessionManager", "SessionManager"))
        return found

    def _retrieve(self, view: str) -> Mapping[str, tuple[str, ...]]:
        paths = "".join(_tag("pathSet", name) for name in _PROPERTIES)
        select = (
            '<selectSet xsi:type="TraversalSpec"><type>ContainerView</type><path>view</path>'
            "</selectSet>"
        )
        spec = (
            f"<specSet><propSet><type>VirtualMachine</type>{paths}</propSet>"
            f"<objectSet>{_ref('ContainerView', view, tag='obj')}<skip>true</skip>{select}"
            "</objectSet></specSet><options/>"
        )
        collector = _ref("PropertyCollector", "propertyCollector")
        answer = self._call("RetrievePropertiesEx", collector + spec)
        found: dict[str, tuple[str, ...]] = {}
        while True:
            found |= {_moid(each): _lines(each) for each in answer.iterfind(".//{*}objects")}
            token = answer.findtext(".//{*}token")
            if token is None:
                return found
            answer = self._call("ContinueRetrievePropertiesEx", collector + _tag("token", token))

    def _call(self, method: str, arguments: str) -> ET.Element:
        body = (
            f'<soapenv:Envelope xmlns:soapenv="{_SOAP}" '
            'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>'
            f'<{method} xmlns="urn:vim25">{arguments}</{method}>'
            "</soapenv:Body></soapenv:Envelope>"
        )
        connection = self._connect()
        try:
            headers = {"Content-Type": "text/xml", "SOAPAction": "urn:vim25/8.0.0.0"}
            if self._cookie:
                headers["Cookie"] = self._cookie
            connection.request("POST", "/sdk", body.encode(), headers)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        self._cookie = (response.getheader("Set-Cookie") or self._cookie).partition(";")[0]
        answer = ET.fromstring(text)
        fault = answer.find(f".//{{{_SOAP}}}Fault")
        if fault is not None:
            raise RemoteError(f"{method}: {fault.findtext('faultstring')}", fault=method)
        return answer

    def _connect(self) -> http.client.HTTPSConnection:
        parts = urlsplit(self.url)
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # the certificate is compared below, before any word
        connection = http.client.HTTPSConnection(
            parts.hostname or "", parts.port, timeout=_SECONDS, context=context
        )
        connection.connect()
        certificate = connection.sock.getpeercert(binary_form=True) or b""
        if hashlib.sha256(certificate).hexdigest() != self.thumbprint.replace(":", "").lower():
            connection.close()
            raise ConnectError(f"{parts.hostname} is not the vCenter it was")
        return connection


def _tag(name: str, text: str) -> str:
    return f"<{name}>{escape(text)}</{name}>"


def _ref(kind: str, moid: str, *, tag: str = "_this") -> str:
    return f'<{tag} type="{kind}">{escape(moid)}</{tag}>'


def _moid(found: ET.Element) -> str:
    return found.findtext("{*}obj") or ""


def _lines(found: ET.Element) -> tuple[str, ...]:
    """Everything the machine's properties say, device keys told as slots: a server gives a moved
    or re-created device a new key.
    """
    values = {
        each.findtext("{*}name") or "": each.find("{*}val") for each in found.iterfind("{*}propSet")
    }
    devices = values.get("config.hardware.device")
    slots = {} if devices is None else _slots(devices)
    lines = []
    for name, value in values.items():
        if value is None:
            continue
        parts = [value] if name != "config.hardware.device" else list(value)
        lines += [f"{name} {_flat(part, slots)}" for part in parts]
    return tuple(sorted(lines))


def _slots(devices: ET.Element) -> dict[str, str]:
    """Device key → a name that stays: kind and slot, or kind and number or MAC of the others."""
    buses = {_text(d, "key"): f"{d.get(_XSI)}#{_text(d, 'busNumber')}" for d in devices}
    names = {}
    for device in devices:
        controller, unit = _text(device, "controllerKey"), _text(device, "unitNumber")
        own = buses[_text(device, "key")] + _text(device, "macAddress")
        names[_text(device, "key")] = f"{own}@{buses.get(controller, controller)}:{unit}"
    return names


def _text(device: ET.Element, name: str) -> str:
    return device.findtext(f"{{*}}{name}") or ""


# Of now, not of the configuration: a controller's list of devices in whatever order, and whether
# a drive or NIC is connected, which follows power and guest.
_PASSING = frozenset({"device", "connected", "status"})


def _flat(value: ET.Element, slots: Mapping[str, str]) -> str:
    """The element as one line: names, types and texts in document order."""
    words = []
    for each in value.iter():
        name = each.tag.rpartition("}")[2]
        text = (each.text or "").strip()
        if name in _PASSING:
            continue
        if name in ("key", "controllerKey", "deviceKey"):
            text = slots.get(text, text)
        words.append(f"{name}:{each.get(_XSI) or ''}={text}")
    return " ".join(words)
