"""The settings that put a certificate into a VM's Secure Boot db, as KB 377306 has them."""

from __future__ import annotations

import hashlib

import pytest

from tests.unit.media.synthetic import certificate
from vmboot.media.securedb import Enrolment, plan_enrolment
from vmboot.media.sign import Certificate

DER = certificate("Site Key", "Site CA")
SITE = Certificate("Site Key", DER, hashlib.sha256(DER).hexdigest())
FILE = f"vmboot-{SITE.fingerprint[:12]}.der"
FILE0 = "uefi.secureBoot.dbDefault.file0"
FILE1 = "uefi.secureBoot.dbDefault.file1"


def enrol(extra: dict[str, str]) -> Enrolment:
    return plan_enrolment(SITE, extra, vm="/DC1/vm/web 1", datastore="ds1", folder="web 1")


@pytest.mark.parametrize(
    ("extra", "settings"),
    [
        ({}, {FILE0: FILE}),
        ({FILE0: ""}, {FILE0: FILE}),
        ({FILE0: "somebody-elses.der"}, {FILE1: FILE}),
        ({FILE0: "somebody-elses.der", FILE1: FILE}, {}),
    ],
)
def test_the_first_free_place_is_taken_and_only_once(
    extra: dict[str, str], settings: dict[str, str]
) -> None:
    assert enrol(extra).settings == settings


def test_microsofts_certificates_are_never_replaced() -> None:
    assert not any("append" in name for name in enrol({}).settings)
    warned = enrol({"uefi.secureBoot.dbDefault.append": "FALSE"}).warnings
    assert any("does not trust Microsoft's certificates" in each for each in warned)
    assert len(warned) == len(enrol({}).warnings) + 1


def test_the_steps_can_be_typed_and_say_how_to_see_that_it_worked() -> None:
    planned = enrol({"nvram": "web.nvram"})
    assert planned.data == DER
    assert planned.steps == (
        "govc vm.power -s '/DC1/vm/web 1'",
        f"govc datastore.upload -ds ds1 {FILE} 'web 1/{FILE}'",
        f"govc vm.change -vm '/DC1/vm/web 1' -e {FILE0}={FILE}",
        "only if it was started before: "
        "govc datastore.mv -ds ds1 'web 1/web.nvram' 'web 1/web.nvram.before'",
        "govc vm.power -on '/DC1/vm/web 1'",
        f"its vmware.log then says: Added {FILE0} to dbDefault",
    )


def test_a_vm_that_does_not_name_its_nvram_has_it_under_its_own_name() -> None:
    assert any("'web 1/web 1.nvram'" in step for step in enrol({}).steps)


def test_it_says_that_it_was_not_tried() -> None:
    assert any("not tried" in each for each in enrol({}).warnings)
