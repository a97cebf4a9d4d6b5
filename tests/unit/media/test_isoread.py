"""The ISO 9660 reader, held against other people's writers."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import pycdlib
import pytest

from vmboot.errors import MediaError, NotFoundError
from vmboot.media.isoread import BLOCK, MAX_READ, Source, read_iso


def image(**options: object) -> bytes:
    iso = pycdlib.PyCdlib()
    iso.new(vol_ident="TITLE", **options)
    iso.add_directory("/D", **({"rr_name": "some dir"} if "rock_ridge" in options else {}))
    for number in range(60):
        name = f"/D/F{number:03}.TXT;1"
        more = {"rr_name": f"file {number}.text"} if "rock_ridge" in options else {}
        iso.add_fp(io.BytesIO(b"%d" % number), len(str(number)), name, **more)
    out = io.BytesIO()
    iso.write_fp(out)
    return out.getvalue()


def test_plain_names_lose_their_version() -> None:
    with Source(image()) as source:
        found = read_iso(source)
    assert found.volume_id == "TITLE"
    assert [file.path for file in found.files] == [f"D/F{number:03}.TXT" for number in range(60)]


def test_rock_ridge_names_are_preferred() -> None:
    with Source(image(rock_ridge="1.09")) as source:
        found = read_iso(source)
        assert {file.path for file in found.files} == {
            f"some dir/file {number}.text" for number in range(60)
        }
        file = found.find("SOME DIR/FILE 7.TEXT")
        assert source.read(file.block * BLOCK, file.size) == b"7"


def test_xorriso_images_are_read(tmp_path: Path) -> None:
    if not shutil.which("xorriso"):
        pytest.skip("xorriso is not installed: apt-get install xorriso")
    (tmp_path / "in/Sub").mkdir(parents=True)
    (tmp_path / "in/Sub/a long name with spaces.cfg").write_text("hello")
    command = ["xorriso", "-as", "mkisofs", "-quiet", "-R", "-V", "X", "-o", "out.iso", "in"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    with Source(tmp_path / "out.iso") as source:
        found = read_iso(source)
    assert [(file.path, file.size) for file in found.files] == [
        ("Sub/a long name with spaces.cfg", 5)
    ]


def test_a_cut_image_says_how_much_is_there() -> None:
    data = image()
    with Source(data[:-BLOCK]) as source, pytest.raises(MediaError, match="is cut off") as caught:
        read_iso(source)
    assert str(len(data)) in caught.value.message


def test_reads_are_bounded(tmp_path: Path) -> None:
    with Source(b"12345") as source:
        assert source.read(1, 3) == b"234"
        with pytest.raises(MediaError, match="cut off"):
            source.read(3, 5)
        with pytest.raises(MediaError, match="too large"):
            source.read(0, MAX_READ + 1)


def test_odd_places_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        Source(tmp_path / "none")
    with pytest.raises(MediaError, match="not a regular file"):
        Source(tmp_path)
