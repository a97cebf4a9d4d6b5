"""One ``ansible-playbook`` under ansible-runner, watched from the thread that started it."""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from vmboot.clock import Deadline, pause
from vmboot.events import Event, Sink
from vmboot.fleet.rollout_progress import EventFile, module_result, translated

#: How often the modules' own progress is looked at, seconds: a live view draws 8 times a second.
_EVERY = 0.12
#: How long ansible-runner may take to see that it is to stop, seconds; its own default is 5.
_SEES_STOP_AFTER = 1
#: How long Ansible takes between telling of a task and having a worker that hears signals, seconds.
_WORKER_STARTS = 0.5
_ERRORS = ("rollout.failed", "rollout.unreachable")


class Watch:
    """What is known of a running playbook; filled by :func:`run_playbook`.

    :param results: results of the module calls, in order, each with the module's short name
    :param errors: failed tasks, in order
    """

    def __init__(self, sink: Sink, events: EventFile) -> None:
        self.results: list[tuple[str, Mapping[str, Any]]] = []
        self.errors: list[Event] = []
        self.interrupted = False
        self._killed = threading.Event()
        self._call: int | None = None
        self._ansible: int | None = None
        self._sink = sink
        self._events = events
        self._queue: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()

    def handle(self, raw: Mapping[str, Any]) -> bool:
        """ansible-runner's event handler: it must return at once, and ``True``."""
        self._queue.put(raw)
        return True

    def is_killed(self) -> bool:
        """ansible-runner's cancel callback."""
        return self._killed.is_set()

    def kill(self) -> None:
        """End Ansible, if it still runs.

        The signal makes it end its workers, which have sessions of their own and would outlive
        the SIGKILL that ansible-runner sends to its process group. A worker that is only just
        being started would miss it, so it comes a little later.
        """
        self._events.ask_to_stop()
        pause(_WORKER_STARTS, Deadline.after(_WORKER_STARTS))
        _signal(self._ansible, signal.SIGTERM)
        self._killed.set()

    def follow(self, running: Future[Any]) -> None:
        """Pass events on until the playbook has ended; an interrupt asks it to stop."""
        ended = False
        while not ended:
            ended = running.done()  # first this, then the last events
            try:
                self._pass_on(wait=not ended)
            except KeyboardInterrupt:
                ended = False
                self._stop()

    def _stop(self) -> None:
        """First let the module call finish what is in flight; the second time, or between two
        calls, end Ansible. A module call that is left alone goes on to its end by itself.
        """
        again, self.interrupted = self.interrupted, True
        self._events.ask_to_stop()
        if again or self._call is None:
            self.kill()
        else:
            _signal(self._call, signal.SIGINT)

    def _pass_on(self, *, wait: bool) -> None:
        for raw in self._take(wait=wait):
            self._note(raw)
        for event in self._events.read():
            self._note_progress(event)

    def _take(self, *, wait: bool) -> Iterator[Mapping[str, Any]]:
        with suppress(queue.Empty):
            if wait:
                yield self._queue.get(timeout=_EVERY)
            while True:
                yield self._queue.get_nowait()

    def _note(self, raw: Mapping[str, Any]) -> None:
        self._ansible = raw.get("pid", self._ansible)
        for said in self._events.read():  # what the modules said before comes before
            self._note_progress(said)
        result = module_result(raw)
        if result:
            self.results.append(result)
        told = translated(raw)
        if told and told.kind in _ERRORS:
            self.errors.append(told)
        for event in (result and _call_finished(*result), told):
            if event:
                self._sink(event)

    def _note_progress(self, event: Event) -> None:
        if event.kind == "call.started":
            self._call = event.data["pid"]
            if event.subject:
                self._sink(Event("wave.started", event.message, event.subject))
        elif event.kind == "call.ended":
            self._call = None
        else:
            self._sink(event)


def _signal(process: int | None, number: signal.Signals) -> None:
    if process is not None:
        with suppress(ProcessLookupError):
            os.kill(process, number)


def _call_finished(module: str, result: Mapping[str, Any]) -> Event | None:
    """A module result as an event: the plan of the rollout, or the end of a wave."""
    if module == "fleet_info" and "waves" in result:
        waves = [(wave["name"], len(wave["paths"])) for wave in result["waves"]]
        return Event("rollout.planned", result["rollout"], data={"waves": waves})
    if not result.get("wave"):
        return None
    facts = {key: result.get(key) for key in ("action", "run_id", "changed", "counts")}
    return Event("wave.finished", str(result.get("msg", "")), result["wave"], facts)


def run_playbook(
    playbook: Path,
    *,
    home: Path,
    inventory: Path,
    environment: Mapping[str, str],
    options: str,
    watch: Watch,
) -> str:
    """Run ``playbook`` to its end and return ansible-runner's word for it, e.g. ``"failed"``.

    :param home: private folder for everything ansible-runner writes; the caller removes it
    :param options: further options of ``ansible-playbook``, e.g. ``"--check"``; no secret
    """
    from ansible_runner.interface import init_runner

    runner = init_runner(
        private_data_dir=str(home),
        playbook=str(playbook),
        inventory=str(inventory),
        cmdline=options or None,
        quiet=True,
        suppress_env_files=True,
        event_handler=watch.handle,
        cancel_callback=watch.is_killed,
    )
    runner.config.pexpect_timeout = _SEES_STOP_AFTER
    # It copies this process's environment, secrets and all, and writes it into a file.
    runner.config.env = _with_callbacks(environment, runner.config.env)
    with ThreadPoolExecutor(1, thread_name_prefix="ansible") as threads:
        running = threads.submit(runner.run)
        try:
            watch.follow(running)
        finally:
            if not running.done():  # the sink raised something
                watch.kill()
        running.result()
    return str(runner.status)


def _with_callbacks(wanted: Mapping[str, str], made: Mapping[str, str]) -> dict[str, str]:
    """``wanted`` and the variables by which ansible-runner hears of events."""
    names = (
        "ANSIBLE_CALLBACK_PLUGINS",
        "ANSIBLE_STDOUT_CALLBACK",
        "ANSIBLE_RETRY_FILES_ENABLED",
        "AWX_ISOLATED_DATA_DIR",
        "RUNNER_OMIT_EVENTS",
        "RUNNER_ONLY_FAILED_EVENTS",
    )
    return {**wanted, **{name: made[name] for name in names if name in made}}
