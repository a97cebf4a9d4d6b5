"""The inventories that come with vmboot are what their playbooks need."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from vmboot.fleet.spec import load_fleet


def inventory(folder):
    program = Path(sys.executable).parent / "ansible-inventory"
    shown = subprocess.run([program, "-i", folder, "--list"], capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    assert "WARNING" not in shown.stderr
    return json.loads(shown.stdout)


@pytest.mark.parametrize("name", ["lab", "example"])
def test_vcenters_are_reached_from_here_with_ansible_s_own_python(name, repository):
    found = inventory(repository / "inventories" / name)
    hosts = found["vcenters"]["hosts"]
    assert hosts
    for host in hosts:
        variables = found["_meta"]["hostvars"][host]
        assert variables["ansible_connection"] == "local"
        assert variables["ansible_python_interpreter"] == "{{ ansible_playbook_python }}"


def test_each_vcenter_of_the_example_has_a_fleet_document(repository):
    folder = repository / "inventories"
    for host in inventory(folder / "example")["vcenters"]["hosts"]:
        assert load_fleet(folder / "fleets" / f"{host}.yml").vcenter.host == host


def test_boot_servers_of_the_example_are_those_of_its_fleet(repository):
    folder = repository / "inventories"
    found = inventory(folder / "example")
    addresses = {
        found["_meta"]["hostvars"][host]["ansible_host"] for host in found["boot_servers"]["hosts"]
    }
    fleet = load_fleet(folder / "fleets" / "vc-east.example.net.yml")
    assert {server.address for server in fleet.boot_servers} == addresses
