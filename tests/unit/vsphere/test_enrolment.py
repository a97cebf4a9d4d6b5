"""A certificate into a machine's Secure Boot settings: where, once, and with which words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.vsphere.builders import uefi
from vmboot.vsphere.cdrom import SlotPlan
from vmboot.vsphere.changes import SetExtra
from vmboot.vsphere.enrolment import plan_enrolment
from vmboot.vsphere.machine import SecureDb
from vmboot.vsphere.securedb import PLACES, certificate_name, setting

FILE = certificate_name("0123456789abcdef")
MACHINE = replace(uefi(), home="[ds 1] web 1")


def enrol(db: SecureDb, *, is_there: bool = True) -> SlotPlan:
    return plan_enrolment(MACHINE, db, file=FILE, is_there=is_there)


@pytest.mark.parametrize(
    ("files", "place"),
    [((), 0), (("theirs.der",), 1), (("a.der", "", "b.der"), 1)],
)
def test_the_first_free_place_is_taken(files: tuple[str, ...], place: int) -> None:
    plan = enrol(SecureDb(files))
    assert plan.changes == (SetExtra(setting(place), "", FILE),)
    assert plan.powered_off_only
    assert not plan.refused


def test_one_that_is_named_already_is_not_named_twice() -> None:
    assert enrol(SecureDb(("theirs.der", FILE))) == SlotPlan()


def test_a_clone_without_the_file_gets_its_setting_again() -> None:
    plan = enrol(SecureDb(("theirs.der", FILE)), is_there=False)
    assert plan.changes == (SetExtra(setting(1), FILE, FILE),)


def test_nobody_is_pushed_out() -> None:
    plan = enrol(SecureDb(("theirs.der",) * PLACES))
    assert (plan.refused, plan.changes) == (True, ())
    assert setting(0) in (plan.problems[0].hint or "")


def test_the_next_step_can_be_typed_and_says_how_to_see_that_it_worked() -> None:
    (warning,) = enrol(SecureDb(nvram="web.nvram")).problems
    assert "not tried on an ESXi host" in warning.message
    hint = warning.hint or ""
    assert "govc datastore.mv -ds 'ds 1' 'web 1/web.nvram' 'web 1/web.nvram.before' ;" in hint
    assert "Added uefi.secureBoot.dbDefault.file0 to dbDefault" in hint
    assert "BitLocker" in hint


@pytest.mark.parametrize(
    ("home", "nvram"),
    [("[ds1] web 1", "'web 1/web 1.nvram'"), ("[ds1]", f"{uefi().name}.nvram")],
)
def test_a_machine_that_does_not_name_its_nvram_has_it_under_its_own_name(
    home: str, nvram: str
) -> None:
    plan = plan_enrolment(replace(MACHINE, home=home), SecureDb(), file=FILE)
    assert f" {nvram} " in (plan.problems[0].hint or "")


def test_a_machine_without_microsofts_certificates_is_told_so() -> None:
    said = [problem.message for problem in enrol(SecureDb(replaces=True)).problems]
    assert len(said) == 2
    assert "does not trust Microsoft's certificates" in said[1]
