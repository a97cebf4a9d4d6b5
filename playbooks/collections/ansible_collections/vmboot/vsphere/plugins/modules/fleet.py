#!/usr/bin/python
# Copyright the vmboot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: apply a fleet, or a wave of it, or undo what a run did."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet
short_description: Give VMs and templates their boot media, or take it back
version_added: 0.1.0
author: The vmboot authors (!UNKNOWN)
description:
  - Makes the machines of a fleet document boot as it says.
  - With method C(iso), the boot ISO is built and uploaded once, it is attached at slot 0:0 of the
    controller that the firmware looks at, and the CD comes first in the boot order.
  - With method C(bdm), a boot disk is built and imported once per datastore as a master. Each
    machine gets a copy of it beside its own files, attached at slot 0:0 and first in the boot
    order. A disk that is there moves to another slot with its settings; its data are not touched.
  - With method C(pxe), only the boot order is set.
  - One call handles a whole wave with many tasks in flight. The state before is journaled ahead of
    every write, and every machine is read back afterwards.
  - Machines that are as wished cost no call, so a second run changes nothing.
options:
  fleet:
    description:
      - The fleet document, as a path on the host that runs the module, or inline as a dictionary.
      - Required with O(state=present). With O(state=undone) only its C(vcenter) is used.
    type: raw
  state:
    description:
      - V(present) makes the machines boot as the fleet says. Use check mode to see the plan only.
      - V(undone) restores what the run O(run_id) recorded. It leaves machines alone that somebody
        changed since, and names them as failures. Copies of the boot disk that no machine holds any
        more are deleted; masters stay for C(vmboot sweep).
    type: str
    choices: [present, undone]
    default: present
  run_id:
    description:
      - The run to undo, or a rollout, which is all of its runs.
      - Required with O(state=undone).
    type: str
  limit:
    description:
      - Only machines that match one of these inventory paths, globs or names.
      - A datastore for the boot ISO that is chosen automatically is still one for the whole fleet.
    type: list
    elements: str
    default: []
  only:
    description:
      - Of the machines that O(fleet) and O(limit) name, change only those with these exact
        inventory paths. The plan, with its choice of a datastore, is still made for all, and all
        media that it needs are sent.
      - Not given means all of them.
    type: list
    elements: str
  power:
    description:
      - What to do where a change needs a machine powered off. V(leave) leaves it running and
        reports it as pending, V(off) shuts the guest down.
      - A boot disk of method C(bdm) always needs it.
    type: str
    choices: [leave, "off"]
    default: leave
  hard_power_off:
    description:
      - With O(power=off), cut the power of guests that do not shut down in time.
    type: bool
    default: false
  max_failures:
    description:
      - How many machines may fail, as a number or as a share such as V(2%). With more, nothing
        further is started and the module fails.
      - If not given, the fleet's C(rollout.max_failures).
    type: str
  window:
    description:
      - Tasks in flight at once.
    type: int
    default: 32
  loader_dirs:
    description:
      - Directories to look for boot loaders in, before the distribution's.
    type: list
    elements: path
    default: []
  force:
    description:
      - With O(state=undone), restore machines that somebody changed since, too.
    type: bool
    default: false
  rollout:
    description:
      - Identifier of the rollout that this call is a part of. It is written to the journal, and
        C(vmboot undo) takes it to undo all runs of the rollout.
    type: str
  wave:
    description:
      - Name of the wave, for the journal and for progress.
    type: str
extends_documentation_fragment:
  - vmboot.vsphere.vcenter
attributes:
  check_mode:
    description: Plans and returns what would change; writes nothing.
    support: full
  diff_mode:
    description: Returns media, slots and boot order of each machine before and after.
    support: full
  idempotent:
    description: A machine that is as wished is left alone.
    support: full
  action_group:
    description: Use C(group/vmboot.vsphere.vcenter) in C(module_defaults) for the login.
    membership: [vmboot.vsphere.vcenter]
    support: full
seealso:
  - module: vmboot.vsphere.fleet_info
notes:
  - When the process gets SIGINT or SIGTERM it starts nothing new, lets the tasks in flight end,
    journals them, and fails with RV(interrupted) true.
"""

EXAMPLES = r"""
- name: See what would change
  vmboot.vsphere.fleet:
    fleet: /etc/vmboot/fleet.yml
  check_mode: true
  diff: true

- name: Make every machine boot as the fleet says
  vmboot.vsphere.fleet:
    fleet: /etc/vmboot/fleet.yml
    max_failures: 2%
  register: applied

- name: Only one folder, shutting machines down where that is needed
  vmboot.vsphere.fleet:
    fleet: /etc/vmboot/fleet.yml
    limit: ["/DC1/vm/PVS/UEFI/*"]
    power: "off"

- name: The fleet inline, the login in one place
  vmboot.vsphere.fleet:
    fleet:
      version: 1
      vcenter: {host: vc.example.net}
      boot_servers: [{name: pvs1, address: 10.0.0.11}, {name: pvs2, address: 10.0.0.12}]
      bootstrap: {bios: {file: ARDBP32.BIN}, uefi: {file: pvsnbpx64.efi}}
      targets: [{vms: "/DC1/vm/PVS/**", method: iso}]
    username: vmboot@vsphere.local
    password: "{{ vault_vmboot_password }}"

- name: Boot disks instead of an ISO, for one folder of machines and the template they come from
  vmboot.vsphere.fleet:
    fleet:
      version: 1
      vcenter: {host: vc.example.net}
      boot_servers: [{name: pvs1, address: 10.0.0.11}, {name: pvs2, address: 10.0.0.12}]
      bootstrap: {bios: {file: ARDBP32.BIN}, uefi: {file: pvsnbpx64.efi}}
      targets: [{vms: "/DC1/vm/PVS/**", method: bdm}]
      templates: [{vms: "/DC1/vm/Templates/win11-pvs", method: bdm}]
    power: "off"

- name: Take it back
  vmboot.vsphere.fleet:
    state: undone
    run_id: "{{ applied.run_id }}"
"""

RETURN = r"""
action:
  description: What was done, V(apply), V(undo) or, in check mode, V(plan).
  returned: always, unless it failed before it began
  type: str
  sample: apply
run_id:
  description: The run, for C(vmboot undo). Null in check mode or when nothing had to be written.
  returned: always, unless it failed before it began
  type: str
  sample: 20261121-2210-ab12
rollout:
  description: O(rollout) as given.
  returned: always, unless it failed before it began
  type: str
wave:
  description: O(wave) as given.
  returned: always, unless it failed before it began
  type: str
undo:
  description: The command that takes this back. Null when there is nothing to take back.
  returned: always, unless it failed before it began
  type: str
  sample: vmboot undo 20261121-2210-ab12
machines:
  description: Every machine the call was about.
  returned: always, unless it failed before it began
  type: list
  elements: dict
  contains:
    path:
      description: Inventory path.
      type: str
      sample: /DC1/vm/PVS/BIOS/pvs-001
    verdict:
      description: One of the keys of RV(counts).
      type: str
      sample: done
    changes:
      description: What changes, in words.
      type: list
      elements: dict
      contains:
        what:
          description: The device or setting.
          type: str
          sample: boot disk at SCSI 0:0
        before: {description: As it was., type: str, sample: none}
        after:
          description: As it becomes.
          type: str
          sample: "[shared-01] pvs-001/vmboot-boot-0123456789ab.vmdk"
        later: {description: It waits for the machine's next power off., type: bool}
    error:
      description: Why it failed, was refused or waits. Empty otherwise.
      type: str
    hint:
      description: What a person can do about it.
      type: str
counts:
  description: Machines per verdict.
  returned: always, unless it failed before it began
  type: dict
  contains:
    change: {description: Check mode only. Would be changed., type: int}
    done: {description: Changed and read back., type: int}
    failed: {description: Could not be changed., type: int}
    ok: {description: Was as wished., type: int}
    pending: {description: Waits for its next power off., type: int}
    refused: {description: Will not be touched. The error says why., type: int}
    skipped: {description: Not tried because the run was stopped., type: int}
pending:
  description: Paths of the machines that wait for their next power off.
  returned: always, unless it failed before it began
  type: list
  elements: str
shut_down:
  description: Paths of the machines that were shut down for their change. They stay off.
  returned: when it applied
  type: list
  elements: str
failures:
  description: Machines that failed or were refused.
  returned: always, unless it failed before it began
  type: list
  elements: dict
  contains:
    path: {description: Inventory path., type: str}
    error: {description: What went wrong., type: str}
    hint: {description: What a person can do about it., type: str}
    line: {description: All of it in one line., type: str}
interrupted:
  description: A signal ended the call early. Everything in flight was journaled.
  returned: when interrupted
  type: bool
hint:
  description: What a person can do about the error.
  returned: when it failed and there is one
  type: str
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.vmboot.vsphere.plugins.module_utils.connection import (
    connection_spec,
    errors_reported,
    opened,
    read_fleet,
)
from ansible_collections.vmboot.vsphere.plugins.module_utils.outcome import (
    of_plan,
    of_run,
    text_diff,
)
from ansible_collections.vmboot.vsphere.plugins.module_utils.progress import (
    VARIABLE,
    announced,
    file_sink,
    interruptible,
)

try:
    from vmboot.fleet.apply import apply_plan
    from vmboot.fleet.planner import narrowed, plan_fleet
    from vmboot.fleet.undo import plan_undo, undo_run
    from vmboot.fleet.waves import Budget
    from vmboot.fleet.words import diff
except ImportError:  # errors_reported() says so in Ansible's words
    pass

#: How many machines that failed a message names; all of them are in ``failures``.
SHOWN = 20

ARGUMENTS = {
    "fleet": {"type": "raw"},
    "state": {"type": "str", "choices": ["present", "undone"], "default": "present"},
    "run_id": {"type": "str"},
    "limit": {"type": "list", "elements": "str", "default": []},
    "only": {"type": "list", "elements": "str"},
    "power": {"type": "str", "choices": ["leave", "off"], "default": "leave"},
    "hard_power_off": {"type": "bool", "default": False},
    "max_failures": {"type": "str"},
    "window": {"type": "int", "default": 32},
    "loader_dirs": {"type": "list", "elements": "path", "default": []},
    "force": {"type": "bool", "default": False},
    "rollout": {"type": "str"},
    "wave": {"type": "str"},
    **connection_spec(),
}


def main():
    """Entry point."""
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        required_if=[("state", "present", ["fleet"]), ("state", "undone", ["run_id"])],
    )
    with errors_reported(module), interruptible(module) as interruption:
        result, allowed = called(module, interruption)
    if interruption.stop.is_set():
        result["interrupted"] = True
    end(module, result, allowed)


def called(module, interruption):
    """Do what is asked: the result, and how many failures are allowed."""
    params = module.params
    sink = file_sink(os.environ.get(VARIABLE, ""))
    fleet = read_fleet(params["fleet"])
    writing = None if module.check_mode else interruption.writing
    with announced(sink, wave=params["wave"] or ""), opened(params, fleet, sink) as session:
        if params["state"] == "undone":
            return undone(params, session, sink, writing), 0
        result = present(params, fleet, session, sink, writing)
    budget = Budget.parse(params["max_failures"] or fleet.rollout.max_failures)
    return result, budget.amount.of(len(result["machines"]))


def present(params, fleet, session, sink, writing):
    """Plan and apply; the result as the module returns it.

    :param writing: called before the first write, gives the event that asks it to stop; ``None``
        to plan only
    """
    given = {name: params[name] for name in ("power", "loader_dirs")}
    plan = plan_fleet(fleet, session, limit=params["limit"], sink=sink, **given)
    plan = narrowed(plan, params["only"])
    if writing is None:
        return {"action": "plan", "warnings": plan.warnings, **of_plan(plan.machines, diff)}
    result = apply_plan(
        plan,
        fleet,
        session,
        max_failures=params["max_failures"],
        rollout=params["rollout"] or "",
        wave=params["wave"] or "",
        stop=writing(),
        sink=sink,
        **{name: params[name] for name in ("power", "hard_power_off", "window", "loader_dirs")},
    )
    said = (*plan.warnings, *result.notes)
    facts = {"action": "apply", "warnings": said, "interrupted": result.interrupted}
    facts["shut_down"] = list(result.shut_down)
    return {**facts, **of_run(result, plan.machines, diff)}


def undone(params, session, sink, writing):
    """Undo a run, or without ``writing`` say what that would change."""
    asked = {"limit": params["limit"], "force": params["force"]}
    plan = plan_undo(params["run_id"], session, **asked)
    if writing is None:
        return {"action": "plan", "warnings": (), **of_plan(plan.machines, diff)}
    asked["window"] = params["window"]
    result = undo_run(params["run_id"], session, stop=writing(), sink=sink, **asked)
    facts = {"action": "undo", "warnings": result.notes, "interrupted": result.interrupted}
    return {**facts, **of_run(result, plan.machines, diff)}


def end(module, result, allowed):
    """Exit, or fail where more machines failed than are ``allowed``."""
    for warning in result.pop("warnings"):
        module.warn(warning)
    if not result.get("interrupted"):
        result.pop("interrupted", None)
    run = result["run_id"]
    result["undo"] = f"vmboot undo {run}" if run and result["action"] == "apply" else None
    result["rollout"], result["wave"] = module.params["rollout"], module.params["wave"]
    if module._diff:
        result["diff"] = text_diff(result["machines"])
    reason = complaint(result, allowed)
    if reason:
        module.fail_json(msg=reason, **result)
    module.exit_json(**result)


def complaint(result, allowed):
    """Why the module fails, ``""`` if it does not."""
    failed = [failure["line"] for failure in result["failures"]]
    if result.get("interrupted"):
        reason = "interrupted; what was in flight has ended and is journaled"
    elif len(failed) > allowed:
        reason = f"{len(failed)} of {len(result['machines'])} machines failed, {allowed} may"
    else:
        return ""
    return "\n".join([reason, *failed[:SHOWN], *["..."][: len(failed[SHOWN:])]])


if __name__ == "__main__":
    main()
