"""The first phase of an index job: making the index agree with what is on the disk."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sd_daemon.core.index.announcements import Announcements
from sd_daemon.core.index.errors import PathOmitted
from sd_daemon.core.index.report import Counts, human_size
from sd_daemon.core.index.scan import Scan
from sd_daemon.core.index.store import Store
from sd_daemon.core.index.walk import exact

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from sd_daemon.core.index.names import NameIndex
    from sd_daemon.core.index.passes import Pass
    from sd_daemon.core.index.rules import Rules
    from sd_daemon.core.jobs.context import JobContext

# Made when the first load is over: filling them row by row costs more than building them once.
_INDEXES = (
    "CREATE INDEX IF NOT EXISTS entries_name ON entries (name COLLATE NOCASE)",
    "CREATE INDEX IF NOT EXISTS folders_inode ON folders (inode)",
)


class Discovery:
    """Scans folders of the location at `location`, whose root is the entry `entry`."""

    def __init__(
        self,
        db: sqlite3.Connection,
        names: NameIndex,
        rules: Rules,
        context: JobContext,
        *,
        location: str,
        entry: int,
    ) -> None:
        self._db = db
        self._names = names
        self._rules = rules
        self._context = context
        self._location = location
        self._entry = entry
        self.read_above = False

    def folder_at(self, path: str) -> int:
        """Return the id of the folder at `path` in the location, reading those above it if needed.

        `read_above` says whether that was so. Raises PathOmitted if the path is not
        in the index even then.
        """
        entry = self._entry
        here = self._location
        for name in path[len(here) :].split("/"):
            if not name:
                continue
            above, here = here, (here.rstrip("/") + "/" + name)
            found = self._known(here)
            if found is None:
                self._read_one(entry, above)
                found = self._known(here)
            if found is None:
                raise PathOmitted(os.fsencode(path))
            entry = found
        return entry

    def _known(self, path: str) -> int | None:
        row = self._db.execute("SELECT id FROM folders WHERE path = ?", (exact(path),)).fetchone()
        return int(row[0]) if row else None

    def _read_one(self, entry: int, path: str) -> None:
        """Read a single folder; what is new in it is indexed with the next pass over it."""
        self.read_above = True
        announcements = Announcements(self._db, -1, self._context.announce)
        store = Store(self._db, -1, announcements)
        self._scan(-1, store, entry, path, 0, Counts(), lambda _: None, full=True, recursive=False)
        announcements.tell()

    def run(
        self,
        current: Pass,
        path: str,
        announcements: Announcements,
        *,
        full: bool,
        recursive: bool,
    ) -> None:
        """Scan the folder at `path`, the root of the pass, from where the pass stands."""
        counts = current.counts
        context = self._context

        def report(here: str) -> None:
            announcements.tell()
            files, size = counts.delta_files, counts.delta_bytes
            seen = counts.folders_read + counts.folders_unchanged
            what = f"folders: {seen:,}, new files: {max(files, 0):,}"
            context.progress(
                "Discovery",
                max(files, 0),
                size=max(size, 0),
                message=f"{what}, {human_size(max(size, 0))}",
                path=os.fsencode(here),
            )
            context.safe_point()

        self._scan(
            current.id,
            Store(self._db, current.id, announcements),
            current.root,
            path,
            current.position,
            counts,
            report,
            full=full,
            recursive=recursive,
        )
        for statement in _INDEXES:
            self._db.execute(statement)

    def _scan(
        self,
        scan: int,
        store: Store,
        root: int,
        path: str,
        position: int,
        counts: Counts,
        on_saved: Callable[[str], None],
        *,
        full: bool,
        recursive: bool,
    ) -> None:
        Scan(
            self._db,
            store,
            self._names,
            scan=scan,
            root=root,
            path=path,
            position=position,
            rules=self._rules,
            counts=counts,
            full=full,
            recursive=recursive,
            chosen=path == self._location,
            on_saved=on_saved,
        ).run()
