"""Listings: of a folder, and of the pictures and videos below one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    order = Order(
        f"{folder}/{request.sort_by}",
        DIRECTORY_KEYS[request.sort_by],
        folders_first=bool(request.folders_first),
    )
    where = "e.parent = ?"
    if request.include_hidden is False:
        where += " AND e.name NOT LIKE '.%'"
    (total,) = db.execute(f"SELECT count(*) FROM entries e WHERE {where}", (folder,)).fetchone()
    page = _Page(db, FileBuilder(db, ids, device_slug), order)
    files, cursor = page.read(where, [folder], request.cursor, request.limit or DEFAULT_PAGE)
    return DirectoryListing(files, total, cursor is not None, cursor)


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
    order = Order(
        f"{folder}/{bool(request.include_descendants)}/{request.sort_by}/{'+'.join(kinds)}",
        MEDIA_KEYS[request.sort_by],
    )
    count = f"SELECT count(*) FROM folders f JOIN entries e ON e.parent = f.id WHERE {where}"
    (total,) = db.execute(count, values).fetchone()
    page = _Page(db, FileBuilder(db, ids, device_slug), order)
    files, cursor = page.read(where, values, request.cursor, request.limit or DEFAULT_PAGE)
    return MediaListing(files, total, cursor is not None, cursor)


class _Page:
    """Reads pages of entries in one order."""

    def __init__(self, db: sqlite3.Connection, builder: FileBuilder, order: Order) -> None:
        self._db = db
        self._builder = builder
        self._order = order

    def read(
        self, where: str, values: list[Any], cursor: str | None, limit: int
    ) -> tuple[list[File], str | None]:
        """Up to `limit` files after the cursor, and the cursor for more if there are more."""
        after, keys = self._order.after(cursor)
        rows = self._db.execute(
            f"SELECT {COLUMNS}, {self._order.columns}"
            " FROM folders f JOIN entries e ON e.parent = f.id"
            f" WHERE {where} AND {after} ORDER BY {self._order.columns} LIMIT ?",
            [*values, *keys, limit + 1],
        ).fetchall()
        more = len(rows) > limit
        del rows[limit:]
        files = self._builder.build([row[:_WIDTH] for row in rows])
        return files, self._order.cursor(rows[-1][_WIDTH:]) if more else None
