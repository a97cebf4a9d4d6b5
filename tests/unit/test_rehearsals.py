"""Keys for the firmware of rehearsals: given where the machine can use them, refused elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from vmboot.errors import InputError, MissingToolError, NotFoundError
from vmboot.lab.firmware_keys import TOOL, trusting
from vmboot.lab.rehearsal_machine import RehearsalMachine
from vmboot.model import Firmware
from vmboot.rehearsals import with_keys

VM = RehearsalMachine("sb-01", Firmware.UEFI, "00:50:56:01:02:03", secure_boot=True)


def test_without_keys_the_machine_stays_as_it_is(tmp_path: Path) -> None:
    assert with_keys(VM, folder=tmp_path) is VM


def test_variables_of_the_users_own_are_used(tmp_path: Path) -> None:
    file = tmp_path / "own.fd"
    file.touch()
    assert with_keys(VM, variables=str(file), folder=tmp_path).variables == file


def test_variables_that_are_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"none\.fd do not exist"):
        with_keys(VM, variables=tmp_path / "none.fd", folder=tmp_path)


def test_a_machine_without_secure_boot_takes_no_keys(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="sb-01 has no Secure Boot"):
        with_keys(replace(VM, secure_boot=False), db=["site.crt"], folder=tmp_path)


def test_what_is_no_variable_store_is_refused_with_the_tools_words(tmp_path: Path) -> None:
    store = tmp_path / "empty.fd"
    store.write_bytes(bytes(4096))
    try:
        with pytest.raises(InputError, match=f"could not be given the certificates: {TOOL} ended"):
            trusting([tmp_path / "site.crt"], template=store, out=tmp_path / "out.fd")
    except MissingToolError as error:
        pytest.skip(f"{error} ({error.hint})")


def test_the_tool_that_is_not_there_is_named_with_its_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(MissingToolError) as missing:
        trusting([tmp_path / "site.crt"], template=tmp_path / "x.fd", out=tmp_path / "out.fd")
    assert "pip install virt-firmware" in (missing.value.hint or "")
