"""Media of each loader chain, booted with Secure Boot on; skips where a part is not installed."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from tests.boot.bootlab import MAC, PVS1, PVS2
from vmboot.errors import MissingToolError
from vmboot.lab.firmware import find_firmware, find_qemu
from vmboot.lab.markers import marker_bootstrap
from vmboot.lab.rehearsal import rehearse
from vmboot.lab.rehearsal_machine import RehearsalDisk, RehearsalMachine
from vmboot.lab.rehearsal_report import RehearsalReport
from vmboot.lab.rehearsal_serial import plain
from vmboot.media.bdm import build_bdm
from vmboot.media.chain import Chain
from vmboot.media.iso import build_iso
from vmboot.media.loaders import select_loaders
from vmboot.media.sign import sign_loader
from vmboot.model import BootConfig, BootServer, Bootstrap, Firmware, Network

UEFI = Firmware.UEFI
FILE = "boot/next.efi"
SHARE = Path("/usr/share")
VARIABLES = SHARE / "OVMF/OVMF_VARS_4M.snakeoil.fd"
KEY, CERTIFICATE = SHARE / "ovmf/PkKek-1-snakeoil.key", SHARE / "ovmf/PkKek-1-snakeoil.pem"
PASSPHRASE = "snakeoil"  # of a key that the package ovmf publishes for tests


def need(*paths: Path, package: str) -> None:
    missing = [path for path in paths if not path.is_file()]
    if missing:
        pytest.skip(f"{missing[0]} is not there: apt-get install {package}")


@dataclass
class SecureLab:
    """Builds media of a chain and boots them.

    :param folder: for all files of one test
    """

    folder: Path

    def unsigned(self) -> Path:
        """A bootstrap that prints its line, and that nobody signed."""
        path = self.folder / "marker.efi"
        path.write_bytes(marker_bootstrap(UEFI))
        return path

    def signed(self, program: Path | None = None, *, keep: bool = False) -> Path:
        """``program``, or the marker, signed with the key that the test firmware trusts.

        :param keep: among the loaders, where media are built from
        """
        need(VARIABLES, KEY, CERTIFICATE, package="ovmf")
        key, out = self.folder / "site.key", self.folder / "signed"
        shutil.copyfile(KEY, key)
        key.chmod(0o600)
        out.mkdir(exist_ok=True)
        try:
            return sign_loader(
                program,
                key=key,
                certificate=CERTIFICATE,
                passphrase=PASSPHRASE,
                out=None if keep else out,
            ).path
        except MissingToolError as error:
            pytest.skip(f"{error} ({error.hint})")

    def medium(self, chain: Chain, kind: Literal["iso", "bdm"], config: BootConfig) -> Path:
        """The ISO or disk of ``chain``, as a file."""
        try:
            loaders = select_loaders([UEFI], chain=chain, medium=kind)
        except MissingToolError as error:
            pytest.skip(f"{error} ({error.hint})")
        build = build_iso if kind == "iso" else build_bdm
        built = build(config, loaders, chain=chain)
        path = self.folder / built.file_name
        path.write_bytes(built.data)
        return path

    def boot(
        self,
        chain: Chain,
        bootstrap: Path | None,
        *,
        kind: Literal["iso", "bdm"] = "iso",
        servers: tuple[BootServer, ...] = (PVS2,),
        dead: tuple[BootServer, ...] = (),
        network: Network | None = None,
        variables: Path | None = None,
    ) -> RehearsalReport:
        """Boot a machine with Secure Boot from media of ``chain``.

        :param bootstrap: what the boot servers serve; ``None`` for the lab's stand-in
        :param variables: the firmware's keys; Microsoft's by default
        """
        try:
            find_qemu()
            find_firmware(UEFI, secure_boot=True)
        except MissingToolError as error:
            pytest.skip(f"{error} ({error.hint})")
        network = network or Network()
        config = BootConfig(servers, {UEFI: Bootstrap(FILE)}, network=network, retry_pause=2.0)
        medium = self.medium(chain, kind, config)
        disk = (RehearsalDisk("sata", medium),) if kind == "bdm" else ()
        machine = RehearsalMachine(
            "vm1",
            UEFI,
            MAC,
            secure_boot=True,
            boot_order=("cdrom" if kind == "iso" else "disk", "ethernet"),
            iso=medium if kind == "iso" else None,
            cd_controller="sata",
            disks=disk,
            variables=variables,
        )
        return rehearse(
            machine,
            servers=servers,
            dead=dead,
            bootstrap=config.bootstrap,
            files={FILE: bootstrap} if bootstrap else {},
            network=network,
            out=self.folder / "out",
        )


def console(report: RehearsalReport) -> str:
    """What the machine wrote to its serial port."""
    assert report.serial_log is not None
    return plain(report.serial_log.read_text("utf-8", "replace"))


__all__ = ["FILE", "PVS1", "PVS2", "VARIABLES", "SecureLab", "console", "need"]
