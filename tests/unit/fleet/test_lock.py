"""Two runs on one fleet exclude each other, and the loser learns who the winner is."""

import os
from pathlib import Path

import pytest

from vmboot.errors import LockedError, RefusedError
from vmboot.fleet.lock import run_lock, sweep_lock


def test_a_second_run_is_told_who_works(tmp_path: Path) -> None:
    with (
        run_lock("vc", "/etc/fleet.yml", state=tmp_path),
        pytest.raises(LockedError, match=rf"pid {os.getpid()} on .*, user .*, since 20") as caught,
        run_lock("vc", "/etc/fleet.yml", state=tmp_path),
    ):
        pass
    assert "Ctrl-C" in (caught.value.hint or "")


def test_the_lock_ends_with_the_run_even_if_that_failed(tmp_path: Path) -> None:
    with pytest.raises(KeyError), run_lock("vc", "/etc/fleet.yml", state=tmp_path):
        raise KeyError
    with run_lock("vc", "/etc/fleet.yml", state=tmp_path):
        assert (tmp_path / "locks").stat().st_mode & 0o077 == 0


def test_another_fleet_or_another_vcenter_is_free(tmp_path: Path) -> None:
    with (
        run_lock("vc", "/etc/fleet.yml", state=tmp_path),
        run_lock("vc", "/etc/other.yml", state=tmp_path),
        run_lock("vc2", "/etc/fleet.yml", state=tmp_path),
    ):
        assert len(list((tmp_path / "locks").glob("*.lock"))) == 3


def test_no_sweep_while_a_run_of_any_fleet_is_at_work(tmp_path: Path) -> None:
    with (
        run_lock("vc", "/etc/fleet.yml", state=tmp_path),
        run_lock("vc", "/etc/other.yml", state=tmp_path),
        sweep_lock("vc2", state=tmp_path),
        pytest.raises(LockedError, match="a run is at work on this vCenter"),
        sweep_lock("vc", state=tmp_path),
    ):
        pass


def test_no_run_of_any_fleet_during_a_sweep(tmp_path: Path) -> None:
    with (
        sweep_lock("vc", state=tmp_path),
        pytest.raises(LockedError, match="a sweep deletes boot ISOs"),
        run_lock("vc", "/etc/fleet.yml", state=tmp_path),
    ):
        pass
    with run_lock("vc", "/etc/fleet.yml", state=tmp_path):
        pass


def test_a_lock_that_cannot_be_opened_is_a_refusal_with_a_way_out(tmp_path: Path) -> None:
    with run_lock("vc", "/etc/fleet.yml", state=tmp_path):
        pass
    for file in (tmp_path / "locks").glob("*.lock"):
        file.unlink()
        file.mkdir()

    with (
        pytest.raises(RefusedError, match=r"\.lock cannot be opened") as caught,
        run_lock("vc", "/etc/fleet.yml", state=tmp_path),
    ):
        pass
    assert "VMBOOT_STATE" in (caught.value.hint or "")
