"""What an installed vmboot consists of: the package, and the collection beside it."""

import configparser
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

COLLECTION = Path("ansible_collections/vmboot/vsphere")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """What a wheel holds, without the wheel around it."""
    target = tmp_path_factory.mktemp("installed")
    root = Path(__file__).parents[2]
    program = "import setuptools; setuptools.setup()"
    command = [sys.executable, "-c", program, "-q", "build_py", "--build-lib", str(target)]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    return target


@pytest.fixture(scope="module")
def names(installed):
    return {str(path.relative_to(installed)) for path in installed.rglob("*") if path.is_file()}


@pytest.fixture
def setup_cfg(repository):
    parser = configparser.ConfigParser()
    parser.read(repository / "setup.cfg")
    return parser


def test_every_package_of_the_checkout_is_listed(repository, setup_cfg):
    found = {
        ".".join(path.parent.relative_to(repository).parts)
        for path in (repository / "vmboot").rglob("__init__.py")
    }
    listed = set(setup_cfg["options"]["packages"].split())
    assert {name for name in listed if name.startswith("vmboot")} == found


@pytest.mark.parametrize(
    "name",
    [
        "vmboot/py.typed",
        "vmboot/lab/vcsim/main.go",
        f"{COLLECTION}/galaxy.yml",
        f"{COLLECTION}/README.md",
        f"{COLLECTION}/CHANGELOG.md",
        f"{COLLECTION}/COPYING",
        f"{COLLECTION}/meta/runtime.yml",
        f"{COLLECTION}/plugins/modules/fleet.py",
        f"{COLLECTION}/plugins/modules/fleet_info.py",
        f"{COLLECTION}/plugins/doc_fragments/vcenter.py",
        f"{COLLECTION}/playbooks/rollout.yml",
        f"{COLLECTION}/playbooks/undo.yml",
        f"{COLLECTION}/playbooks/tasks/wave.yml",
        f"{COLLECTION}/playbooks/tasks/gate.yml",
    ],
)
def test_an_installation_has(name, names):
    assert name in names


@pytest.mark.parametrize(
    "name", ["ansible_collections/__init__.py", "ansible_collections/vmboot/__init__.py"]
)
def test_namespaces_shared_with_other_collections_stay_namespaces(name, names):
    assert name not in names


def test_nothing_else_is_installed(names):
    assert {name.split("/")[0] for name in names} == {"vmboot", "ansible_collections"}


def test_every_playbook_and_task_file_is_installed(repository, names):
    for path in (repository / "playbooks").glob("**/*.yml"):
        inside = path.relative_to(repository / "playbooks")
        if inside.parts[0] != "collections":
            assert f"{COLLECTION}/playbooks/{inside}" in names


def test_the_collection_and_the_package_have_one_version(installed, setup_cfg):
    galaxy = yaml.safe_load((installed / COLLECTION / "galaxy.yml").read_text())
    assert galaxy["version"] == setup_cfg["metadata"]["version"]


def test_the_collection_asks_for_the_ansible_the_package_asks_for(installed, setup_cfg):
    runtime = yaml.safe_load((installed / COLLECTION / "meta" / "runtime.yml").read_text())
    assert runtime["requires_ansible"] == ">=2.18.0"
    assert "ansible-core>=2.18" in setup_cfg["options"]["install_requires"].split()


def test_the_action_group_holds_every_module(installed):
    runtime = yaml.safe_load((installed / COLLECTION / "meta" / "runtime.yml").read_text())
    modules = (installed / COLLECTION / "plugins" / "modules").glob("[!_]*.py")
    assert sorted(runtime["action_groups"]["vcenter"]) == sorted(
        f"vmboot.vsphere.{path.stem}" for path in modules
    )


def test_plugins_say_which_licence_they_have(installed):
    for path in (installed / COLLECTION / "plugins").rglob("[!_]*.py"):
        assert "SPDX-License-Identifier: GPL-3.0-or-later" in path.read_text(), path


@pytest.mark.parametrize("module", ["fleet", "fleet_info"])
def test_ansible_documents_the_installed_modules(module, installed, tmp_path):
    shown = subprocess.run(
        [Path(sys.executable).parent / "ansible-doc", "-j", f"vmboot.vsphere.{module}"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(installed), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert shown.returncode == 0, shown.stderr
    doc = yaml.safe_load(shown.stdout)[f"vmboot.vsphere.{module}"]["doc"]
    assert doc["filename"].startswith(str(installed))
    assert "thumbprint" in doc["options"]


@pytest.mark.parametrize("playbook", ["rollout", "undo"])
def test_the_installed_playbooks_run_by_their_full_names(playbook, installed, tmp_path, repository):
    lab = repository / "inventories" / "lab"
    name = f"vmboot.vsphere.{playbook}"
    checked = subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", "-i", lab, "--syntax-check", name],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(installed), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stderr
