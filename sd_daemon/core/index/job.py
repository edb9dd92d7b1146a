"""The jobs of the index: to index a folder, to remove one, to compare one with the disk.

Each is a function `run(params, context)` that may be interrupted at any instant, in order or by
kill -9, and called again with the same params and job id: it goes on where its last transaction
stands. Params and reports are plain JSON; a path is {"path": text, "path_bytes": base64 or null}.

run_index params:
  location_id  UUID of the location
  path         a folder inside it to index instead of all of it, or null
  mode         Shallow (metadata only), Content or Deep (identify contents too); None is Shallow
  scope        Recursive, or Current: the one folder without those inside it
  full         true: look at every entry, not only at folders that changed
  rules        the library's rule toggles by name; a toggle that is left out has its default

run_purge params:
  entry        entries.id of the root folder of a location whose row has been deleted
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any

from sd_daemon.core.db.connection import failures, open_writer, transaction
from sd_daemon.core.index.alone import Alone
from sd_daemon.core.index.announcements import Announcements
from sd_daemon.core.index.discovery import Discovery
from sd_daemon.core.index.errors import (
    IndexFailure,
    LocationUnknown,
    NamesNotUtf8,
    PathOutside,
)
from sd_daemon.core.index.identify import Identification
from sd_daemon.core.index.names import NameIndex
from sd_daemon.core.index.passes import Pass, abandon, begin_or_continue
from sd_daemon.core.index.report import human_size, index_report
from sd_daemon.core.index.rules import Rules
from sd_daemon.core.index.settle import Settling
from sd_daemon.core.index.totals import lower_unidentified, update_totals
from sd_daemon.core.index.walk import Subtree, loose
from sd_daemon.core.jobs.context import JobInterrupted
from sd_daemon.core.jobs.params import path_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from sd_daemon.core.jobs.context import JobContext

_NAMES_AT_ONCE = 4000


class Location:
    """The row of the location a job works on."""

    def __init__(self, db: sqlite3.Connection, uuid: str) -> None:
        row = db.execute(
            "SELECT id, path, entry, unidentified, rules FROM locations WHERE uuid = ?",
            (bytes.fromhex(uuid.replace("-", "")),),
        ).fetchone()
        if row is None:
            raise LocationUnknown(uuid.encode())
        self.id: int = row[0]
        self.path = loose(row[1])
        self.entry: int = row[2]
        self.unidentified: int = row[3]
        self.rules: str | None = row[4]
        self._db = db

    def set_state(self, state: str, error: str | None = None) -> None:
        """Say for all to see how the location's scan stands."""
        self._db.execute(
            "UPDATE locations SET scan_state = ?, error = ?, updated_at = ? WHERE id = ?",
            (state, error, time.time_ns(), self.id),
        )


def check_names_are_utf8(library_dir: str) -> None:
    """Raise NamesNotUtf8 if this process would store names wrong."""
    if sys.getfilesystemencoding() != "utf-8":
        raise NamesNotUtf8(os.fsencode(library_dir))


def run_index(params: dict[str, object], context: JobContext) -> dict[str, object]:
    """Bring the index of a location, or of a folder in it, up to date; returns the report.

    Raises IndexFailure, DatabaseFailure, and JobInterrupted when the context says so.
    """
    check_names_are_utf8(context.library_dir)
    file = context.library_dir + "/library.db"
    with Alone(context), failures(file):
        db = open_writer(file)
        try:
            location = Location(db, str(params["location_id"]))
            return index_location(db, location, params, context)
        finally:
            db.close()


def run_index_job(params: dict[str, object], context: JobContext) -> dict[str, object]:
    """The same, with the report in the form that existing clients read, too."""
    report: dict[str, Any] = run_index(params, context)
    location, seconds = report["location"], report["seconds"]["total"]
    stats = {
        "files": location["files"],
        "dirs": location["directories"],
        "bytes": location["bytes"],
        "symlinks": report["symlinks"],
        "skipped": report["skipped"],
        "errors": report["errors"],
    }
    span = {"secs": int(seconds), "nanos": int(seconds % 1 * 1e9)}
    return {"stats": stats, "metrics": {"total_duration": span}, **report}


def index_location(
    db: sqlite3.Connection, location: Location, params: dict[str, object], context: JobContext
) -> dict[str, object]:
    """Index `location` in the open library `db`, and keep its state; see `run_index`."""
    location.set_state("Scanning")
    try:
        return IndexJob(db, location, params, context).run()
    except JobInterrupted:
        location.set_state("Paused")
        raise
    except IndexFailure as failure:
        with transaction(db):
            abandon(db, context.job_id)
            location.set_state("Failed", str(failure))
        raise


class IndexJob:
    """One run of an index job, new or continued."""

    def __init__(
        self,
        db: sqlite3.Connection,
        location: Location,
        params: dict[str, object],
        context: JobContext,
    ) -> None:
        self._db = db
        self._location = location
        self._context = context
        settings = params.get("rules") or {}
        assert isinstance(settings, dict)
        self._rules = Rules(settings)
        self._recursive = params.get("scope", "Recursive") == "Recursive"
        self._identifies = params.get("mode") in ("Content", "Deep")
        # Other rules than last time may let in what is in folders that have not changed.
        self._full = bool(params.get("full")) or (
            location.rules is not None and location.rules != self._rules.stored()
        )
        self._names = NameIndex(db)
        self._path = path_of(params.get("path")) or location.path
        if not Subtree(location.path).contains(self._path):
            raise PathOutside(os.fsencode(self._path))

    def run(self) -> dict[str, object]:
        """Go through the phases that are still to be done."""
        discovery = Discovery(
            self._db,
            self._names,
            self._rules,
            self._context,
            location=self._location.path,
            entry=self._location.entry,
        )
        root = discovery.folder_at(self._path)
        current = begin_or_continue(self._db, self._context.job_id, root)
        if discovery.read_above:
            current.have_recounted()
        news = Announcements(self._db, current.id, self._context.announce)
        phases: dict[str, Callable[[Pass], None]] = {
            "discover": lambda at: discovery.run(
                at, self._path, news, full=self._full, recursive=self._recursive
            ),
            "settle": lambda at: self._settle(at, news),
            "identify": lambda at: self._identify(at, news),
            "names": self._add_names,
        }
        names = list(phases)
        for phase in names[names.index(current.phase) :]:
            if current.phase != phase:
                current.enter(phase, self._start_of(phase, current))
            self._context.safe_point()
            began = time.monotonic()
            try:
                phases[phase](current)
            finally:
                current.counts.spend(phase, time.monotonic() - began)
        self._finish(current)
        return index_report(self._db, self._location.id, self._path, current.counts)

    def _start_of(self, phase: str, current: Pass) -> int:
        """Return the position at which a phase begins: below all files that need identifying."""
        if phase != "identify":
            return 0
        firsts = [first for first in (current.counts.touched, self._unidentified()) if first]
        current.counts.touched = 0
        return min(firsts, default=sys.maxsize) - 1

    def _unidentified(self) -> int:
        row = self._db.execute(
            "SELECT unidentified FROM locations WHERE id = ?", (self._location.id,)
        ).fetchone()
        return int(row[0])

    def _settle(self, current: Pass, news: Announcements) -> None:
        def report(_: str) -> None:
            news.tell()
            counts = current.counts
            self._context.progress(
                "Processing",
                counts.moved + counts.removed,
                message=f"{counts.moved:,} moved, {counts.removed:,} removed",
            )
            self._context.safe_point()

        Settling(
            self._db,
            self._names,
            scan=current.id,
            first_new_id=current.first_new_id,
            root=self._path,
            counts=current.counts,
            announcements=news,
            on_saved=report,
        ).run()
        news.note_new()

    def _identify(self, current: Pass, news: Announcements) -> None:
        if not self._identifies:
            lower_unidentified(self._db, self._path, current.position + 1)
            return
        counts = current.counts

        def report(here: str) -> None:
            news.tell()
            done, size = counts.identified, counts.identified_bytes
            self._context.progress(
                "Content Identification",
                done,
                total,
                size=size,
                message=f"{done:,} files, {human_size(size)}",
                path=os.fsencode(here),
                errors=counts.unreadable,
            )
            self._context.safe_point()

        work = Identification(
            self._db,
            scan=current.id,
            path=self._path,
            position=current.position,
            recursive=self._recursive,
            counts=counts,
            announcements=news,
            on_saved=report,
        )
        total = counts.identified + work.remaining()[0]
        work.run()
        whole = self._recursive and self._path == self._location.path
        if counts.touched or not whole:
            lower_unidentified(self._db, self._path, counts.touched)
        if whole:
            after = counts.touched or self._last_entry() + 1
            self._db.execute(
                "UPDATE locations SET unidentified = ? WHERE id = ?", (after, self._location.id)
            )

    def _last_entry(self) -> int:
        row = self._db.execute("SELECT max(id) FROM entries").fetchone()
        return int(row[0] or 0)

    def _add_names(self, current: Pass) -> None:
        names = self._names
        total = names.remaining()
        done = 0
        while True:
            with transaction(self._db):
                added = names.add_next(_NAMES_AT_ONCE)
            if not added:
                return
            done += added
            self._context.progress(
                "Finalizing", done, max(done, total), message=f"names searchable: {done:,}"
            )
            self._context.safe_point()

    def _finish(self, current: Pass) -> None:
        now = time.time_ns()
        with transaction(self._db):
            update_totals(self._db, self._path, current.counts, recount=current.must_recount())
            if self._path == self._location.path and self._recursive:
                self._db.execute(
                    "UPDATE locations SET rules = ?, last_scan_at = ? WHERE id = ?",
                    (self._rules.stored(), now, self._location.id),
                )
            self._location.set_state("Completed")
            current.forget()


def run_purge(params: dict[str, object], context: JobContext) -> dict[str, object]:
    """Take out of the index what belonged to a removed location; the files stay on the disk.

    Locations inside it keep their entries. Nothing is removed if the folder belongs to a location
    all the same. Raises DatabaseFailure, and JobInterrupted when the context says so.
    """
    file = context.library_dir + "/library.db"
    with Alone(context), failures(file):
        db = open_writer(file)
        try:
            return _purge(db, int(str(params["entry"])), context)
        finally:
            db.close()


def _purge(db: sqlite3.Connection, entry: int, context: JobContext) -> dict[str, object]:
    names = NameIndex(db)
    current = begin_or_continue(db, context.job_id, entry, "settle")
    if not _belongs_to_a_location(db, entry):
        db.execute(
            "INSERT OR IGNORE INTO vanished (entry, scan, parent, device, inode, inside, open)"
            " SELECT f.id, ?, 0, f.device, f.inode, 1, 1 FROM folders f WHERE f.id = ?",
            (current.id, entry),
        )

    news = Announcements(db, current.id, context.announce)

    def report(_: str) -> None:
        news.tell()
        removed = current.counts.removed
        context.progress("Processing", removed, message=f"{removed:,} entries removed")
        context.safe_point()

    work = Settling(
        db,
        names,
        scan=current.id,
        first_new_id=current.first_new_id,
        root="/",
        counts=current.counts,
        announcements=news,
        on_saved=report,
    )
    work.expand()
    work.delete()
    with transaction(db):
        current.forget()
    return {"removed": current.counts.removed}


def _belongs_to_a_location(db: sqlite3.Connection, entry: int) -> bool:
    """Say whether an entry, or one above it, is the root of a location."""
    query = (
        "WITH RECURSIVE above(id) AS (SELECT ? UNION SELECT e.parent FROM entries e"
        " JOIN above ON e.id = above.id) SELECT 1 FROM locations WHERE entry IN above"
    )
    return db.execute(query, (entry,)).fetchone() is not None
