#!/usr/bin/python
# Copyright the vmboot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: the waves of a rollout, and the runs there were."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_info
short_description: Say in which waves a fleet would be changed, and which runs a rollout made
version_added: 0.1.0
author: The vmboot authors (!UNKNOWN)
description:
  - Plans a fleet without changing anything and cuts the machines that have something to do into a
    canary and waves, as the fleet's C(rollout) section says. A playbook then hands wave after wave
    to M(vmboot.vsphere.fleet). Templates are in the last waves.
  - Lists the runs that a rollout made, from the journals of the host that runs the module.
options:
  fleet:
    description:
      - The fleet document, as a path on the host that runs the module, or inline as a dictionary.
      - Without it nothing is planned, no login is needed, and only the runs are listed.
    type: raw
  limit:
    description:
      - Only machines that match one of these inventory paths, globs or names.
    type: list
    elements: str
    default: []
  power:
    description:
      - Overrides the fleet's C(rollout.power).
    type: str
    choices: [leave, "off"]
  loader_dirs:
    description:
      - Directories to look for boot loaders in, before the distribution's.
    type: list
    elements: path
    default: []
  rollout:
    description:
      - Identifier of a rollout, or V(last) for the latest there was.
      - If not given, a new identifier is made.
    type: str
extends_documentation_fragment:
  - vmboot.vsphere.vcenter
attributes:
  check_mode:
    description: It never changes anything.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
  idempotent:
    description: It never changes anything.
    support: full
  action_group:
    description: Use C(group/vmboot.vsphere.vcenter) in C(module_defaults) for the login.
    membership: [vmboot.vsphere.vcenter]
    support: full
seealso:
  - module: vmboot.vsphere.fleet
"""

EXAMPLES = r"""
- name: Find the canary and the waves
  vmboot.vsphere.fleet_info:
    fleet: /etc/vmboot/fleet.yml
  register: planned

- name: Change the first wave
  vmboot.vsphere.fleet:
    fleet: /etc/vmboot/fleet.yml
    only: "{{ planned.waves[0].paths }}"
    wave: "{{ planned.waves[0].name }}"
    rollout: "{{ planned.rollout }}"
  when: planned.waves

- name: List the runs of the last rollout
  vmboot.vsphere.fleet_info:
    rollout: last
  register: latest
"""

RETURN = r"""
rollout:
  description: The rollout's identifier, to be handed to M(vmboot.vsphere.fleet).
  returned: success
  type: str
  sample: rollout-20261121-221005-3fa2
waves:
  description: The waves in order. Empty when every machine is as wished.
  returned: when O(fleet) is given
  type: list
  elements: dict
  contains:
    name: {description: The wave's name., type: str, sample: canary}
    paths: {description: Inventory paths of its machines., type: list, elements: str}
counts:
  description: Machines per verdict, as in M(vmboot.vsphere.fleet).
  returned: when O(fleet) is given
  type: dict
refused:
  description: Machines that will not be touched.
  returned: when O(fleet) is given
  type: list
  elements: dict
  contains:
    path: {description: Inventory path., type: str}
    error: {description: Why., type: str}
    hint: {description: What a person can do about it., type: str}
    line: {description: All of it in one line., type: str}
settings:
  description: The fleet's C(rollout) section as numbers and words for a playbook.
  returned: when O(fleet) is given
  type: dict
  contains:
    max_failures: {description: How many machines of the whole rollout may fail., type: int}
    pause: {description: Seconds between two waves., type: float}
    power: {description: V(leave) or V(off)., type: str}
    verify: {description: V(none) or V(read-back) or V(boot-seen)., type: str}
summary:
  description: The order of the rollout in words, one line per wave.
  returned: when O(fleet) is given
  type: list
  elements: str
runs:
  description: Runs of the rollout that can be undone, the newest first.
  returned: success
  type: list
  elements: dict
  contains:
    id: {description: The run., type: str, sample: 20261121-2210-ab12}
    wave: {description: Its wave., type: str, sample: wave 1}
    started: {description: When it was begun., type: str}
    machines: {description: How many machines it changed., type: int}
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.vmboot.vsphere.plugins.module_utils.connection import (
    connection_spec,
    errors_reported,
    opened,
    read_fleet,
)
from ansible_collections.vmboot.vsphere.plugins.module_utils.outcome import of_plan
from ansible_collections.vmboot.vsphere.plugins.module_utils.progress import (
    VARIABLE,
    announced,
    file_sink,
    interruptible,
)

try:
    from vmboot.fleet.planner import plan_fleet
    from vmboot.fleet.rollout_id import new_rollout, runs_of
    from vmboot.fleet.waves import Amount, split
    from vmboot.fleet.words import diff
except ImportError:  # errors_reported() says so in Ansible's words
    pass

ARGUMENTS = {
    "fleet": {"type": "raw"},
    "limit": {"type": "list", "elements": "str", "default": []},
    "power": {"type": "str", "choices": ["leave", "off"]},
    "loader_dirs": {"type": "list", "elements": "path", "default": []},
    "rollout": {"type": "str"},
    **connection_spec(),
}


def main():
    """Entry point."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    with errors_reported(module), interruptible(module):
        result = runs(module.params["rollout"])
        fleet = read_fleet(module.params["fleet"])
        if fleet is not None:
            plan = planned(module.params, fleet)
            for warning in plan.warnings:
                module.warn(warning)
            result.update(order(plan, fleet.rollout, power=power_of(module.params, fleet)))
        module.exit_json(changed=False, **result)


def runs(rollout):
    """The identifier of the rollout and what it did so far."""
    if not rollout:
        return {"rollout": new_rollout(), "runs": []}
    found = runs_of(rollout)
    keys = ("id", "wave", "started", "machines")
    return {
        "rollout": found[0].rollout if found else rollout,
        "runs": [{key: getattr(run, key) for key in keys} for run in found],
    }


def power_of(params, fleet):
    """The power policy in the words of the modules."""
    return params["power"] or ("off" if fleet.rollout.power == "off" else "leave")


def planned(params, fleet):
    """The plan of the whole fleet."""
    sink = file_sink(os.environ.get(VARIABLE, ""))
    with announced(sink, wave=""), opened(params, fleet, sink) as session:
        return plan_fleet(
            fleet,
            session,
            limit=params["limit"],
            power=power_of(params, fleet),
            loader_dirs=params["loader_dirs"],
            sink=sink,
        )


def order(plan, rollout, *, power):
    """The waves, and what else a playbook needs to know of them.

    :param rollout: the fleet's section of that name
    """
    waves = split(plan, rollout)
    machines = sum(len(wave.paths) for wave in waves)
    facts = of_plan(plan.machines, diff)
    return {
        "waves": [{"name": wave.name, "paths": list(wave.paths)} for wave in waves],
        "counts": facts["counts"],
        "refused": facts["failures"],
        "settings": {
            "max_failures": Amount.parse(rollout.max_failures).of(machines),
            "pause": rollout.pause,
            "power": power,
            "verify": rollout.verify,
        },
        "summary": [
            *(f"{wave.name}: {len(wave.paths)} machines" for wave in waves),
            *(f"refused: {failure['line']}" for failure in facts["failures"]),
        ]
        or ["every machine is as wished"],
    }


if __name__ == "__main__":
    main()
