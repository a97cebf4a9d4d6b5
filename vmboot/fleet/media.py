"""The boot media a fleet document asks for: at most a plain and a secure one of each kind.

Each is built when the first machine asks for it, and once. Machines with Secure Boot get the secure
one where the document has ``media.secure_boot``; all others get the plain one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmboot.errors import InputError, MediaError, MissingToolError, RefusedError, VmbootError
from vmboot.fleet.certificate import site_certificate
from vmboot.media.chain import Chain
from vmboot.media.iso import BootIso, build_iso, needs
from vmboot.media.loaders import select_loaders
from vmboot.model import BootConfig, BootMethod, Bootstrap, Firmware
from vmboot.vsphere.changes import Problem
from vmboot.vsphere.securedb import certificate_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vmboot.fleet.spec import Fleet
    from vmboot.fleet.specmodels import LoaderSection
    from vmboot.media.bdm import BootDisk
    from vmboot.media.sign import Certificate
    from vmboot.vsphere.machine import Machine

#: A BDM image of a site's own that is larger than this is something else.
MAX_DISK = 2 << 30
#: What a vCenter makes a disk's size a multiple of.
_SECTORS = 1024
TITLES = {BootMethod.ISO: "boot ISO", BootMethod.BDM: "BDM disk"}


@dataclass(frozen=True)
class Medium:
    """One boot ISO, or the image that BDM disks are copies of.

    :param data: the ISO, or the raw bytes of the disk
    :param name: what the document calls it
    :param firmwares: those it boots
    :param secure: a UEFI machine with Secure Boot starts its loader
    :param chain: how; ``None`` for an image of the site's own
    :param servers: addresses of the boot servers on it, where vmboot knows them
    :param addresses: what the texts on a stranger's image name
    :param work: it asks them for work, and gives back to the firmware where there is none
    :param made_of: its loaders with their versions, or the file of the site's own image
    """

    method: BootMethod
    name: str
    data: bytes
    sha256: str
    file_name: str
    firmwares: frozenset[Firmware]
    secure: bool = False
    chain: Chain | None = None
    servers: tuple[str, ...] = ()
    work: bool = False
    made_of: str = ""
    addresses: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What ``vmboot.media`` says of a machine that has it: ``"boot 0123456789ab"``."""
        return f"{self.name} {self.sha256[:12]}"


class FleetMedia:
    """The media of one fleet.

    :param loader_dirs: where to look for loaders before all other places
    """

    def __init__(self, fleet: Fleet, *, loader_dirs: Sequence[str | Path] = ()) -> None:
        self._fleet = fleet
        self._loader_dirs = loader_dirs
        self._made: dict[tuple[BootMethod, bool], Medium] = {}

    def for_machine(self, method: BootMethod, machine: Machine) -> Medium:
        """What ``machine`` boots from.

        :raises MissingToolError: a loader, or a program that media are made with, is missing
        :raises InputError: the document asks for what these media cannot hold
        """
        return self.medium(method, secure=machine.secure_boot and self.has_secure(method))

    def medium(self, method: BootMethod, *, secure: bool = False) -> Medium:
        """The plain or the secure one."""
        key = (method, secure)
        if key not in self._made:
            self._made[key] = self._make(method, secure)
        return self._made[key]

    def every(self, method: BootMethod) -> tuple[Medium, ...]:
        """All that machines of ``method`` may get: the plain one, and the secure one if any."""
        found = [self.medium(method)]
        if self.has_secure(method):
            found.append(self.medium(method, secure=True))
        return tuple(found)

    def made(self, method: BootMethod) -> Mapping[str, Medium]:
        """Those of one kind that were asked for so far, by file name."""
        found = (medium for (kind, _), medium in self._made.items() if kind is method)
        return {medium.file_name: medium for medium in found}

    def insecure(self, medium: Medium, machines: Iterable[Machine]) -> Problem | None:
        """What to say to machines with Secure Boot that would get ``medium`` and cannot start it.

        ``None`` where there are none, or an image of the site's own is to blame.
        """
        concerned = any(machine.secure_boot for machine in machines)
        if medium.secure or medium.chain is None or not concerned:
            return None
        from vmboot.media.find import find_loaders
        from vmboot.media.secure import advice, secure_options

        config = self._fleet.boot_config(medium.method)
        options = secure_options(
            find_loaders(dirs=self._loader_dirs),
            config,
            needs=needs(config),
            site_certificate=self.fingerprint,
        )
        return Problem(
            f"Secure Boot is on, and the loader on the {TITLES[medium.method]} is not signed",
            hint=advice(options),
        )

    def find(self, method: BootMethod, sha256: str) -> Medium:
        """The one that was planned.

        :raises RefusedError: neither of them is it any more
        """
        for medium in self.every(method):
            if medium.sha256 == sha256:
                return medium
        raise RefusedError(
            f"the {TITLES[method]} is not the one that was planned: a loader or an image changed "
            "meanwhile",
            hint="plan again",
        )

    def has_secure(self, method: BootMethod) -> bool:
        """True if machines with Secure Boot get media of their own.

        Not where there is an image of the site's: it is what it is.
        """
        fleet = self._fleet
        if fleet.media.secure_boot.chain == "none" or fleet.image(method) is not None:
            return False
        return Firmware.UEFI in fleet.boot_config(method).firmwares

    @cached_property
    def certificate(self) -> Certificate | None:
        """The site's, where the document names it.

        :raises InputError: its file cannot be used
        """
        return site_certificate(self._fleet)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the site's certificate, ``""`` if there is none."""
        return self.certificate.fingerprint if self.certificate else ""

    @property
    def certificate_file(self) -> str:
        """The name of its file in the folders of machines that are to trust it."""
        return certificate_name(self.fingerprint)

    def enrols(self, method: BootMethod, machine: Machine) -> bool:
        """True if ``machine`` is to trust the site's certificate by its settings."""
        wanted = self._fleet.media.secure_boot.enroll and method is not BootMethod.PXE
        return wanted and machine.secure_boot and self.has_secure(method)

    def _make(self, method: BootMethod, secure: bool) -> Medium:
        fleet = self._fleet
        try:
            image = fleet.image(method)
            if image is not None:
                return _from_image(fleet, method, image)
            chain = Chain(fleet.media.secure_boot.chain) if secure else Chain.IPXE
            config = fleet.boot_config(method)
            if secure:  # what has Secure Boot has UEFI
                config = replace(config, bootstrap=_only_uefi(config.bootstrap))
            build = _disk if method is BootMethod.BDM else _iso
            trusted = self.fingerprint if secure else ""
            return build(fleet, config, chain, self._loader_dirs, trusted)
        except MissingToolError:
            raise
        except VmbootError as error:
            error.place = error.place or fleet.place("media", method.value)
            raise


def _only_uefi(bootstrap: Mapping[Firmware, Bootstrap]) -> Mapping[Firmware, Bootstrap]:
    return {firmware: file for firmware, file in bootstrap.items() if firmware is Firmware.UEFI}


def boot_iso(fleet: Fleet, *, loader_dirs: Sequence[str | Path] = ()) -> BootIso:
    """The plain ISO that vmboot builds for method ``iso``. The same fleet gives the same bytes.

    :param loader_dirs: where to look for loaders before all other places
    :raises MissingToolError: no loader for a firmware that has a bootstrap
    :raises InputError: the document asks for what an ISO cannot hold
    """
    config = fleet.boot_config()
    try:
        loaders = select_loaders(config.bootstrap, dirs=loader_dirs, needs=needs(config))
        return build_iso(config, loaders, name=fleet.media.iso.name)
    except MissingToolError:
        raise
    except VmbootError as error:
        error.place = error.place or fleet.place("media", "iso")
        raise


def boots_secure(iso: BootIso) -> bool:
    """True if a UEFI machine with Secure Boot starts the loader on ``iso``."""
    return _signed(iso.manifest)


def firmwares(iso: BootIso) -> frozenset[Firmware]:
    """The firmwares that ``iso`` boots."""
    return frozenset(Firmware(name) for name in iso.manifest.get("bootstrap", {}))


def _signed(manifest: Mapping[str, Any]) -> bool:
    return bool(manifest.get("loaders", {}).get("ipxe_efi", {}).get("signers"))


def _versions(manifest: Mapping[str, Any]) -> str:
    loaders = manifest.get("loaders", {})
    return ", ".join(f"{part} {loader['version']}" for part, loader in loaders.items())


_Dirs = Sequence[str | Path]


def _iso(fleet: Fleet, config: BootConfig, chain: Chain, dirs: _Dirs, trusted: str) -> Medium:
    if chain is Chain.IPXE:
        iso = boot_iso(fleet, loader_dirs=dirs)
    else:
        loaders = select_loaders(
            config.bootstrap,
            dirs=dirs,
            needs=needs(config),
            chain=chain,
            site_certificate=trusted,
        )
        iso = build_iso(config, loaders, name=fleet.media.iso.name, chain=chain)
    return _built(BootMethod.ISO, fleet.media.iso.name, iso, config, chain)


def _disk(fleet: Fleet, config: BootConfig, chain: Chain, dirs: _Dirs, trusted: str) -> Medium:
    from vmboot.media.bdm import Layout, build_bdm

    section = fleet.media.bdm
    loaders = select_loaders(
        config.firmwares,
        dirs=dirs,
        needs=needs(config),
        medium="bdm",
        chain=chain,
        site_certificate=trusted,
    )
    layout = Layout(section.layout)
    disk = build_bdm(
        config, loaders, name=section.name, layout=layout, size=section.size, chain=chain
    )
    return _built(BootMethod.BDM, section.name, disk, config, chain)


def _built(
    method: BootMethod, name: str, made: BootIso | BootDisk, config: BootConfig, chain: Chain
) -> Medium:
    return Medium(
        method=method,
        name=name,
        data=made.data,
        sha256=made.sha256,
        file_name=made.file_name,
        firmwares=frozenset(config.firmwares),
        secure=chain is not Chain.IPXE or _signed(made.manifest),
        chain=chain,
        servers=tuple(server.address for server in config.servers),
        work=config.work,
        made_of=_versions(made.manifest),
    )


def _from_image(fleet: Fleet, method: BootMethod, file: Path) -> Medium:
    """A site's own image, taken as it is."""
    from vmboot.media.inspect import inspect

    try:
        found = inspect(file)
        data = _image_bytes(method, file)
    except (MediaError, VmbootError, OSError) as error:
        why = error.strerror if isinstance(error, OSError) else error.message
        raise _unusable(fleet, method, f"{file} cannot be used: {why}") from None
    boots = {Firmware.BIOS: found.boots.bios, Firmware.UEFI: found.boots.uefi}
    if not any(boots.values()):
        why = found.problems[0] if found.problems else "there is no boot program on it"
        raise _unusable(fleet, method, f"{file} boots neither BIOS nor UEFI machines: {why}")
    name = _section(fleet, method).name
    digest = hashlib.sha256(data).hexdigest()
    suffix = "vmdk" if method is BootMethod.BDM else "iso"
    return Medium(
        method=method,
        name=name,
        data=data,
        sha256=digest,
        file_name=f"vmboot-{name}-{digest[:12]}.{suffix}",
        firmwares=frozenset(firmware for firmware, does in boots.items() if does),
        secure=found.boots.secure_boot,
        servers=tuple(server.address for server in found.servers),
        work=(found.config or fleet.boot_config(method)).work,
        made_of=str(file),
        addresses=tuple(dict.fromkeys(each for on in found.addresses.values() for each in on)),
    )


def _image_bytes(method: BootMethod, file: Path) -> bytes:
    """The ISO, or the raw bytes of a disk in whatever format it is."""
    if method is BootMethod.ISO:
        return file.read_bytes()
    from vmboot.media.diskimage import raw_bytes

    data: bytes = raw_bytes(file, limit=MAX_DISK)
    return data + b"\0" * (-len(data) % _SECTORS)


def _unusable(fleet: Fleet, method: BootMethod, message: str) -> InputError:
    return InputError(
        f"media.{method}.image: {message}",
        place=fleet.place("media", method.value, "image"),
        hint=f"'vmboot media inspect' says what is wrong with it; without image vmboot builds "
        f"the {TITLES[method]} itself",
    )


def _section(fleet: Fleet, method: BootMethod) -> LoaderSection:
    return fleet.media.bdm if method is BootMethod.BDM else fleet.media.iso
