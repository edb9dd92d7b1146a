"""A library whose rows a test puts there itself: a real database, and no disk to index."""

from __future__ import annotations

import os
import sqlite3
from uuid import UUID, uuid4

from sd_daemon.core.db.migrate import known_migrations
from sd_daemon.core.files import contents, directory, find
from sd_daemon.core.ids import EntryIds
from sd_daemon.core.index.names import NameIndex
from sd_daemon.core.search.files import search_files
from sd_wire.operations.files import ListDirectory, ListMedia
from sd_wire.operations.search import PaginationOptions, SearchFiles

SLUG = "here"
DAY = 86_400 * 10**9
NOW = 20_000 * DAY


def stored(path: bytes) -> str | bytes:
    try:
        return path.decode()
    except UnicodeDecodeError:
        return path


class Shelf:
    """An open library, and the questions one can ask of it."""

    def __init__(self) -> None:
        self.db = sqlite3.connect(":memory:", isolation_level=None)
        for step in known_migrations("library"):
            self.db.executescript(step.sql)
        self.id = uuid4()
        self.ids = EntryIds(self.id)
        self.folders: dict[bytes, int] = {}

    def __del__(self) -> None:
        self.db.close()

    # --- putting things in

    def location(self, path: str | bytes) -> UUID:
        """A location at a path, with the folder if that is new."""
        raw, uuid = os.fsencode(path), uuid4()
        entry = self.folders.get(raw) or self._entry(0, raw, 1, size=4096)
        self._folder(entry, raw)
        self.db.execute(
            "INSERT INTO locations (uuid, name, path, entry, index_mode, scan_state, job_policies,"
            " created_at, updated_at) VALUES (?, 'x', ?, ?, 'Deep', 'Completed', '{}', 0, 0)",
            (uuid.bytes, stored(raw), entry),
        )
        return uuid

    def file(self, path: str | bytes, kind: int = 0, **columns: int) -> int:
        """A file, with the folders that lead to it; returns its entries.id."""
        folder, _, name = os.fsencode(path).rpartition(b"/")
        return self._entry(self.folder(folder), name, kind, **columns)

    def folder(self, path: str | bytes) -> int:
        """A folder inside a location; returns its entries.id."""
        raw = os.fsencode(path)
        if raw not in self.folders:
            above, _, name = raw.rpartition(b"/")
            assert above, f"{raw!r} is in no location"
            self._folder(self._entry(self.folder(above), name, 1, size=4096), raw)
        return self.folders[raw]

    def content(self, number: int, kind: int, size: int, *entries: int) -> None:
        """A content that these entries have."""
        self.db.execute(
            "INSERT INTO contents VALUES (?, ?, 'text/plain', ?, NULL, ?, ?)",
            (number, kind, size, NOW, NOW),
        )
        for entry in entries:
            self.db.execute(
                "UPDATE entries SET content = ?, size = ? WHERE id = ?", (number, size, entry)
            )

    def index_names(self, limit: int = 1_000_000) -> None:
        """Put the next entries into the trigram index."""
        NameIndex(self.db).add_next(limit)

    def index_beginnings(self) -> None:
        """Make the index of names, as the index job does after the first load."""
        self.db.execute("CREATE INDEX entries_name ON entries (name COLLATE NOCASE)")

    def _folder(self, entry: int, raw: bytes) -> None:
        self.folders[raw] = entry
        self.db.execute(
            "INSERT OR IGNORE INTO folders VALUES (?, ?, 1, 0, 0, 0, 0)", (entry, stored(raw))
        )

    def _entry(
        self, parent: int, name: bytes, kind: int, size: int = 0, mtime: int = 0, ctime: int = NOW
    ) -> int:
        cursor = self.db.execute(
            "INSERT INTO entries (parent, name, kind, size, mtime, ctime, inode)"
            " VALUES (?, ?, ?, ?, ?, ?, 7)",
            (parent, stored(name), kind, size, mtime, ctime),
        )
        return cursor.lastrowid or 0

    # --- asking

    def uuid(self, entry: int) -> UUID:
        return self.ids.to_uuid(entry)

    def by_id(self, uuid):
        return find.by_id(self.db, self.ids, SLUG, uuid)

    def by_path(self, path, path_bytes=None):
        return find.by_path(self.db, self.ids, SLUG, path, path_bytes)

    def instances(self, entry):
        return find.alternate_instances(self.db, self.ids, SLUG, self.uuid(entry))

    def unique(self, location, limit=1000):
        return contents.unique_to_location(self.db, self.ids, SLUG, location, limit)

    def listing(self, path, **options):
        return directory.directory_listing(
            self.db, self.ids, SLUG, ListDirectory(path=path, **options)
        )

    def media(self, path, **options):
        return directory.media_listing(self.db, self.ids, SLUG, ListMedia(path=path, **options))

    def search(self, query="", limit=50, offset=0, **options):
        request = SearchFiles(query=query, pagination=PaginationOptions(limit, offset), **options)
        return search_files(self.db, self.ids, SLUG, request, NOW)

    def found(self, query="", **options):
        """The full names of what a search finds, in order."""
        return [full_name(file) for file in self.search(query, **options).files]


def full_name(file) -> str:
    return file.name if file.extension is None else f"{file.name}.{file.extension}"
