"""The result of a rollout, from the results of its calls."""

from vmboot.fleet.rollout_result import RolloutResult, RolloutState, WaveResult

CANARY = WaveResult.of(
    {"wave": "canary", "run_id": "r1", "changed": True, "counts": {"done": 2, "failed": 0}}
)
FIRST = WaveResult.of(
    {
        "wave": "wave 1",
        "run_id": "r2",
        "changed": True,
        "counts": {"done": 3, "failed": 1},
        "failures": [{"path": "/DC1/vm/a", "error": "full", "hint": None, "line": "a: full"}],
        "pending": ["/DC1/vm/b"],
        "shut_down": ["/DC1/vm/c"],
    }
)
RESULT = RolloutResult("rollout-1", RolloutState.PARTLY, (CANARY, FIRST))


def test_counts_are_of_all_waves():
    assert (RESULT.count("done"), RESULT.count("failed"), RESULT.count("nothing")) == (5, 1, 0)


def test_runs_failures_and_pending_are_collected():
    assert RESULT.run_ids == ("r1", "r2")
    assert [failure["path"] for failure in RESULT.failures] == ["/DC1/vm/a"]
    assert RESULT.pending == ("/DC1/vm/b",)
    assert RESULT.shut_down == ("/DC1/vm/c",)
    assert RESULT.to_json()["waves"][1]["shut_down"] == ["/DC1/vm/c"]


def test_a_wave_without_a_run_adds_none():
    assert RolloutResult("x", RolloutState.DONE, (WaveResult("canary"),)).run_ids == ()


def test_a_call_that_failed_early_is_a_wave_without_machines():
    wave = WaveResult.of({"wave": "canary", "msg": "cannot connect", "failed": True})
    assert (wave.name, wave.changed, wave.failures) == ("canary", False, ())


def test_json_has_stable_keys():
    assert sorted(RESULT.to_json()) == [
        "changed",
        "check",
        "error",
        "hint",
        "message",
        "refused",
        "rollout",
        "runs",
        "state",
        "untouched",
        "waves",
    ]
