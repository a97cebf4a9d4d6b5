"""Which firmwares the demo can build boot media for on this machine."""

from __future__ import annotations

from vmboot import api
from vmboot.cli.demo.stage import Stage
from vmboot.cli.progress import watching
from vmboot.cli.text import plural
from vmboot.errors import MissingToolError, VmbootError
from vmboot.media.loaders import FirmwareReport, report
from vmboot.model import Firmware


def ready_firmwares(stage: Stage) -> tuple[Firmware, ...]:
    """Those with loaders; fetches what is missing first, and says so."""
    lacking = _lacking()
    if lacking:
        stage.step("loaders fetch", _why(lacking), lambda: _fetch(stage))
        lacking = _lacking()
    for each in lacking:
        stage.skip(f"{each.firmware.name} machines", each.problem, hint=each.cure)
    return tuple(f for f in Firmware if f not in {each.firmware for each in lacking})


def _lacking() -> tuple[FirmwareReport, ...]:
    return tuple(each for each in report().firmwares if not each.ready)


def _why(lacking: tuple[FirmwareReport, ...]) -> str:
    names = " and ".join(each.firmware.name for each in lacking)
    return f"No loader here can boot {names} media: get the distribution's newest iPXE, no root."


def _fetch(stage: Stage) -> str:
    try:
        with watching(stage.terminal, events=False) as sink:
            loaders = api.fetch_loaders(sink=sink)
    except VmbootError as error:  # no network is a machine's lack, not a broken promise
        raise MissingToolError(error.message, hint=error.hint) from error
    versions = {each.version for each in loaders if each.kind.startswith("ipxe")}
    return f"{plural(len(loaders), 'loader')}, iPXE {', '.join(sorted(versions)) or 'none'}"
