from dataclasses import replace

from tests.unit.cli import fleets
from tests.unit.cli.screens import rendered
from vmboot.cli.views.plan import brief_plan_view, plan_view, shut_down_words, summary

WHOLE = """\
Plan for fleet.yml on vc.example.net

group           method   ok   change   pending   refused
────────────────────────────────────────────────────────
/DC1/vm/PVS/*   iso       1        2         1         1

boot ISO                                            size   sha256         state
────────────────────────────────────────────────────────────────────────────────
[shared-01]                                      4.2 MiB   abababababab   upload
vmboot/vmboot-boot-0123456789ab.iso

/DC1/vm/PVS/pvs-001
/DC1/vm/PVS/pvs-002
  CD/DVD drive 1 (IDE 0:0): [shared-01] old.iso, not connected at power on →
      [shared-01] vmboot/vmboot-boot-0123456789ab.iso, connects at power on
  boot order: the firmware's own → CD

/DC1/vm/PVS/pvs-004
  CD/DVD drive 1 (IDE 0:0) (at its next power off): [shared-01] old.iso, not
      connected at power on → [shared-01] vmboot/vmboot-boot-0123456789ab.iso,
      connects at power on

refused: /DC1/vm/PVS/sb-01 has Secure Boot and the loader is not signed
  hint: sign it, or turn Secure Boot off

warning: five servers, PVS on BIOS asks four

5 machines: 2 to change, 1 waiting for a power off, 1 as wished, 1 refused, 4.2
MiB to upload. With --power off those that wait are shut down and changed now."""


def test_the_whole_plan_reads_without_colour_at_80_columns():
    plan = fleets.plan(
        fleets.changing("pvs-001"),
        fleets.changing("pvs-002"),
        fleets.fine("pvs-003"),
        fleets.waiting("pvs-004"),
        fleets.refused("sb-01"),
        present=False,
        warnings=("five servers, PVS on BIOS asks four",),
    )
    assert rendered(plan_view(plan, groups=("/DC1/vm/PVS/*",))) == WHOLE


def test_a_fleet_that_is_as_wished_takes_few_lines():
    text = rendered(plan_view(fleets.plan(fleets.fine("pvs-001"))))
    assert text.endswith("1 machine: 0 to change, 1 as wished.")
    assert "→" not in text


def test_a_machine_name_cannot_paint_the_screen():
    plan = fleets.plan(fleets.changing("[red]evil[/red]\x1b[2J"))
    text = rendered(plan_view(plan))
    assert "[red]evil[/red]\\x1b[2J" in text
    assert "\x1b" not in text


def test_unfinished_runs_are_announced():
    plan = fleets.plan(fleets.fine("a"), unfinished=("20261121-1",))
    assert "Unfinished runs, whose machines apply repairs first: 20261121-1" in rendered(
        plan_view(plan)
    )


def test_with_power_off_nobody_is_told_to_use_it():
    assert "--power off" not in summary(fleets.plan(fleets.waiting("a")), power="off")


def test_the_brief_view_shows_one_machine_as_a_sample():
    plan = fleets.plan(fleets.changing("pvs-001"), fleets.waiting("pvs-002"))
    text = rendered(brief_plan_view(plan))
    assert "pvs-001" in text
    assert "pvs-002" not in text


def test_machines_that_go_down_are_said_to_in_their_diff_and_in_sum():
    plan = fleets.plan(fleets.changing("pvs-001"), fleets.shut_down("pvs-002"))
    text = rendered(plan_view(plan, power="off"), width=120)
    assert "/DC1/vm/PVS/pvs-002\n  SHUT DOWN first, and stays off\n  CD/DVD drive 1" in text
    assert "1 running machine WILL BE SHUT DOWN now: pvs-002." in text
    assert "next power off" not in text


def test_of_many_machines_that_go_down_a_few_are_named():
    plan = fleets.plan(*(fleets.shut_down(f"pvs-{n:03}") for n in range(7)))
    assert shut_down_words(plan) == (
        "7 running machines WILL BE SHUT DOWN now: "
        "pvs-000, pvs-001, pvs-002, pvs-003, pvs-004 and 2 more"
    )


def test_with_the_default_policy_no_machine_goes_down():
    assert shut_down_words(fleets.plan(fleets.waiting("pvs-001"))) == ""


def test_a_template_that_was_left_a_vm_counts_with_the_other_templates():
    left = replace(fleets.changing("tpl-1"), make_template=True)
    whole = replace(fleets.fine("tpl-2"), machine=fleets.machine("tpl-2", is_template=True))
    text = rendered(plan_view(fleets.plan(left, whole), groups=("/DC1/vm/Templates/*",)))
    assert text.count("/DC1/vm/Templates/*") == 1
