import json
from pathlib import Path

import pytest

from tests.unit.cli.commands.seam import record
from tests.unit.cli.screens import out, terminal
from tests.unit.media.synthetic import (
    grub_efi,
    ipxe_efi,
    isolinux,
    ldlinux,
    lkrn,
    shim,
    signature,
)
from vmboot.cli.commands import loaders_fetch, loaders_import, loaders_sign, loaders_status
from vmboot.cli.main import main
from vmboot.media.loaders import find_loaders
from vmboot.model import Firmware


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A machine with no loaders but those that a test puts here."""
    monkeypatch.setattr("vmboot.media.find.SYSTEM_FILES", ())
    monkeypatch.setattr("vmboot.media.loaders.find_grub", lambda: None)
    monkeypatch.setenv("VMBOOT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("VMBOOT_LOADERS", raising=False)
    (tmp_path / "loaders").mkdir()
    return tmp_path / "loaders"


def put(folder: Path, **programs: bytes) -> None:
    for name, data in programs.items():
        (folder / name.replace("__", ".")).write_bytes(data)


def status(folder, **flags):
    screen = terminal(width=200, **flags)
    code = loaders_status.run(loaders_status.Options((folder,)), screen)
    return code, out(screen)


def test_with_everything_there_media_for_both_firmwares_can_be_built(folder):
    put(folder, isolinux__bin=isolinux(), ldlinux__c32=ldlinux(), ipxe__lkrn=lkrn())
    put(folder, ipxe__efi=ipxe_efi())
    code, text = status(folder)
    assert code == 0
    assert "BIOS media can be built with" in text
    assert "UEFI media can be built with" in text


def test_what_is_missing_is_said_with_the_cure(folder):
    put(folder, isolinux__bin=isolinux(), ldlinux__c32=ldlinux(), ipxe__lkrn=lkrn())
    code, text = status(folder)
    assert code == 5
    assert "no loader for UEFI media: iPXE for UEFI (ipxe.efi) is not installed" in text
    assert "hint: run: " in text


def test_json_has_loaders_and_firmwares(folder):
    put(folder, ipxe__efi=ipxe_efi())
    _, text = status(folder, json=True)
    document = json.loads(text)
    assert [each["kind"] for each in document["loaders"]] == ["ipxe-efi"]
    ready = {each["firmware"]: each["ready"] for each in document["firmwares"]}
    assert ready == {Firmware.BIOS: False, Firmware.UEFI: True}


def test_the_chains_for_secure_boot_are_shown_with_the_way_to_the_others(folder):
    by_microsoft = signature("A Publisher", "Microsoft Corporation UEFI CA 2011")
    put(folder, a__efi=shim(certificates=by_microsoft))
    _, text = status(folder)
    assert "no media for Secure Boot" in text
    put(folder, b__efi=grub_efi(certificates=signature("Signer", "Distro CA")))
    _, text = status(folder)
    assert "Secure Boot media can be built as shim-grub" in text
    assert "site-key: run: vmboot loaders sign --key KEY --cert CERT" in text
    document = json.loads(status(folder, json=True)[1])
    assert [each["ok"] for each in document["secure_boot"]] == [True, False, False]


def test_an_imported_loader_is_found_from_then_on(folder):
    put(folder, mine__efi=ipxe_efi())
    screen = terminal(width=200)
    options = loaders_import.Options(folder / "mine.efi")
    assert loaders_import.run(options, screen) == 0
    assert "ipxe-efi" in out(screen)
    assert [each.source for each in find_loaders()] == ["imported"]


def test_an_import_with_another_digest_is_refused(folder, capsys):
    put(folder, mine__efi=ipxe_efi())
    assert main(["loaders", "import", str(folder / "mine.efi"), "--sha256", "ab" * 32]) == 2
    assert "has the SHA-256" in capsys.readouterr().err


def test_what_was_fetched_is_shown(folder, monkeypatch):
    put(folder, ipxe__efi=ipxe_efi())
    record(monkeypatch, fetch_loaders=find_loaders(dirs=(folder,)))
    screen = terminal(width=200)
    assert loaders_fetch.run(loaders_fetch.Options(), screen) == 0
    assert "ipxe-efi" in out(screen)


def signing(folder, monkeypatch, *, key=b"-----BEGIN PRIVATE KEY-----", environ=None, **flags):
    """Run ``loaders sign`` for one file with a key like this; what the API was asked for."""
    put(folder, ipxe__efi=ipxe_efi(), site__key=key)
    seen = record(monkeypatch, sign_loader=find_loaders(dirs=(folder,))[0])
    screen = terminal(width=200, environ=environ, **flags)
    key_file, cert = folder / "site.key", folder / "site.crt"
    options = loaders_sign.Options((folder / "ipxe.efi",), key_file, cert)
    assert loaders_sign.run(options, screen) == 0
    assert "ipxe-efi" in out(screen)
    return seen.called("sign_loader")


LOCKED = b"-----BEGIN ENCRYPTED PRIVATE KEY-----"


def test_a_file_is_signed_with_the_key_named(folder, monkeypatch):
    asked = signing(folder, monkeypatch)
    assert asked["key"] == folder / "site.key"
    assert asked["certificate"] == folder / "site.crt"
    assert asked["passphrase"] is None


def test_the_passphrase_comes_from_the_environment(folder, monkeypatch):
    environ = {"VMBOOT_KEY_PASSPHRASE": "hunter2"}
    keywords = signing(folder, monkeypatch, key=LOCKED, environ=environ)
    assert keywords["passphrase"] == "hunter2"


def test_the_passphrase_is_asked_for_only_where_the_key_needs_one(folder, monkeypatch):
    asked = []
    monkeypatch.setattr("getpass.getpass", lambda prompt: asked.append(prompt) or "typed")
    assert signing(folder, monkeypatch, tty=True)["passphrase"] is None
    assert asked == []
    assert signing(folder, monkeypatch, key=LOCKED, tty=True)["passphrase"] == "typed"
    assert "site.key" in asked[0]


def test_signing_without_a_key_is_bad_usage(capsys):
    assert main(["loaders", "sign", "--cert", "x"]) == 2
    assert "--key" in capsys.readouterr().err
