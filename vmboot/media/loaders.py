"""Choose the loaders that boot media need, or say exactly why none will do."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from vmboot.errors import MediaError, MissingToolError
from vmboot.media.distro import read_distro
from vmboot.media.find import Loader, find_loaders
from vmboot.media.grub import CORE, core_image, core_loader, find_grub
from vmboot.model import Firmware

__all__ = [
    "FirmwareReport",
    "Loader",
    "LoaderReport",
    "LoaderSet",
    "Medium",
    "find_loaders",
    "report",
    "select_loaders",
]

Medium = Literal["iso", "bdm"]


@dataclass(frozen=True)
class Part:
    """One program that media need: field of :class:`LoaderSet`, kinds that do, what it must do."""

    name: str
    kinds: tuple[str, ...]
    arch: str
    firmware: Firmware
    needs: frozenset[str] = frozenset()
    signed: bool = False


ISOLINUX = Part("isolinux_bin", ("isolinux",), "i386", Firmware.BIOS)
LDLINUX = Part("ldlinux_c32", ("ldlinux",), "i386", Firmware.BIOS)
IPXE_BIOS = Part("ipxe_lkrn", ("ipxe-lkrn",), "i386", Firmware.BIOS)
IPXE_UEFI = Part(
    "ipxe_efi",
    ("ipxe-efi", "ipxe-snponly-efi"),
    "x86_64",
    Firmware.UEFI,
    needs=frozenset({"autoexec"}),
)
IPXE_ARM64 = Part("ipxe_arm64", IPXE_UEFI.kinds, "arm64", Firmware.UEFI, IPXE_UEFI.needs)
GRUB = Part("grub_boot", ("grub-boot",), "i386", Firmware.BIOS, needs=frozenset({CORE}))
_WORDS = {
    CORE: "is of no use without grub-mkimage",
    "autoexec": "ignores autoexec.ipxe, so it cannot boot UEFI media",
    "vlan": "has no VLAN support",
    "https": "has no HTTPS",
}
_TITLES = {
    "isolinux_bin": "isolinux.bin",
    "ldlinux_c32": "ldlinux.c32",
    "ipxe_lkrn": "iPXE for BIOS (ipxe.lkrn)",
    "ipxe_efi": "iPXE for UEFI (ipxe.efi)",
    "ipxe_arm64": "iPXE for UEFI on ARM (ipxe-arm64.efi)",
    "grub_boot": "GRUB for BIOS (boot.img and its modules)",
}


@dataclass(frozen=True)
class LoaderSet:
    """The programs that go on media; a field is empty when no chosen firmware needs it.

    :param ipxe_arm64: on boot disks only, and only where there is one
    :param grub_boot: boot.img, and ``grub_core`` the core made for it: on boot disks only
    :param loaders: which file each came from, by field name
    """

    isolinux_bin: bytes = b""
    ldlinux_c32: bytes = b""
    ipxe_lkrn: bytes = b""
    ipxe_efi: bytes = b""
    ipxe_arm64: bytes = b""
    grub_boot: bytes = b""
    grub_core: bytes = b""
    loaders: Mapping[str, Loader] = field(default_factory=dict)


@dataclass(frozen=True)
class Choice:
    """For one part: the loader that will be used, or why each one found will not."""

    part: Part
    loader: Loader | None
    rejected: tuple[tuple[Loader, str], ...] = ()

    @property
    def title(self) -> str:
        return _TITLES[self.part.name]


@dataclass(frozen=True)
class FirmwareReport:
    """Whether media for ``firmware`` can be built here; ``problem`` and ``cure`` when not."""

    firmware: Firmware
    ready: bool
    uses: tuple[Loader, ...]
    problem: str = ""
    cure: str = ""
    medium: Medium = "iso"

    def to_json(self) -> dict[str, Any]:
        return {
            "firmware": self.firmware.value,
            "medium": self.medium,
            "ready": self.ready,
            "uses": [str(loader.path) for loader in self.uses],
            "problem": self.problem,
            "cure": self.cure,
        }


@dataclass(frozen=True)
class LoaderReport:
    """All loaders found, and what they are good for.

    :param firmwares: for boot ISOs
    :param disks: for boot disks
    """

    loaders: tuple[Loader, ...]
    firmwares: tuple[FirmwareReport, ...]
    disks: tuple[FirmwareReport, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "loaders": [loader.to_json() for loader in self.loaders],
            "firmwares": [each.to_json() for each in self.firmwares],
            "disks": [each.to_json() for each in self.disks],
        }


def select_loaders(
    firmwares: Collection[Firmware],
    *,
    dirs: Sequence[str | Path] = (),
    secure_boot: bool = False,
    needs: Collection[str] = (),
    medium: Medium = "iso",
) -> LoaderSet:
    """The loaders for media that boot ``firmwares``.

    :param dirs: directories to search first
    :param secure_boot: the UEFI loader must be signed
    :param needs: abilities that iPXE must have, e.g. ``{"vlan"}``
    :param medium: a boot ISO or a boot disk
    :raises MissingToolError: something is missing; says what was found and how to cure it
    """
    parts = [p for each in sorted(firmwares) for p in parts_for(each, secure_boot, needs, medium)]
    found = _find(dirs, medium)
    choices = choose(parts, found)
    for firmware in sorted(firmwares):
        mine = [choice for choice in choices if choice.part.firmware is firmware]
        if any(choice.loader is None for choice in mine):
            raise MissingToolError(explain(firmware, mine), hint=_cure(mine))
    chosen = {each.part.name: each.loader for each in choices if each.loader}
    if medium == "bdm" and Firmware.UEFI in firmwares:
        chosen |= _arm64(found, needs, secure_boot=secure_boot)
    data = {name: _read(loader) for name, loader in chosen.items()}
    if GRUB.name in chosen:
        data["grub_core"] = core_image(chosen[GRUB.name])
        chosen["grub_core"] = core_loader(chosen[GRUB.name], data["grub_core"])
    return LoaderSet(**data, loaders=chosen)


def report(*, dirs: Sequence[str | Path] = ()) -> LoaderReport:
    """What ``vmboot loaders status`` shows."""
    found = _find(dirs, "bdm")
    return LoaderReport(
        loaders=found,
        firmwares=tuple(_firmware_report(firmware, found, "iso") for firmware in Firmware),
        disks=tuple(_firmware_report(firmware, found, "bdm") for firmware in Firmware),
    )


def parts_for(
    firmware: Firmware,
    secure_boot: bool = False,
    needs: Collection[str] = (),
    medium: Medium = "iso",
) -> tuple[Part, ...]:
    """The programs that media need for one firmware."""
    if firmware is Firmware.BIOS:
        first = (GRUB,) if medium == "bdm" else (ISOLINUX, LDLINUX)
        return *first, _with(IPXE_BIOS, needs)
    return (_with(IPXE_UEFI, needs, signed=secure_boot),)


def choose(parts: Iterable[Part], found: Sequence[Loader]) -> tuple[Choice, ...]:
    """For each part the first loader that will do, with the reasons against those before it."""
    return tuple(_choose(part, found) for part in parts)


def explain(firmware: Firmware, choices: Iterable[Choice]) -> str:
    """Why media for ``firmware`` cannot be built, in one sentence."""
    lacking = [choice for choice in choices if choice.loader is None]
    return f"no loader for {firmware.name} media: " + "; ".join(map(_lack, lacking))


def cure() -> str:
    """What to do about a missing loader on this distribution."""
    distro = read_distro()
    first = "vmboot loaders fetch" if distro.has_apt else distro.install_hint
    return f"run: {first}; or: vmboot loaders import FILE (iPXE 1.21 or newer)"


def _cure(choices: Iterable[Choice]) -> str:
    """What to do about those of ``choices`` that found nothing."""
    lacking = {choice.part.name for choice in choices if choice.loader is None}
    hints = [f"run: {read_distro().grub_hint}"] if GRUB.name in lacking else []
    return "; and ".join(hints + ([cure()] if lacking - {GRUB.name} else []))


def _find(dirs: Sequence[str | Path], medium: Medium) -> tuple[Loader, ...]:
    grub = find_grub() if medium == "bdm" else None
    return (*find_loaders(dirs=dirs), *((grub,) if grub else ()))


def _arm64(
    found: Sequence[Loader], needs: Collection[str], *, secure_boot: bool
) -> dict[str, Loader]:
    """iPXE for ARM machines where there is one; boot disks do without it as well."""
    choice = _choose(_with(IPXE_ARM64, needs, signed=secure_boot), found)
    return {IPXE_ARM64.name: choice.loader} if choice.loader else {}


def _choose(part: Part, found: Sequence[Loader]) -> Choice:
    rejected: list[tuple[Loader, str]] = []
    for loader in sorted(found, key=lambda each: _rank(part, each)):
        if loader.kind not in part.kinds:
            continue
        reason = _against(part, loader)
        if not reason:
            return Choice(part, loader, tuple(rejected))
        rejected.append((loader, reason))
    return Choice(part, None, tuple(rejected))


def _rank(part: Part, loader: Loader) -> int:
    """Search order stands (sorting is stable), but a preferred kind goes before the others."""
    return part.kinds.index(loader.kind) if loader.kind in part.kinds else len(part.kinds)


def _against(part: Part, loader: Loader) -> str:
    if loader.arch != part.arch:
        return f"is for {loader.arch}"
    for need in sorted(part.needs):
        if need not in loader.capabilities:
            return _WORDS.get(need, f"lacks {need}")
    if part.signed and not loader.signers:
        return "is not signed, so Secure Boot refuses it"
    return ""


def _lack(choice: Choice) -> str:
    if not choice.rejected:
        return f"{choice.title} is not installed"
    words = [
        f"{loader.path} ({loader.version or 'no version'}) {reason}"
        for loader, reason in choice.rejected
        if not reason.startswith("is for ")
    ]
    return f"{choice.title}: " + (", ".join(words) or "only for other processors")


def _with(part: Part, needs: Collection[str], *, signed: bool = False) -> Part:
    wanted = part.needs | frozenset(needs)
    return Part(part.name, part.kinds, part.arch, part.firmware, wanted, signed)


def _read(loader: Loader) -> bytes:
    try:
        data = loader.path.read_bytes()
    except OSError as error:
        raise MediaError(f"the loader {loader.path} cannot be read: {error.strerror}") from error
    if hashlib.sha256(data).hexdigest() != loader.sha256:
        raise MediaError(f"the loader {loader.path} changed while it was read", hint="run it again")
    return data


def _firmware_report(firmware: Firmware, found: Sequence[Loader], medium: Medium) -> FirmwareReport:
    choices = choose(parts_for(firmware, medium=medium), found)
    uses = tuple(choice.loader for choice in choices if choice.loader)
    if len(uses) == len(choices):
        return FirmwareReport(firmware, True, uses, medium=medium)
    problem, hint = explain(firmware, choices), _cure(choices)
    return FirmwareReport(firmware, False, uses, problem, hint, medium)
