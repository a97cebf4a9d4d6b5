"""pyVmomi is slow to load, so nothing loads it before a session is opened."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import vmboot.vsphere

EDGE = {"stub", "specs", "importspec"}  # the modules that speak pyVmomi
MODULES = {file.stem for file in Path(vmboot.vsphere.__file__).parent.glob("*.py")} - {"__init__"}


def loads_pyvmomi(*modules: str) -> bool:
    imports = "; ".join(f"import vmboot.vsphere.{module}" for module in sorted(modules))
    code = f"import sys; {imports}; print('pyVmomi' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return done.stdout.strip() == "True"


def test_all_but_the_edge_load_without_it():
    assert MODULES > EDGE
    assert not loads_pyvmomi(*(MODULES - EDGE))


def test_the_edge_does_load_it():
    assert all(loads_pyvmomi(module) for module in EDGE)
