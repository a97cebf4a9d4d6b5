"""An independent reader of a vCenter: SOAP over http.client and nothing of vmboot or pyvmomi.

:func:`dump` is what acceptance compares before ``apply`` and after ``undo``. It leaves out, of
everything that describes a virtual machine's settings, only

* ``config.changeVersion`` and ``config.modified``, which count changes and cannot be put back,
* what a running guest reports (``guest.*``, heartbeat, boot time, usage),
* ``connectable.status`` of devices, the outcome of the last attempt to connect.
"""

from __future__ import annotations

import re
import ssl
import time
from http.client import HTTPSConnection
from typing import Any, Protocol
from urllib.parse import urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    ' xmlns:xsd="http://www.w3.org/2001/XMLSchema">'
    "<soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"
)
TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
SETTINGS = (
    "name",
    "parent",
    "resourcePool",
    "datastore",
    "network",
    "runtime.powerState",
    "runtime.host",
    "config.name",
    "config.template",
    "config.annotation",
    "config.firmware",
    "config.version",
    "config.guestId",
    "config.uuid",
    "config.instanceUuid",
    "config.files.vmPathName",
    "config.bootOptions",
    "config.extraConfig",
    "config.flags",
    "config.hardware.numCPU",
    "config.hardware.memoryMB",
    "config.hardware.device",
)


class Login(Protocol):
    """Anything that says where a vCenter is and how to get in."""

    @property
    def url(self) -> str: ...
    @property
    def user(self) -> str: ...
    @property
    def password(self) -> str: ...


class SoapFault(Exception):
    """The vCenter answered with a fault; ``name`` is its type, e.g. ``InvalidLogin``."""

    def __init__(self, name: str, message: str, status: int) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name
        self.message = message
        self.status = status


class Soap:
    """One connection and, after :meth:`login`, one session."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._path = parts.path
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self._connection = HTTPSConnection(
            parts.hostname or "", parts.port or 443, context=context, timeout=120
        )
        self.cookie = ""

    def __enter__(self) -> Soap:
        return self

    def __exit__(self, *exception: object) -> None:
        self._connection.close()

    def post(self, body: str) -> ElementTree.Element:
        """Send the inside of a SOAP body; the first element of the answer's body."""
        headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": "urn:vim25/8.0.0.1"}
        if self.cookie:
            headers["Cookie"] = self.cookie
        self._connection.request(
            "POST", self._path, ENVELOPE.format(body=body).encode(), headers=headers
        )
        response = self._connection.getresponse()
        raw = response.read()
        cookie = response.getheader("Set-Cookie")
        if cookie:
            self.cookie = cookie.split(";")[0]
        answer = ElementTree.fromstring(raw)[0][0]
        if local(answer) == "Fault":
            raise _fault(answer, response.status)
        return answer

    def call(self, method: str, this: tuple[str, str], arguments: str = "") -> ElementTree.Element:
        """Call ``method`` on the object ``(type, id)``; ``arguments`` is XML."""
        target = f'<_this type="{this[0]}">{this[1]}</_this>'
        return self.post(f'<{method} xmlns="urn:vim25">{target}{arguments}</{method}>')

    def login(self, user: str, password: str) -> None:
        """Open a session."""
        words = f"<userName>{escape(user)}</userName><password>{escape(password)}</password>"
        self.call("Login", ("SessionManager", "SessionManager"), words)

    def retrieve(self, kind: str, *paths: str) -> dict[str, dict[str, ElementTree.Element]]:
        """Properties of every object of a kind below the root folder, by object id."""
        made = self.call(
            "CreateContainerView",
            ("ViewManager", "ViewManager"),
            f'<container type="Folder">{self.root()}</container>'
            f"<type>{kind}</type><recursive>true</recursive>",
        )
        view = (made[0].text or "").strip()
        wanted = "".join(f"<pathSet>{path}</pathSet>" for path in paths)
        spec = (
            f"<specSet><propSet><type>{kind}</type>{wanted}</propSet>"
            f'<objectSet><obj type="ContainerView">{view}</obj><skip>true</skip>'
            '<selectSet xsi:type="TraversalSpec"><name>view</name><type>ContainerView</type>'
            "<path>view</path><skip>false</skip></selectSet></objectSet></specSet><options/>"
        )
        found: dict[str, dict[str, ElementTree.Element]] = {}
        answer = self.call("RetrievePropertiesEx", COLLECTOR, spec)
        while len(answer):
            token = ""
            for part in answer[0]:
                if local(part) == "token":
                    token = part.text or ""
                elif local(part) == "objects":
                    found |= _object(part)
            if not token:
                break
            answer = self.call(
                "ContinueRetrievePropertiesEx", COLLECTOR, f"<token>{escape(token)}</token>"
            )
        self.call("DestroyView", ("ContainerView", view))
        return found

    def properties(self, this: tuple[str, str], *paths: str) -> dict[str, ElementTree.Element]:
        """Properties of one object."""
        wanted = "".join(f"<pathSet>{path}</pathSet>" for path in paths)
        spec = (
            f"<specSet><propSet><type>{this[0]}</type>{wanted}</propSet>"
            f'<objectSet><obj type="{this[0]}">{this[1]}</obj></objectSet></specSet><options/>'
        )
        answer = self.call("RetrievePropertiesEx", COLLECTOR, spec)
        return _object(answer[0][0])[this[1]]

    def wait(self, task: str, seconds: float = 60.0) -> None:
        """Wait for a task; its error is raised as :class:`SoapFault`."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = self.properties(("Task", task), "info.state", "info.error")
            state = found["info.state"].text
            if state == "success":
                return
            if state == "error":
                error = found["info.error"]
                kind = next(c for c in error if local(c) == "fault").get(TYPE, "?")
                message = next((c.text for c in error if local(c) == "localizedMessage"), "")
                raise SoapFault(kind.rpartition(":")[2], message or "", 200)
            time.sleep(0.01)
        raise TimeoutError(f"task {task} did not end within {seconds} s")

    def root(self) -> str:
        """Id of the root folder."""
        answer = self.call("RetrieveServiceContent", ("ServiceInstance", "ServiceInstance"))
        return next(part.text or "" for part in answer[0] if local(part) == "rootFolder")


COLLECTOR = ("PropertyCollector", "propertyCollector")


def dump(lab: Login) -> dict[str, dict[str, Any]]:
    """Every virtual machine and template as plain data, by inventory path."""
    with Soap(lab.url) as soap:
        soap.login(lab.user, lab.password)
        parents = _parents(soap)
        names = {
            kind: {key: _text(p["name"]) for key, p in soap.retrieve(kind, "name").items()}
            for kind in ("HostSystem", "ResourcePool", "Datastore", "Network")
        }
        machines = soap.retrieve("VirtualMachine", *SETTINGS)
    return {
        _path(key, parents | {key: (_text(p["parent"]), _text(p["name"]))}): _machine(p, names)
        for key, p in machines.items()
    }


def _parents(soap: Soap) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for kind in ("Folder", "Datacenter"):
        for key, p in soap.retrieve(kind, "name", "parent").items():
            found[key] = (_text(p["parent"]) if "parent" in p else "", _text(p["name"]))
    return found


def _path(key: str, parents: dict[str, tuple[str, str]]) -> str:
    names: list[str] = []
    while key in parents:
        key, name = parents[key]
        names.insert(0, name)
    return "/" + "/".join(names)


def _machine(
    properties: dict[str, ElementTree.Element], names: dict[str, dict[str, str]]
) -> dict[str, Any]:
    """One machine; references by name, devices by key, options by key."""
    out: dict[str, Any] = {}
    for path, value in properties.items():
        if path == "parent":
            continue
        if path in ("datastore", "network"):
            refs = names["Datastore" if path == "datastore" else "Network"]
            out[path] = sorted(refs.get(_text(ref), _text(ref)) for ref in value)
        elif path == "config.extraConfig":
            pairs = [plain(option) for option in value]
            out[path] = {pair["key"]: pair.get("value", "") for pair in pairs}
        elif path == "config.hardware.device":
            out[path] = _devices(value, names)
        elif path in ("runtime.host", "resourcePool"):
            kind = "HostSystem" if path == "runtime.host" else "ResourcePool"
            out[path] = names[kind].get(_text(value), "") + " " + _text(value)
        else:
            out[path] = plain(value)
    return out


def _devices(value: ElementTree.Element, names: dict[str, dict[str, str]]) -> dict[int, Any]:
    devices = {}
    for element in value:
        device = plain(element)
        if isinstance(device.get("device"), list):
            device["device"] = sorted(device["device"])
        if "connectable" in device:
            device["connectable"].pop("status", None)
        for field, kind in (("datastore", "Datastore"), ("network", "Network")):
            if field in device.get("backing", {}):
                ref = device["backing"][field]
                device["backing"][field] = names[kind].get(ref, ref)
        devices[int(device["key"])] = device
    return devices


def plain(element: ElementTree.Element) -> Any:
    """An element as dict (with ``type`` from xsi:type), list where names repeat, or text."""
    kind = re.sub(r"^.*:", "", element.get(TYPE, ""))
    is_object = kind[:1].isupper() and not kind.startswith("ArrayOf")
    if not len(element) and not (is_object and not element.text):
        return _text(element)  # an object without fields, as a CD boot entry, is its type
    out: dict[str, Any] = {"type": kind} if is_object else {}
    for child in element:
        name = local(child)
        if name not in out:
            out[name] = plain(child)
        elif isinstance(out[name], list):
            out[name].append(plain(child))
        else:
            out[name] = [out[name], plain(child)]
    return out


def local(element: ElementTree.Element) -> str:
    """An element's name without its namespace."""
    return element.tag.rpartition("}")[2]


def _text(element: ElementTree.Element) -> str:
    return element.text or ""


def _object(element: ElementTree.Element) -> dict[str, dict[str, ElementTree.Element]]:
    key, values = "", {}
    for part in element:
        if local(part) == "obj":
            key = _text(part)
        elif local(part) == "propSet":
            values[_text(part[0])] = part[1]
    return {key: values}


def _fault(answer: ElementTree.Element, status: int) -> SoapFault:
    message = next((c.text or "" for c in answer if local(c) == "faultstring"), "")
    detail = next((c for c in answer if local(c) == "detail"), None)
    name = "?"
    if detail is not None and len(detail):
        name = detail[0].get(TYPE, local(detail[0]).removesuffix("Fault")).rpartition(":")[2]
    return SoapFault(name, message, status)
