"""What of the environment the processes of a rollout may see."""

import os
import sys
from pathlib import Path

import pytest

from vmboot.fleet.rollout_environment import (
    ansible_environment,
    login_environment,
    login_options,
    scrubbed,
)
from vmboot.vsphere.credentials import Credentials, resolve

LOGIN = Credentials("vc.example.net", "me", "hunter2", 8443, thumbprint="ab" * 32)


@pytest.mark.parametrize(
    "name",
    ["HOME", "LC_ALL", "XDG_STATE_HOME", "VMBOOT_STATE", "ANSIBLE_CONFIG", "SSH_AUTH_SOCK"],
)
def test_what_programs_need_stays(name):
    assert scrubbed({name: "x"}, secret="hunter2") == {name: "x"}


@pytest.mark.parametrize(
    "name",
    [
        "VMBOOT_PASSWORD",
        "GOVC_PASSWORD",
        "GOVC_URL",
        "VMWARE_PASSWORD",
        "AWS_SECRET_ACCESS_KEY",
        "ANSIBLE_BECOME_PASSWORD",
        "ANSIBLE_GALAXY_TOKEN",
        "https_proxy",
    ],
)
def test_what_may_hold_a_secret_goes(name):
    assert scrubbed({name: "x"}, secret="") == {}


def test_a_path_to_a_password_file_stays():
    env = {"ANSIBLE_VAULT_PASSWORD_FILE": "/etc/vault"}
    assert scrubbed(env, secret="hunter2") == env


def test_the_password_goes_under_any_name():
    assert scrubbed({"LC_NOTE": "it is hunter2!"}, secret="hunter2") == {}


def test_ansible_is_looked_for_beside_this_python(tmp_path):
    env = ansible_environment({"PATH": "/usr/bin"}, tmp_path, secret="")
    assert env["PATH"].split(os.pathsep) == [str(Path(sys.executable).parent), "/usr/bin"]


def test_the_password_is_found_again_for_its_host_and_user(tmp_path):
    (tmp_path / "password").write_text("hunter2\n")
    env = login_environment(LOGIN, tmp_path / "password")
    assert "hunter2" not in env.values()
    found = resolve(env=env, thumbprint=LOGIN.thumbprint, use_keyring=False)
    assert found == LOGIN


def test_the_options_of_the_modules_hold_no_password():
    assert login_options(LOGIN) == {
        "hostname": "vc.example.net",
        "port": 8443,
        "username": "me",
        "thumbprint": "ab" * 32,
        "validate_certs": True,
    }
