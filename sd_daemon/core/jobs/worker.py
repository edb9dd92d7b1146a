"""A job inside its worker process: which function it is, and how it reports.

The process itself (arguments, signals, the end) is `sd_daemon.host.worker`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from sd_daemon.core.db.connection import DatabaseFailure, failures
from sd_daemon.core.fileops.names import (
    COPY,
    DELETE,
    EMPTY,
    MOVE,
    PREVIEW_COPY,
    PREVIEW_DELETE,
    RESOLVE,
    RESTORE,
    SETTLE,
    UNDO,
    VALIDATE,
)
from sd_daemon.core.index.errors import IndexFailure
from sd_daemon.core.index.follow.messages import FOLLOW
from sd_daemon.core.index.job_names import EXPORT, IMPORT, INDEXER, PURGE, VERIFY
from sd_daemon.core.jobs.context import Fork, JobInterrupted
from sd_daemon.core.jobs.reports import (
    Broken,
    CaughtUp,
    Changed,
    Completed,
    Following,
    Interrupted,
    Logged,
    Order,
    Progress,
    Report,
    Watched,
)
from sd_daemon.core.late import load
from sd_daemon.core.storage import library_error, storage_error
from sd_wire.errors import SdError, StorageReadOnly, code_of

REPORT_INTERVAL_S = 0.1

Work = Callable[[dict[str, Any], "Reporter"], dict[str, Any]]


class Kind(NamedTuple):
    """A kind of work: what its output is called, and the function that does it."""

    output: str
    target: str  # 'package.module:name', read by the worker that is to do it

    def work(self) -> Work:
        """The function."""
        found: Work = load(self.target)
        return found


_INDEX = "sd_daemon.core.index"
_FILES = "sd_daemon.core.fileops"

WORK: dict[str, Kind] = {
    INDEXER: Kind("Indexed", f"{_INDEX}.job:run_index_job"),
    VERIFY: Kind("Custom", f"{_INDEX}.verify_job:run_verify"),
    PURGE: Kind("Custom", f"{_INDEX}.job:run_purge"),
    EXPORT: Kind("Custom", "sd_daemon.core.transfer:run_export"),
    IMPORT: Kind("Custom", "sd_daemon.core.transfer:run_import"),
    COPY: Kind("FileCopy", f"{_FILES}.copying.job:run_copy"),
    MOVE: Kind("FileMove", f"{_FILES}.copying.job:run_copy"),
    UNDO: Kind("Custom", f"{_FILES}.undo:run_undo"),
    DELETE: Kind("FileDelete", f"{_FILES}.deleting:run_delete"),
    RESOLVE: Kind("DuplicateDetection", f"{_FILES}.resolving:run_resolve"),
    RESTORE: Kind("Custom", f"{_FILES}.restoring:run_restore"),
    EMPTY: Kind("FileDelete", f"{_FILES}.emptying:run_empty"),
    VALIDATE: Kind("FileValidation", f"{_FILES}.validating:run_validate"),
    SETTLE: Kind("Custom", f"{_FILES}.settling:run_settle"),
    PREVIEW_COPY: Kind("Custom", f"{_FILES}.preview_copy:run_preview_copy"),
    PREVIEW_DELETE: Kind("Custom", f"{_FILES}.preview_delete:run_preview_delete"),
    FOLLOW: Kind("Custom", f"{_INDEX}.follow.follower:run_follow"),
}
"""Every kind of job by its name. To follow a library's files is none that anybody sees, nor is a
preview, but both are done in the same way."""


class Reporter:
    """The job's context (`sd_daemon.core.jobs.context.JobContext`) in a real worker."""

    def __init__(self, order: Order, output: int, home_trash: str | None, fork: Fork) -> None:
        self.job_id = order.job_id
        self.library_dir = order.library_dir
        self.limits = order.limits
        self.home_trash = home_trash
        self.fork = fork
        self._output = output
        self._stop = threading.Event()
        self._encode = msgspec.json.Encoder().encode
        self._next_report = 0.0
        self._phase = ""
        self._held: Progress | None = None  # the newest that was not worth a line yet
        self._heard: deque[bytes] = deque()
        self.wake, self._waking = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def progress(
        self,
        phase: str,
        completed: int,
        total: int | None = None,
        *,
        size: int = 0,
        total_size: int | None = None,
        message: str = "",
        path: bytes | None = None,
        errors: int = 0,
        warnings: int = 0,
    ) -> None:
        """Tell how far the job is, unless that was told a moment ago in the same phase."""
        now = time.monotonic()
        report = Progress(
            phase, completed, total, size, total_size, message, path, errors, warnings
        )
        if now < self._next_report and phase == self._phase:
            self._held = report
            return
        self._next_report = now + REPORT_INTERVAL_S
        self._phase = phase
        self._held = None
        self.send(report)

    def conclude(self, last: Report) -> None:
        """Send the last report, and before it how far the job had come."""
        if self._held is not None:
            self.send(self._held)
        self.send(last)

    def safe_point(self) -> None:
        """Raise JobInterrupted if the daemon wants the job to stop."""
        if self._stop.is_set():
            raise JobInterrupted

    def announce(self) -> None:
        """Have published what is committed and was not announced."""
        self.send(Changed())

    def log(self, level: str, message: str, **fields: object) -> None:
        """Write a log record."""
        self.send(Logged(level, message, {key: str(value) for key, value in fields.items()}))

    def stop(self) -> None:
        """Let the next safe point be the last."""
        self._stop.set()
        self._stir()

    def hear(self, line: bytes) -> None:
        """Take what the daemon has said besides."""
        self._heard.append(line)
        self._stir()

    def heard(self) -> list[bytes]:
        """What the daemon has said since this was asked last; `wake` can be read when there is
        something, or when the job is to stop."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.wake, 4096)
        lines = []
        while self._heard:
            lines.append(self._heard.popleft())
        return lines

    def following(self, locations: dict[str, Watched], *, opened: bool) -> None:
        """Tell how locations are watched."""
        self.send(Following(locations, opened))

    def caught_up(self, heard: int) -> None:
        """Tell that all is in the index that had happened when so many messages had been heard."""
        self.send(CaughtUp(heard))

    def _stir(self) -> None:
        with contextlib.suppress(BlockingIOError):  # there is enough in it to wake anybody
            os.write(self._waking, b".")

    def send(self, report: Report) -> None:
        """Write one report as one line."""
        line = memoryview(self._encode(report) + b"\n")
        while line:
            line = line[os.write(self._output, line) :]


def outcome(order: Order, reporter: Reporter) -> Report:
    """Do the work; whatever comes of it as the last report."""
    database = f"{order.library_dir}/library.db"
    if order.name not in WORK:
        return Broken(f"this version does not know jobs of the kind {order.name!r}", "unknown-job")
    try:
        with failures(database):
            kind = WORK[order.name]
            return Completed({"type": kind.output, "data": kind.work()(order.params, reporter)})
    except JobInterrupted:
        return Interrupted()
    except IndexFailure as failure:
        return Broken(str(failure), code_of(type(failure).__name__))
    except DatabaseFailure as failure:
        return _broken(library_error(order.library_dir, failure))
    except SdError as error:
        return _broken(error)
    except MemoryError:
        return Broken("there was not enough memory", "out-of-memory")
    except OSError as error:
        return _from_system(order, error)
    except Exception as error:  # a defect: the daemon logs it and lives on
        return Broken(f"{type(error).__name__}: {error}", "defect", _trace())


def _trace() -> str:
    """Where the exception came from that is being handled. Few workers ever say it."""
    return str(load("traceback:format_exc")())


def _broken(error: SdError) -> Broken:
    return Broken(error.text, error.code, fields=error.fields)


def _from_system(order: Order, error: OSError) -> Broken:
    """What the system refused outside of any file of a person, which would be an omission."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        return _broken(storage_error(order.library_dir, error))
    if not os.path.isdir(order.library_dir):
        return _broken(StorageReadOnly(path=order.library_dir, reason="its folder is not there"))
    place = f" ({error.filename})" if error.filename else ""
    reason = os.strerror(error.errno) if error.errno else str(error)
    return Broken(f"{reason}{place}", "system-error", _trace())
