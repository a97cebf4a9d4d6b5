"""Whom we trust to be the vCenter: a pinned certificate, a CA, or (when asked) anybody.

pyVmomi's own ``thumbprint`` argument is compared only after a CA failure and is skipped for pooled
connections; so the pin lives in the :class:`ssl.SSLContext` itself, where every handshake of
pyVmomi and of :mod:`http.client` passes.
"""

from __future__ import annotations

import hashlib
import socket
import ssl
from typing import Any

from vmboot.errors import ConnectError, InputError

SHA256_DIGITS = 64
_CONNECT_TIMEOUT = 15.0


class PinMismatchError(ssl.SSLCertVerificationError):
    """The peer's certificate is not one of the pinned ones.

    :param found: SHA-256 of the certificate it showed, hex digits without colons
    """

    def __init__(self, found: str) -> None:
        super().__init__(f"certificate {found} does not match the pin")
        self.found = found


class _PinnedSocket(ssl.SSLSocket):
    """Checks the peer's hash inside the handshake, before a byte of ours is sent."""

    def do_handshake(self, block: bool = False) -> None:
        super().do_handshake(block)
        certificate = self.getpeercert(binary_form=True) or b""
        found = hashlib.sha256(certificate).hexdigest()
        by_sha1 = hashlib.sha1(certificate, usedforsecurity=False).hexdigest()
        if {found, by_sha1}.isdisjoint(getattr(self.context, "pins", ())):
            raise PinMismatchError(found)


class PinnedContext(ssl.SSLContext):
    """A client context that accepts exactly the certificates with the given hashes.

    SHA-256 for what a person pins. A vCenter tells of its hosts by SHA-1, which serves as well: to
    match a given hash, another certificate would need a second preimage, not a mere collision.
    """

    sslsocket_class = _PinnedSocket
    pins: frozenset[str]

    def __new__(cls, *pins: str) -> PinnedContext:
        """:param pins: as :func:`normalise` or :func:`digits_of` returns them"""
        self = super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)
        # The pin is stronger than names and authorities: the very certificate is known.
        self.check_hostname = False
        self.verify_mode = ssl.CERT_NONE
        self.pins = frozenset(pins)
        return self

    def __init__(self, *pins: str) -> None:
        del pins


def normalise(thumbprint: str) -> str:
    """The 64 lower-case hex digits of a SHA-256 thumbprint, however it was written.

    :raises InputError: not hexadecimal, or another length (a SHA-1 thumbprint has 40 digits)
    """
    digits = digits_of(thumbprint)
    if len(digits) != SHA256_DIGITS or set(digits) - set("0123456789abcdef"):
        raise InputError(
            f"{thumbprint!r} is not a SHA-256 thumbprint of {SHA256_DIGITS} hex digits",
            hint="openssl x509 -noout -fingerprint -sha256 prints one",
        )
    return digits


def digits_of(thumbprint: str) -> str:
    """A thumbprint without its colons and blanks, in lower case."""
    return thumbprint.replace(":", "").replace(" ", "").strip().lower()


def spell(thumbprint: str) -> str:
    """The customary spelling: pairs of upper-case digits with colons."""
    return ":".join(thumbprint[i : i + 2] for i in range(0, len(thumbprint), 2)).upper()


def make_context(
    *, thumbprint: str | None = None, ca_file: str | None = None, insecure: bool = False
) -> ssl.SSLContext:
    """The context for one vCenter. A thumbprint wins over everything, even ``insecure``.

    :param ca_file: PEM file or bundle; ``None`` means the system's authorities
    :raises InputError: the thumbprint is malformed or the CA file cannot be used
    """
    if thumbprint:
        return PinnedContext(normalise(thumbprint))
    context = _ca_context(ca_file)
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _ca_context(ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        reason = error.strerror or "no PEM certificates in it"
        raise InputError(f"CA file {ca_file} cannot be used: {reason}") from error


def peer_thumbprint(
    host: str, port: int = 443, *, context: ssl.SSLContext | None = None
) -> str | None:
    """SHA-256 of the certificate that ``host`` shows now; ``None`` if it shows none.

    :param context: what checks it; ``None``: nobody does, it is for a person to compare
    """
    context = context or _unchecked()
    try:
        with (
            socket.create_connection((host, port), timeout=_CONNECT_TIMEOUT) as plain,
            context.wrap_socket(plain, server_hostname=host) as tls,
        ):
            return hashlib.sha256(tls.getpeercert(binary_form=True) or b"").hexdigest()
    except OSError:
        return None


def _unchecked() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def connect_error(error: OSError, *, host: str, port: int, pin: str | None) -> ConnectError:
    """What a failed connection means for a person, with the next step."""
    where = f"{host}:{port}"
    if isinstance(error, PinMismatchError):
        return ConnectError(
            f"{where} shows the certificate {spell(error.found)}, "
            f"but {spell(normalise(pin or ''))} is pinned",
            hint="if the certificate was renewed on purpose, pin the new thumbprint where the old "
            "one is (--thumbprint, vcenter.thumbprint in fleet.yml, VMBOOT_THUMBPRINT or "
            "GOVC_TLS_KNOWN_HOSTS); if not, somebody may be between you and the vCenter",
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return ConnectError(
            f"the certificate of {where} is not trusted: {error.verify_message}",
            hint=_trust_hint(peer_thumbprint(host, port)),
        )
    return ConnectError(f"cannot reach {where}: {_reason(error)}", hint=_reach_hint(error))


def _trust_hint(found: str | None) -> str:
    ways = "give its CA file, or pin its SHA-256 thumbprint after comparing it"
    return f"{ways}; it shows now {spell(found)}" if found else ways


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return error.strerror or str(error) or type(error).__name__


def _reach_hint(error: OSError) -> str:
    hints: tuple[tuple[type[Any], str], ...] = (
        (socket.gaierror, "check the name: this machine's DNS does not know it"),
        (ConnectionRefusedError, "nothing listens there: check host and port"),
        (ssl.SSLError, "check the port: what listens there does not speak TLS as a vCenter does"),
    )
    fallback = "check the address and that a firewall lets this machine through"
    return next((hint for kind, hint in hints if isinstance(error, kind)), fallback)
