"""Which Linux distribution this is, and where it puts boot loaders.

Source: os-release(5); the file lists of the packages ipxe, isolinux, syslinux-common, shim-signed,
grub-efi-amd64-signed (Debian, Ubuntu) and ipxe-bootimgs-x86, syslinux, shim-x64 (Fedora).
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

OS_RELEASE = Path("/etc/os-release")
SYSTEM_FILES = (
    "usr/lib/ipxe/ipxe-amd64.efi",
    "usr/lib/ipxe/ipxe.efi",
    "usr/lib/ipxe/snponly.efi",
    "usr/lib/ipxe/ipxe.lkrn",
    "boot/ipxe.efi",
    "boot/ipxe.lkrn",
    "usr/lib/ISOLINUX/isolinux.bin",
    "usr/lib/syslinux/modules/bios/ldlinux.c32",
    "usr/lib/shim/shimx64.efi.signed",
    "usr/lib/shim/mmx64.efi.signed",
    "usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed",
    "usr/share/ipxe/ipxe-x86_64.efi",
    "usr/share/ipxe/ipxe-snponly-x86_64.efi",
    "usr/share/ipxe/ipxe.lkrn",
    "usr/share/syslinux/isolinux.bin",
    "usr/share/syslinux/ldlinux.c32",
    *(
        f"boot/efi/EFI/{vendor}/{name}"
        for vendor in ("fedora", "redhat", "centos", "almalinux", "rocky")
        for name in ("shimx64.efi", "grubx64.efi")
    ),
)
_DEBIAN = {"debian", "ubuntu"}
_RED_HAT = {"fedora", "rhel", "centos"}


@dataclass(frozen=True)
class Distro:
    """What os-release says: id, those it is like, and the code name of the release.

    For a child of Ubuntu the code name is Ubuntu's, which is what its package sources name.
    """

    id: str
    like: frozenset[str]
    codename: str

    @property
    def has_apt(self) -> bool:
        """Whether it is Debian, Ubuntu or one of their children."""
        return bool({self.id, *self.like} & _DEBIAN)

    @property
    def grub_hint(self) -> str:
        """The command that installs the parts of GRUB that boot disks for BIOS need."""
        if self.has_apt:
            return "sudo apt-get install grub-common grub-pc-bin"
        if {self.id, *self.like} & _RED_HAT:
            return "sudo dnf install grub2-tools grub2-pc-modules"
        return "install your distribution's packages of GRUB 2 for BIOS"

    @property
    def install_hint(self) -> str:
        """The command that installs the loaders from the distribution, as a person would type."""
        if self.has_apt:
            return "sudo apt-get install ipxe isolinux syslinux-common"
        if {self.id, *self.like} & _RED_HAT:
            return "sudo dnf install ipxe-bootimgs-x86 syslinux syslinux-nonlinux"
        return "install your distribution's packages of iPXE and syslinux"

    @property
    def shim_hint(self) -> str:
        """The command that installs the signed shim and the signed network GRUB."""
        if self.has_apt:
            return "sudo apt-get install shim-signed grub-efi-amd64-signed"
        if {self.id, *self.like} & _RED_HAT:
            return "sudo dnf install shim-x64 grub2-efi-x64"
        return "install your distribution's signed shim and its signed GRUB with TFTP"


def read_distro(path: Path = OS_RELEASE) -> Distro:
    """The running distribution; all empty where there is no os-release."""
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    values = dict(_pair(line) for line in lines if "=" in line and not line.startswith("#"))
    return Distro(
        id=values.get("ID", ""),
        like=frozenset(values.get("ID_LIKE", "").split()),
        codename=values.get("UBUNTU_CODENAME") or values.get("VERSION_CODENAME", ""),
    )


def _pair(line: str) -> tuple[str, str]:
    key, _, value = line.partition("=")
    try:
        words = shlex.split(value)
    except ValueError:
        words = []
    return key.strip(), " ".join(words)
