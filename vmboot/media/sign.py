"""Sign a boot program with a site's own key, by sbsigntool's ``sbsign``.

The key stays where it is and is named by its path only; a passphrase goes to sbsign through a pipe.
What comes out is read back: the certificate must be in it.

Source: sbsign(1). OpenSSL asks for a passphrase on the terminal and, where there is none, reads it
from standard input, so sbsign runs in a session of its own.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import ssl
import stat
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from vmboot.errors import InputError, MediaError, MissingToolError, NotFoundError, RefusedError
from vmboot.media import pe
from vmboot.media.find import MAX_LOADER, Loader, find_loaders, imported_dir, load
from vmboot.media.identify import identify
from vmboot.media.loaders import choose, cure, explain
from vmboot.media.parts import parts_for
from vmboot.media.store import store
from vmboot.media.trust import KEPT
from vmboot.model import Firmware

SBSIGN, SBVERIFY = "sbsign", "sbverify"
TIMEOUT_S = 60
MAX_KEY = 64 * 1024
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True)
class Certificate:
    """The certificate that machines will trust.

    :param der: as firmware takes it
    :param fingerprint: its SHA-256, hexadecimal
    """

    name: str
    der: bytes
    fingerprint: str


def sign_loader(
    file: str | Path | None = None,
    *,
    key: str | Path,
    certificate: str | Path,
    passphrase: str | None = None,
    out: str | Path | None = None,
    dirs: Sequence[str | Path] = (),
) -> Loader:
    """Sign a UEFI program and keep it where media are built from, or put it into ``out``.

    A program that was signed before with this certificate and kept is not signed again, so media
    made of it stay the same bytes.

    :param file: what to sign; by default the iPXE that UEFI media are built with
    :param key: RSA private key in PEM that nobody but its owner can read
    :param certificate: its X.509 certificate, PEM or DER
    :param passphrase: of an encrypted key
    :param out: an existing folder for a file of the same name; it must not be there yet
    :param dirs: where to look for iPXE before all other places
    :raises NotFoundError: a file does not exist
    :raises InputError: a file is not what it should be, or belongs to another; the passphrase is
        wrong; or nothing can be written into ``out``
    :raises RefusedError: others can read the key, or the result is there already
    :raises MissingToolError: sbsign is not installed, or there is no iPXE
    """
    source = Path(file) if file is not None else default_program(dirs=dirs)
    program = _read(source, "the program", MAX_LOADER)
    known = identify(program) if pe.is_pe(program) else None
    if known is None or known.firmware is not Firmware.UEFI:
        raise InputError(
            f"{source} is not a UEFI program, so there is nothing to sign",
            hint="name an .efi file; programs for BIOS machines need no signature",
        )
    by = read_certificate(certificate)
    check_key(Path(key), passphrase=passphrase)
    folder = f"{KEPT}{by.fingerprint[:12]}-{known.sha256[:12]}"
    if out is not None:
        return _put(Path(out), source.name, _sign(program, Path(key), by, passphrase), by)
    kept = load(imported_dir() / folder / source.name, source="imported")
    if kept is not None and by.fingerprint in kept.fingerprints:
        return kept
    signed = _sign(program, Path(key), by, passphrase)
    (path,) = store(imported_dir(), folder, {source.name: signed})
    return _loaded(path, by)


def default_program(*, dirs: Sequence[str | Path] = ()) -> Path:
    """The unsigned iPXE that UEFI media would be built with.

    :raises MissingToolError: there is none
    """
    unsigned = [each for each in find_loaders(dirs=dirs) if not each.signers]
    choices = choose(parts_for(Firmware.UEFI), unsigned)
    if choices[0].loader is None:
        raise MissingToolError(explain(Firmware.UEFI, choices), hint=cure())
    return choices[0].loader.path


def read_certificate(path: str | Path) -> Certificate:
    """An X.509 certificate, PEM or DER.

    :raises NotFoundError: there is no such file
    :raises InputError: it holds no certificate
    """
    data = _read(Path(path), "the certificate", MAX_KEY)
    try:
        if data.startswith(b"-----") or b"-----BEGIN CERTIFICATE-----" in data:
            data = ssl.PEM_cert_to_DER_cert(_pem_block(data))
        names = pe.read_certificate(data)
    except (ValueError, MediaError):
        raise InputError(
            f"{path} is not an X.509 certificate", hint="give one in PEM or DER"
        ) from None
    return Certificate(names.subject, data, names.fingerprint)


def check_key(path: Path, *, passphrase: str | None) -> None:
    """Whether the key can be used, as far as can be seen without opening it."""
    data = _read(path, "the key", MAX_KEY)
    if b"PRIVATE KEY-----" not in data:
        raise InputError(
            f"{path} is not a private key in PEM",
            hint="convert it first: openssl pkey -in KEY -out site.key, or -inform DER",
        )
    if path.stat().st_mode & _OTHERS:
        raise RefusedError(
            f"others than its owner can read the key {path}", hint=f"run: chmod 600 {path}"
        )
    if is_encrypted(data) and not passphrase:
        raise InputError(
            f"the key {path} is encrypted, and no passphrase is given",
            hint="run it on a terminal, which asks for it, or set VMBOOT_KEY_PASSPHRASE",
        )


def is_encrypted(key: bytes) -> bool:
    """Whether a PEM key needs a passphrase (RFC 5958, or the older header of RFC 1421)."""
    return b"ENCRYPTED" in key


def _pem_block(data: bytes) -> str:
    """The first certificate of a PEM file, which may have others and text around it."""
    text = data.decode("ascii", "replace")
    begin = text.index("-----BEGIN CERTIFICATE-----")
    end = text.index("-----END CERTIFICATE-----", begin)
    return text[begin:end] + "-----END CERTIFICATE-----\n"


def _read(path: Path, what: str, limit: int) -> bytes:
    if not path.is_file():
        raise NotFoundError(f"{what} {path} does not exist", hint="check its name and folder")
    if path.stat().st_size > limit:
        raise InputError(f"{path} is too large to be {what}", hint="name another file")
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{what} {path} cannot be read: {error.strerror}",
            hint="run this as the user who owns it",
        ) from error


def _sign(program: bytes, key: Path, by: Certificate, passphrase: str | None) -> bytes:
    tool = shutil.which(SBSIGN)
    if tool is None:
        raise MissingToolError(
            f"{SBSIGN} is not installed",
            hint="run: sudo apt-get install sbsigntool (Fedora: sbsigntools)",
        )
    with TemporaryDirectory(prefix="vmboot-sign-") as work:
        plain, certificate = Path(work, "program.efi"), Path(work, "certificate.pem")
        signed = Path(work, "signed.efi")
        plain.write_bytes(program)
        certificate.write_text(ssl.DER_cert_to_PEM_cert(by.der), encoding="ascii")
        names = ["--key", str(key.absolute()), "--cert", str(certificate)]
        _run([tool, *names, "--output", str(signed), str(plain)], key, passphrase)
        if not signed.is_file():
            raise MediaError(f"{SBSIGN} said that it signed the program, but wrote nothing")
        data = signed.read_bytes()
        _verify(data, signed, certificate, by)
        return data


def _call(command: list[str], typed: str = "") -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            command,
            input=f"{typed}\n".encode(),
            capture_output=True,
            check=False,
            timeout=TIMEOUT_S,
            start_new_session=True,  # so that it cannot ask on the terminal
            env={"LC_ALL": "C", "PATH": os.defpath},  # nothing of ours, least of all secrets
        )
    except subprocess.TimeoutExpired:
        raise MediaError(f"{Path(command[0]).name} did not end in {TIMEOUT_S} s") from None


def _run(command: list[str], key: Path, passphrase: str | None) -> None:
    done = _call(command, passphrase or "")
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace")
        if "load key" in said:
            raise InputError(
                f"the key {key} cannot be opened: a wrong passphrase, or not an RSA key in PEM",
                hint=f"try the passphrase with: openssl rsa -in {key} -check -noout",
            )
        if "key does not match" in said:
            raise InputError(
                f"the certificate does not belong to the key {key}",
                hint="name the certificate that was made with this key",
            )
        last = said.strip().splitlines()[-1:] or ["no reason given"]
        raise MediaError(
            f"{SBSIGN} could not sign the program: {last[0]}",
            hint="check that the program is whole, and that the key is RSA",
        )


def _verify(data: bytes, path: Path, certificate: Path, by: Certificate) -> None:
    """By our own reader, and by sbverify where it is installed."""
    if by.fingerprint not in {each.fingerprint for each in pe.read_pe(data).signatures}:
        raise MediaError(
            f"the signature does not carry the certificate {by.name}",
            hint="check that the certificate belongs to the key",
        )
    tool = shutil.which(SBVERIFY)
    if tool is None:
        return
    if _call([tool, "--cert", str(certificate), str(path)]).returncode:
        raise MediaError(
            f"{SBVERIFY} does not accept the signature",
            hint="check that the certificate belongs to the key",
        )


def _put(folder: Path, name: str, data: bytes, by: Certificate) -> Loader:
    target = folder / name
    if not folder.is_dir():
        raise NotFoundError(f"the folder {folder} does not exist", hint=f"make it: mkdir {folder}")
    try:
        _write_new(target, data)
    except FileExistsError:
        raise RefusedError(
            f"{target} exists already", hint="name another folder, or remove the file"
        ) from None
    except OSError as error:
        raise InputError(
            f"{target} cannot be written: {error.strerror}",
            hint="name a folder that you may write to and that has room",
        ) from error
    return _loaded(target, by)


def _write_new(target: Path, data: bytes) -> None:
    """Whole or not at all.

    :raises FileExistsError: it is there already
    """
    stream = target.open("xb")
    try:
        with stream:
            stream.write(data)
    except BaseException:  # Ctrl-C too must not leave half a program
        target.unlink(missing_ok=True)
        raise


def _loaded(path: Path, by: Certificate) -> Loader:
    loader = load(path, source="imported")
    if loader is None or by.fingerprint not in loader.fingerprints:
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "nothing"
        raise MediaError(f"{path} is not the program that was signed (it is {digest[:12]})")
    return loader
