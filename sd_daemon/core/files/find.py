"""Finding single files: by id, by path, by content."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sd_daemon.core.files.build import FileBuilder
from sd_daemon.core.index.walk import exact
from sd_daemon.core.paths import absolute, shown
from sd_wire.errors import InvalidValue, PathNotIndexed
from sd_wire.operations.files import AlternateInstances

if TYPE_CHECKING:
    import sqlite3
    from uuid import UUID

    from sd_daemon.core.ids import EntryIds
    from sd_wire.types.files import File

MOST_INSTANCES = 5000  # files in one answer; more would not fit into a line of the protocol


def by_id(db: sqlite3.Connection, ids: EntryIds, device_slug: str, file_id: UUID) -> File | None:
    """The file with this id, or None if this library has none."""
    number = ids.to_number(file_id)
    if number is None:
        return None
    return next(iter(FileBuilder(db, ids, device_slug).by_numbers([number])), None)


def by_path(
    db: sqlite3.Connection,
    ids: EntryIds,
    device_slug: str,
    path: str,
    path_bytes: bytes | None = None,
) -> File | None:
    """The file at this path, or None if it is not indexed. Raises InvalidValue."""
    number = entry_at(db, absolute(path, path_bytes))
    if number is None:
        return None
    return next(iter(FileBuilder(db, ids, device_slug).by_numbers([number])), None)


def entry_at(db: sqlite3.Connection, path: str) -> int | None:
    """The entries.id of what is at a clean, absolute path, or None."""
    folder = folder_at(db, path)
    if folder is not None:
        return folder
    above, _, name = path.rpartition("/")
    parent = folder_at(db, above or "/")
    if parent is None:
        return None
    row = db.execute(
        "SELECT id FROM entries WHERE parent = ? AND name = ?", (parent, exact(name))
    ).fetchone()
    return None if row is None else int(row[0])


def folder_at(db: sqlite3.Connection, path: str) -> int | None:
    """The entries.id of the folder at a clean, absolute path, or None."""
    row = db.execute("SELECT id FROM folders WHERE path = ?", (exact(path),)).fetchone()
    return None if row is None else int(row[0])


def indexed_folder(db: sqlite3.Connection, path: str, *, field: str = "path") -> int:
    """The entries.id of the folder at this path.

    Raises PathNotIndexed if there is nothing, InvalidValue if it is not a folder.
    """
    folder = folder_at(db, path)
    if folder is not None:
        return folder
    pointer = "/payload/" + field.replace(".", "/")
    if entry_at(db, path) is None:
        raise PathNotIndexed(path=shown(path), pointer=pointer)
    raise InvalidValue(field=field, reason=f"{shown(path)} is not a folder", pointer=pointer)


def alternate_instances(
    db: sqlite3.Connection, ids: EntryIds, device_slug: str, entry_uuid: UUID
) -> AlternateInstances:
    """Every file with the content of this one, oldest entry first, itself included.

    A file that is not identified stands alone. At most MOST_INSTANCES are listed; the count is of
    all. Raises InvalidValue if the library has no such file.
    """
    number = ids.to_number(entry_uuid)
    row = db.execute("SELECT content FROM entries WHERE id = ?", (number,)).fetchone()
    if number is None or row is None:
        reason = f"there is no file {entry_uuid} in this library"
        raise InvalidValue(field="entry_uuid", reason=reason, pointer="/payload/entry_uuid")
    builder = FileBuilder(db, ids, device_slug)
    if row[0] is None:
        return AlternateInstances(builder.by_numbers([number]), 1)
    numbers = db.execute(
        "SELECT id FROM entries WHERE content = ? ORDER BY id LIMIT ?", (row[0], MOST_INSTANCES)
    ).fetchall()
    (total,) = db.execute("SELECT count(*) FROM entries WHERE content = ?", row).fetchone()
    return AlternateInstances(builder.by_numbers([one for (one,) in numbers]), total)
