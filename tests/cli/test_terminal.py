"""What the commands share."""

from __future__ import annotations

import subprocess
import sys

WAITS = """
import signal
from bowerbird.cli.terminal import stop_on_signal

stop = stop_on_signal()
with stop._cond:  # as at some moments of each wait for it
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGINT)
stop.wait()
"""


def test_signals_stop_a_command_whatever_it_is_doing() -> None:
    subprocess.run([sys.executable, "-c", WAITS], check=True, timeout=30)
