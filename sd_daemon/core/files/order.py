"""Orders of a listing, and cursors: places in an order that outlive changes of what is listed.

A cursor holds the sort keys of the last row of a page. The next page is what sorts after them, so
files that come or go in the meantime neither repeat a row nor make one disappear. For that every
order is total: it ends with the name and, where names of several folders meet, the entry. And all
keys ascend (a size that is to come largest first is negated), so that "after" is one comparison of
rows, which SQLite does by itself.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, Any

import msgspec

from sd_daemon.core.files.extensions import EXTENSION
from sd_wire.errors import InvalidValue
from sd_wire.operations.files import DirectorySort, MediaSort

if TYPE_CHECKING:
    from collections.abc import Sequence

Key = int | str | bytes

_NAME = ("e.name COLLATE NOCASE", "e.name", "e.id")
_CREATED = ("-min(e.mtime, e.ctime)", *_NAME)
_NOT_A_FOLDER = "e.kind <> 1"

DIRECTORY_KEYS: dict[DirectorySort, tuple[str, ...]] = {
    DirectorySort.NAME: _NAME,
    DirectorySort.MODIFIED: ("-e.mtime", *_NAME),
    DirectorySort.SIZE: ("-e.size", *_NAME),
    DirectorySort.TYPE: (_NOT_A_FOLDER, EXTENSION, *_NAME),
}
MEDIA_KEYS: dict[MediaSort, tuple[str, ...]] = {
    MediaSort.MODIFIED: ("-e.mtime", *_NAME),
    MediaSort.CREATED: _CREATED,
    MediaSort.DATE_TAKEN: _CREATED,  # until something reads it out of the files
    MediaSort.NAME: _NAME,
    MediaSort.SIZE: ("-e.size", *_NAME),
}


class Cursor(msgspec.Struct, array_like=True):
    """Where a page ended: in which listing, and the keys of its last row."""

    listing: str
    keys: list[Any]  # Key; msgspec does not tell text from bytes in a union


class Order:
    """One order of one listing: SQL that sorts, and the cursor that goes with it."""

    def __init__(self, listing: str, keys: Sequence[str], *, folders_first: bool = False) -> None:
        """`listing` says of which rows this is an order; cursors of others are refused."""
        if folders_first:
            keys = (_NOT_A_FOLDER, *keys)
            listing += "/folders"
        self._listing = listing
        self.keys = tuple(keys)
        self.columns = ", ".join(keys)

    def after(self, cursor: str | None) -> tuple[str, list[Key]]:
        """A condition for what follows the cursor, and its values. Raises InvalidValue."""
        if cursor is None:
            return "1", []
        values = self._decode(cursor)
        marks = ", ".join("?" * len(values))
        return f"({self.columns}) > ({marks})", values

    def cursor(self, values: Sequence[Key]) -> str:
        """The cursor for a row with these keys."""
        encoded = msgspec.msgpack.encode(Cursor(self._listing, list(values)))
        return urlsafe_b64encode(encoded).decode().rstrip("=")

    def _decode(self, text: str) -> list[Key]:
        try:
            encoded = urlsafe_b64decode(text.encode("ascii") + b"===")
            found = msgspec.msgpack.decode(encoded, type=Cursor)
        except (ValueError, msgspec.MsgspecError):
            raise _refused("it is not one that an earlier page gave") from None
        if found.listing != self._listing or len(found.keys) != len(self.keys):
            raise _refused("it belongs to a listing of another folder or in another order")
        if not all(_is_key(key) for key in found.keys):
            raise _refused("it is not one that an earlier page gave")
        return found.keys


def _is_key(value: object) -> bool:
    """Whether SQLite can compare rows with it."""
    if isinstance(value, int):
        return -(1 << 63) <= value < 1 << 63
    return isinstance(value, str | bytes)


def _refused(reason: str) -> InvalidValue:
    return InvalidValue(field="cursor", reason=reason, pointer="/payload/cursor")
