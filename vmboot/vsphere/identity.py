"""What tells one vCenter or host from another, whatever it is called.

A vCenter has its instance UUID. A single ESXi host leaves that unset, and numbers its machines 1,
2, 3 like any other host, so there the host's hardware UUID stands in for it, or, where the vendor
put none in, the certificate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmboot.errors import RefusedError
from vmboot.vsphere.collector import Walk, retrieve
from vmboot.vsphere.soap import Ref

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session

_UUID = "hardware.systemInfo.uuid"
_TO_HOST = (
    Walk("Folder", "childEntity", "down", then=("down", "hosts", "host")),
    Walk("Datacenter", "hostFolder", "hosts", then=("down",)),
    Walk("ComputeResource", "host", "host"),
)
# What mainboards say whose vendor never set a UUID (SMBIOS: all 0 is unknown, all F is unset).
_NOBODYS = frozenset({"", "0" * 32, "f" * 32, "03000200040005000006000700080009"})


def identity_of(session: Session, instance_uuid: str, thumbprint: str | None) -> str:
    """A text that no other vCenter or host has, and that stays when it is renamed.

    :param instance_uuid: ``about.instanceUuid``, ``""`` of a host
    :param thumbprint: SHA-256 of its certificate, ``None`` where it cannot be had
    :raises RefusedError: there is nothing to know it by
    """
    if instance_uuid:
        return instance_uuid
    found = _hardware_uuid(session)
    if found:
        return f"host:{found}"
    if thumbprint:
        return f"certificate:{thumbprint}"
    raise RefusedError(
        f"{session.host} has neither an instance UUID nor a hardware UUID nor a certificate",
        hint="a run could not be told from one on another host; use a vCenter",
    )


def _hardware_uuid(session: Session) -> str:
    """Of the only host there is; ``""`` if it is not to be had or is what other boards say, too."""
    root = Ref("Folder", session.content.rootFolder._GetMoId())
    found = retrieve(session, (root,), {"HostSystem": (_UUID,)}, walks=_TO_HOST)
    hosts = [each for each in found if each.ref.type == "HostSystem"]
    uuid = hosts[0].text(_UUID).strip().lower() if hosts else ""
    return "" if uuid.replace("-", "") in _NOBODYS else uuid
