# Copyright the vmboot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans and run results as module results. Pure: vmboot's values in, plain data out."""

from __future__ import annotations

VERDICTS = ("change", "done", "failed", "ok", "pending", "refused", "skipped")
_BAD = ("failed", "refused")


def counts(verdicts):
    """How many of each; every verdict is there."""
    found = list(verdicts)
    return {name: found.count(name) for name in VERDICTS}


def of_plan(machines, diff):
    """What check mode returns.

    :param machines: those of a plan, or a part of them
    :param diff: :func:`vmboot.fleet.words.diff`
    """
    rows = [_planned(machine, diff) for machine in machines]
    changes = any(plan.now or plan.make_template for plan in machines)
    return {"changed": changes, "run_id": None, **_shared(rows)}


def of_run(result, machines, diff):
    """What a finished run returns.

    :param machines: the plans of the machines it was about
    """
    plans = {plan.machine.path: plan for plan in machines}
    rows = [_outcome(outcome, plans.get(outcome.path), diff) for outcome in result.outcomes]
    return {"changed": bool(result.run_id), "run_id": result.run_id or None, **_shared(rows)}


def text_diff(rows):
    """Ansible's ``diff``: before and after of each machine that changes, without what waits."""
    changing = ((row, [line for line in row["changes"] if not _waits(row, line)]) for row in rows)
    return [
        {
            "before_header": row["path"],
            "after_header": row["path"],
            "before": "".join(f"{line['what']}: {line['before']}\n" for line in lines),
            "after": "".join(f"{line['what']}: {line['after']}\n" for line in lines),
        }
        for row, lines in changing
        if lines
    ]


def _waits(row, line):
    """With ``power: off`` nothing waits: the machine is shut down, and its verdict is another."""
    return row["verdict"] == "pending" and line["later"]


def _shared(rows):
    return {
        "machines": rows,
        "counts": counts(row["verdict"] for row in rows),
        "pending": [row["path"] for row in rows if row["verdict"] == "pending"],
        "failures": [_failure(row) for row in rows if row["verdict"] in _BAD],
    }


def _failure(row):
    hint = f" ({row['hint']})" if row["hint"] else ""
    return {
        "path": row["path"],
        "error": row["error"],
        "hint": row["hint"],
        "line": f"{row['path']}: {row['error']}{hint}",
    }


def _planned(plan, diff):
    problem = next((p for p in plan.problems if not p.warning), None)
    return {
        "path": plan.machine.path,
        "verdict": str(plan.verdict),
        "changes": [line.to_json() for line in diff(plan)],
        "error": problem.message if problem else "",
        "hint": problem.hint if problem else None,
    }


def _outcome(outcome, plan, diff):
    """A machine the plan refused was skipped by the run; here it keeps the better word."""
    refused = plan is not None and str(plan.verdict) == "refused"
    done = str(outcome.verdict) in ("done", "pending") and plan is not None
    return {
        "path": outcome.path,
        "verdict": "refused" if refused else str(outcome.verdict),
        "changes": [line.to_json() for line in diff(plan)] if done else [],
        "error": outcome.error,
        "hint": outcome.hint,
    }
