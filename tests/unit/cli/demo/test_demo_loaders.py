from tests.unit.cli.commands.seam import record
from tests.unit.cli.screens import out, terminal
from vmboot.cli.demo.loaders import ready_firmwares
from vmboot.cli.demo.stage import Stage
from vmboot.errors import ConnectError
from vmboot.media.loaders import FirmwareReport, LoaderReport
from vmboot.model import Firmware


def reports(monkeypatch, *uefi_ready):
    """What ``loaders status`` says of UEFI, one answer after the other; BIOS is ready."""
    answers = iter(uefi_ready)

    def report():
        uefi = FirmwareReport(Firmware.UEFI, next(answers), (), "no loader", "fetch one")
        return LoaderReport((), (FirmwareReport(Firmware.BIOS, True, ()), uefi))

    monkeypatch.setattr("vmboot.cli.demo.loaders.report", report)


def test_with_loaders_for_all_nothing_is_fetched(monkeypatch):
    reports(monkeypatch, True)
    stage = Stage(terminal())
    assert ready_firmwares(stage) == (Firmware.BIOS, Firmware.UEFI)
    assert stage.outcomes == []


def test_a_missing_loader_is_fetched_first(monkeypatch):
    reports(monkeypatch, False, True)
    seam = record(monkeypatch, fetch_loaders=())
    stage = Stage(terminal())
    assert ready_firmwares(stage) == (Firmware.BIOS, Firmware.UEFI)
    assert seam.names == ["fetch_loaders"]
    assert stage.exit == 0


def test_without_it_and_without_a_network_the_rest_goes_on(monkeypatch):
    reports(monkeypatch, False, False)
    record(monkeypatch, fetch_loaders=ConnectError("the mirror does not answer", hint="later"))
    stage = Stage(terminal())
    assert ready_firmwares(stage) == (Firmware.BIOS,)
    assert stage.exit == 3
    assert "not done: the mirror does not answer" in out(stage.terminal)
    assert "not done: no loader" in out(stage.terminal)
