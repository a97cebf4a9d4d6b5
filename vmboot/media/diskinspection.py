"""What an inspection of a disk image finds, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vmboot.media.inspection import Boots, FoundLoader, config_json
from vmboot.media.partitiontable import SECTOR, Partition, PartitionTable
from vmboot.model import BootConfig, BootServer, Bootstrap, Firmware


@dataclass(frozen=True)
class Volume:
    """A FAT volume.

    :param partition: its number, 0 for a disk that is one volume without a partition table
    :param start: first byte on the disk
    :param size: bytes that the volume claims
    :param type: ``FAT12``, ``FAT16`` or ``FAT32``
    :param files: size by path
    """

    partition: int
    start: int
    size: int
    type: str
    label: str
    files: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        return {
            "partition": self.partition,
            "start": self.start,
            "size": self.size,
            "type": self.type,
            "label": self.label,
            "files": dict(self.files),
        }


@dataclass(frozen=True)
class DiskInspection:
    """Everything that could be read from one disk image.

    :param format: of the file, e.g. ``"vhdx-dynamic"``
    :param size: of the disk in bytes, not of the file
    :param sha256: of the raw disk; ``""`` for one that is too large to be read for it
    :param made_by: ``"vmboot"`` when it carries our manifest or script, else ``""``
    :param volumes: FAT volumes that could be read
    :param loaders: path on the volume, with ``<partition>:`` before it where there are several
    :param boots: which machines it starts, and why not the others
    :param servers: the boot server list of a disk of ours, in failover order
    :param config: what our script says in full, ``None`` on a stranger's disk
    :param addresses: IPv4 addresses and URLs in a stranger's text configs, by file
    :param problems: in plain words; empty when all is well
    :param notes: what is as it should be but limits where the disk can be used
    """

    format: str
    size: int
    sha256: str
    made_by: str
    table: PartitionTable
    volumes: tuple[Volume, ...]
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
            "format": self.format,
            "size": self.size,
            "sha256": self.sha256,
            "made_by": self.made_by,
            "partition_table": self.table.kind,
            "partitions": [_partition_json(each) for each in self.table.partitions],
            "volumes": [volume.to_json() for volume in self.volumes],
            "loaders": [loader.to_json() for loader in self.loaders],
            "boots": self.boots.to_json(),
            **config_json(self.servers, self.bootstrap, self.config),
            "manifest": dict(self.manifest) if self.manifest is not None else None,
            "addresses": {path: list(found) for path, found in self.addresses.items()},
            "problems": list(self.problems),
            "notes": list(self.notes),
        }


def _partition_json(partition: Partition) -> dict[str, Any]:
    return {
        "number": partition.number,
        "type": partition.type,
        "start": partition.start * SECTOR,
        "size": partition.sectors * SECTOR,
        "active": partition.active,
        "name": partition.name,
    }
