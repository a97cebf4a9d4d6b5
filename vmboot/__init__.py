"""vmboot: network boot for fleets of VMware VMs.

The verbs of :mod:`vmboot.api`, loaded by the first use:

>>> import vmboot
>>> fleet = vmboot.load_fleet("fleet.yml")            # doctest: +SKIP
>>> with vmboot.connect(fleet) as session:            # doctest: +SKIP
...     plan = vmboot.plan(fleet, session)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vmboot.api import (
        apply,
        build_bdm,
        build_iso,
        check_devices,
        connect,
        credentials,
        doctor,
        edit_servers,
        fetch_loaders,
        find_loaders,
        identify,
        import_media,
        inspect,
        load_fleet,
        plan,
        plan_edit,
        plan_sweep,
        plan_undo,
        read_servers,
        rehearse,
        rollout,
        runs,
        sign_loader,
        stale,
        status,
        sweep,
        undo,
    )

__version__ = "0.1.0"

__all__ = [
    "__version__",
    "apply",
    "build_bdm",
    "build_iso",
    "check_devices",
    "connect",
    "credentials",
    "doctor",
    "edit_servers",
    "fetch_loaders",
    "find_loaders",
    "identify",
    "import_media",
    "inspect",
    "load_fleet",
    "plan",
    "plan_edit",
    "plan_sweep",
    "plan_undo",
    "read_servers",
    "rehearse",
    "rollout",
    "runs",
    "sign_loader",
    "stale",
    "status",
    "sweep",
    "undo",
]


def __getattr__(name: str) -> Any:
    """Import the API on first use: ``import vmboot`` alone stays cheap."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("vmboot.api"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
