"""A job inside its worker process: which function it is, and how it reports.

The process itself (arguments, signals, the end) is `sd_daemon.host.worker`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from sd_daemon.core.db.connection import DatabaseFailure, failures
from sd_daemon.core.fileops.copying.job import run_copy
from sd_daemon.core.fileops.deleting import run_delete
from sd_daemon.core.fileops.emptying import run_empty
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
from sd_daemon.core.fileops.preview_copy import run_preview_copy
from sd_daemon.core.fileops.preview_delete import run_preview_delete
from sd_daemon.core.fileops.resolving import run_resolve
from sd_daemon.core.fileops.restoring import run_restore
from sd_daemon.core.fileops.settling import run_settle
from sd_daemon.core.fileops.undo import run_undo
from sd_daemon.core.fileops.validating import run_validate
from sd_daemon.core.index.errors import IndexFailure
from sd_daemon.core.index.follow.follower import run_follow
from sd_daemon.core.index.follow.messages import FOLLOW
from sd_daemon.core.index.job import run_index, run_purge
from sd_daemon.core.index.verify_job import run_verify
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
from sd_daemon.core.storage import library_error, storage_error
from sd_daemon.core.transfer import run_export, run_import
from sd_wire.errors import SdError, StorageReadOnly, code_of

REPORT_INTERVAL_S = 0.1

Work = Callable[[dict[str, Any], "Reporter"], dict[str, Any]]


def _index(params: dict[str, Any], reporter: Reporter) -> dict[str, Any]:
    """The index job, with its report in the form that existing clients read."""
    report: dict[str, Any] = run_index(params, reporter)
    location, seconds = report["location"], report["seconds"]
    stats = {
        "files": location["files"],
        "dirs": location["directories"],
        "bytes": location["bytes"],
        "symlinks": report["symlinks"],
        "skipped": report["skipped"],
        "errors": report["errors"],
    }
    return {"stats": stats, "metrics": {"total_duration": _span(seconds["total"])}, **report}


def _span(seconds: float) -> dict[str, int]:
    return {"secs": int(seconds), "nanos": int(seconds % 1 * 1e9)}


WORK: dict[str, tuple[str, Work]] = {
    "indexer": ("Indexed", _index),
    "index_verify": ("Custom", run_verify),
    "location_purge": ("Custom", run_purge),
    "location_export": ("Custom", run_export),
    "location_import": ("Custom", run_import),
    COPY: ("FileCopy", run_copy),
    MOVE: ("FileMove", run_copy),
    UNDO: ("Custom", run_undo),
    DELETE: ("FileDelete", run_delete),
    RESOLVE: ("DuplicateDetection", run_resolve),
    RESTORE: ("Custom", run_restore),
    EMPTY: ("FileDelete", run_empty),
    VALIDATE: ("FileValidation", run_validate),
    SETTLE: ("Custom", run_settle),
    PREVIEW_COPY: ("Custom", run_preview_copy),
    PREVIEW_DELETE: ("Custom", run_preview_delete),
    FOLLOW: ("Custom", run_follow),
}
"""Every kind of job by its name: what its output is called, and the function that does it. To
follow a library's files is none that anybody sees, nor is a preview, but both are done in the same
way."""


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
            output, work = WORK[order.name]
            return Completed({"type": output, "data": work(order.params, reporter)})
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
        return Broken(f"{type(error).__name__}: {error}", "defect", traceback.format_exc())


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
    return Broken(f"{reason}{place}", "system-error", traceback.format_exc())
