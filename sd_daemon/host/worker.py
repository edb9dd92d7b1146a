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
from typing import TYPE_CHECKING, NoReturn, cast

import msgspec

from sd_daemon.core.fileops.trashes import home_trash
from sd_daemon.core.index.follow.messages import FOLLOW
from sd_daemon.core.jobs.reports import STOP, Limited, Order
from sd_daemon.core.jobs.worker import Reporter, outcome
from sd_daemon.core.late import load
from sd_wire.types.jobs import DiskShare

if TYPE_CHECKING:
    from collections.abc import Callable

    from sd_daemon.core.jobs.context import Link, SecondProcess

NICENESS = 10
# Millions of rows pass through a job, none of them in a cycle: reference counts free them, and to
# look for cycles as often as usual costs a tenth of the indexing speed.
COLLECT_EVERY = 500_000  # objects

# linux/ioprio.h; the numbers of the call are from the tables of each architecture.
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30, "riscv64": 30}
_IOPRIO_WHO_PROCESS = 1
_IOPRIO_BEST_EFFORT = 2 << 13 | 4
_IOPRIO_IDLE = 3 << 13


class Hearing:
    """What the daemon says, line by line. Its end is ours: a line that never comes ends us."""

    def __init__(self) -> None:
        self._heard = b""

    def line(self) -> bytes:
        """The next line, without its end."""
        while b"\n" not in self._heard:
            piece = os.read(0, 65536)
            if not piece:
                os._exit(1)
            self._heard += piece
        line, _, self._heard = self._heard.partition(b"\n")
        return line

    def obey(self, reporter: Reporter, *, follows: bool) -> NoReturn:
        """Do as every further line says. Who `follows` files is told more than a job."""
        while True:
            line = self.line()
            if line == STOP:
                reporter.stop()
            elif follows:
                reporter.hear(line)
            else:
                reporter.limits = msgspec.json.decode(line, type=Limited).limits
                share_disk(reporter.limits.disk)


def share_disk(share: DiskShare) -> None:
    """Stand behind other programs at the disk as far as `share` says: ioprio_set(2), for the thread
    that works. What cannot be had, as where the kernel or a service manager has none of it, is
    not worth a word: it makes nothing wrong. Few jobs ask for it: the others do without ctypes."""
    number = _IOPRIO_SET.get(os.uname().machine)
    if not sys.platform.startswith("linux") or number is None:
        return
    value = _IOPRIO_IDLE if share is DiskShare.IDLE else _IOPRIO_BEST_EFFORT
    load("ctypes:CDLL")(None).syscall(number, _IOPRIO_WHO_PROCESS, os.getpid(), value)


def _fork(live: Callable[[Link], None]) -> SecondProcess | None:
    return cast("SecondProcess | None", load("sd_daemon.host.forked:fork")(live))


def main() -> None:
    """Run the job that standard input orders."""
    # Ctrl-C at a terminal, and its end, are meant for the daemon.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # Reports go to a descriptor of their own: what anything prints lands in the log instead.
    output = os.dup(1)
    os.dup2(2, 1)
    hearing = Hearing()
    order = msgspec.json.decode(hearing.line(), type=Order)
    home = os.path.expanduser("~")
    trash = home_trash(sys.platform, os.environ.get("XDG_DATA_HOME"), home)
    reporter = Reporter(order, output, trash, _fork)
    signal.signal(signal.SIGTERM, lambda _number, _frame: reporter.stop())
    if order.name != FOLLOW:  # that works for moments only, and somebody waits to see a change
        with contextlib.suppress(OSError):  # a strict service manager forbids it: then as equals
            os.nice(NICENESS)
    gc.set_threshold(COLLECT_EVERY)
    gc.enable()  # whoever started us has switched it off
    if order.limits.disk is not DiskShare.BEST_EFFORT:
        share_disk(order.limits.disk)
    follows = {"follows": order.name == FOLLOW}
    threading.Thread(target=hearing.obey, args=(reporter,), kwargs=follows, daemon=True).start()
    try:
        reporter.conclude(outcome(order, reporter))
    except BrokenPipeError:
        os._exit(1)
    sys.stderr.flush()
    os._exit(0)
