"""Rows of the index as the files that clients see.

A page of a listing is up to ten thousand of these, so this is code that counts microseconds: one
query for the rows, one for all the contents among them, and nothing per file but its own struct.

Where upstream replaces the path of an identified file by the id of its content, the path stays
here: a person wants to open the file, and the content is in `content_identity` anyway. There is no
birth time in the index; `created_at` is the earlier of the times of the last change of content and
of inode, which is the closest bound that is known.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from sd_daemon.core.index.identity_text import id_to_text
from sd_daemon.core.index.kinds import identify_kind
from sd_daemon.core.index.walk import DIRECTORY, FILE, SYMLINK, loose
from sd_daemon.core.index.walk import join as join_path
from sd_daemon.core.paths import content_uuid
from sd_wire.types.files import CONTENT_KINDS, ContentIdentity, ContentKind, EntryKind, File
from sd_wire.types.paths import PhysicalPath, SdPath, physical

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from sd_daemon.core.ids import EntryIds

# entries.* and the path of the folder it is in, NULL for the root of a location.
COLUMNS = "e.id, e.parent, e.name, e.kind, e.size, e.mtime, e.ctime, e.inode, e.content, f.path"
Row = tuple[
    int, int, str | bytes, int, int, int, int, int, int | None, str | bytes | None
]  # in the order of COLUMNS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KINDS = (EntryKind.FILE, EntryKind.DIRECTORY, EntryKind.SYMLINK, *[EntryKind.FILE] * 4)
_SPECIAL = (None, None, None, "fifo", "socket", "block_device", "character_device")


def moment(nanoseconds: int) -> datetime:
    """A time of the database; what is finer than a microsecond is cut off."""
    return _EPOCH + timedelta(0, 0, nanoseconds // 1000)


def split_name(name: str) -> tuple[str, str | None]:
    """The name of a file without its extension, and the extension without its dot.

    A dot at the beginning or the end makes no extension; joined by a dot the two are the name.
    """
    at = name.rfind(".")
    if at <= 0 or at == len(name) - 1:
        return name, None
    return name[:at], name[at + 1 :]


def name_of(name: str | bytes, parent: int) -> str:
    """The readable name of an entry. The root of a location, whose parent is 0, is stored by its
    path and shown by the last part of that."""
    text = name if isinstance(name, str) else name.decode("utf-8", "replace")
    if parent == 0:
        return text[text.rfind("/") + 1 :] or text
    return text


def content_kind_of(name: str) -> ContentKind:
    """What a file of this name contains."""
    return CONTENT_KINDS[identify_kind(name)[0]]


class FileBuilder:
    """Makes File structs of one library."""

    __slots__ = ("_db", "_ids", "_slug")

    def __init__(self, db: sqlite3.Connection, ids: EntryIds, device_slug: str) -> None:
        self._db = db
        self._ids = ids
        self._slug = device_slug

    def by_numbers(self, numbers: Sequence[int]) -> list[File]:
        """The files with these entries.id, in this order; those that are gone are left out."""
        rows = self._db.execute(
            f"SELECT {COLUMNS} FROM json_each(?) AS wanted"
            " CROSS JOIN entries e ON e.id = wanted.value LEFT JOIN folders f ON f.id = e.parent"
            " ORDER BY wanted.key",
            (msgspec.json.encode(numbers).decode(),),
        )
        return self.build(rows.fetchall())

    def build(self, rows: Sequence[Row]) -> list[File]:
        """The files that these rows are."""
        identities = self._identities({row[8] for row in rows if row[8] is not None})
        return [self._file(row, identities) for row in rows]

    def _file(self, row: Row, identities: dict[int, ContentIdentity]) -> File:
        number, parent, name, kind, size, mtime, ctime, inode, content, folder = row
        sd_path = self._path(folder, name)
        shown = name if type(name) is str and parent else name_of(name, parent)
        stem, extension = (shown, None) if kind == DIRECTORY else split_name(shown)
        identity = None if content is None else identities.get(content)
        content_kind = content_kind_of(shown) if kind == FILE else ContentKind.UNKNOWN
        if identity is not None and content_kind is ContentKind.UNKNOWN:
            content_kind = identity.kind
        modified = moment(mtime)
        return File(
            self._ids.to_uuid(number),
            sd_path,
            _KINDS[kind],
            stem,
            extension,
            size,
            modified if mtime <= ctime else moment(ctime),
            modified,
            content_kind,
            identity,
            special=_SPECIAL[kind] if kind > SYMLINK else None,
            inode=inode,
        )

    def _path(self, folder: str | bytes | None, name: str | bytes) -> SdPath:
        if folder is None:
            return physical(self._slug, name.encode() if isinstance(name, str) else name)
        if type(folder) is str and type(name) is str:
            path = f"{folder}/{name}" if folder != "/" else f"/{name}"
            return SdPath(PhysicalPath(self._slug, path))
        return physical(self._slug, os.fsencode(join_path(loose(folder), loose(name))))

    def _identities(self, contents: Iterable[int]) -> dict[int, ContentIdentity]:
        numbers = list(contents)
        if not numbers:
            return {}
        found = self._db.execute(
            "SELECT c.id, c.kind, c.mime, c.size, c.integrity_hash, c.first_seen_at,"
            " c.last_verified_at, (SELECT count(*) FROM entries WHERE content = c.id)"
            " FROM contents c WHERE c.id IN (SELECT value FROM json_each(?))",
            (msgspec.json.encode(numbers).decode(),),
        )
        return {
            number: ContentIdentity(
                uuid=content_uuid(number),
                kind=CONTENT_KINDS[kind],
                content_hash=id_to_text(number),
                integrity_hash=integrity,
                mime_type_id=None,
                text_content=None,
                total_size=size,
                entry_count=count,
                first_seen_at=moment(first),
                last_verified_at=moment(last),
                mime_type=mime,
            )
            for number, kind, mime, size, integrity, first, last, count in found
        }
