"""Choose the loaders that boot media need, or say exactly why none will do."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vmboot.errors import MediaError, MissingToolError
from vmboot.media import trust
from vmboot.media.chain import Chain
from vmboot.media.distro import read_distro
from vmboot.media.find import Loader, find_loaders
from vmboot.media.grub import core_image, core_loader, find_grub
from vmboot.media.parts import GRUB, IPXE_ARM64, TITLES, WORDS, Medium, Part, parts_for, with_needs
from vmboot.media.trust import Signer
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


_NAMED = 3  # as many programs an error names


@dataclass(frozen=True)
class LoaderSet:
    """The programs that go on media; a field is empty when no chosen firmware needs it.

    :param ipxe_arm64: on boot disks only, and only where there is one
    :param grub_boot: boot.img, and ``grub_core`` the core made for it: on boot disks only
    :param shim_efi: of the chains that begin with one, and ``grub_efi`` the signed GRUB it starts
    :param loaders: which file each came from, by field name
    """

    isolinux_bin: bytes = b""
    ldlinux_c32: bytes = b""
    ipxe_lkrn: bytes = b""
    ipxe_efi: bytes = b""
    ipxe_arm64: bytes = b""
    grub_boot: bytes = b""
    grub_core: bytes = b""
    shim_efi: bytes = b""
    grub_efi: bytes = b""
    loaders: Mapping[str, Loader] = field(default_factory=dict)


@dataclass(frozen=True)
class Choice:
    """For one part: the loader that will be used, or why each one found will not."""

    part: Part
    loader: Loader | None
    rejected: tuple[tuple[Loader, str], ...] = ()

    @property
    def title(self) -> str:
        return TITLES[self.part.name]


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
    chain: Chain = Chain.IPXE,
    site_certificate: str = "",
) -> LoaderSet:
    """The loaders for media that boot ``firmwares``.

    :param dirs: directories to search first
    :param secure_boot: with the chain ``ipxe``: iPXE must be signed by an authority that firmware
        trusts as delivered; the other chains are for Secure Boot always
    :param needs: abilities that iPXE must have, e.g. ``{"vlan"}``
    :param medium: a boot ISO or a boot disk
    :param chain: which programs start a UEFI machine
    :param site_certificate: with the chain ``site-key``: SHA-256 of the certificate that the
        machines trust; without it any signer will do that is not Microsoft's
    :raises MissingToolError: something is missing; says what was found and how to cure it
    """
    signer = Signer.FIRMWARE if secure_boot else Signer.ANYONE
    parts = [p for each in sorted(firmwares) for p in parts_for(each, needs, medium, chain, signer)]
    found = _find(dirs, medium)
    choices = choose(parts, found, site_certificate=site_certificate)
    for firmware in sorted(firmwares):
        mine = [choice for choice in choices if choice.part.firmware is firmware]
        if any(choice.loader is None for choice in mine):
            raise MissingToolError(explain(firmware, mine, medium), hint=_cure(mine, chain))
    chosen = {each.part.name: each.loader for each in choices if each.loader}
    if medium == "bdm" and Firmware.UEFI in firmwares and chain is Chain.IPXE:
        chosen |= _arm64(found, needs, signer)
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


def choose(
    parts: Iterable[Part], found: Sequence[Loader], *, site_certificate: str = ""
) -> tuple[Choice, ...]:
    """For each part the first loader that will do, with the reasons against those before it."""
    choices: list[Choice] = []
    for part in parts:
        shim = next((each.loader for each in choices if each.part.name == "shim_efi"), None)
        choices.append(_choose(part, found, site_certificate, shim))
    return tuple(choices)


def explain(firmware: Firmware, choices: Iterable[Choice], medium: Medium = "iso") -> str:
    """Why media for ``firmware`` cannot be built, in one sentence."""
    what = "boot disks" if medium == "bdm" else "media"
    lacking = [choice for choice in choices if choice.loader is None]
    return f"no loader for {firmware.name} {what}: " + "; ".join(map(_lack, lacking))


def cure(chain: Chain = Chain.IPXE) -> str:
    """What to do about a missing loader on this distribution."""
    distro = read_distro()
    if chain is Chain.SHIM_GRUB:
        return f"run: {distro.shim_hint}"
    if chain is Chain.SHIM_IPXE:
        return "run: vmboot loaders import ipxeboot.tar.gz (iPXE 2.0.0 or newer, its own release)"
    if chain is Chain.SITE_KEY:
        return "run: vmboot loaders sign --key KEY --cert CERT"
    first = "vmboot loaders fetch" if distro.has_apt else distro.install_hint
    return f"run: {first}; or: vmboot loaders import FILE (iPXE 1.21 or newer)"


def _cure(choices: Iterable[Choice], chain: Chain = Chain.IPXE) -> str:
    """What to do about those of ``choices`` that found nothing."""
    lacking = {choice.part.name for choice in choices if choice.loader is None}
    hints = [f"run: {read_distro().grub_hint}"] if GRUB.name in lacking else []
    return "; and ".join(hints + ([cure(chain)] if lacking - {GRUB.name} else []))


def _find(dirs: Sequence[str | Path], medium: Medium) -> tuple[Loader, ...]:
    grub = find_grub() if medium == "bdm" else None
    return (*find_loaders(dirs=dirs), *((grub,) if grub else ()))


def _arm64(found: Sequence[Loader], needs: Collection[str], signer: Signer) -> dict[str, Loader]:
    """iPXE for ARM machines where there is one; boot disks do without it as well."""
    choice = _choose(with_needs(IPXE_ARM64, needs, signer), found)
    return {IPXE_ARM64.name: choice.loader} if choice.loader else {}


def _choose(
    part: Part,
    found: Sequence[Loader],
    site_certificate: str = "",
    shim: Loader | None = None,
) -> Choice:
    rejected: list[tuple[Loader, str]] = []
    for loader in sorted(found, key=lambda each: _rank(part, each)):
        if loader.kind not in part.kinds:
            continue
        reason = _unable(part, loader) or trust.against(
            part.signer, loader, site_certificate=site_certificate, shim=shim
        )
        if not reason:
            return Choice(part, loader, tuple(rejected))
        rejected.append((loader, reason))
    return Choice(part, None, tuple(rejected))


def _rank(part: Part, loader: Loader) -> tuple[int, bool]:
    """Search order stands (sorting is stable), but a preferred kind goes before the others.

    What was signed for one of the chains is left to it, so that plain media do not change with it;
    and what was signed here is a site's own before all that others have signed.
    """
    kind = part.kinds.index(loader.kind) if loader.kind in part.kinds else len(part.kinds)
    if part.signer is Signer.SITE:
        return kind, not loader.path.parent.name.startswith(trust.KEPT)
    own_use = bool(loader.signers) and not trust.trusted_as_delivered(loader.authorities)
    return kind, part.signer is Signer.ANYONE and own_use


def _unable(part: Part, loader: Loader) -> str:
    if loader.arch != part.arch:
        return f"is for {loader.arch}"
    for need in sorted(part.needs):
        if need not in loader.capabilities:
            return WORDS.get(need, f"lacks {need}")
    return ""


def _lack(choice: Choice) -> str:
    if not choice.rejected:
        return f"{choice.title} is not installed"
    against: dict[str, list[Loader]] = {}
    for loader, reason in choice.rejected:
        if not reason.startswith("is for "):
            against.setdefault(reason, []).append(loader)
    words = [_rejected(loaders, reason) for reason, loaders in against.items()]
    return f"{choice.title}: " + (", and ".join(words) or "only for other processors")


def _rejected(loaders: Sequence[Loader], reason: str) -> str:
    """One with its path; several by name, for their paths are in ``vmboot loaders status``."""
    if len(loaders) == 1:
        return f"{loaders[0].path} ({loaders[0].version or 'no version'}) {reason}"
    names = list(dict.fromkeys(loader.path.name for loader in loaders))
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}: each {reason}"


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
    problem, hint = explain(firmware, choices, medium), _cure(choices)
    return FirmwareReport(firmware, False, uses, problem, hint, medium)
