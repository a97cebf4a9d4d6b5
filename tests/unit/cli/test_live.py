import io

from rich.console import Console

from vmboot.cli.live import LiveView
from vmboot.events import Event


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def watched(*events, step=0.0):
    """What a live view has drawn after ``events``."""
    stream = io.StringIO()
    console = Console(file=stream, width=100, force_terminal=True, color_system=None)
    clock = Clock()
    view = LiveView(console, clock=clock)
    for event in events:
        view.see(event)
        clock.now += step
    console.print(view.picture())
    return stream.getvalue()


def machine(kind, number, total=4):
    return Event(f"vm.{kind}", "boom", f"/DC1/vm/pvs-{number}", {"done": number, "total": total})


def test_machines_are_counted_by_how_they_ended():
    text = watched(machine("done", 1), machine("done", 2), machine("failed", 3))
    assert "2 done, 1 failed" in text
    assert "failed: /DC1/vm/pvs-3: boom" in text


def test_the_rate_is_that_of_the_last_seconds():
    assert "2.0/s" in watched(*(machine("done", n, 20) for n in range(1, 21)), step=0.5)


def test_an_upload_shows_its_bytes():
    event = Event("upload.progress", "", "[shared-01] vmboot/x.iso", {"bytes": 1024, "total": 4096})
    text = watched(event)
    assert "x.iso" in text
    assert "1.0 KiB of 4.0 KiB" in text


def test_stages_of_a_boot_are_listed_while_it_lasts():
    text = watched(
        Event("rehearsal.stage", "DHCP gave an address", "vm", {"seconds": 1.5}),
        Event("rehearsal.stage", "pvs1 is dead", "vm", {"seconds": 14.25}),
    )
    assert "   1.5 s  DHCP gave an address" in text
    assert "  14.2 s  pvs1 is dead" in text


def test_the_latest_message_replaces_the_one_before():
    text = watched(Event("a", "first"), Event("b", "second"))
    assert "second" in text
    assert "first" not in text


def test_a_warning_is_not_replaced():
    text = watched(Event("session.insecure", "NOT checked"), Event("b", "next"))
    assert "NOT checked" in text


def test_names_cannot_paint_the_screen():
    text = watched(Event("vm.failed", "[red]x[/red]\x1b[2J", "vm", {"done": 1, "total": 1}))
    assert "[red]x[/red]\\x1b[2J" in text
