"""The table of formats: good files, how to mend their checksums, and what reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz import pvs, seeds
from tests.fuzz.mutate import Mend, Seed, nothing
from tests.unit.media.diskmakers import sparse_vmdk
from vmboot.media import pe
from vmboot.media.diskimage import open_disk
from vmboot.media.diskinspect import inspect_disk
from vmboot.media.diskinspection import DiskInspection
from vmboot.media.fatread import read_fat
from vmboot.media.grubimage import read_grub
from vmboot.media.identify import identify
from vmboot.media.inspect import inspect_iso
from vmboot.media.shimvolume import check_shim

READ = 4096  # bytes of a disk that are read from both ends; its digest reads the rest


@dataclass(frozen=True)
class Format:
    """One row.

    :param read: does with a file what vmboot would do with it; returns or raises VmbootError
    """

    name: str
    seeds: Callable[[], tuple[Seed, ...]]
    read: Callable[[bytes], object]
    mend: Mend = nothing


def read_disk(data: bytes | Path) -> DiskInspection:
    """Read both ends of the disk, then inspect it."""
    with open_disk(data) as disk:
        disk.read(0, READ)
        disk.read(max(0, disk.size - READ), READ)
    return inspect_disk(data)


def read_descriptor(data: bytes) -> DiskInspection:
    """The descriptor lies beside its data files, and beside others that it must not touch."""
    path = Path(_folder().name, "disk.vmdk")
    path.write_bytes(data)
    return read_disk(path)


def descriptors() -> tuple[Seed, ...]:
    """The folder is made with them, so that the first process removes it at its end."""
    _folder()
    return seeds.vmdk_flat()


@cache
def _folder() -> TemporaryDirectory[str]:
    folder = TemporaryDirectory(prefix="vmboot-fuzz-")
    Path(folder.name, "disk-flat.vmdk").write_bytes(seeds.mbr_disk())
    Path(folder.name, "disk-sparse.vmdk").write_bytes(sparse_vmdk(seeds.mbr_disk()))
    return folder


def read_program(data: bytes) -> None:
    """Identify a program; as a shim and as what a shim starts, too."""
    known = identify(data)
    check_shim({"EFI/BOOT/BOOTX64.EFI": data, "EFI/BOOT/grubx64.efi": data})
    if known is not None and known.kind == "grub-efi":
        read_grub(pe.read_pe(data).sections.get("mods", b""))


_ROWS = (
    Format("vmdk-stream", seeds.vmdk_stream, read_disk),
    Format("vmdk-sparse", seeds.vmdk_sparse, read_disk),
    Format("vmdk-flat", descriptors, read_descriptor),
    Format("vhd-fixed", seeds.vhd_fixed, read_disk, seeds.mend_vhd),
    Format("vhd-dynamic", seeds.vhd_dynamic, read_disk, seeds.mend_vhd),
    Format("vhdx", seeds.vhdx_both, read_disk, seeds.mend_vhdx),
    Format("iso", seeds.iso, inspect_iso, seeds.mend_iso),
    Format("fat", seeds.fat, read_fat),
    Format("mbr", seeds.mbr, read_disk),
    Format("gpt", seeds.gpt, read_disk, seeds.mend_gpt),
    Format("pe", seeds.program, read_program),
    *(Format(name, files, read) for name, files, read in pvs.ROWS),
)
FORMATS = {row.name: row for row in _ROWS}
