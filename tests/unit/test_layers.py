"""Imports go downward only, and heavy or foreign libraries stay in the layer that owns them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "vmboot"

#: What each layer may import of vmboot. ``base`` is the modules directly in the package.
BASE = {"errors", "events", "clock", "dirs", "model"}
ALLOWED = {
    "media": BASE | {"media"},
    "vsphere": BASE | {"vsphere"},
    "lab": BASE | {"lab"},
    "fleet": BASE | {"media", "vsphere", "fleet", ""},  # "" is the package itself, for its path
    "rehearsals": BASE | {"vsphere", "fleet", "lab"},
    "api": BASE | {"media", "vsphere", "fleet", "lab", "rehearsals"},
    "cli": BASE | {"media", "vsphere", "fleet", "lab", "api", "cli", ""},
    **dict.fromkeys(BASE, BASE),
    "__main__": {"cli"},
    "": {"api"} | BASE,
}

#: Who may import a library, by the beginning of the module's name.
OWNERS = {
    "pyVmomi": ("vmboot.vsphere.",),
    "rich": ("vmboot.cli.",),
    "rich_click": ("vmboot.cli.",),
    "click": ("vmboot.cli.",),
    "yaml": ("vmboot.fleet.spec",),
    "pydantic": ("vmboot.fleet.spec",),
    "pydantic_core": ("vmboot.fleet.spec",),
    "pycdlib": ("vmboot.media.",),
    "ansible_runner": ("vmboot.fleet.rollout",),
    "ansible": (),
}
MODULES = sorted(ROOT.rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer_of(module: str) -> str:
    return [*module.split("."), ""][1]


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            if node.module == "vmboot":
                yield from (f"vmboot.{alias.name}" for alias in node.names)
            elif node.module:
                yield node.module


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_imports_only_what_its_layer_may(path: Path) -> None:
    module = name_of(path)
    layer = layer_of(module)
    for imported in imports(path):
        if imported.split(".")[0] == "vmboot":
            assert layer_of(imported) in ALLOWED[layer], f"{module} imports {imported}"
        owners = OWNERS.get(imported.split(".")[0])
        if owners is not None:
            assert f"{module}.".startswith(owners), f"{module} imports {imported}"


def test_the_rules_cover_every_layer_there_is() -> None:
    assert {layer_of(name_of(path)) for path in MODULES} <= ALLOWED.keys()
