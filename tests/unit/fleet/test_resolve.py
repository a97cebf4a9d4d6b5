"""Patterns against an inventory: every doubt is an error with a place."""

import pytest

from vmboot.errors import AmbiguousError, InputError, NotFoundError
from vmboot.fleet.resolve import Wish, resolve
from vmboot.fleet.spec import Fleet, parse_fleet
from vmboot.model import Firmware
from vmboot.vsphere.index import Entry, Index
from vmboot.vsphere.machine import Power

HEAD = "version: 1\nboot_servers: [10.0.0.11]\nbootstrap: {bios: a, uefi: b}\n"


def entry(path: str, *, template: bool = False) -> Entry:
    name = path.rpartition("/")[2]
    return Entry(f"vm-{path}", name, path, path, template, Power.OFF, Firmware.BIOS)


INDEX = Index(
    (
        entry("/DC1/vm/A/app-1"),
        entry("/DC1/vm/A/app-2"),
        entry("/DC1/vm/B/twin"),
        entry("/DC1/vm/C/twin"),
        entry("/DC1/vm/T/gold", template=True),
    ),
    {"DC1": "/DC1"},
)
LEFT_OPEN = "vm-/DC1/vm/A/app-2"


def fleet(text: str) -> Fleet:
    return parse_fleet((HEAD + text).encode())


def names(wishes: tuple[Wish, ...]) -> list[str]:
    return [wish.entry.name for wish in wishes]


def test_the_order_is_the_document_s() -> None:
    wishes = resolve(
        fleet(
            "targets: [{vms: app-2, method: iso}, {vms: 'app-*', method: iso}]\n"
            "templates: [{vms: gold, method: pxe, nic: 2}]\n"
        ),
        INDEX,
    )
    assert names(wishes) == ["app-2", "app-1", "gold"]
    assert [wish.group for wish in wishes] == [0, 1, 2]
    assert (wishes[2].nic, wishes[2].is_template, wishes[2].problem) == (2, True, None)


def test_globs_select_only_what_their_section_is_for() -> None:
    text = "targets: [{vms: '/DC1/vm/**', method: iso}]\n"
    assert names(resolve(fleet(text), INDEX)) == ["app-1", "app-2", "twin", "twin"]
    text = "templates: [{vms: '/DC1/vm/**', method: iso}]\n"
    assert names(resolve(fleet(text), INDEX)) == ["gold"]


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("targets: [{vms: nobody, method: iso}]", NotFoundError, "4:17: 'nobody' matches no"),
        ("targets: [{vms: [app-1, 'x*'], method: iso}]", NotFoundError, "4:25: 'x*' matches no"),
        ("targets: [{vms: twin, method: iso}]", AmbiguousError, "/DC1/vm/B/twin, /DC1/vm/C/twin"),
        ("targets: [{vms: '/DC1/vm/T/*', method: iso}]", NotFoundError, "matches 1 templates only"),
        ("templates: [{vms: 'app-*', method: iso}]", NotFoundError, "matches 2 VMs only"),
        (
            "targets: [{vms: app-1, method: iso}, {vms: 'app-*', method: pxe}]",
            InputError,
            "iso (fleet.yml:4:17) and pxe from NIC 1 (fleet.yml:4:44)",
        ),
    ],
)
def test_a_doubt_is_an_error(text: str, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind) as caught:
        resolve(fleet(f"{text}\n"), INDEX)
    assert words in str(caught.value)


def test_the_wrong_kind_by_name_is_that_machine_s_problem() -> None:
    text = "targets: [{vms: [gold, app-1], method: iso}]\ntemplates: [{vms: app-2, method: iso}]\n"
    problems = {w.entry.name: w.problem for w in resolve(fleet(text), INDEX)}
    assert problems["app-1"] is None
    assert "it is a template, listed under targets" in str(problems["gold"])
    assert "it is a VM, listed under templates" in str(problems["app-2"])


def test_a_template_that_an_unfinished_run_left_a_vm_is_still_one() -> None:
    text = "targets: [{vms: 'app-*', method: iso}]\ntemplates: [{vms: 'app-2', method: iso}]\n"
    wishes = resolve(fleet(text), INDEX, were_templates={LEFT_OPEN})
    assert [(w.entry.name, w.is_template, w.problem) for w in wishes] == [
        ("app-1", False, None),
        ("app-2", True, None),
    ]


def test_missing_machines_can_be_collected() -> None:
    text = "targets: [{vms: [nobody, app-1, 'x*'], method: iso}]\n"
    missing: list[NotFoundError] = []
    assert names(resolve(fleet(text), INDEX, missing=missing)) == ["app-1"]
    assert [error.message for error in missing] == [
        "'nobody' matches no machine",
        "'x*' matches no machine",
    ]


def test_a_limit_narrows_and_must_match() -> None:
    whole = fleet("targets: [{vms: 'app-*', method: iso}]\n")
    assert names(resolve(whole, INDEX, limit=["/DC1/vm/A/app-2"])) == ["app-2"]
    assert names(resolve(whole, INDEX, limit=["app-1", "*-2"])) == ["app-1", "app-2"]
    with pytest.raises(NotFoundError, match="no machine of this fleet matches 'gold'"):
        resolve(whole, INDEX, limit=["gold"])
    with pytest.raises(NotFoundError, match="matches no machine"):
        resolve(whole, INDEX, limit=["nobody"])
