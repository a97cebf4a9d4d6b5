"""Files and archives that a person brings are identified, checked and kept."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.unit.media.synthetic import PROGRAMS, ipxe_efi, shim, signature
from vmboot.errors import InputError, MediaError, NotFoundError
from vmboot.media import imported
from vmboot.media.chain import Chain
from vmboot.media.find import find_loaders, imported_dir
from vmboot.media.imported import import_loaders
from vmboot.media.loaders import select_loaders
from vmboot.model import Firmware

EFI = PROGRAMS["ipxe_efi"]


def tarball(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def test_a_single_file_is_imported_and_found_again(bare_machine: Path) -> None:
    (bare_machine / "ipxe.efi").write_bytes(EFI)
    (loader,) = import_loaders(bare_machine / "ipxe.efi")
    assert (loader.kind, loader.source) == ("ipxe-efi", "imported")
    assert find_loaders() == (loader,)
    assert loader.path.is_relative_to(imported_dir())


def test_the_loaders_of_a_tarball_are_kept_and_the_rest_left(bare_machine: Path) -> None:
    arm = ipxe_efi(machine=0xAA64)
    files = {
        "ipxeboot/README": b"text",
        "ipxeboot/x86_64/ipxe.efi": EFI,
        "ipxeboot/arm64/ipxe.efi": arm,
        "../../../etc/evil.efi": PROGRAMS["isolinux_bin"],
    }
    found = import_loaders(tarball(bare_machine / "ipxeboot.tar.gz", files))
    assert sorted(loader.path.name for loader in found) == ["evil.efi", "ipxe-2.efi", "ipxe.efi"]
    assert all(loader.path.is_relative_to(imported_dir()) for loader in found)


def test_upstreams_tarball_makes_the_chain_of_its_shim_and_signed_ipxe(bare_machine: Path) -> None:
    by_microsoft = signature("A Publisher", "Microsoft UEFI CA 2023")
    signed = ipxe_efi(certificates=signature("iPXE signer", "iPXE CA"))
    files = {
        "ipxeboot/x86_64/ipxe.efi": EFI,
        "ipxeboot/x86_64-sb/ipxe.efi": signed,
        "ipxeboot/x86_64-sb/shimx64.efi": shim(
            starts="ipxe.efi", vendor="iPXE CA", certificates=by_microsoft
        ),
    }
    import_loaders(tarball(bare_machine / "ipxeboot.tar.gz", files))
    chosen = select_loaders([Firmware.UEFI], chain=Chain.SHIM_IPXE)
    assert chosen.ipxe_efi == signed
    assert chosen.loaders["shim_efi"].capabilities == {"starts-ipxe"}


def test_a_zip_does_as_well(bare_machine: Path) -> None:
    with zipfile.ZipFile(bare_machine / "x.zip", "w") as archive:
        archive.writestr("a/ipxe.efi", EFI)
    assert len(import_loaders(bare_machine / "x.zip")) == 1


def test_links_in_a_tarball_are_not_followed(bare_machine: Path) -> None:
    with tarfile.open(bare_machine / "x.tar", "w") as archive:
        link = tarfile.TarInfo("ipxe.efi")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(MediaError, match="no boot program"):
        import_loaders(bare_machine / "x.tar")


def test_importing_twice_changes_nothing(bare_machine: Path) -> None:
    (bare_machine / "ipxe.efi").write_bytes(EFI)
    first = import_loaders(bare_machine / "ipxe.efi")
    assert import_loaders(bare_machine / "ipxe.efi") == first
    assert len(find_loaders()) == 1


def test_the_digest_is_compared(bare_machine: Path) -> None:
    (bare_machine / "ipxe.efi").write_bytes(EFI)
    right = hashlib.sha256(EFI).hexdigest()
    assert import_loaders(bare_machine / "ipxe.efi", sha256=right.upper())
    with pytest.raises(InputError, match=f"has the SHA-256 {right}"):
        import_loaders(bare_machine / "ipxe.efi", sha256="0" * 64)
    with pytest.raises(InputError, match="is not a SHA-256"):
        import_loaders(bare_machine / "ipxe.efi", sha256="abc")


def test_a_missing_file_is_not_found(bare_machine: Path) -> None:
    with pytest.raises(NotFoundError):
        import_loaders(bare_machine / "none")


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"PK\3\4" + bytes(100), b"\x1f\x8b\x08" + bytes(50)]
)
def test_what_holds_no_loader_is_refused(bare_machine: Path, data: bytes) -> None:
    (bare_machine / "x").write_bytes(data)
    with pytest.raises(MediaError):
        import_loaders(bare_machine / "x")


def test_a_cut_tarball_is_refused(bare_machine: Path) -> None:
    path = tarball(bare_machine / "x.tar.gz", {"ipxe.efi": EFI, "b.efi": bytes(range(256)) * 999})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(MediaError):
        import_loaders(path)


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_what_is_unpacked_is_what_was_hashed_also_when_the_file_is_swapped(
    bare_machine: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    good, evil = (archive(bare_machine / f"{name}.{kind}", name) for name in ("good", "evil"))
    digest = hashlib.sha256(good.read_bytes()).hexdigest()
    compare = imported._compare

    def compare_then_swap(path: Path, found: str, wanted: str) -> None:
        compare(path, found, wanted)
        evil.replace(good)

    monkeypatch.setattr(imported, "_compare", compare_then_swap)
    (loader,) = import_loaders(good, sha256=digest)
    assert loader.name == "good.efi"


def archive(path: Path, name: str) -> Path:
    """An archive of either kind with one loader."""
    if path.suffix == ".gz":
        return tarball(path, {f"{name}.efi": EFI})
    with zipfile.ZipFile(path, "w") as made:
        made.writestr(f"{name}.efi", EFI)
    return path
