"""Login options of the modules, and errors as Ansible tells them."""

import json

import pytest
from ansible_collections.vmboot.vsphere.plugins.module_utils import connection

from vmboot.errors import InputError, RefusedError

NOTHING = dict.fromkeys(connection.connection_spec())
FLEET = {
    "version": 1,
    "boot_servers": [{"name": "pvs1", "address": "10.0.0.11"}],
    "bootstrap": {"bios": {"file": "ARDBP32.BIN"}},
    "targets": [{"vms": "/DC1/vm/PVS/**", "method": "iso"}],
}


class Failed(Exception):
    """Stands for the end of the process in ``fail_json``."""


class Module:
    """The part of ``AnsibleModule`` that reports errors."""

    def fail_json(self, **facts):
        raise Failed(facts)


def test_options_go_in_front_of_the_environment():
    given = NOTHING | {"hostname": "vc2", "port": 8443, "password": "new"}
    env = connection.environment(given, {"VMBOOT_HOST": "vc1", "VMBOOT_USER": "me"})
    assert env == {
        "VMBOOT_HOST": "vc2",
        "VMBOOT_PORT": "8443",
        "VMBOOT_USER": "me",
        "VMBOOT_PASSWORD": "new",
    }


def test_an_empty_option_is_not_given():
    env = {"VMBOOT_USER": "me"}
    assert connection.environment(NOTHING | {"username": ""}, env) == env


@pytest.mark.parametrize(("validate", "insecure"), [(True, "false"), (False, "true")])
def test_validate_certs_is_the_opposite_of_insecure(validate, insecure):
    env = connection.environment(NOTHING | {"validate_certs": validate}, {})
    assert env == {"VMBOOT_INSECURE": insecure}


def test_an_inline_fleet_is_read_like_a_file(tmp_path):
    file = tmp_path / "fleet.yml"
    file.write_text(json.dumps(FLEET))
    inline, read = connection.read_fleet(FLEET), connection.read_fleet(str(file))
    assert (inline.targets, inline.boot_servers) == (read.targets, read.boot_servers)


def test_an_inline_fleet_keeps_its_name_from_run_to_run():
    assert str(connection.read_fleet(FLEET).file) == connection.INLINE


def test_a_wrong_key_in_an_inline_fleet_is_an_input_error():
    with pytest.raises(InputError, match="tragets"):
        connection.read_fleet(FLEET | {"tragets": []})


def test_an_error_becomes_a_failure_with_its_hint():
    with pytest.raises(Failed) as failed, connection.errors_reported(Module()):
        raise RefusedError("no room", hint="make some")
    assert failed.value.args[0] == {"msg": "no room", "error": "RefusedError", "hint": "make some"}


def test_without_vmboot_the_failure_names_the_library(monkeypatch):
    monkeypatch.setattr(connection, "VMBOOT_IMPORT_ERROR", "ImportError: vmboot")
    with pytest.raises(Failed) as failed, connection.errors_reported(Module()):
        pass
    assert "vmboot" in failed.value.args[0]["msg"]
    assert failed.value.args[0]["exception"] == "ImportError: vmboot"
