"""The process in which one job runs: niced, alone, and replaceable at any instant.

It is started by `sd_daemon.core.jobs.process` and speaks as `sd_daemon.core.jobs.reports` says.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import threading

import msgspec

from sd_daemon.core.index.follow.messages import FOLLOW
from sd_daemon.core.jobs.reports import Order
from sd_daemon.core.jobs.worker import Reporter, outcome

NICENESS = 10
# Millions of rows pass through a job, none of them in a cycle: reference counts free them, and to
# look for cycles as often as usual costs a tenth of the indexing speed.
COLLECT_EVERY = 500_000  # objects


def _listen(reporter: Reporter, heard: bytes) -> None:
    """Obey the daemon, and end when it does."""
    while True:
        while b"\n" in heard:
            line, _, heard = heard.partition(b"\n")
            if line == b"stop":
                reporter.stop()
            else:
                reporter.hear(line)
        piece = os.read(0, 65536)
        if not piece:
            os._exit(1)
        heard += piece


def _read_order() -> tuple[Order, bytes]:
    """The first line of standard input, and what came right behind it."""
    heard = b""
    while b"\n" not in heard:
        piece = os.read(0, 65536)
        if not piece:
            os._exit(1)
        heard += piece
    line, _, rest = heard.partition(b"\n")
    return msgspec.json.decode(line, type=Order), rest


def main() -> None:
    """Run the job that standard input orders."""
    # Ctrl-C at a terminal, and its end, are meant for the daemon.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # Reports go to a descriptor of their own: what anything prints lands in the log instead.
    output = os.dup(1)
    os.dup2(2, 1)
    order, rest = _read_order()
    reporter = Reporter(order, output)
    signal.signal(signal.SIGTERM, lambda _number, _frame: reporter.stop())
    if order.name != FOLLOW:  # that works for moments only, and somebody waits to see a change
        with contextlib.suppress(OSError):  # a strict service manager forbids it: then as equals
            os.nice(NICENESS)
    gc.set_threshold(COLLECT_EVERY)
    threading.Thread(target=_listen, args=(reporter, rest), daemon=True).start()
    try:
        reporter.conclude(outcome(order, reporter))
    except BrokenPipeError:
        os._exit(1)
    sys.stderr.flush()
    os._exit(0)
