"""Values survive JSON, and what is not such a value is refused."""

import json

import pytest
from hypothesis import given

from tests.unit.vsphere.builders import OURS
from tests.unit.vsphere.strategies import machines
from vmboot.errors import InputError
from vmboot.fleet.codec import decode, encode
from vmboot.fleet.decide import IsoWish, Wanted, plan_machine
from vmboot.fleet.plan import Plan, Upload
from vmboot.model import BootMethod, Firmware
from vmboot.vsphere.machine import BootEntry, Machine

UPLOAD = Upload("shared-01", "[shared-01] vmboot/x.iso", 4096, "ab" * 32, present=False)


@given(found=machines())
def test_a_plan_survives_json(found: Machine) -> None:
    wanted = Wanted(BootMethod.ISO, IsoWish(OURS, frozenset(Firmware)))
    plan = Plan("fleet.yml", "vc", (UPLOAD,), (plan_machine(found, wanted),), ("careful",), ("r1",))
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


@given(found=machines())
def test_a_machine_survives_json(found: Machine) -> None:
    assert decode(Machine, json.loads(json.dumps(encode(found)))) == found


@pytest.mark.parametrize("data", [None, 3, [], {}, {"key": 1}, "x"])
def test_anything_else_is_refused(data: object) -> None:
    with pytest.raises(InputError, match="not a BootEntry"):
        decode(BootEntry, data)


def test_an_unknown_enum_value_is_refused() -> None:
    with pytest.raises(InputError, match="another version"):
        try:
            decode(Machine, {"moid": "a", "name": "b", "path": "c", "firmware": "coreboot"})
        except InputError as error:
            raise InputError(error.hint or "") from error


def test_the_file_within_a_datastore() -> None:
    assert UPLOAD.file == "vmboot/x.iso"
