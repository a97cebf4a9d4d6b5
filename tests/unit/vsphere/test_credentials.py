"""Where the login comes from."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from pathlib import Path

import pytest

from vmboot.errors import InputError
from vmboot.vsphere.credentials import Credentials, resolve, split_host

PIN, OLD = "ab" * 32, "cd" * 20
VMBOOT = {"VMBOOT_HOST": "vc", "VMBOOT_USER": "me", "VMBOOT_PASSWORD": "s3cret"}
GOVC = {"GOVC_URL": "https://gov:p%40ss@vc:8989/sdk"}


def found(env: Mapping[str, str], **given) -> Credentials:
    return resolve(**{"env": env, "use_keyring": False, **given})


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        (VMBOOT, Credentials("vc", "me", "s3cret")),
        ({**VMBOOT, "VMBOOT_HOST": "vc:8989"}, Credentials("vc", "me", "s3cret", port=8989)),
        (GOVC, Credentials("vc", "gov", "p@ss", port=8989)),
        (
            {"GOVC_URL": "vc", "GOVC_USERNAME": "u", "GOVC_PASSWORD": "p", "GOVC_INSECURE": "1"},
            Credentials("vc", "u", "p", insecure=True),
        ),
        (
            {"VMWARE_HOST": "vc", "VMWARE_USER": "u", "VMWARE_PASSWORD": "p", "VMWARE_PORT": "444"},
            Credentials("vc", "u", "p", port=444),
        ),
        (
            {**VMBOOT, "VMWARE_HOST": "vc", "VMWARE_VALIDATE_CERTS": "no"},
            Credentials("vc", "me", "s3cret", insecure=True),
        ),
        ({**GOVC, **VMBOOT}, Credentials("vc", "me", "s3cret", port=8989)),
        (
            {**VMBOOT, "VMBOOT_THUMBPRINT": PIN, "VMBOOT_CA_FILE": "/ca.pem"},
            Credentials("vc", "me", "s3cret", thumbprint=PIN, ca_file="/ca.pem"),
        ),
    ],
)
def test_the_families_of_variables(env: Mapping[str, str], expected: Credentials):
    assert found(env) == expected


def test_a_flag_wins_over_the_environment():
    env = {**VMBOOT, "VMBOOT_INSECURE": "yes", "VMBOOT_THUMBPRINT": "cd" * 32}
    given = found(env, user="other", thumbprint=PIN, ca_file="/mine", insecure=False)

    assert (given.user, given.thumbprint, given.ca_file, given.insecure) == (
        "other",
        PIN,
        "/mine",
        False,
    )


@pytest.mark.parametrize(
    "env",
    [
        GOVC,
        {"GOVC_URL": "vc", "GOVC_USERNAME": "u", "GOVC_PASSWORD": "p"},
        {"VMWARE_HOST": "vc", "VMWARE_USER": "u", "VMWARE_PASSWORD": "p"},
        VMBOOT,
    ],
)
def test_a_password_never_goes_to_another_vcenter_than_its_own(env: Mapping[str, str]):
    with pytest.raises(InputError, match="no user for elsewhere"):
        found(env, host="elsewhere")


def test_a_family_without_a_host_serves_any():
    env = {"VMBOOT_USER": "me", "VMBOOT_PASSWORD": "s3cret"}

    assert found(env, host="vc:444") == Credentials("vc", "me", "s3cret", port=444)


def test_a_password_file_keeps_the_password_out_of_the_environment(tmp_path: Path):
    file = tmp_path / "password"
    file.write_text("s3cret\n")
    env = {"VMBOOT_HOST": "vc", "VMBOOT_USER": "me", "VMBOOT_PASSWORD_FILE": str(file)}

    assert found(env).password == "s3cret"


@pytest.mark.parametrize("content", [None, ""])
def test_a_password_file_without_a_password_is_an_error(tmp_path: Path, content: str | None):
    file = tmp_path / "password"
    if content is not None:
        file.write_text(content)
    env = {"VMBOOT_HOST": "vc", "VMBOOT_USER": "me", "VMBOOT_PASSWORD_FILE": str(file)}

    with pytest.raises(InputError, match="password file"):
        found(env)


def test_the_last_to_be_asked_is_the_person():
    asked: list[str] = []

    def prompt(login: str) -> str:
        asked.append(login)
        return "typed"

    env = {"VMBOOT_HOST": "vc", "VMBOOT_USER": "me"}
    assert found(env, password_from=prompt).password == "typed"
    assert found(VMBOOT, password_from=prompt).password == "s3cret"
    assert asked == ["me@vc"]


def test_the_keyring_is_asked_before_the_person(monkeypatch: pytest.MonkeyPatch):
    keyring = pytest.importorskip("keyring", reason="the keyring extra is not installed")
    stored = {("vmboot", "me@vc"): "kept"}
    monkeypatch.setattr(keyring, "get_password", lambda service, user: stored.get((service, user)))
    env = {"VMBOOT_HOST": "vc", "VMBOOT_USER": "me"}

    assert resolve(env=env, use_keyring=True).password == "kept"


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({}, "no vCenter named"),
        ({"VMBOOT_HOST": "vc"}, "no user for vc"),
        ({"VMBOOT_HOST": "vc", "VMBOOT_USER": "me"}, "no password for me@vc"),
        ({**VMBOOT, "VMBOOT_INSECURE": "maybe"}, "neither true nor false"),
        ({**VMBOOT, "VMBOOT_PORT": "https"}, "not a port number"),
        ({**VMBOOT, "VMBOOT_HOST": "vc:https"}, "not a host name"),
    ],
)
def test_what_is_missing_or_malformed_is_named_with_a_hint(env: Mapping[str, str], words: str):
    with pytest.raises(InputError, match=words) as error:
        found(env)

    assert "s3cret" not in str(error.value)


def test_the_password_shows_nowhere():
    assert "s3cret" not in repr(found(VMBOOT))


@pytest.mark.parametrize(
    ("line", "pin"),
    [
        (f"vc {':'.join([PIN[i : i + 2] for i in range(0, 64, 2)])}", PIN),
        (f"vc:443 {PIN}", PIN),
        (f"vc:444 {PIN}", None),
        (f"elsewhere {PIN}", None),
        (f"vc {OLD}", None),
    ],
    ids=["any port", "this port", "another port", "another host", "SHA-1"],
)
def test_known_hosts_of_govc_pin(tmp_path: Path, line: str, pin: str | None):
    file = tmp_path / "known_hosts"
    file.write_text(f"other {'ef' * 32}\n{line}\n")

    assert found({**VMBOOT, "GOVC_TLS_KNOWN_HOSTS": str(file)}).thumbprint == pin


def test_known_hosts_that_are_not_there_yet_are_no_error(tmp_path: Path):
    env = {**VMBOOT, "GOVC_TLS_KNOWN_HOSTS": str(tmp_path / "missing")}

    assert found(env).thumbprint is None


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("vc", ("vc", None)),
        ("vc:8989", ("vc", 8989)),
        ("https://u:p@vc:8989/sdk", ("vc", 8989)),
        ("fd00::1", ("fd00::1", None)),
        ("[fd00::1]:8989", ("fd00::1", 8989)),
        ("", ("", None)),
    ],
)
def test_hosts_in_all_spellings(text: str, parts: tuple[str, int | None]):
    assert split_host(text, what="the host") == parts


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GOVC_URL", "https://administrator:S3cr3t-Pw@vc.example:44x3/sdk"),
        ("GOVC_URL", "https://adm:S3cr3t[Pw@vc.example/sdk"),
        ("GOVC_URL", "https://adm:S3cr3t\u2100Pw@vc.example/sdk"),
        ("GOVC_URL", "https://adm:5#S3cr3t@vc.example/sdk"),
        ("GOVC_URL", "adm:5/S3cr3t@vc.example"),
        ("VMBOOT_HOST", "adm:S3cr3t@vc:x"),
        ("VMWARE_HOST", "adm:S3cr3t@vc:x"),
    ],
)
def test_a_malformed_host_is_named_by_its_variable_and_never_shown(variable: str, value: str):
    with pytest.raises(InputError) as caught:
        resolve(env={variable: value}, use_keyring=False)
    said = "".join(traceback.format_exception(caught.value)) + str(caught.value.hint)
    assert caught.value.message.startswith(f"{variable} is not a host name")
    assert "S3cr3t" not in said


def test_a_malformed_host_that_was_given_is_not_shown_either():
    host = "adm:S3cr3t@vc:x"
    with pytest.raises(InputError) as caught:
        resolve(host=host, env={}, use_keyring=False)
    said = "".join(traceback.format_exception(caught.value)).replace(f'host = "{host}"', "")
    assert caught.value.message.startswith("the host is not a host name")
    assert "S3cr3t" not in said
