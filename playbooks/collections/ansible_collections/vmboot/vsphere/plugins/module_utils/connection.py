# Copyright the vmboot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module shares: guarded import, fleet document, login, errors in one place."""

from __future__ import annotations

import contextlib
import json
import os
import traceback

from ansible.module_utils.basic import missing_required_lib

VMBOOT_IMPORT_ERROR = None
try:
    from vmboot.errors import VmbootError
    from vmboot.fleet.login import credentials_for
    from vmboot.fleet.spec import load_fleet, parse_fleet
    from vmboot.vsphere.session import connect
except ImportError:
    VMBOOT_IMPORT_ERROR = traceback.format_exc()

    class VmbootError(Exception):
        """Stands in where vmboot is missing; nothing raises it."""


#: What errors and the journal call a fleet that was given inline.
INLINE = "/inline/fleet.yml"

_VARIABLES = {
    "hostname": "VMBOOT_HOST",
    "port": "VMBOOT_PORT",
    "username": "VMBOOT_USER",
    "password": "VMBOOT_PASSWORD",
    "thumbprint": "VMBOOT_THUMBPRINT",
    "ca_file": "VMBOOT_CA_FILE",
}


def connection_spec():
    """The options of doc fragment ``vmboot.vsphere.vcenter``.

    They have no ``fallback``: vmboot itself reads the environment, in one order for the command
    line, the Python API and Ansible.
    """
    return {
        "hostname": {"type": "str", "aliases": ["host"]},
        "port": {"type": "int"},
        "username": {"type": "str", "aliases": ["user"]},
        "password": {"type": "str", "no_log": True},
        "thumbprint": {"type": "str"},
        "ca_file": {"type": "path"},
        "validate_certs": {"type": "bool"},
    }


def environment(params, env):
    """``env`` with the given connection options in front of what it says itself.

    An option that is missing or empty is not given, so an inventory may pass on what a lookup
    found.
    """
    given = {name: str(params[key]) for key, name in _VARIABLES.items() if params.get(key)}
    if params.get("validate_certs") is not None:
        given["VMBOOT_INSECURE"] = "false" if params["validate_certs"] else "true"
    return {**env, **given}


@contextlib.contextmanager
def errors_reported(module, **facts):
    """Fail the module where vmboot refuses, or cannot even be imported.

    :param facts: returned with the error
    """
    if VMBOOT_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("vmboot"), exception=VMBOOT_IMPORT_ERROR)
    try:
        yield
    except VmbootError as error:
        hint = {"hint": error.hint} if error.hint else {}
        module.fail_json(msg=str(error), error=type(error).__name__, **hint, **facts)


def read_fleet(given):
    """The fleet document from a path or an inline dictionary; ``None`` for nothing."""
    if not given:
        return None
    if isinstance(given, dict):
        return parse_fleet(json.dumps(given).encode(), file=INLINE)
    return load_fleet(given)


def opened(params, fleet, sink):
    """A session on the vCenter of ``fleet``, logged in as the options or the environment say."""
    env = environment(params, os.environ)
    insecure = None if params["validate_certs"] is None else not params["validate_certs"]
    credentials = credentials_for(
        fleet,
        host=params["hostname"] or None,
        user=params["username"] or None,
        thumbprint=params["thumbprint"] or None,
        ca_file=params["ca_file"] or None,
        insecure=insecure,
        env=env,
    )
    return connect(credentials, sink=sink)
