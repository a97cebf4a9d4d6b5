"""The package is the API, and importing it costs next to nothing."""

import subprocess
import sys

import pytest

import vmboot
from vmboot import api
from vmboot.errors import InputError
from vmboot.model import BootServer
from vmboot.rehearsals import dead_servers

HEAVY = ("pyVmomi", "pydantic", "pycdlib", "yaml", "ansible_runner", "rich", "tftpy")


def test_the_package_offers_every_verb_of_the_api() -> None:
    assert set(vmboot.__all__) == {*api.__all__, "__version__"}
    for name in api.__all__:
        assert getattr(vmboot, name) is getattr(api, name)
        assert getattr(api, name).__doc__


def test_what_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'aply'"):
        _ = vmboot.aply  # type: ignore[attr-defined]


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, vmboot; vmboot.load_fleet; "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_dead_servers_go_by_name_or_address() -> None:
    servers = (BootServer("10.0.0.11", "pvs1"), BootServer("10.0.0.12"))
    assert dead_servers(servers, ["pvs1", "10.0.0.12"]) == servers
    with pytest.raises(InputError, match="no boot server 'pvs9'"):
        dead_servers(servers, ["pvs9"])
