# Copyright the vmboot authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress of a long module call, for whoever started the playbook, and its clean interruption.

Ansible shows a task only when it has ended. ``vmboot rollout`` therefore names a private file in
``VMBOOT_EVENTS_FILE``; modules append one JSON object a line to it, as things happen.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal

try:
    from vmboot.events import Event, ignore
except ImportError:  # the modules say so before they come here
    Event = ignore = None

VARIABLE = "VMBOOT_EVENTS_FILE"


def file_sink(path):
    """A sink that appends vmboot events to the file ``path``; without such a file it drops them.

    Each event is one ``write`` in append mode, so events of several threads never mix.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    except FileNotFoundError:  # nobody listens, or this is another host
        return ignore

    def sink(event):
        os.write(descriptor, json.dumps(event.to_json()).encode() + b"\n")

    return sink


@contextlib.contextmanager
def announced(sink, *, wave):
    """Tell that a call starts and that it has ended, and which process to interrupt meanwhile."""
    facts = {"pid": os.getpid()}
    sink(Event("call.started", wave, wave, facts))
    try:
        yield
    finally:
        sink(Event("call.ended", wave, wave, facts))


@contextlib.contextmanager
def interruptible(module):
    """Fail the module where SIGINT or SIGTERM ended a call before it wrote anything.

    ``apply`` and ``undo`` catch the interrupt themselves once they have begun to write.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        module.fail_json(msg="interrupted before anything was written", interrupted=True)
