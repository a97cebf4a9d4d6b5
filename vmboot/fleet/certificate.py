"""The site's certificate that a fleet document names: read, checked, and never a key with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmboot.errors import InputError, VmbootError

if TYPE_CHECKING:
    from vmboot.fleet.spec import Fleet
    from vmboot.media.sign import Certificate

_KEY = ("media", "secure_boot", "certificate")


def site_certificate(fleet: Fleet) -> Certificate | None:
    """What ``media.secure_boot.certificate`` names; ``None`` if nothing.

    :raises InputError: it is no certificate, or a private key is in the same file
    """
    file = fleet.certificate
    if file is None:
        return None
    from vmboot.media.sign import read_certificate

    try:
        found = read_certificate(file)
        has_key = b"PRIVATE KEY-----" in file.read_bytes()
    except VmbootError as error:
        raise InputError(error.message, place=fleet.place(*_KEY), hint=error.hint) from None
    if has_key:
        raise InputError(
            f"{file} holds a private key beside the certificate",
            place=fleet.place(*_KEY),
            hint="name a file with the certificate alone: it is sent to the datastores; the key "
            "stays with who signs",
        )
    return found
