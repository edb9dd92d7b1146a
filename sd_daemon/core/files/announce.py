"""Telling the world which files are different: from the table `announcements` to events.

The rows are read and the files built in a reader thread, a few at a time; published; and only then
deleted. See core/index/announcements.py for who writes them, and what that guarantees.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from sd_daemon.core.db.connection import DatabaseFailure
from sd_daemon.core.files.build import FileBuilder
from sd_daemon.core.index.announcements import Change
from sd_daemon.core.index.walk import loose
from sd_daemon.core.log import get_log
from sd_wire.errors import LibraryNotFound
from sd_wire.events import (
    EntryCreated,
    EntryDeleted,
    EntryModified,
    EntryMoved,
    Event,
    FilesModified,
    FsRawChange,
    Refresh,
    ResourceChangedBatch,
    ResourceDeleted,
    ResourceMetadata,
)
from sd_wire.events.files import ChangedPath, RawChange, RenamedPath
from sd_wire.types.files import EntryKind
from sd_wire.types.paths import PhysicalPath, SdPath, physical, readable

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from sd_daemon.core.bus import Bus
    from sd_daemon.core.library import Library
    from sd_wire.types.files import File

log = get_log(__name__)

MOST_RESOURCES = 100  # in one event
MOST_BYTES = 256 * 1024  # the same, encoded
_ROWS = 200  # read, published and deleted together

_encode = msgspec.json.Encoder().encode


class Row(NamedTuple):
    """A row of `announcements`."""

    id: int
    change: str
    entry: int
    old_path: str | bytes | None
    new_path: str | bytes | None


async def announce(library: Library, bus: Bus, correlation: str | None) -> None:
    """Publish the changes that were noted one by one. What cannot be read is published later."""
    try:
        while True:
            raw = bus.wanted(FsRawChange)
            events, last = await library.database.read(_waiting, library, raw)
            for event in events:
                bus.publish(event, correlation, transient=isinstance(event, FsRawChange))
            if last is None:
                return
            await library.database.write(_forget, last)
    except (DatabaseFailure, LibraryNotFound) as failure:
        log.warning("changes were not announced", library_id=library.id, reason=failure)


async def announce_rest(
    library: Library, bus: Bus, correlation: str | None, *, whole: bool
) -> None:
    """The same when a job has stopped, and what was not noted one by one: Refresh. If it has not
    done the `whole` of its work, there may be new files that were not noted at all."""
    await announce(library, bus, correlation)
    try:
        if await library.database.read(_anything, whole):
            bus.publish(Refresh(library.id), correlation)
            await library.database.write(_forget_anything)
    except (DatabaseFailure, LibraryNotFound) as failure:
        bus.publish(Refresh(library.id), correlation)  # once too often does no harm
        log.warning("it is not known what changed", library_id=library.id, reason=failure)


def _forget(db: sqlite3.Connection, last: int) -> None:
    db.execute("DELETE FROM announcements WHERE id <= ? AND change <> ?", (last, Change.ANYTHING))


def _anything(db: sqlite3.Connection, whole: bool) -> bool:  # noqa: FBT001
    query = "SELECT 1 FROM announcements WHERE change = ?"
    if db.execute(query, (Change.ANYTHING,)).fetchone():
        return True
    query = "SELECT 1 FROM entries WHERE id > (SELECT entry FROM announced) AND parent > 0 LIMIT 1"
    return not whole and db.execute(query).fetchone() is not None


def _forget_anything(db: sqlite3.Connection) -> None:
    db.execute("DELETE FROM announcements WHERE change = ?", (Change.ANYTHING,))


def _waiting(
    db: sqlite3.Connection,
    library: Library,
    raw: bool,  # noqa: FBT001
) -> tuple[list[Event], int | None]:
    """The events for the next rows, and the id of the last of these; None if there are none.
    `raw`: FsRawChange, too."""
    rows = db.execute(
        "SELECT id, change, entry, old_path, new_path FROM announcements WHERE change <> ?"
        " ORDER BY id LIMIT ?",
        (Change.ANYTHING, _ROWS),
    ).fetchall()
    if not rows:
        return [], None
    return _Events(db, library).of([Row._make(row) for row in rows], raw=raw), rows[-1][0]


class _Events:
    """Makes the events for rows that are read together."""

    def __init__(self, db: sqlite3.Connection, library: Library) -> None:
        self._files = FileBuilder(db, library.ids, library.device_slug)
        self._library = library

    def of(self, rows: list[Row], *, raw: bool) -> list[Event]:
        """First each change for itself, then the files as they are now, then those that are gone.

        A file that changed more than once is the same file each time, and listed once.
        """
        entries = dict.fromkeys(row.entry for row in rows if row.change != Change.DELETED)
        files = dict(zip(entries, self._build(list(entries)), strict=True))
        events: list[Event] = []
        events += filter(None, map(self._change, rows))
        if raw:
            events += filter(None, (self._raw(row, files.get(row.entry)) for row in rows))
        events += self._modified(rows, files)
        events += self._batches(rows, [file for file in files.values() if file is not None])
        events += [self._deleted(row) for row in rows if row.change == Change.DELETED]
        return events

    def _build(self, entries: list[int]) -> list[File | None]:
        """The files with these entries.id; None for one that has gone since."""
        found = {file.id: file for file in self._files.by_numbers(entries)}
        return [found.get(self._library.ids.to_uuid(entry)) for entry in entries]

    def _change(self, row: Row) -> Event | None:
        library, entry = self._library.id, self._library.ids.to_uuid(row.entry)
        if row.change == Change.IDENTIFIED:
            return None
        if row.change == Change.CREATED:
            return EntryCreated(library, entry)
        if row.change == Change.DELETED:
            return EntryDeleted(library, entry)
        if row.old_path is None or row.new_path is None:
            return EntryModified(library, entry)
        return EntryMoved(library, entry, _shown(row.old_path), _shown(row.new_path))

    def _raw(self, row: Row, file: File | None) -> FsRawChange | None:
        kind = None
        old, new = (None if one is None else _shown(one) for one in (row.old_path, row.new_path))
        place = None if file is None else file.sd_path.Physical
        if row.change == Change.DELETED and old is not None:
            kind = RawChange(Remove=ChangedPath(old))
        elif row.change == Change.MOVED and old is not None and new is not None:
            kind = RawChange(Rename=RenamedPath(old, new))
        elif row.change == Change.CREATED and place is not None:
            kind = RawChange(Create=ChangedPath(place.path))
        elif row.change == Change.MODIFIED and place is not None:
            kind = RawChange(Modify=ChangedPath(place.path))
        return None if kind is None else FsRawChange(self._library.id, kind)

    def _modified(self, rows: list[Row], files: dict[int, File | None]) -> Iterator[FilesModified]:
        entries = dict.fromkeys(row.entry for row in rows if row.change == Change.MODIFIED)
        found = [files.get(entry) for entry in entries]
        paths = [
            file.sd_path.Physical.path
            for file in found
            if file is not None
            and file.kind == EntryKind.FILE
            and file.sd_path.Physical is not None
        ]
        for first in range(0, len(paths), MOST_RESOURCES):
            part = paths[first : first + MOST_RESOURCES]
            yield FilesModified(self._library.id, part)

    def _batches(self, rows: list[Row], files: list[File]) -> Iterator[ResourceChangedBatch]:
        was: dict[object, list[SdPath]] = {}
        for row in rows:
            if row.change == Change.MOVED and row.old_path is not None:
                was.setdefault(self._library.ids.to_uuid(row.entry), []).append(
                    self._path(row.old_path)
                )
        batch: list[File] = []
        paths: dict[bytes, SdPath] = {}
        size = 0
        for file in files:
            own = _with_parents([*was.get(file.id, ()), file.sd_path])
            weight = len(_encode(file)) + sum(map(len, own))
            if batch and (len(batch) == MOST_RESOURCES or size + weight > MOST_BYTES):
                yield self._batch(batch, paths)
                batch, paths, size = [], {}, 0
            batch.append(file)
            paths |= own
            size += weight
        if batch:
            yield self._batch(batch, paths)

    def _batch(self, files: list[File], paths: dict[bytes, SdPath]) -> ResourceChangedBatch:
        metadata = ResourceMetadata(["sd_path"], affected_paths=list(paths.values()))
        return ResourceChangedBatch("file", files, metadata, self._library.id)

    def _deleted(self, row: Row) -> ResourceDeleted:
        own = {} if row.old_path is None else _with_parents([self._path(row.old_path)])
        metadata = ResourceMetadata(affected_paths=list(own.values()))
        entry = self._library.ids.to_uuid(row.entry)
        return ResourceDeleted("file", entry, self._library.id, metadata)

    def _path(self, stored: str | bytes) -> SdPath:
        return physical(self._library.device_slug, os.fsencode(loose(stored)))


def _shown(stored: str | bytes) -> str:
    return readable(os.fsencode(loose(stored)))


def _with_parents(paths: list[SdPath]) -> dict[bytes, SdPath]:
    """These paths and the folder of each, every one once, by what they are when encoded."""
    found: dict[bytes, SdPath] = {}
    for path in paths:
        for one in (path, _parent_of(path)):
            found[_encode(one)] = one
    return found


def _parent_of(path: SdPath) -> SdPath:
    place = path.Physical
    assert place is not None
    if place.path_bytes is None:
        return SdPath(PhysicalPath(place.device_slug, place.path.rpartition("/")[0] or "/"))
    return physical(place.device_slug, place.path_bytes.rpartition(b"/")[0] or b"/")
