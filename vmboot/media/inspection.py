"""What an inspection of boot media finds, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vmboot.media.eltorito import BootEntry
from vmboot.media.identify import Identity
from vmboot.model import BootConfig, BootServer, Bootstrap, Firmware


@dataclass(frozen=True)
class FoundLoader:
    """A boot program on the media and where it is: ``isolinux.bin``, ``efi.img:EFI/BOOT/...``."""

    path: str
    identity: Identity

    def to_json(self) -> dict[str, Any]:
        known = self.identity
        return {
            "path": self.path,
            "kind": known.kind,
            "firmware": known.firmware.value,
            "arch": known.arch,
            "version": known.version,
            "capabilities": sorted(known.capabilities),
            "signers": list(known.signers),
            "authorities": list(known.authorities),
            "sha256": known.sha256,
            "size": known.size,
        }


@dataclass(frozen=True)
class Boots:
    """Which machines the media can start, as far as the image shows.

    ``secure_boot``: the UEFI program is signed under Microsoft's UEFI authority, which VMware's
    virtual firmware trusts as delivered. ``why_not``: the reasons for each firmware that does not.
    """

    bios: bool = False
    uefi: bool = False
    secure_boot: bool = False
    why_not: Mapping[Firmware, tuple[str, ...]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        reasons = {each.value: list(self.why_not.get(each, ())) for each in Firmware}
        return {
            "bios": self.bios,
            "uefi": self.uefi,
            "secure_boot": self.secure_boot,
            "why_not": reasons,
        }


@dataclass(frozen=True)
class Inspection:
    """Everything that could be read from one ISO.

    :param made_by: ``"vmboot"`` when it carries our manifest, else ``""``
    :param entries: the El Torito catalog in its order
    :param boot_info_table: ``"ok"``, ``"absent"`` (no BIOS entry) or why it is wrong
    :param root: names in the root directory, directories with a trailing slash
    :param esp: path and size of each file in the UEFI boot image
    :param servers: the boot server list of media of ours, in failover order
    :param config: what our script says in full, ``None`` on a stranger's media
    :param addresses: IPv4 addresses and URLs in a stranger's text configs, by file
    :param problems: in plain words; empty when all is well
    :param notes: what is as it should be but limits where the media can be used
    """

    size: int
    sha256: str
    volume_id: str
    made_by: str
    entries: tuple[BootEntry, ...]
    boot_info_table: str
    root: tuple[str, ...]
    esp: Mapping[str, int]
    loaders: tuple[FoundLoader, ...]
    boots: Boots
    servers: tuple[BootServer, ...] = ()
    bootstrap: Mapping[Firmware, Bootstrap] = field(default_factory=dict)
    config: BootConfig | None = None
    manifest: Mapping[str, Any] | None = None
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The inspection as one JSON object with stable keys."""
        return {
            "size": self.size,
            "sha256": self.sha256,
            "volume_id": self.volume_id,
            "made_by": self.made_by,
            "el_torito": [entry.to_json() for entry in self.entries],
            "boot_info_table": self.boot_info_table,
            "root": list(self.root),
            "esp": dict(self.esp),
            "loaders": [loader.to_json() for loader in self.loaders],
            "boots": self.boots.to_json(),
            **config_json(self.servers, self.bootstrap, self.config),
            "manifest": dict(self.manifest) if self.manifest is not None else None,
            "addresses": {path: list(found) for path, found in self.addresses.items()},
            "problems": list(self.problems),
            "notes": list(self.notes),
        }


def config_json(
    servers: Sequence[BootServer],
    bootstrap: Mapping[Firmware, Bootstrap],
    config: BootConfig | None,
) -> dict[str, Any]:
    """What media of ours say of themselves, with the same keys on an ISO and on a disk."""
    return {
        "servers": [{"address": each.address, "name": each.name} for each in servers],
        "bootstrap": {
            firmware.value: {
                "file": each.file,
                "protocol": each.transport.value,
                "sha256": each.sha256,
            }
            for firmware, each in sorted(bootstrap.items())
        },
        "network": _network(config),
        "random_start": config.random_start if config else None,
        **({"work": True} if config and config.work else {}),
    }


def _network(config: BootConfig | None) -> dict[str, Any] | None:
    if config is None:
        return None
    network = config.network
    fields = ("address", "netmask", "gateway", "dns")
    values = {name: getattr(network, name) for name in fields}
    given = {name: str(value) for name, value in values.items() if value is not None}
    return {"mode": network.mode.value, "vlan": network.vlan, **given}
