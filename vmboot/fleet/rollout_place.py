"""Where a rollout finds its playbooks: in the checkout, or in the installed collection."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import vmboot
from vmboot.errors import MissingToolError, NotFoundError

_INSTALLED = "ansible_collections.vmboot.vsphere.playbooks"


def playbook_file(name: str) -> Path:
    """The playbook ``name``, e.g. ``"rollout"``.

    A checkout is looked at first: its playbooks bring the collection beside them.

    :raises NotFoundError: neither place has it
    """
    for folder in _folders():
        file = folder / f"{name}.yml"
        if file.is_file():
            return file
    raise NotFoundError(
        f"there is no playbook {name}.yml",
        hint="install vmboot with pip, or run it from a checkout",
    )


def _folders() -> tuple[Path, ...]:
    checkout = Path(vmboot.__file__).parent.parent / "playbooks"
    if (checkout / "collections").is_dir():
        return (checkout,)
    try:
        spec = importlib.util.find_spec(_INSTALLED)
    except ModuleNotFoundError:
        return ()
    return tuple(Path(place) for place in (spec and spec.submodule_search_locations) or ())


def check_ansible(path: str) -> None:
    """Make sure that ``ansible-playbook`` is on the search path ``path``.

    :raises MissingToolError: it is not
    """
    folders = [Path(folder) for folder in path.split(os.pathsep) if folder]
    if not any(os.access(folder / "ansible-playbook", os.X_OK) for folder in folders):
        raise MissingToolError(
            "ansible-playbook is not installed beside this Python",
            hint=f"{sys.executable} -m pip install 'ansible-core>=2.18'",
        )


def own_inventory(home: Path) -> Path:
    """Write the inventory of those who have none: one vCenter, modules run by this Python."""
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    file = home / "hosts.json"
    file.write_text(json.dumps({"vcenters": {"hosts": {"vcenter": host}}}))
    return file


def write_variables(home: Path, variables: Mapping[str, Any]) -> None:
    """Write extra variables where ansible-runner picks them up: no limit as argv has, no secret."""
    folder = home / "env"
    folder.mkdir(mode=0o700)
    (folder / "extravars").write_text(json.dumps(dict(variables)))
