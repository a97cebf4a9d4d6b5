"""GRUB as the BIOS loader of boot disks: made by the distribution's own grub-mkimage.

The partition's first sector is GRUB's boot.img around the FAT volume's parameters; it loads the
core image from the volume's reserved sectors, and that starts iPXE with the script, both plain
files on the volume. The core knows no file but by name, so a script may be edited at any time,
with any tool. It looks on the partition it was loaded from, never on another disk.

Sources: GRUB 2.06 ``include/grub/i386/pc/boot.h`` and ``util/setup.c`` (offsets, block list),
``grub-core/kern/parser.c`` (the config of a core is run line by line, on errors too).
"""

from __future__ import annotations

import hashlib
import re
import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from vmboot.errors import MediaError, MissingToolError
from vmboot.media.find import Loader
from vmboot.model import Firmware

MKIMAGE = ("grub-mkimage", "grub2-mkimage")
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
MODULE_FOLDERS = ("usr/lib/grub/i386-pc", "usr/share/grub2/i386-pc", "usr/share/grub/i386-pc")
BOOT_IMG = "boot.img"
CORE = "core"  # the ability of a GRUB that a core can be made with
MODULES = ("biosdisk", "part_msdos", "fat", "linux16", "boot", "echo", "minicmd")
KERNEL, INITRD = "ipxe.lkrn", "autoexec.ipxe"
CONFIG = f"""\
linux16 /{KERNEL}
initrd16 /{INITRD}
boot
echo vmboot: {KERNEL} on this disk does not start
exit
"""
PREFIX = "(,msdos1)/"  # of the drive that the BIOS started
SECTOR = 512
_MKIMAGE_SECONDS = 60.0
_MAX_CORE = 0x78000  # what fits below the video memory: GRUB_KERNEL_I386_PC_LINK_ADDR and on
_VERSION = re.compile(r'^grub_package_version="([^"]{1,80})"', re.MULTILINE)
_PARAMETERS = slice(0x03, 0x5A)  # of the volume, in its boot sector
_CORE_AT = 0x5C  # u64: block of the core
_DRIVE_CHECK = slice(0x66, 0x68)  # a jump over the check for BIOSes that pass a wrong drive
_NO_JUMP = b"\x90\x90"
_LIST = struct.Struct("<QHH")  # at the end of the core's first sector: block, count, segment
_LIST_AT = SECTOR - _LIST.size
_SEGMENT = 0x0820


def find_grub() -> Loader | None:
    """The GRUB for BIOS on this machine: its boot.img, able to ``core`` with grub-mkimage there."""
    for folder in MODULE_FOLDERS:
        path = Path("/", folder, BOOT_IMG)
        try:
            data = path.read_bytes()
        except OSError:
            continue
        if len(data) == SECTOR:
            return _loader(path, data)
    return None


def core_image(grub: Loader) -> bytes:
    """The core, in whole sectors; the same GRUB gives the same bytes.

    :raises MissingToolError: grub-mkimage is not installed
    :raises MediaError: it fails, or makes something else than expected
    """
    with TemporaryDirectory(prefix="vmboot-grub-") as work:
        config, out = Path(work, "config"), Path(work, "core.img")
        config.write_text(CONFIG, "ascii")
        command = [_mkimage(), "-O", "i386-pc", "-d", str(grub.path.parent), "-p", PREFIX]
        command += ["-c", str(config), "-o", str(out), *MODULES]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_MKIMAGE_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise MediaError(f"{command[0]} cannot be run: {error}") from error
        if done.returncode or not out.is_file():
            words = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise MediaError(f"{command[0]} failed: {words}", hint="check the GRUB packages")
        core = out.read_bytes()
    core += bytes(-len(core) % SECTOR)
    _check(core, grub)
    return core


def core_loader(grub: Loader, core: bytes) -> Loader:
    """What the manifest says of a core that was made with ``grub``."""
    return Loader(
        **{
            **vars(grub),
            "name": "core.img",
            "path": grub.path.parent,
            "kind": "grub-core",
            "sha256": hashlib.sha256(core).hexdigest(),
            "size": len(core),
        }
    )


@dataclass(frozen=True)
class Installed:
    """GRUB as it lies on one volume.

    :param sector: boot program for the volume's first sector, without the volume's parameters
    :param reserved: what lies behind it
    """

    sector: bytes
    reserved: bytes


def install(boot_img: bytes, core: bytes, *, start: int) -> Installed:
    """Tell GRUB where it will lie.

    :param start: first block of the volume on its disk
    """
    sector = bytearray(boot_img)
    struct.pack_into("<Q", sector, _CORE_AT, start + 1)
    sector[_DRIVE_CHECK] = _NO_JUMP
    reserved = bytearray(core)
    _LIST.pack_into(reserved, _LIST_AT, start + 2, len(core) // SECTOR - 1, _SEGMENT)
    return Installed(bytes(sector), bytes(reserved))


def installed_core(volume: bytes) -> bytes:
    """The core in a volume's reserved sectors as grub-mkimage made it; ``b""`` without one."""
    sectors = int.from_bytes(volume[14:16], "little")
    area = volume[SECTOR : sectors * SECTOR]
    if len(area) < SECTOR:
        return b""
    _, count, segment = _LIST.unpack_from(area, _LIST_AT)
    size = (count + 1) * SECTOR
    if segment != _SEGMENT or size > len(area):
        return b""
    core = bytearray(area[:size])
    _LIST.pack_into(core, _LIST_AT, 2, count, segment)  # as if it began at block 1
    return bytes(core)


def splice(sector: bytes, parameters: bytes) -> bytes:
    """A boot program around a FAT volume's parameters (BIOS parameter block).

    :param parameters: the boot sector that the volume has without the program
    """
    out = bytearray(sector)
    out[_PARAMETERS] = parameters[_PARAMETERS]
    return bytes(out)


def _mkimage() -> str:
    for name in MKIMAGE:
        found = shutil.which(name) or shutil.which(name, path=SYSTEM_PATH)
        if found:
            return found
    raise MissingToolError(f"{MKIMAGE[0]} is not installed")


def _loader(path: Path, data: bytes) -> Loader:
    try:
        _mkimage()
        able = frozenset({CORE})
    except MissingToolError:
        able = frozenset()
    return Loader(
        name=path.name,
        path=path,
        kind="grub-boot",
        firmware=Firmware.BIOS,
        arch="i386",
        version=_version(path.parent),
        capabilities=able,
        signers=(),
        authorities=(),
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        source="system",
    )


def _version(folder: Path) -> str:
    try:
        text = (folder / "modinfo.sh").read_text("utf-8", "replace")
    except OSError:
        return ""
    found = _VERSION.search(text)
    return found[1] if found else ""


def _check(core: bytes, grub: Loader) -> None:
    """Only a core whose block list is where GRUB 2 has it since 1.97 can be installed."""
    if len(core) < 2 * SECTOR or _LIST.unpack_from(core, _LIST_AT)[0::2] != (2, _SEGMENT):
        raise MediaError(f"GRUB {grub.version} makes a core that vmboot does not know")
    if len(core) > _MAX_CORE:
        raise MediaError(f"GRUB {grub.version} makes a core of {len(core)} bytes: too large")
