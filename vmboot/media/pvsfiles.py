"""A PVS site's boot programs: said what they are, hashed, and never altered.

No format of theirs is public, so a version string is all that is read of the BIOS programs, and
headers and signature of the UEFI ones. What a file is for is taken from its usual name, and that
is said.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmboot.errors import MediaError, RefusedError
from vmboot.media import pe
from vmboot.media.diskimage import open_disk
from vmboot.media.identify import identify
from vmboot.media.isoread import is_iso
from vmboot.media.source import Source
from vmboot.model import Firmware

MAX_SIZE = 16 * 1024 * 1024
MAX_BIOS = 1024 * 1024  # of a BIOS program; any boot disk is larger
_VERSION = re.compile(rb"Provisioning Services bootstrap v(\d{1,5}(?:\.\d{1,6}){1,3})")
_MARK = b"Provisioning Services bootstrap v"
_INVERT = bytes(255 - value for value in range(256))
_UEFI_NAMES = {
    "pvsnbpx64.efi": "pvs-nbp",
    "pvsbootx64.efi": "pvs-bdm-loader",
}
WORDS = {
    "pvs-bootstrap": "PVS BIOS bootstrap",
    "pvs-two-stage": "second stage of a PVS BIOS boot disk",
    "pvs-nbp": "PVS UEFI bootstrap, by its name",
    "pvs-bdm-loader": "PVS UEFI boot disk loader, by its name",
    "signed-efi": "signed UEFI program",
}


@dataclass(frozen=True)
class VendorFile:
    """A program that is the vendor's.

    :param kind: key of :data:`WORDS`
    :param version: of the BIOS programs, else ``""``
    :param inverted: every byte is stored as its complement, as the two-stage boot service sends it
    :param signers: common names of who signed a UEFI program, ``authorities`` of who issued that
    """

    kind: str
    firmware: Firmware
    arch: str
    sha256: str
    size: int
    version: str = ""
    inverted: bool = False
    signers: tuple[str, ...] = ()
    authorities: tuple[str, ...] = ()

    @property
    def is_bootstrap(self) -> bool:
        """Whether machines download it as their first program."""
        return self.kind in {"pvs-bootstrap", "pvs-nbp"}

    @property
    def words(self) -> str:
        """One line for people."""
        version = f" v{self.version}" if self.version else ""
        stored = ", stored inverted" if self.inverted else ""
        signed = f", signed by {', '.join(self.signers)}" if self.signers else ", not signed"
        return f"{WORDS[self.kind]}{version}{stored}" + (
            signed if self.firmware is Firmware.UEFI else ""
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "firmware": self.firmware.value,
            "arch": self.arch,
            "version": self.version,
            "inverted": self.inverted,
            "signers": list(self.signers),
            "authorities": list(self.authorities),
            "sha256": self.sha256,
            "size": self.size,
        }


def identify_vendor_file(data: bytes, *, name: str = "") -> VendorFile | None:
    """What a file is if it is the vendor's or signed by anybody, else ``None``.

    :param name: the file's, with or without folders
    """
    base = re.split(r"[\\/]", name)[-1].lower()
    if len(data) > MAX_SIZE:
        return None
    if pe.is_pe(data):
        return _uefi(data, base)
    return _bios(data, base, inverted=False) or _bios(
        data.translate(_INVERT), base, inverted=True, stored=data
    )


def identify_file(path: str | Path) -> VendorFile | None:
    """The same for a program that is a file of its own; ``None`` for media that hold one.

    :raises NotFoundError: there is no such file
    :raises MediaError: it cannot be read
    """
    with Source(path) as source:
        if not 0 < source.size <= MAX_SIZE or is_iso(source):
            return None
        data = source.read(0, source.size)
    found = identify_vendor_file(data, name=Path(path).name)
    if found is None or found.firmware is Firmware.UEFI:
        return found
    return None if len(data) > MAX_BIOS or _is_container(data) else found


def _is_container(data: bytes) -> bool:
    """Whether it is a disk in a format of its own."""
    with open_disk(data) as disk:
        return disk.format != "raw"


def refuse_change(name: str, data: bytes) -> None:
    """Do nothing for a file that may be changed.

    :raises RefusedError: it is a boot program of the vendor, or signed
    """
    try:
        found = identify_vendor_file(data, name=name)
    except MediaError:
        found = None
    if found is None and not pe.is_pe(data):
        return
    what = found.words if found else "a UEFI program"
    raise RefusedError(
        f"{name} is not changed: it is a boot program ({what})",
        hint="a changed byte breaks its signature or the program; change the server list where "
        "PVS keeps it (Configure Bootstrap, DHCP option 11 or 17, PVSBOOT.INI)",
    )


def _bios(
    data: bytes, base: str, *, inverted: bool, stored: bytes | None = None
) -> VendorFile | None:
    if _MARK not in data:
        return None
    version = _VERSION.search(data)
    original = data if stored is None else stored
    return VendorFile(
        kind="pvs-two-stage" if base == "tsbbdm.bin" else "pvs-bootstrap",
        firmware=Firmware.BIOS,
        arch="i386",
        sha256=hashlib.sha256(original).hexdigest(),
        size=len(original),
        version=version.group(1).decode("ascii") if version else "",
        inverted=inverted,
    )


def _uefi(data: bytes, base: str) -> VendorFile | None:
    identity = identify(data)
    kind = _UEFI_NAMES.get(base) or ("signed-efi" if identity and identity.signers else "")
    if identity is None or not kind:
        return None
    return VendorFile(
        kind=kind,
        firmware=Firmware.UEFI,
        arch=identity.arch,
        sha256=identity.sha256,
        size=identity.size,
        signers=identity.signers,
        authorities=identity.authorities,
    )
