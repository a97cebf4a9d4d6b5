"""What boots need: a network of their own, firmware, loaders. Each absence skips with its reason.

Boots are bounded by the wire and the console, never by guesses: a generous deadline, and an end
as soon as nothing more can come.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from vmboot.errors import MissingToolError, RefusedError
from vmboot.lab.firmware import find_firmware, find_qemu
from vmboot.lab.network import isolated_network
from vmboot.lab.network_plan import plan_network
from vmboot.lab.rehearsal import rehearse
from vmboot.lab.rehearsal_machine import RehearsalMachine
from vmboot.lab.rehearsal_report import RehearsalReport
from vmboot.media.iso import build_iso
from vmboot.media.loaders import select_loaders
from vmboot.model import BootConfig, BootServer, Bootstrap, Firmware, Network, Transport

MAC = "00:50:56:01:02:03"
PVS1 = BootServer("10.0.0.11", "pvs1")
PVS2 = BootServer("10.0.0.12", "pvs2")


@pytest.fixture(scope="session")
def network_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skips where the system gives no isolated network."""
    folder = tmp_path_factory.mktemp("probe")
    plan = plan_network([PVS1])
    try:
        with isolated_network(plan, machine=bytes(6), root=folder, pcap=folder / "wire.pcap"):
            return
    except (MissingToolError, RefusedError) as error:
        pytest.skip(f"{error} ({error.hint})")


def _need_firmware(firmware: Firmware, *, secure_boot: bool = False) -> None:
    try:
        find_qemu()
        find_firmware(firmware, secure_boot=secure_boot)
    except MissingToolError as error:
        pytest.skip(f"{error} ({error.hint})")


@dataclass
class BootLab:
    """Builds an ISO for a config, boots it, and gives the report."""

    folder: Path
    _isos: int = field(default=0)

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
        _need_firmware(firmware, secure_boot=bool(machine.get("secure_boot")))
        bootstrap = bootstraps(transport)
        config = BootConfig(
            servers,
            {each: bootstrap[each] for each in media_for or (firmware,)},
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


def bootstraps(transport: Transport = Transport.TFTP) -> dict[Firmware, Bootstrap]:
    """A file in the root of the servers for BIOS, one in a folder for UEFI."""
    return {
        Firmware.BIOS: Bootstrap("ARDBP32.BIN", transport),
        Firmware.UEFI: Bootstrap("boot/pvsnbpx64.efi", transport),
    }


@pytest.fixture
def lab(network_of_its_own: None, tmp_path: Path) -> BootLab:
    """Boots machines in an isolated network."""
    return BootLab(tmp_path)


@pytest.fixture
def boot(lab: BootLab) -> Callable[..., RehearsalReport]:
    """Short for ``lab.boot``."""
    return lab.boot
