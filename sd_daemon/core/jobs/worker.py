"""The process in which one job runs: niced, alone, and replaceable at any instant.

It is started by `sd_daemon.core.jobs.process` and speaks as `sd_daemon.core.jobs.reports` says. It
holds a lock of the library while it works, so that a worker whose daemon was killed and the one
that a new daemon starts never work on the same library at once.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import msgspec

from sd_daemon.core.db.connection import DatabaseFailure, failures
from sd_daemon.core.index.errors import IndexFailure
from sd_daemon.core.index.job import run_index, run_purge, run_verify
from sd_daemon.core.jobs.context import JobInterrupted
from sd_daemon.core.jobs.reports import (
    Broken,
    Completed,
    Happened,
    Interrupted,
    Logged,
    Order,
    Progress,
    Report,
)
from sd_daemon.core.transfer import run_export, run_import
from sd_wire.errors import SdError

NICENESS = 10
REPORT_INTERVAL_S = 0.1
LOCK_FILE = "worker.lock"

Work = Callable[[dict[str, Any], "Reporter"], dict[str, Any]]

WORK: dict[str, Work] = {
    "indexer": run_index,
    "index_verify": run_verify,
    "location_purge": run_purge,
    "location_export": run_export,
    "location_import": run_import,
}
"""Every kind of job by its name."""


class Reporter:
    """The job's context (`sd_daemon.core.jobs.context.JobContext`) in a real worker."""

    def __init__(self, order: Order, output: int) -> None:
        self.job_id = order.job_id
        self.library_dir = order.library_dir
        self._output = output
        self._stop = threading.Event()
        self._encode = msgspec.json.Encoder().encode
        self._next_report = 0.0
        self._phase = ""

    def progress(
        self,
        phase: str,
        completed: int,
        total: int | None = None,
        *,
        size: int = 0,
        message: str = "",
        path: bytes | None = None,
        errors: int = 0,
        warnings: int = 0,
    ) -> None:
        """Tell how far the job is, unless that was told a moment ago in the same phase."""
        now = time.monotonic()
        if now < self._next_report and phase == self._phase and completed != total:
            return
        self._next_report = now + REPORT_INTERVAL_S
        self._phase = phase
        self.send(Progress(phase, completed, total, size, message, path, errors, warnings))

    def safe_point(self) -> None:
        """Raise JobInterrupted if the daemon wants the job to stop."""
        if self._stop.is_set():
            raise JobInterrupted

    def event(self, name: str, fields: dict[str, object]) -> None:
        """Publish an event."""
        self.send(Happened(name, fields))

    def log(self, level: str, message: str, **fields: object) -> None:
        """Write a log record."""
        self.send(Logged(level, message, {key: str(value) for key, value in fields.items()}))

    def stop(self) -> None:
        """Let the next safe point be the last."""
        self._stop.set()

    def send(self, report: Report) -> None:
        """Write one report as one line."""
        line = memoryview(self._encode(report) + b"\n")
        while line:
            line = line[os.write(self._output, line) :]


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


def _lock(library_dir: str) -> int:
    """Wait until no other worker works on this library."""
    fd = os.open(f"{library_dir}/{LOCK_FILE}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)
    return fd


def outcome(order: Order, reporter: Reporter) -> Report:
    """Do the work; whatever comes of it as the last report."""
    try:
        with failures(f"{order.library_dir}/library.db"):
            return Completed(WORK[order.name](order.params, reporter))
    except JobInterrupted:
        return Interrupted()
    except (IndexFailure, DatabaseFailure) as failure:
        return Broken(str(failure), type(failure).__name__)
    except SdError as error:
        return Broken(error.text, error.code)
    except MemoryError:
        return Broken("there was not enough memory", "MemoryError")
    except OSError as error:
        return Broken(str(error), type(error).__name__, traceback.format_exc())
    except Exception as error:  # a defect: the daemon logs it and lives on
        return Broken(f"{type(error).__name__}: {error}", "defect", traceback.format_exc())


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
        lock = _lock(order.library_dir)
        reporter.send(outcome(order, reporter))
        os.close(lock)
    except BrokenPipeError:
        os._exit(1)
    sys.stderr.flush()
    os._exit(0)
