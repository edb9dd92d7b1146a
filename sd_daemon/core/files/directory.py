"""Listings: of a folder, and of the pictures and videos below one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sd_daemon.core.cursors import Cursors
from sd_daemon.core.files.build import COLUMNS, FileBuilder
from sd_daemon.core.files.extensions import extensions_of, having_extension
from sd_daemon.core.files.find import indexed_folder
from sd_daemon.core.files.order import DIRECTORY_KEYS, MEDIA_KEYS, Order
from sd_daemon.core.index.walk import Subtree
from sd_daemon.core.paths import resolve
from sd_wire.operations.files import DirectoryListing, ListDirectory, ListMedia, MediaListing
from sd_wire.types.files import ContentKind, File

if TYPE_CHECKING:
    import sqlite3

    from sd_daemon.core.cursors import Ends
    from sd_daemon.core.ids import EntryIds

DEFAULT_PAGE = 1000  # files
_WIDTH = len(COLUMNS.split(","))


def directory_listing(
    db: sqlite3.Connection, ids: EntryIds, device_slug: str, request: ListDirectory
) -> DirectoryListing:
    """The children of a folder: by name, or the newest, the largest or one type after the other.

    Hidden ones are listed unless that is refused. Raises PathNotIndexed, UnsupportedPath,
    InvalidValue.
    """
    folder = indexed_folder(db, resolve(db, request.path, device_slug))
    order = Order(DIRECTORY_KEYS[request.sort_by], folders_first=bool(request.folders_first))
    where = "e.parent = ?"
    if request.include_hidden is False:
        where += " AND e.name NOT LIKE '.%'"
    (total,) = db.execute(f"SELECT count(*) FROM entries e WHERE {where}", (folder,)).fetchone()
    page = _Page(db, FileBuilder(db, ids, device_slug), order)
    cursors = Cursors(ids.library_id, request, list[Any])
    files, more, ends = page.read(where, [folder], cursors, request.limit or DEFAULT_PAGE)
    return DirectoryListing(files, total, more, *ends)


def media_listing(
    db: sqlite3.Connection, ids: EntryIds, device_slug: str, request: ListMedia
) -> MediaListing:
    """The pictures and videos in a folder, told by their extensions.

    Raises PathNotIndexed, UnsupportedPath, InvalidValue.
    """
    path = resolve(db, request.path, device_slug)
    folder = indexed_folder(db, path)
    kinds = request.media_types or [ContentKind.IMAGE, ContentKind.VIDEO]
    named, extensions = having_extension(extensions_of(kinds))
    where = f"e.kind = 0 AND {named}"
    values: list[Any] = [*extensions]
    if request.include_descendants:
        below = Subtree(path)
        where += f" AND {below.where('f.path')}"
        values += below.params
    else:
        where += " AND e.parent = ?"
        values.append(folder)
    count = f"SELECT count(*) FROM folders f JOIN entries e ON e.parent = f.id WHERE {where}"
    (total,) = db.execute(count, values).fetchone()
    page = _Page(db, FileBuilder(db, ids, device_slug), Order(MEDIA_KEYS[request.sort_by]))
    cursors = Cursors(ids.library_id, request, list[Any])
    files, more, ends = page.read(where, values, cursors, request.limit or DEFAULT_PAGE)
    return MediaListing(files, total, more, *ends)


class _Page:
    """Reads pages of entries in one order."""

    def __init__(self, db: sqlite3.Connection, builder: FileBuilder, order: Order) -> None:
        self._db = db
        self._builder = builder
        self._order = order

    def read(
        self, where: str, values: list[Any], cursors: Cursors[list[Any]], limit: int
    ) -> tuple[list[File], bool, Ends]:
        """Up to `limit` files after the cursor, whether there are more, and the page's cursors."""
        place = cursors.read()
        after = self._order.after(place)
        rows = self._db.execute(
            f"SELECT {COLUMNS}, {self._order.columns}"
            " FROM folders f JOIN entries e ON e.parent = f.id"
            f" WHERE {where} AND {after} ORDER BY {self._order.columns} LIMIT ?",
            [*values, *(place or ()), limit + 1],
        ).fetchall()
        more = len(rows) > limit
        del rows[limit:]
        files = self._builder.build([row[:_WIDTH] for row in rows])
        ends = cursors.ends(lambda number: list(rows[number][_WIDTH:]), len(rows), more=more)
        return files, more, ends
