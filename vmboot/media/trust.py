"""Whose signature a boot program must bear, and in plain words why one will not do.

Firmware trusts what is in its Secure Boot db. As delivered, VMware's virtual firmware has
Microsoft's authorities there; a site can add a certificate of its own. A shim trusts, besides, the
vendor that built it.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum, auto

from vmboot.errors import MediaError
from vmboot.media.find import Loader
from vmboot.media.shimimage import accepts

KEPT = "signed-"  # begins the folder of what 'vmboot loaders sign' keeps among the imported
MICROSOFT = "Microsoft"  # begins the name of every authority of its own, of 2011 and of 2023


class Signer(Enum):
    """Who must have signed a program."""

    ANYONE = auto()  # or nobody
    FIRMWARE = auto()  # an authority that firmware trusts as delivered
    SHIM = auto()  # the vendor of the shim that starts it
    SITE = auto()  # the site itself


def trusted_as_delivered(authorities: Collection[str]) -> bool:
    """Whether firmware as delivered starts a program whose certificates these issued."""
    return any(name.startswith(MICROSOFT) for name in authorities)


def against(
    signer: Signer, loader: Loader, *, site_certificate: str = "", shim: Loader | None = None
) -> str:
    """Why ``loader`` is not signed as wanted, to follow its name; ``""`` when it is.

    :param site_certificate: SHA-256 of the certificate that the machines trust
    :param shim: what starts the loader
    """
    if signer is Signer.ANYONE:
        return ""
    if not loader.signers:
        return "is not signed, so Secure Boot refuses it"
    by = f"is signed by {', '.join(loader.signers)}"
    if signer is Signer.FIRMWARE and not trusted_as_delivered(loader.authorities):
        return f"{by}, which firmware does not trust as delivered"
    if signer is Signer.SITE:
        return _against_site(loader, by, site_certificate)
    if signer is Signer.SHIM and shim is not None and not _accepts(shim, loader):
        return f"{by}, which the shim {shim.path} does not accept"
    return ""


def _against_site(loader: Loader, by: str, site_certificate: str) -> str:
    wanted = site_certificate.lower().replace(":", "")
    if wanted and wanted not in loader.fingerprints:
        return f"{by}, not with the site's certificate {wanted[:12]}"
    if trusted_as_delivered(loader.authorities):
        return f"{by}, not with the site's own key"
    return ""


def _accepts(shim: Loader, loader: Loader) -> bool:
    try:
        return accepts(shim.path.read_bytes(), loader.path.read_bytes())
    except (OSError, MediaError):
        return False
