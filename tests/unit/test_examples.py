"""The example documents are good ones: they load, and show what they are about."""

from pathlib import Path

import pytest

from vmboot.fleet.spec import load_fleet
from vmboot.model import BootMethod

FOLDER = Path(__file__).parents[2] / "examples"


def test_there_is_an_example_for_each_kind_of_media():
    assert {file.name for file in FOLDER.glob("*.yml")} == {"boot-disks.yml", "fleet.yml"}


@pytest.mark.parametrize(
    ("name", "method"), [("fleet.yml", BootMethod.ISO), ("boot-disks.yml", BootMethod.BDM)]
)
def test_an_example_is_a_whole_fleet_of_one_method(name: str, method: BootMethod):
    fleet = load_fleet(FOLDER / name)
    assert {entry.method for entry in (*fleet.targets, *fleet.templates)} == {method}
    assert fleet.templates
    assert fleet.builds == (method,)
    assert len(fleet.boot_config(method).servers) == 2


@pytest.mark.parametrize("line", ["pxe_on_disk: true", "image: site.vhd"])
def test_what_is_commented_out_is_right_as_well(line: str, tmp_path: Path):
    text = (FOLDER / "boot-disks.yml").read_text()
    assert f"    # {line}" in text
    file = tmp_path / "fleet.yml"
    file.write_text(text.replace(f"    # {line}", f"    {line}"))
    key = line.partition(":")[0]
    assert getattr(load_fleet(file).media.bdm, key)


def test_the_defaults_that_the_example_spells_out_are_the_defaults(tmp_path: Path):
    with_all = load_fleet(FOLDER / "boot-disks.yml").media
    file = tmp_path / "fleet.yml"
    file.write_text("version: 1\ntargets: [{vms: a, method: pxe}]\n")
    assert with_all == load_fleet(file).media
