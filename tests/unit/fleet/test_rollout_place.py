"""Where playbooks and programs are found."""

import json
import sys

import pytest

import vmboot
from vmboot.errors import MissingToolError, NotFoundError
from vmboot.fleet import rollout_place
from vmboot.fleet.rollout_place import (
    check_ansible,
    own_inventory,
    playbook_file,
    write_variables,
)


def test_a_checkout_has_its_playbooks(repository):
    assert playbook_file("rollout") == repository / "playbooks" / "rollout.yml"


def test_without_a_checkout_the_installed_collection_has_them(tmp_path, monkeypatch):
    folder = tmp_path / "ansible_collections" / "vmboot" / "vsphere" / "playbooks"
    folder.mkdir(parents=True)
    (folder / "rollout.yml").touch()
    monkeypatch.setattr(vmboot, "__file__", str(tmp_path / "vmboot" / "__init__.py"))
    monkeypatch.setattr(rollout_place, "_INSTALLED", "installed.playbooks")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "installed").symlink_to(folder.parent)
    assert playbook_file("rollout").samefile(folder / "rollout.yml")


def test_neither_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(vmboot, "__file__", str(tmp_path / "vmboot" / "__init__.py"))
    monkeypatch.setattr(rollout_place, "_INSTALLED", "nothing.of.that.name")
    with pytest.raises(NotFoundError):
        playbook_file("rollout")


def test_a_missing_ansible_is_named_with_its_cure(tmp_path):
    with pytest.raises(MissingToolError) as raised:
        check_ansible(str(tmp_path))
    assert "ansible-core" in raised.value.hint


def test_an_ansible_on_the_path_is_enough(tmp_path):
    program = tmp_path / "ansible-playbook"
    program.touch(0o755)
    check_ansible(f"/nowhere:{tmp_path}")
    program.chmod(0o644)
    with pytest.raises(MissingToolError):
        check_ansible(f"/nowhere:{tmp_path}")


def test_the_own_inventory_runs_modules_with_this_python(tmp_path):
    hosts = json.loads(own_inventory(tmp_path).read_text())["vcenters"]["hosts"]
    assert [host["ansible_python_interpreter"] for host in hosts.values()] == [sys.executable]


def test_variables_are_written_where_ansible_runner_looks(tmp_path):
    write_variables(tmp_path, {"vmboot_limit": ["/DC1/vm/a b"]})
    found = json.loads((tmp_path / "env" / "extravars").read_text())
    assert found == {"vmboot_limit": ["/DC1/vm/a b"]}
