"""The boot media a fleet document asks for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vmboot.errors import MissingToolError, VmbootError
from vmboot.media.iso import BootIso, build_iso, needs
from vmboot.media.loaders import select_loaders
from vmboot.model import Firmware

if TYPE_CHECKING:
    from vmboot.fleet.spec import Fleet


def boot_iso(fleet: Fleet, *, loader_dirs: Sequence[str | Path] = ()) -> BootIso:
    """The ISO that all targets of method ``iso`` share. The same fleet gives the same bytes.

    :param loader_dirs: where to look for loaders before all other places
    :raises MissingToolError: no loader for a firmware that has a bootstrap
    :raises InputError: the document asks for what an ISO cannot hold
    """
    config = fleet.boot_config()
    try:
        loaders = select_loaders(config.bootstrap, dirs=loader_dirs, needs=needs(config))
        return build_iso(config, loaders, name=fleet.media.iso.name)
    except MissingToolError:
        raise
    except VmbootError as error:
        error.place = error.place or fleet.place("media", "iso")
        raise


def boots_secure(iso: BootIso) -> bool:
    """True if a UEFI machine with Secure Boot starts the loader on ``iso``."""
    loaders = iso.manifest.get("loaders", {})
    return bool(loaders.get("ipxe_efi", {}).get("signers"))


def firmwares(iso: BootIso) -> frozenset[Firmware]:
    """The firmwares that ``iso`` boots."""
    return frozenset(Firmware(name) for name in iso.manifest.get("bootstrap", {}))
