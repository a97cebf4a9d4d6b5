"""Which vCenter a fleet document means, and how to log in to it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from vmboot.vsphere.credentials import HTTPS_PORT, Credentials, resolve

if TYPE_CHECKING:
    from vmboot.fleet.spec import Fleet


def credentials_for(
    fleet: Fleet | None,
    *,
    host: str | None = None,
    user: str | None = None,
    thumbprint: str | None = None,
    ca_file: str | None = None,
    insecure: bool | None = None,
    env: Mapping[str, str] = os.environ,
    password_from: Callable[[str], str] | None = None,
) -> Credentials:
    """The login for the vCenter of ``fleet``: what is given wins over the document, that over
    ``env``. The document's pin holds for a host that is given, too.

    :param host: ``name`` or ``name:port``
    :param password_from: asked with ``"user@host"`` when the password is nowhere else
    :raises InputError: host, user or password is nowhere to be found, or a variable is malformed
    """
    if fleet is not None:
        vcenter = fleet.vcenter
        if host is None and vcenter.host:
            host = f"{vcenter.host}:{vcenter.port}" if vcenter.port != HTTPS_PORT else vcenter.host
        thumbprint = thumbprint or vcenter.thumbprint
        ca_file = ca_file or (str(fleet.ca_file) if fleet.ca_file else None)
    return resolve(
        host=host,
        user=user,
        thumbprint=thumbprint,
        ca_file=ca_file,
        insecure=insecure,
        env=env,
        password_from=password_from,
    )
