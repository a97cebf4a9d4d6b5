"""The live view of long work: a bar for each upload, one for the machines, a line for the rest.

Events come from worker threads as well; rich's Progress locks for itself, and the counters here are
only touched under the lock of this view.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from vmboot.cli.text import printable, size
from vmboot.events import Event

_RATE_OVER = 5.0  # seconds that the shown rate looks back

_ENDED = {
    "vm.done": "done",
    "vm.ok": "done",
    "vm.pending": "pending",
    "vm.failed": "failed",
    "vm.skipped": "skipped",
}
# These must not be replaced by the next message.
_LASTING = {"run.interrupted", "session.insecure", "import.warning"}


class LiveView:
    """A sink that draws; use it as a context manager, it leaves nothing behind on the screen."""

    def __init__(self, console: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[text]}", markup=False),
            TimeElapsedColumn(),
            auto_refresh=False,
        )
        self._stages = Text()
        self._live = Live(
            get_renderable=self.picture,
            console=console,
            transient=True,
            refresh_per_second=8,
        )
        self._clock = clock
        self._lock = threading.RLock()  # Ctrl-C may interrupt a draw with a message of its own
        self._tasks: dict[str, TaskID] = {}
        self._counts = dict.fromkeys(("done", "failed", "pending", "skipped"), 0)
        self._ends: list[float] = []

    def __enter__(self) -> LiveView:
        self._live.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def picture(self) -> RenderableType:
        """What is drawn now: the stages of a boot so far, then the bars."""
        parts = (self._stages, self._progress) if self._stages else (self._progress,)
        return Group(*parts)

    def see(self, event: Event) -> None:
        """The sink."""
        with self._lock:
            if event.kind in _ENDED:
                self._machine_ended(event)
            elif event.kind == "run.begin":
                self._update("machines", "machines", total=event.data.get("total"))
            elif event.kind in _LASTING:
                self._print(event.message, "yellow")
            elif {"bytes", "total"} <= event.data.keys():
                self._bytes(event)
            elif event.kind == "rehearsal.stage":
                self._stage(event)
            elif event.message:
                self._say(event)

    def _machine_ended(self, event: Event) -> None:
        self._counts[_ENDED[event.kind]] += 1
        self._ends.append(self._clock())
        words = [f"{count} {name}" for name, count in self._counts.items() if count]
        self._update(
            "machines",
            "machines",
            completed=sum(self._counts.values()),
            total=event.data.get("total"),
            text=f"{', '.join(words)}, {self._rate():.1f}/s",
        )
        if event.kind == "vm.failed":
            self._print(f"failed: {event.subject}: {event.message}", "red")

    def _rate(self) -> float:
        """Machines a second, over the last seconds only."""
        now = self._clock()
        self._ends = [at for at in self._ends if now - at <= _RATE_OVER]
        return (len(self._ends) - 1) / max(now - self._ends[0], 1.0) if self._ends else 0.0

    def _bytes(self, event: Event) -> None:
        sent, total = int(event.data["bytes"]), int(event.data["total"])
        text = f"{size(sent)} of {size(total)}"
        name = event.subject.rpartition("/")[2] or "upload"
        self._update(f"bytes {event.subject}", name, completed=sent, total=total, text=text)

    def _stage(self, event: Event) -> None:
        text = f"{float(event.data.get('seconds', 0)):6.1f} s  {printable(event.message)}"
        self._stages = Text(f"{self._stages.plain}\n{text}".lstrip("\n"))

    def _say(self, event: Event) -> None:
        """The latest thing said, on a line that the next one replaces."""
        name = event.subject.rpartition("/")[2]
        about = f"{name}: " if name and name not in event.message else ""
        self._update("say", f"{about}{event.message}", total=None)

    def _print(self, text: str, style: str = "") -> None:
        self._live.console.print(Text(printable(text), style=style))

    def _update(
        self,
        key: str,
        description: str,
        *,
        total: float | None = None,
        completed: float | None = None,
        text: str = "",
    ) -> None:
        description = printable(description)
        if key not in self._tasks:
            self._tasks[key] = self._progress.add_task(description, total=total, text=text)
        task = self._tasks[key]
        self._progress.update(task, description=description, completed=completed, text=text)
        if total is not None:
            self._progress.update(task, total=total)
