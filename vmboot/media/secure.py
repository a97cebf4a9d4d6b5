"""Secure Boot in words: which loader chains would work here, why others would not, and the cure.

What firmware trusts is a matter of its db, which no image shows; "as delivered" means the db that
VMware's virtual firmware has when nobody changed it (:mod:`vmboot.media.trust`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vmboot.media.chain import Chain, limits, uefi_parts
from vmboot.media.find import Loader
from vmboot.media.grubcfg import refusals
from vmboot.media.loaders import LoaderSet, choose, cure, explain
from vmboot.media.parts import parts_for
from vmboot.media.trust import trusted_as_delivered
from vmboot.model import BootConfig, Firmware

SECURE_CHAINS = (Chain.SHIM_GRUB, Chain.SHIM_IPXE, Chain.SITE_KEY)
PXE_WARNINGS = (
    "the first program from the network must be signed: the distribution's shim, or a bootstrap "
    "signed by an authority that the firmware trusts",
    "a shim started by PXE fetches grubx64.efi from the server that it came from itself; the "
    "signed GRUB then asks the server that the plain DHCP answer names (siaddr), not the one of "
    "ProxyDHCP",
)
"""What to know before machines with Secure Boot boot by PXE. The second was seen in emulation."""


@dataclass(frozen=True)
class SecureOption:
    """One loader chain for machines with Secure Boot.

    :param ok: media of it can be built here for the config
    :param why: where not ``ok``: what stands against it, in one sentence
    :param cure: where not ``ok``: what to do about it
    :param limits: what to know before choosing it
    """

    chain: Chain
    ok: bool
    why: str = ""
    cure: str = ""
    limits: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "chain": self.chain.value,
            "ok": self.ok,
            "why": self.why,
            "cure": self.cure,
            "limits": list(self.limits),
        }


def secure_options(
    loaders: Sequence[Loader],
    config: BootConfig | None = None,
    *,
    needs: frozenset[str] = frozenset(),
    site_certificate: str = "",
) -> tuple[SecureOption, ...]:
    """Each of the three chains: would it work with ``loaders`` and ``config``, and if not, why.

    :param loaders: what :func:`vmboot.media.find.find_loaders` found
    :param config: ``None`` to judge by the loaders alone
    :param needs: abilities that iPXE must have, see :func:`vmboot.media.iso.needs`
    :param site_certificate: SHA-256 of the certificate that the machines trust, where it is known
    """
    return tuple(
        _option(chain, loaders, config, needs, site_certificate) for chain in SECURE_CHAINS
    )


def advice(options: Sequence[SecureOption]) -> str:
    """What to do for machines with Secure Boot, in one sentence: for the hint of a refusal."""
    works = [each.chain.value for each in options if each.ok]
    if works:
        return f"set media.secure_boot.chain to {' or '.join(works)}, or turn Secure Boot off"
    ways = "; ".join(f"for {each.chain.value} {each.cure}" for each in options)
    return f"{ways}; or turn Secure Boot off"


def refusal(chain: Chain, loaders: LoaderSet) -> str:
    """Why firmware as delivered refuses media of ``chain``; ``""`` when it starts them."""
    first = loaders.loaders.get(uefi_parts(chain)[0])
    if first is None:
        return "there is no loader for UEFI machines"
    if trusted_as_delivered(first.authorities):
        return ""
    if not first.signers:
        return f"the loader {first.name} is not signed"
    by = ", ".join(first.signers)
    return f"the loader {first.name} is signed by {by}, which only machines that were told so trust"


def _option(
    chain: Chain,
    loaders: Sequence[Loader],
    config: BootConfig | None,
    needs: frozenset[str],
    site_certificate: str,
) -> SecureOption:
    known = limits(chain, config) if config else ()
    reasons = refusals(config) if config and chain is Chain.SHIM_GRUB else ()
    if reasons:
        why = f"the signed GRUB cannot boot this: {reasons[0]}"
        return SecureOption(chain, False, why, "choose one with iPXE", known)
    parts = parts_for(Firmware.UEFI, needs, chain=chain)
    choices = choose(parts, loaders, site_certificate=site_certificate)
    if all(choice.loader for choice in choices):
        return SecureOption(chain, True, limits=known)
    return SecureOption(chain, False, explain(Firmware.UEFI, choices), cure(chain), known)
