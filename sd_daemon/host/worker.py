"""The process in which one job runs: niced, alone, and replaceable at any instant.

It is started by `sd_daemon.core.jobs.process` and speaks as `sd_daemon.core.jobs.reports` says.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

import msgspec

from sd_daemon.core.jobs.reports import Order
from sd_daemon.core.jobs.worker import Reporter, outcome

NICENESS = 10


def _listen(reporter: Reporter) -> None:
    """Obey the daemon, and end when it does."""
    while True:
        heard = os.read(0, 4096)
        if not heard:
            os._exit(1)
        if b"stop" in heard:
            reporter.stop()


def _read_order() -> Order:
    """The first line of standard input."""
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(0, 65536)
        if not piece:
            os._exit(1)
        line += piece
    return msgspec.json.decode(line, type=Order)


def main() -> None:
    """Run the job that standard input orders."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C at a terminal is meant for the daemon
    # Reports go to a descriptor of their own: what anything prints lands in the log instead.
    output = os.dup(1)
    os.dup2(2, 1)
    order = _read_order()
    reporter = Reporter(order, output)
    signal.signal(signal.SIGTERM, lambda _number, _frame: reporter.stop())
    os.nice(NICENESS)
    threading.Thread(target=_listen, args=(reporter,), daemon=True).start()
    try:
        reporter.send(outcome(order, reporter))
    except BrokenPipeError:
        os._exit(1)
    sys.stderr.flush()
    os._exit(0)
