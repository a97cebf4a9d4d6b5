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
import threading
from pathlib import Path

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


class Interruption:
    """SIGINT and SIGTERM: before the first write they end a call, after it they only ask it to.

    :param path: of the events. Whoever made it also made a file ``path + ".go"``; a call writes
        only while that is there, so none begins after an interrupt, not even one left behind
    """

    def __init__(self, path):
        self.stop = threading.Event()
        self._permit = Path(f"{path}.go") if path else None
        self._writing = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._handle)

    def _handle(self, *_):
        self.stop.set()
        if not self._writing:
            raise KeyboardInterrupt

    def writing(self):
        """From here on a signal sets :attr:`stop` and nothing else; the event to pass on."""
        self._writing = True
        if self.stop.is_set() or (self._permit and not self._permit.exists()):
            raise KeyboardInterrupt
        return self.stop


@contextlib.contextmanager
def interruptible(module):
    """Fail the module where it was interrupted before it wrote anything."""
    try:
        yield Interruption(os.environ.get(VARIABLE, ""))
    except KeyboardInterrupt:
        module.fail_json(msg="interrupted before anything was written", interrupted=True)
