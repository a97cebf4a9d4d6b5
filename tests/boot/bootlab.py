"""Builds boot media, boots them in a rehearsal, and skips where a part is missing, saying which."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from vmboot.errors import MissingToolError
from vmboot.lab.firmware import find_firmware, find_qemu
from vmboot.lab.rehearsal import rehearse
from vmboot.lab.rehearsal_machine import RehearsalDisk, RehearsalMachine
from vmboot.lab.rehearsal_report import RehearsalReport
from vmboot.media.bdm import Layout, build_bdm, firmwares_for
from vmboot.media.iso import build_iso
from vmboot.media.loaders import select_loaders
from vmboot.model import BootConfig, BootServer, Bootstrap, Firmware, Network, Transport

MAC = "00:50:56:01:02:03"
PVS1 = BootServer("10.0.0.11", "pvs1")
PVS2 = BootServer("10.0.0.12", "pvs2")


def need_firmware(firmware: Firmware, *, secure_boot: bool = False) -> None:
    try:
        find_qemu()
        find_firmware(firmware, secure_boot=secure_boot)
    except MissingToolError as error:
        pytest.skip(f"{error} ({error.hint})")


@dataclass
class BootLab:
    """Builds an ISO for a config, boots it, and gives the report."""

    folder: Path

    def iso(self, config: BootConfig) -> Path:
        """The config's ISO as a file; skips where a loader for it is missing."""
        needs = {"vlan"} if config.network.vlan else set()
        try:
            loaders = select_loaders(config.bootstrap.keys(), needs=needs)
        except MissingToolError as error:
            pytest.skip(f"{error} ({error.hint})")
        built = build_iso(config, loaders)
        path = self.folder / built.file_name
        path.write_bytes(built.data)
        return path

    def boot(
        self,
        firmware: Firmware,
        *,
        transport: Transport = Transport.TFTP,
        servers: tuple[BootServer, ...] = (PVS1, PVS2),
        dead: tuple[BootServer, ...] | None = None,
        network: Network | None = None,
        random_start: bool = False,
        snippet: str = "",
        media_for: tuple[Firmware, ...] | None = None,
        files: dict[str, Path] | None = None,
        deadline_s: float | None = None,
        **machine: object,
    ) -> RehearsalReport:
        """Boot a machine of ``firmware`` from the ISO of this config.

        :param media_for: the firmwares that the ISO boots; the machine's own by default
        :param machine: fields of RehearsalMachine
        """
        need_firmware(firmware, secure_boot=bool(machine.get("secure_boot")))
        wanted = media_for or (firmware,)
        bootstrap = {each: bootstraps(transport)[each] for each in wanted}
        config = BootConfig(
            servers,
            bootstrap,
            network=network or Network(),
            retry_pause=2.0,
            random_start=random_start,
            snippet=snippet,
        )
        fields = {"iso": self.iso(config), **machine}
        return rehearse(
            RehearsalMachine("vm1", firmware, MAC, **fields),
            servers=servers,
            dead=dead,
            bootstrap=bootstrap,
            files=files,
            network=network,
            out=self.folder / "out",
            deadline_s=deadline_s,
        )


@dataclass
class DiskLab:
    """Builds a boot disk for a config, boots it, and gives the report."""

    folder: Path

    def disk(self, config: BootConfig, layout: Layout) -> bytes:
        """The config's boot disk; skips where a loader for it is missing."""
        needs = {"vlan"} if config.network.vlan else set()
        try:
            loaders = select_loaders(firmwares_for(config, layout), needs=needs, medium="bdm")
        except MissingToolError as error:
            pytest.skip(f"{error} ({error.hint})")
        return build_bdm(config, loaders, layout=layout).data

    def boot(
        self,
        firmware: Firmware,
        controller: str,
        *,
        layout: Layout = Layout.AUTO,
        only: tuple[Firmware, ...] = tuple(Firmware),
        change: Callable[[bytes], bytes] = bytes,
        before: tuple[RehearsalDisk, ...] = (),
        after: tuple[RehearsalDisk, ...] = (),
        files: Mapping[str, bytes] | None = None,
        dead: tuple[BootServer, ...] | None = None,
        lab_servers: tuple[BootServer, ...] = (),
        deadline_s: float | None = None,
        nic_type: str = "vmxnet3",
        **config: object,
    ) -> RehearsalReport:
        """Boot a machine of ``firmware`` from the boot disk of this config.

        :param only: the firmwares that the disk boots
        :param change: what is done to the disk's bytes before the boot
        :param before: disks of the machine that come before the boot disk, ``after`` those behind
        :param files: what the boot servers serve besides the bootstraps
        :param lab_servers: those that there are, where they are not the disk's
        :param config: fields of BootConfig
        """
        need_firmware(firmware)
        wanted = {each: bootstraps()[each] for each in only}
        fields = {"servers": (PVS1, PVS2), "bootstrap": wanted, "retry_pause": 2.0, **config}
        carried = BootConfig(**fields)
        image = self.folder / "bdm.img"
        image.write_bytes(change(self.disk(carried, layout)))
        disks = (*before, RehearsalDisk(controller, image, unit=len(before)), *after)
        machine = RehearsalMachine(
            "vm1", firmware, MAC, nic_type=nic_type, boot_order=("disk",), disks=disks
        )
        return rehearse(
            machine,
            servers=lab_servers or carried.servers,
            dead=dead,
            bootstrap=wanted,
            files=self._served(files or {}),
            network=carried.network,
            out=self.folder / "out",
            deadline_s=deadline_s,
        )

    def _served(self, files: Mapping[str, bytes]) -> dict[str, Path]:
        served = {}
        for name, data in files.items():
            served[name] = self.folder / f"served-{name}"
            served[name].write_bytes(data)
        return served


def bootstraps(transport: Transport = Transport.TFTP) -> dict[Firmware, Bootstrap]:
    """A file in the root of the servers for BIOS, one in a folder for UEFI."""
    return {
        Firmware.BIOS: Bootstrap("ARDBP32.BIN", transport),
        Firmware.UEFI: Bootstrap("boot/pvsnbpx64.efi", transport),
    }
