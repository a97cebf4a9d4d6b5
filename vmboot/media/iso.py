"""The boot ISO: an El Torito CD that starts iPXE on BIOS and UEFI machines.

BIOS: isolinux.bin loads ipxe.lkrn with script.ipx. UEFI: a FAT image holds BOOTX64.EFI (iPXE) and
autoexec.ipxe, the same script, or what another chain needs (:mod:`vmboot.media.chain`). The same
config and loaders give the same bytes.

Sources: El Torito 1.0; ECMA-119; UEFI 2.10 section 13.3.2 (CD boot).
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from vmboot.errors import MissingToolError
from vmboot.media.chain import Chain, iso_files, uefi_files, uefi_parts
from vmboot.media.fat import build_fat
from vmboot.media.isodates import fix_dates
from vmboot.media.loaders import LoaderSet, cure
from vmboot.media.manifest import make_manifest
from vmboot.media.naming import check_name, content_name
from vmboot.media.script import render
from vmboot.model import BootConfig, Firmware

VOLUME_ID = "VMBOOT"
ESP_LABEL = "VMBOOT"
MANIFEST = "vmboot.json"
SCRIPT = "script.ipx"
BIOS_PARTS = ("isolinux_bin", "ldlinux_c32", "ipxe_lkrn")
ISOLINUX_CFG = b"""\
DEFAULT vmboot
PROMPT 0
SAY vmboot: starting iPXE
LABEL vmboot
  KERNEL /ipxe.lkrn
  INITRD /script.ipx
"""


@dataclass(frozen=True)
class BootIso:
    """A finished ISO.

    :param file_name: ``vmboot-<name>-<first 12 hex digits of the SHA-256>.iso``
    :param manifest: what ``/vmboot.json`` on the ISO holds
    """

    data: bytes
    sha256: str
    file_name: str
    manifest: Mapping[str, Any]


def build_iso(
    config: BootConfig, loaders: LoaderSet, *, name: str = "boot", chain: Chain = Chain.IPXE
) -> BootIso:
    """Build the ISO for the firmwares named in ``config.bootstrap``.

    :param name: part of the file name: lower-case letters, digits and hyphens, at most 40
    :param chain: which programs start a UEFI machine
    :raises InputError: the config or the name cannot be used, or not with this chain
    :raises MissingToolError: ``loaders`` lacks a program, or one that can do what is asked
    """
    check_name(name)
    script = render(config).encode("ascii")
    require(config, loaders, chain)
    manifest = make_manifest(config, loaders, script)
    if chain is not Chain.IPXE:
        manifest["chain"] = chain.value
    data = fix_dates(_write(_files(config, loaders, script, manifest, chain), config))
    digest = hashlib.sha256(data).hexdigest()
    return BootIso(data, digest, content_name(name, digest, "iso"), manifest)


def require(config: BootConfig, loaders: LoaderSet, chain: Chain = Chain.IPXE) -> None:
    """Check that ``loaders`` can boot every firmware of ``config`` in the way it asks for."""
    for firmware in sorted(config.bootstrap):
        bios = firmware is Firmware.BIOS
        for part in BIOS_PARTS if bios else uefi_parts(chain):
            hint = cure() if bios else cure(chain)
            if not getattr(loaders, part):
                raise MissingToolError(f"no {part} for {firmware.name} media is given", hint=hint)
            loader = loaders.loaders.get(part) if "ipxe" in part else None
            if config.network.vlan is not None and loader and "vlan" not in loader.capabilities:
                raise MissingToolError(
                    f"VLAN {config.network.vlan} is asked for, but {loader.path} "
                    f"({loader.version}) has no VLAN support",
                    hint=hint,
                )


def needs(config: BootConfig) -> frozenset[str]:
    """The abilities that iPXE must have for ``config``, to hand to ``select_loaders``."""
    return frozenset({"vlan"} if config.network.vlan is not None else ())


def _files(
    config: BootConfig,
    loaders: LoaderSet,
    script: bytes,
    manifest: Mapping[str, Any],
    chain: Chain,
) -> dict[str, bytes]:
    text = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=True) + "\n"
    files = {MANIFEST: text.encode("ascii"), SCRIPT: script}
    if Firmware.BIOS in config.bootstrap:
        files["isolinux.bin"] = loaders.isolinux_bin
        files["ldlinux.c32"] = loaders.ldlinux_c32
        files["isolinux.cfg"] = ISOLINUX_CFG
        files["ipxe.lkrn"] = loaders.ipxe_lkrn
    if Firmware.UEFI in config.bootstrap:
        boot = uefi_files(config, loaders, script, chain=chain)
        files["efi.img"] = build_fat(boot, label=ESP_LABEL)
        files.update(iso_files(config, loaders, chain=chain))
    return files


def _write(files: Mapping[str, bytes], config: BootConfig) -> bytes:
    import pycdlib  # 60 ms of CPU, so only when an ISO is really built

    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=VOLUME_ID)
    for folder in _folders(files):
        name = PurePosixPath(folder).name
        iso.add_directory(f"/{folder.upper()}", rr_name=name, joliet_path=f"/{folder}")
    for path, data in sorted(files.items()):
        iso.add_fp(
            io.BytesIO(data),
            len(data),
            f"/{path.upper()};1",
            rr_name=PurePosixPath(path).name,
            joliet_path=f"/{path}",
        )
    if Firmware.BIOS in config.bootstrap:
        iso.add_eltorito(
            "/ISOLINUX.BIN;1", boot_info_table=True, media_name="noemul", platform_id=0
        )
    if Firmware.UEFI in config.bootstrap:
        iso.add_eltorito("/EFI.IMG;1", efi=True, media_name="noemul", platform_id=0xEF)
    out = io.BytesIO()
    iso.write_fp(out)
    iso.close()
    return out.getvalue()


def _folders(paths: Iterable[str]) -> list[str]:
    """Every folder that ``paths`` need, each after the one it is in."""
    parents = (parent for path in paths for parent in PurePosixPath(path).parents)
    return sorted({str(parent) for parent in parents} - {"."})
