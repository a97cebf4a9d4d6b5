"""How a call of ``vmboot.vsphere.fleet`` ends: with a result, or a failure that says enough."""

import pytest
from ansible_collections.vmboot.vsphere.plugins.modules.fleet import SHOWN, complaint, end

CHANGE = {"what": "boot order", "before": "network", "after": "CD", "later": False}


def failure(name):
    return {"path": name, "error": "full", "hint": None, "line": f"{name}: full"}


def result(**more):
    row = {"path": "/DC1/vm/a", "verdict": "done", "changes": [CHANGE], "error": "", "hint": None}
    facts = {"action": "apply", "changed": True, "run_id": "r1", "machines": [row]}
    return {**facts, "failures": [], "pending": [], "warnings": (), "interrupted": False, **more}


class Module:
    """The part of ``AnsibleModule`` that ends a call."""

    def __init__(self, *, diff=False):
        self.params = {"rollout": "rollout-1", "wave": "canary"}
        self._diff = diff
        self.warnings = []
        self.ended = None

    def warn(self, text):
        self.warnings.append(text)

    def exit_json(self, **facts):
        self.ended = self.ended or ("exit", facts)

    def fail_json(self, **facts):
        self.ended = ("fail", facts)


@pytest.mark.parametrize(
    ("failures", "allowed", "said"),
    [
        ([], 0, ""),
        ([failure("a")], 1, ""),
        ([failure("a")], 0, "1 of 1 machines failed, 0 may\na: full"),
    ],
)
def test_a_call_fails_when_more_machines_failed_than_may(failures, allowed, said):
    assert complaint(result(failures=failures), allowed) == said


def test_a_message_names_only_so_many_machines():
    lines = complaint(result(failures=[failure(str(n)) for n in range(SHOWN + 5)]), 0).splitlines()
    assert len(lines) == 1 + SHOWN + 1
    assert lines[-1] == "..."


def test_an_interrupted_call_fails_although_no_machine_did():
    module = Module()
    end(module, result(interrupted=True), 0)
    how, facts = module.ended
    assert (how, facts["interrupted"], facts["run_id"]) == ("fail", True, "r1")


def test_a_good_end_has_the_undo_command_and_no_word_of_interruption():
    module = Module()
    end(module, result(), 0)
    how, facts = module.ended
    assert (how, facts["undo"]) == ("exit", "vmboot undo r1")
    assert (facts["rollout"], facts["wave"]) == ("rollout-1", "canary")
    assert "interrupted" not in facts


@pytest.mark.parametrize("more", [{"action": "plan", "run_id": None}, {"action": "undo"}])
def test_only_an_apply_that_wrote_names_an_undo_command(more):
    module = Module()
    end(module, result(**more), 0)
    assert module.ended[1]["undo"] is None


def test_a_diff_is_returned_where_it_is_asked_for():
    module = Module(diff=True)
    end(module, result(), 0)
    (shown,) = module.ended[1]["diff"]
    assert (shown["before"], shown["after"]) == ("boot order: network\n", "boot order: CD\n")


def test_without_it_there_is_none():
    module = Module()
    end(module, result(), 0)
    assert "diff" not in module.ended[1]


def test_warnings_of_the_plan_are_warnings_of_the_module():
    module = Module()
    end(module, result(warnings=("two servers share an address",)), 0)
    assert module.warnings == ["two servers share an address"]
