"""What all tests share: the lab's fixtures, common options, and a policy for skips.

A skip is a hole in the proof, so each must say what is missing and what would bring it back. With
``--no-skips`` (or ``VMBOOT_NO_SKIPS=1``) every skip is a failure: for machines that should have
everything.
"""

from __future__ import annotations

import importlib.util
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

if importlib.util.find_spec("tests.labfixtures"):
    pytest_plugins = ["tests.labfixtures"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--no-skips",
        action="store_true",
        default=os.environ.get("VMBOOT_NO_SKIPS") == "1",
        help="fail a test that would be skipped",
    )


def pytest_configure() -> None:
    """A job started in the background ignores Ctrl-C, one under nohup a hang-up, and so would every
    test about them.
    """
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    for number, handler in usual.items():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = _skip_reason(report)
        if len(reason.split()) < 3 or item.config.getoption("--no-skips"):
            report.outcome = "failed"
            report.longrepr = f"skipped, which is not allowed here: {reason or 'no reason given'}"
    return report


def _skip_reason(report: pytest.TestReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ").removeprefix("unconditional skip").strip()


@pytest.fixture(autouse=True)
def own_directories(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch):
    """Journals, locks and logins of a test never meet those of the person who runs it, and what
    it sees of a terminal is the same everywhere.

    The cache is shared on purpose: it holds the lab's vCenter and fetched loaders.
    """
    monkeypatch.setenv("VMBOOT_STATE", str(tmp_path_factory.mktemp("state")))
    for name in [name for name in os.environ if name.startswith(("GOVC_", "VMWARE_"))]:
        monkeypatch.delenv(name)
    for name in ("HOST", "USER", "PASSWORD", "PASSWORD_FILE", "THUMBPRINT", "CA_FILE", "INSECURE"):
        monkeypatch.delenv(f"VMBOOT_{name}", raising=False)
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return ROOT
