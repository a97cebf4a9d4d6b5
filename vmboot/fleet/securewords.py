"""What a plan warns of for machines with Secure Boot: the chain's limits, and what PXE demands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from vmboot.fleet.media import FleetMedia
from vmboot.fleet.plan import MachinePlan, Verdict
from vmboot.model import BootMethod

if TYPE_CHECKING:
    from vmboot.fleet.spec import Fleet


def secure_warnings(
    fleet: Fleet, media: FleetMedia, planned: Sequence[MachinePlan]
) -> Iterator[str]:
    """Each sentence once, however many machines it concerns; nothing without Secure Boot."""
    concerned = [m for m in planned if m.machine.secure_boot and m.verdict is not Verdict.REFUSED]
    methods = {machine.method for machine in concerned}
    if not methods:
        return
    from vmboot.media.chain import Chain, limits
    from vmboot.media.secure import PXE_WARNINGS

    chain = fleet.media.secure_boot.chain
    kinds = [kind for kind in (BootMethod.ISO, BootMethod.BDM) if kind in methods]
    said = (
        limit
        for kind in kinds
        if media.has_secure(kind)
        for limit in limits(Chain(chain), fleet.boot_config(kind))
    )
    yield from (f"Secure Boot by {chain}: {limit}" for limit in dict.fromkeys(said))
    if BootMethod.PXE in methods:
        yield from (f"Secure Boot by pxe: {warning}" for warning in PXE_WARNINGS)
