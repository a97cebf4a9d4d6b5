"""The lab: an embedded vCenter, and isolated networks in which its machines really boot.

>>> with start_vcenter(vms=4) as vcenter:  # doctest: +SKIP
...     vcenter.environment()
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vmboot.lab.build import find_or_build
    from vmboot.lab.control import Control, Counters, LabDisk, Rule
    from vmboot.lab.vcenter import LabSize, Vcenter, start_vcenter

__all__ = [
    "Control",
    "Counters",
    "LabDisk",
    "LabSize",
    "Rule",
    "Vcenter",
    "find_or_build",
    "start_vcenter",
]

_HOMES = {
    "Control": "control",
    "Counters": "control",
    "LabDisk": "control",
    "LabSize": "vcenter",
    "Rule": "control",
    "Vcenter": "vcenter",
    "find_or_build": "build",
    "start_vcenter": "vcenter",
}


def __getattr__(name: str) -> Any:
    """Import on first use, so that ``python -m vmboot.lab.build`` is not imported twice."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
