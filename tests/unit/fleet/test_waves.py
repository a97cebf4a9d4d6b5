"""Waves cover every machine with work exactly once; budgets stop in time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmboot.errors import InputError
from vmboot.fleet.plan import MachinePlan, Plan, Verdict
from vmboot.fleet.specmodels import Rollout
from vmboot.fleet.waves import UNLIMITED, Amount, Budget, split
from vmboot.model import BootMethod, Firmware
from vmboot.vsphere.machine import Machine


def a_plan(
    vms: int, *, templates: int = 0, verdict: Verdict = Verdict.CHANGE, uefi: int = 0
) -> Plan:
    def one(number: int) -> MachinePlan:
        machine = Machine(
            f"vm-{number}",
            f"m{number}",
            f"/DC1/vm/m{number}",
            is_template=number >= vms,
            firmware=Firmware.UEFI if vms - uefi <= number < vms else Firmware.BIOS,
        )
        return MachinePlan(machine, BootMethod.ISO, verdict)

    return Plan("fleet.yml", "vc", machines=tuple(map(one, range(vms + templates))))


@pytest.mark.parametrize(
    ("text", "of_44"), [("3", 3), (3, 3), ("0", 0), ("10%", 4), ("2%", 0), ("100%", 44)]
)
def test_an_amount_is_a_number_or_a_share(text: str | int, of_44: int) -> None:
    assert Amount.parse(text).of(44) == of_44


@pytest.mark.parametrize("text", ["", "-1", "two", "1.5", "101%", "nan%", "%"])
def test_anything_else_is_no_amount(text: str) -> None:
    with pytest.raises(InputError, match="neither a number"):
        Amount.parse(text)


@pytest.mark.parametrize(
    ("budget", "failed", "total", "exceeded"),
    [("0", 0, 10, False), ("0", 1, 10, True), ("2%", 4, 200, False), ("2%", 5, 200, True)],
)
def test_a_budget_says_when_it_is_enough(
    budget: str, failed: int, total: int, exceeded: bool
) -> None:
    assert Budget.parse(budget).exceeded(failed, total) is exceeded


def test_no_budget_never_stops() -> None:
    assert not UNLIMITED.exceeded(44, 44)


def test_the_canary_comes_first_and_templates_last() -> None:
    waves = split(a_plan(8, templates=2), Rollout(canary="2", wave="4"))
    assert [(wave.name, len(wave.paths)) for wave in waves] == [
        ("canary", 2),
        ("wave 1", 4),
        ("wave 2", 4),
    ]
    assert waves[-1].paths[-2:] == ("/DC1/vm/m8", "/DC1/vm/m9")


def test_two_canaries_of_a_mixed_fleet_are_one_of_each() -> None:
    canary = split(a_plan(10, uefi=3), Rollout(canary="2"))[0]
    assert canary.paths == ("/DC1/vm/m0", "/DC1/vm/m7")


def test_a_plan_without_work_has_no_waves() -> None:
    assert split(a_plan(4, verdict=Verdict.OK), Rollout()) == ()


@given(
    vms=st.integers(0, 60),
    templates=st.integers(0, 5),
    canary=st.one_of(st.integers(0, 70).map(str), st.integers(0, 100).map(lambda n: f"{n}%")),
    wave=st.one_of(st.integers(0, 70).map(str), st.integers(0, 100).map(lambda n: f"{n}%")),
)
def test_every_machine_is_in_exactly_one_wave(
    vms: int, templates: int, canary: str, wave: str
) -> None:
    plan = a_plan(vms, templates=templates)
    waves = split(plan, Rollout(canary=canary, wave=wave))
    paths = [path for one in waves for path in one.paths]
    assert sorted(paths) == sorted(m.machine.path for m in plan.machines)
    assert all(one.paths for one in waves)
