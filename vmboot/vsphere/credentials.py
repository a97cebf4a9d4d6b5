"""Where the login comes from: flags, environment, keyring, prompt, in this order.

``VMBOOT_*`` wins over govc's ``GOVC_*``, which wins over Ansible's ``VMWARE_*``. A family that
names another host than the one wanted is left aside whole, so that a password never goes to a
vCenter it was not meant for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from vmboot.errors import InputError
from vmboot.vsphere import tls

HTTPS_PORT = 443
KEYRING_SERVICE = "vmboot"
_TRUE = frozenset({"1", "t", "true", "yes", "on", "y"})
_FALSE = frozenset({"0", "f", "false", "no", "off", "n"})


@dataclass(frozen=True)
class Credentials:
    """All that is needed to log in to one vCenter.

    :param thumbprint: SHA-256 of its certificate, colons and case free; pins when given
    :param ca_file: PEM file of the authority that signed it; ``None``: the system's
    :param insecure: accept any certificate; only ever because a person asked for it
    """

    host: str
    user: str
    password: str = field(repr=False)
    port: int = HTTPS_PORT
    thumbprint: str | None = None
    ca_file: str | None = None
    insecure: bool = False


@dataclass(frozen=True)
class _Source:
    """One family of variables, read but not yet judged."""

    name: str
    host: str = ""
    port: int | None = None
    user: str = ""
    password: str = field(default="", repr=False)
    thumbprint: str | None = None
    ca_file: str | None = None
    insecure: bool | None = None
    known_hosts: str | None = None


def resolve(
    *,
    host: str | None = None,
    user: str | None = None,
    thumbprint: str | None = None,
    ca_file: str | None = None,
    insecure: bool | None = None,
    env: Mapping[str, str] = os.environ,
    password_from: Callable[[str], str] | None = None,
    use_keyring: bool = True,
) -> Credentials:
    """Find the login for one vCenter.

    :param host: ``name`` or ``name:port``; ``None`` takes it from the environment
    :param password_from: asked last, with ``"user@host"``; a prompt, or ``None`` without terminal
    :raises InputError: host, user or password is nowhere to be found, or a variable is malformed
    """
    sources = (_vmboot(env), _govc(env), _vmware(env))
    wanted, port = split_host(
        host or next((s.host for s in sources if s.host), ""), what="the host"
    )
    if not wanted:
        raise InputError("no vCenter named", hint="set VMBOOT_HOST, or vcenter.host in fleet.yml")
    port = port or next((s.port for s in sources if s.host == wanted and s.port), None)
    port = port or HTTPS_PORT
    usable = tuple(s for s in sources if s.host in ("", wanted))
    user = user or next((s.user for s in usable if s.user), "")
    if not user:
        raise InputError(f"no user for {wanted}", hint="set VMBOOT_USER (or GOVC_USERNAME)")
    return Credentials(
        host=wanted,
        port=port,
        user=user,
        password=_password(usable, user, wanted, password_from, use_keyring),
        thumbprint=thumbprint or _thumbprint(usable, wanted, port),
        ca_file=ca_file or next((s.ca_file for s in usable if s.ca_file), None),
        insecure=_first_bool(insecure, *(s.insecure for s in usable)),
    )


def split_host(text: str, *, what: str) -> tuple[str, int | None]:
    """``"vc:8989"`` to ``("vc", 8989)``; IPv6 addresses with a port stand in brackets.

    :param what: where ``text`` came from, for the error, which never shows ``text`` itself: people
        write logins into it
    :raises InputError: it is no host name, or the port is not a number
    """
    parts = _host_part(text)
    if parts is None:
        raise InputError(
            f"{what} is not a host name with an optional port",
            hint="give it as vc.example.com or vc.example.com:443; in a URL, "
            "a password's special characters are to be quoted, e.g. %23 for #",
        )
    return parts


def _host_part(text: str) -> tuple[str, int | None] | None:
    """``None`` where it is malformed. Raises nothing: the errors of urllib quote the text."""
    try:
        parts = urlsplit(text if "//" in text else f"//{_bracketed(text)}")
        # An unquoted "#", "?" or "/" cuts a password in two, and half of it looks like a port.
        is_cut = "@" in text and parts.username is None
        return None if is_cut else (parts.hostname or "", parts.port)
    except ValueError:
        return None


def _bracketed(text: str) -> str:
    is_bare_ipv6 = text.count(":") > 1 and not text.startswith("[") and "@" not in text
    return f"[{text}]" if is_bare_ipv6 else text


def _vmboot(env: Mapping[str, str]) -> _Source:
    host, port = split_host(env.get("VMBOOT_HOST", ""), what="VMBOOT_HOST")
    return _Source(
        name="VMBOOT",
        host=host,
        port=port or _port(env, "VMBOOT_PORT"),
        user=env.get("VMBOOT_USER", ""),
        password=env.get("VMBOOT_PASSWORD") or _password_file(env.get("VMBOOT_PASSWORD_FILE")),
        thumbprint=env.get("VMBOOT_THUMBPRINT") or None,
        ca_file=env.get("VMBOOT_CA_FILE") or None,
        insecure=_bool(env, "VMBOOT_INSECURE"),
    )


def _govc(env: Mapping[str, str]) -> _Source:
    url = env.get("GOVC_URL", "")
    host, port = split_host(url, what="GOVC_URL")
    # A password may hold characters that a URL quotes; the host part was judged above already.
    parts = urlsplit(url if "//" in url else f"//{_bracketed(url)}")
    return _Source(
        name="GOVC",
        host=host,
        port=port,
        user=env.get("GOVC_USERNAME") or unquote(parts.username or ""),
        password=env.get("GOVC_PASSWORD") or unquote(parts.password or ""),
        ca_file=(env.get("GOVC_TLS_CA_CERTS") or "").split(os.pathsep)[0] or None,
        insecure=_bool(env, "GOVC_INSECURE"),
        known_hosts=env.get("GOVC_TLS_KNOWN_HOSTS") or None,
    )


def _vmware(env: Mapping[str, str]) -> _Source:
    host, port = split_host(env.get("VMWARE_HOST", ""), what="VMWARE_HOST")
    validate = _bool(env, "VMWARE_VALIDATE_CERTS")
    return _Source(
        name="VMWARE",
        host=host,
        port=port or _port(env, "VMWARE_PORT"),
        user=env.get("VMWARE_USER", ""),
        password=env.get("VMWARE_PASSWORD", ""),
        insecure=None if validate is None else not validate,
    )


def _password(
    sources: tuple[_Source, ...],
    user: str,
    host: str,
    ask: Callable[[str], str] | None,
    use_keyring: bool,
) -> str:
    found = next((s.password for s in sources if s.password), "")
    found = found or (_from_keyring(user, host) if use_keyring else "")
    if found or ask is None:
        if found:
            return found
        raise InputError(
            f"no password for {user}@{host}",
            hint="set VMBOOT_PASSWORD or VMBOOT_PASSWORD_FILE, or store it: "
            f"keyring set {KEYRING_SERVICE} {user}@{host}",
        )
    return ask(f"{user}@{host}")


def _from_keyring(user: str, host: str) -> str:
    try:
        import keyring
        import keyring.errors
    except ImportError:  # an optional extra
        return ""
    try:
        return keyring.get_password(KEYRING_SERVICE, f"{user}@{host}") or ""
    except keyring.errors.KeyringError:  # no backend, or locked: the next source may know
        return ""


def _password_file(name: str | None) -> str:
    if not name:
        return ""
    try:
        return Path(name).read_text(encoding="utf-8").splitlines()[0]
    except OSError as error:
        raise InputError(
            f"password file {name} cannot be read: {error.strerror}",
            hint="VMBOOT_PASSWORD_FILE names it; after 'vmboot lab down', unset what 'lab env' set",
        ) from error
    except IndexError:
        raise InputError(
            f"password file {name} is empty", hint="put the password on its first line"
        ) from None


def _thumbprint(sources: tuple[_Source, ...], host: str, port: int) -> str | None:
    for source in sources:
        if source.thumbprint:
            return source.thumbprint
        if source.known_hosts:
            found = _known_host(Path(source.known_hosts), host, port)
            if found:
                return found
    return None


def _known_host(file: Path, host: str, port: int) -> str | None:
    """The SHA-256 thumbprint on govc's line ``host[:port] AA:BB:...``; older SHA-1 ones do not
    count (govmomi writes SHA-256 since its pull request 3384)."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(
            f"known hosts file {file} cannot be read: {error.strerror}",
            hint="GOVC_TLS_KNOWN_HOSTS names it; unset it, or make the file readable",
        ) from error
    for line in lines:
        name, _, thumbprint = line.strip().partition(" ")
        digits = thumbprint.strip().replace(":", "")
        if len(digits) == tls.SHA256_DIGITS and _host_part(name) in ((host, None), (host, port)):
            return digits
    return None


def _port(env: Mapping[str, str], name: str) -> int | None:
    text = env.get(name, "")
    if text and not text.isdigit():
        raise InputError(f"{name}={text!r} is not a port number")
    return int(text) if text else None


def _bool(env: Mapping[str, str], name: str) -> bool | None:
    text = env.get(name, "").strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if text:
        raise InputError(f"{name}={text!r} is neither true nor false")
    return None


def _first_bool(*values: bool | None) -> bool:
    return next((value for value in values if value is not None), False)
