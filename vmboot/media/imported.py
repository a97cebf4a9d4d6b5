"""Loaders that a person brings: a file or an archive, e.g. upstream iPXE's ipxeboot tarball."""

from __future__ import annotations

import hashlib
import re
import tarfile
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path, PurePosixPath

from vmboot.errors import InputError, MediaError, NotFoundError
from vmboot.media.find import MAX_LOADER, Loader, imported_dir, load
from vmboot.media.identify import identify
from vmboot.media.store import store

MAX_ARCHIVE = 512 * 1024 * 1024
MAX_MEMBERS = 5000
MAX_UNPACKED = 256 * 1024 * 1024
_DIGEST = re.compile(r"[0-9a-f]{64}")


def import_loaders(path: str | Path, *, sha256: str | None = None) -> tuple[Loader, ...]:
    """Identify and copy the boot programs in a file, tar or zip archive into the data directory.

    :param sha256: the digest that the file must have, in hexadecimal
    :raises NotFoundError: there is no such file
    :raises InputError: the digest is not one, or does not match
    :raises MediaError: nothing in it is a boot program that vmboot knows, or it is damaged
    """
    source = Path(path)
    data = _read(source)
    digest = hashlib.sha256(data).hexdigest()
    if sha256 is not None:
        _compare(source, digest, sha256)
    found: dict[str, bytes] = {}
    for name, content in _members(source, data):
        if identify(content) is not None:
            found[_free_name(name, found)] = content
    if not found:
        raise MediaError(
            f"{path} holds no boot program that vmboot knows",
            hint="iPXE (ipxe.lkrn, ipxe.efi), isolinux and their archives do; 'vmboot loaders "
            "fetch' gets the distribution's",
        )
    paths = store(imported_dir(), f"{source.name}-{digest[:12]}", found)
    return tuple(loader for each in paths if (loader := load(each, source="imported")))


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise NotFoundError(f"there is no file {path}", hint="name a loader or an archive of some")
    if path.stat().st_size > MAX_ARCHIVE:
        raise InputError(f"{path} is larger than {MAX_ARCHIVE >> 20} MiB")
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


def _compare(path: Path, digest: str, wanted: str) -> None:
    if not _DIGEST.fullmatch(wanted.lower()):
        raise InputError(f"{wanted!r} is not a SHA-256", hint="it has 64 hexadecimal digits")
    if digest != wanted.lower():
        raise InputError(
            f"{path} has the SHA-256 {digest}, not {wanted.lower()}",
            hint="download it again, and compare with what its publisher says",
        )


def _members(path: Path, data: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file in an archive, or of the file itself."""
    # From the bytes that were hashed, never from the path again: the file may be another by now.
    if zipfile.is_zipfile(BytesIO(data)):
        yield from _zip_members(path, data)
    elif identify(data) is None and tarfile.is_tarfile(BytesIO(data)):
        yield from _tar_members(path, data)
    elif len(data) <= MAX_LOADER:
        yield path.name, data


def _tar_members(path: Path, data: bytes) -> Iterator[tuple[str, bytes]]:
    total = 0
    try:
        with tarfile.open(fileobj=BytesIO(data)) as archive:
            for number, member in enumerate(archive):
                if number >= MAX_MEMBERS:
                    raise MediaError(f"{path} holds more than {MAX_MEMBERS} files")
                file = archive.extractfile(member) if member.isreg() else None
                if file is None or member.size > MAX_LOADER:
                    continue
                total = _add(total, member.size, path)
                yield PurePosixPath(member.name).name, file.read(MAX_LOADER)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise MediaError(f"{path} is a damaged archive: {error}") from error


def _zip_members(path: Path, data: bytes) -> Iterator[tuple[str, bytes]]:
    total = 0
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            for member in archive.infolist()[:MAX_MEMBERS]:
                if member.is_dir() or member.file_size > MAX_LOADER:
                    continue
                total = _add(total, member.file_size, path)
                yield PurePosixPath(member.filename).name, archive.read(member)
    except (zipfile.BadZipFile, OSError, RuntimeError, EOFError) as error:
        raise MediaError(f"{path} is a damaged archive: {error}") from error


def _add(total: int, size: int, path: Path) -> int:
    if total + size > MAX_UNPACKED:
        raise MediaError(f"{path} unpacks to more than {MAX_UNPACKED >> 20} MiB")
    return total + size


def _free_name(name: str, taken: dict[str, bytes]) -> str:
    """``name``, or one like it: archives hold a file of one name per architecture."""
    stem, dot, suffix = name.partition(".")
    number = 1
    candidate = name
    while candidate in taken:
        number += 1
        candidate = f"{stem}-{number}{dot}{suffix}"
    return candidate
