"""Which machines media can boot, and in plain words why not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from vmboot.media.eltorito import BootEntry
from vmboot.media.identify import Identity
from vmboot.media.inspection import Boots
from vmboot.media.isoread import IsoImage
from vmboot.media.shimvolume import ShimFindings, check_shim
from vmboot.model import Firmware

DEFAULT_PROGRAM = "efi/boot/bootx64.efi"  # UEFI 2.10 section 3.5.1.1, x64
TRUSTED_AUTHORITY = "Microsoft"  # issuers of third-party UEFI programs in VMware's default db
_NOT_BIOS, _NOT_UEFI = ": BIOS VMs will not boot it", ": UEFI VMs will not boot it"


@dataclass(frozen=True)
class Verdict:
    """``problems`` stop a firmware from booting the media; ``notes`` concern Secure Boot only."""

    boots: Boots
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def judge(
    image: IsoImage,
    entries: Sequence[BootEntry],
    esp: Mapping[str, bytes],
    loaders: Mapping[str, Identity],
) -> Verdict:
    """The verdict per firmware, and the reasons where it is no."""
    bios = tuple(_bios(image, entries, loaders))
    shim = check_shim(esp)
    uefi = (*_uefi(entries, esp, loaders), *_lost(shim))
    program = _program(esp, loaders)
    secure = (*secure_notes(program), *filter(None, (shim.refused,))) if not uefi else ()
    boots = Boots(
        bios=not bios,
        uefi=not uefi,
        secure_boot=not uefi and program is not None and not secure,
        why_not={Firmware.BIOS: _reasons(bios), Firmware.UEFI: _reasons(uefi)},
    )
    return Verdict(boots, (*bios, *uefi), secure)


def _lost(shim: ShimFindings) -> tuple[str, ...]:
    return (f"{shim.missing}{_NOT_UEFI}",) if shim.missing else ()


def _reasons(problems: Sequence[str]) -> tuple[str, ...]:
    """The problems without what follows from them."""
    return tuple(problem.removesuffix(_NOT_BIOS).removesuffix(_NOT_UEFI) for problem in problems)


def _bios(
    image: IsoImage, entries: Sequence[BootEntry], loaders: Mapping[str, Identity]
) -> Iterator[str]:
    mine = [entry for entry in entries if entry.platform == "bios"]
    if not mine:
        yield f"no BIOS boot entry{_NOT_BIOS}"
        return
    if not any(entry.bootable for entry in mine):
        yield f"the BIOS boot entry is marked not bootable{_NOT_BIOS}"
    first = loaders.get(mine[0].path)
    if first is not None and first.kind == "isolinux":
        yield from _isolinux(image)


def _isolinux(image: IsoImage) -> Iterator[str]:
    """isolinux 5 and newer needs its core module and a config in one of its directories."""
    names = {file.path.lower().rpartition("/")[2] for file in image.files}
    for name in ("ldlinux.c32", "isolinux.cfg"):
        if name not in names and not (name == "isolinux.cfg" and "syslinux.cfg" in names):
            yield f"isolinux.bin is there but {name} is not{_NOT_BIOS}"


def _uefi(
    entries: Sequence[BootEntry], esp: Mapping[str, bytes], loaders: Mapping[str, Identity]
) -> Iterator[str]:
    mine = [entry for entry in entries if entry.platform == "uefi"]
    if not mine:
        yield f"no UEFI boot entry{_NOT_UEFI}"
        return
    if not any(entry.bootable for entry in mine):
        yield f"the UEFI boot entry is marked not bootable{_NOT_UEFI}"
    program = _program(esp, loaders)
    if program is None:
        yield f"the UEFI boot image has no EFI/BOOT/BOOTX64.EFI program{_NOT_UEFI}"
        return
    if program.arch != "x86_64":
        yield f"BOOTX64.EFI is for {program.arch}{_NOT_UEFI}"
    if not reads_script(program) and any(is_script(path) for path in esp):
        yield (
            f"{ignores_script(program)}: "
            "UEFI VMs will start it, but it will not find its boot servers"
        )


def is_script(path: str) -> bool:
    """Whether iPXE would run the file ``path`` by itself."""
    return path.lower().rpartition("/")[2] == "autoexec.ipxe"


def reads_script(program: Identity) -> bool:
    """Whether ``program`` is no iPXE, or one that runs autoexec.ipxe."""
    return not program.kind.startswith("ipxe") or "autoexec" in program.capabilities


def ignores_script(program: Identity) -> str:
    return f"BOOTX64.EFI is iPXE {program.version}, which ignores autoexec.ipxe"


def secure_notes(program: Identity | None) -> Iterator[str]:
    """Why a machine with Secure Boot may not start ``program``."""
    if program is None:
        return
    if not program.signers:
        yield "BOOTX64.EFI is not signed: VMs with Secure Boot will refuse it"
    elif not any(TRUSTED_AUTHORITY in issuer for issuer in program.authorities):
        signers = ", ".join(program.signers)
        yield f"BOOTX64.EFI is signed by {signers}: only VMs that trust this key will start it"


def _program(esp: Mapping[str, bytes], loaders: Mapping[str, Identity]) -> Identity | None:
    for path in esp:
        if path.lower() == DEFAULT_PROGRAM:
            return loaders.get(f"esp:{path}")
    return None
