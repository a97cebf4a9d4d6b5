"""Probes of boot servers are quiet on the screen."""

import subprocess
import sys


def test_what_tftpy_logs_does_not_reach_the_screen() -> None:
    code = (
        "import logging, vmboot.fleet.probe, tftpy\n"
        "logging.getLogger('tftpy.TftpContext').warning('Resending packet RRQ')\n"
        "logging.getLogger('another').warning('seen')"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (ended.stdout, ended.stderr) == ("", "seen\n")
