"""What a vCenter says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class About:
    """What the vCenter says of itself.

    :param uuid: ``about.instanceUuid``: stays when the vCenter is renamed. Of a session: never
        empty, see :mod:`vmboot.vsphere.identity`
    :param is_vcenter: false for a single ESXi host, which has no templates
    """

    name: str
    version: str
    build: str
    uuid: str
    is_vcenter: bool


def about_of(about: Any) -> About:
    """From pyVmomi's ``AboutInfo``."""
    return About(
        name=about.fullName or about.name,
        version=about.version,
        build=about.build or "",
        uuid=about.instanceUuid or "",
        is_vcenter=about.apiType == "VirtualCenter",
    )
