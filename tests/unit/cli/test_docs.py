"""The pages that people write stay true to the program they describe."""

import ast
import importlib.util
import re
from functools import cache

import pytest

from vmboot.vsphere import privileges


@cache
def sentences(root):
    """All texts in the package, with … for what is filled in."""
    found = []
    for path in (root / "vmboot").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [v.value if isinstance(v, ast.Constant) else "…" for v in node.values]
                found.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


def rows(text):
    """First cells of all table rows that begin with a quoted message."""
    return re.findall(r"^\| `([^`]+)`", text, re.MULTILINE)


def test_every_message_in_troubleshooting_is_one_the_program_can_say(repository):
    said = sentences(repository)
    text = (repository / "docs/troubleshooting.md").read_text("utf-8")
    fragments = {(row, part.strip(" :,;()")) for row in rows(text) for part in row.split("…")}
    assert len(rows(text)) > 40
    assert not {(row, part) for row, part in fragments if part and part not in said}


def test_the_table_of_privileges_names_exactly_those_that_are_used(repository):
    used = {
        value
        for name, value in vars(privileges).items()
        if name.isupper() and isinstance(value, str)
    }
    text = (repository / "docs/how-to.md").read_text("utf-8")
    table = text.partition("## A user with")[2].partition("\n## ")[0]
    named = set(re.findall(r"`((?:VirtualMachine|Resource|Datastore|VApp)\.[A-Za-z.]+)`", table))
    assert named == used


def gen_reference(root):
    spec = importlib.util.spec_from_file_location("gen_reference", root / "tools/gen_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_is_up_to_date(repository, capsys):
    """If not: python tools/gen_reference.py"""
    assert gen_reference(repository).main(["--check"]) == 0


def test_the_reference_has_every_key_of_the_schema(repository):
    from vmboot.fleet.specmodels import Document

    keys = re.findall(r"^\| `([^`]+)`", gen_reference(repository).fleet_page(), re.MULTILINE)
    assert {re.split(r"[.\[]", key)[0] for key in keys} == set(Document.model_fields)
    assert {"boot_servers[].address", "bootstrap.uefi.sha256", "media.iso.datastore"} <= set(keys)


PAGES = [
    "README.md",
    "docs/how-to.md",
    "docs/how-it-works.md",
    "docs/troubleshooting.md",
    "docs/lab.md",
    "docs/words.md",
    "docs/reference/commands.md",
    "docs/reference/fleet-yml.md",
    "docs/reference/python.md",
]


@pytest.mark.parametrize("page", PAGES)
def test_links_between_pages_lead_somewhere(repository, page):
    file = repository / page
    for target in re.findall(r"\]\(([^)]+)\)", file.read_text("utf-8")):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        linked = (file.parent / path).resolve() if path else file
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(linked.read_text("utf-8")), target


def anchors(text):
    """The anchors that Markdown renderers make of headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def test_the_example_imports_public_names_only(repository):
    tree = ast.parse((repository / "examples/apply_fleet.py").read_text("utf-8"))
    imported = {
        name
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    own = {name for name in imported if name and name.startswith("vmboot")}
    assert own == {"vmboot", "vmboot.errors", "vmboot.events"}
