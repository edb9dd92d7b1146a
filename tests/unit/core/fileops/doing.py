"""Jobs that change files, run in this process on a library's folder."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sd_daemon.core.db.migrate import migrate
from sd_daemon.core.fileops import history
from sd_daemon.core.fileops.copying.job import run_copy
from sd_daemon.core.fileops.copying.order import CopyOrder, Pair
from sd_daemon.core.fileops.journal import Journal, OperationKind
from sd_daemon.core.fileops.settling import run_settle
from sd_daemon.core.fileops.undo import run_undo
from sd_daemon.core.jobs.context import JobInterrupted
from sd_daemon.host.forked import fork
from sd_wire.operations.history import ListHistory
from sd_wire.types.jobs import JobLimits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sd_wire.operations.history import HistoryItem


class Context:
    """A job's context: remembers what it was told, and does what a test wants at a safe point."""

    def __init__(self, library_dir: Path, job_id: str, home: Path) -> None:
        self.library_dir = str(library_dir)
        self.job_id = job_id
        self.home_trash: str | None = str(home / "Trash")
        self.limits = JobLimits()
        self.fork = fork
        self.reports: list[tuple[Any, ...]] = []
        self.safe_points = 0
        self.at_safe_point: Callable[[int], None] = lambda _: None

    def progress(self, phase: str, completed: int, total: int | None = None, **more: Any) -> None:
        self.reports.append((phase, completed, total, more))

    def safe_point(self) -> None:
        self.safe_points += 1
        self.at_safe_point(self.safe_points)

    def announce(self) -> None:
        pass

    def log(self, level: str, message: str, **fields: object) -> None:
        pass


class Desk:
    """Where files are copied and moved."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.library = folder / "library"
        self.library.mkdir()
        migrate(f"{self.library}/operations.db", "operations")
        self._jobs = 0

    def context(self) -> Context:
        """That of a new job."""
        self._jobs += 1
        return Context(self.library, f"{UUID(int=self._jobs)}", self.folder / "home")

    def copy(
        self, *sources: Path, to: Path, context: Context | None = None, **more: Any
    ) -> dict[str, Any]:
        """Copy or move into a folder."""
        pairs = [Pair(str(one), f"{to}/{one.name}") for one in sources]
        kind = OperationKind.MOVE if more.get("move") else OperationKind.COPY
        order = CopyOrder(kind=kind, pairs=pairs, **more)
        return run_copy(order.params(), context or self.context())

    def until_later(self) -> None:
        """Wait until the clock of the filesystem, which ticks slowly, is past this moment: what
        is changed after that is seen to be changed after what was done before."""
        now = time.time_ns()
        probe = self.folder / "probe"
        probe.touch()
        while probe.stat().st_ctime_ns <= now:
            probe.touch()
        probe.unlink()

    def undo(self, context: Context, own: Context | None = None) -> dict[str, Any]:
        """Take back what the job of this context did; `own` is that of the undo."""
        params = {"operation": context.job_id, "title": "Undoing"}
        return run_undo(params, own or self.context())

    def history(self, context: Context) -> HistoryItem:
        """What the history says of the job of this context."""
        with Journal(str(self.library)) as journal:
            items = history.page(journal.db, UUID(int=0), ListHistory()).operations
        return next(item for item in items if str(item.id) == context.job_id)

    def settle(self, context: Context) -> None:
        """What follows when the job of this context was cancelled."""
        run_settle({"operation": context.job_id}, self.context())


def interrupt(_number: int) -> None:
    """Stop at a safe point."""
    raise JobInterrupted


def differences(one: Path, other: Path) -> str:
    """What rsync would still have to do, and what it does not look at: exact times, holes."""
    command = ["rsync", "-aHAX", "--checksum", "--dry-run", "--itemize-changes", "--delete"]
    done = subprocess.run([*command, f"{one}/", f"{other}/"], capture_output=True, check=True)
    return done.stdout.decode("utf-8", "replace") + _exactly(one, other)


def _exactly(one: Path, other: Path) -> str:
    found = []
    root = os.fsencode(one)
    for folder, dirs, files in os.walk(root):
        for name in [*dirs, *files]:
            path = folder + b"/" + name
            here, there = os.lstat(path), os.lstat(os.fsencode(other) + path[len(root) :])
            if here.st_mtime_ns != there.st_mtime_ns:
                found.append(f"time of {path!r}")
            if here.st_blocks * 512 < here.st_size and there.st_blocks > here.st_blocks + 16:
                found.append(f"holes of {path!r}")
    return "\n".join(found)


def temporaries(folder: Path) -> list[str]:
    """What nobody should ever see."""
    return [
        name
        for _, dirs, files in os.walk(folder)
        for name in [*dirs, *files]
        if name.startswith(".spacedrive-")
    ]
