"""Where the URL of an import leads: to the vCenter, or to a host of its that shows another face.

A lease's URL has ``*`` for the host where the vCenter itself takes the bytes (API reference,
``HttpNfcLeaseDeviceUrl.url``). Any other host is a stranger: it gets no cookie of ours, and its
certificate must be the one that the vCenter names.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from vmboot.errors import ConnectError, RemoteError
from vmboot.vsphere import tls
from vmboot.vsphere.httppool import HttpPool, HttpReply

if TYPE_CHECKING:
    from vmboot.vsphere.session import Session

ANY_HOST = "*"
HTTPS_PORT = 443
TIMEOUT_S = 120.0
_BROKEN = (OSError, http.client.HTTPException)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where bytes go.

    :param target: path and query
    :param is_vcenter: the same host and port as the session's
    """

    host: str
    port: int
    target: str
    is_vcenter: bool


def destination(url: str, *, vcenter: str, port: int) -> Destination:
    """What a URL of a lease means. Pure.

    :param vcenter: the host that the session is logged in to, and its ``port``
    :raises RemoteError: it is no HTTPS URL
    """
    try:
        parts = urlsplit(url)
        host, own_port = parts.hostname or "", parts.port or HTTPS_PORT
    except ValueError:
        parts, host, own_port = urlsplit(""), "", 0
    if parts.scheme != "https" or not host:
        raise RemoteError(
            f"the vCenter offers no HTTPS address for the import: {_without_path(url)!r}",
            fault="InvalidUrl",
            hint="import by the other way: media.bdm.import: flat",
        )
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    if host == ANY_HOST:
        # With the session's own port, as it may reach the vCenter through a forwarded one.
        return Destination(vcenter, port, target, True)
    is_vcenter = (host, own_port) == (vcenter.lower(), port)
    return Destination(host, own_port, target, is_vcenter)


def _without_path(url: str) -> str:
    """Who knows the path could send bytes, too."""
    return "/".join(url.split("/")[:3])


@contextmanager
def post(
    session: Session,
    where: Destination,
    *,
    thumbprint: str,
    open_body: Callable[[], Any],
    headers: Mapping[str, str],
) -> Iterator[HttpReply]:
    """One POST to where a lease wants it.

    :param thumbprint: of the host's certificate, as the vCenter tells it
    :raises ConnectError: it broke, or the host is not the one that the vCenter means
    """
    if where.is_vcenter:
        with session.http("POST", where.target, open_body=open_body, headers=headers) as reply:
            yield reply
        return
    context = session.context_for(thumbprint)
    pool = HttpPool(host=where.host, port=where.port, context=context, timeout_s=TIMEOUT_S)

    def guard(fn: Callable[[], bytes]) -> bytes:
        try:
            return fn()
        except _BROKEN as error:
            raise _broken(error, where) from error

    try:
        with pool.request("POST", where.target, body=open_body(), headers=headers) as response:
            yield HttpReply(response, guard)
    except _BROKEN as error:
        raise _broken(error, where) from error
    finally:
        pool.close()


def _broken(error: BaseException, where: Destination) -> ConnectError:
    place = f"{where.host}:{where.port}"
    if isinstance(error, tls.PinMismatchError):
        return ConnectError(
            f"host {place} shows the certificate {tls.spell(error.found)}, which is not the one "
            "that the vCenter says it has: nothing was sent",
            hint="reconnect the host in the vCenter if its certificate was renewed; if it was not, "
            "somebody may be between here and the host",
        )
    if isinstance(error, OSError) and not isinstance(error, http.client.RemoteDisconnected):
        return tls.connect_error(error, host=where.host, port=where.port, pin=None)
    return ConnectError(
        f"host {place} broke off: {error}",
        hint="run it again; what was sent so far is thrown away",
    )
