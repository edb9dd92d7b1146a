"""Orders of a listing of files.

Every order is total: it ends with the name and, where names of several folders meet, the entry. And
all keys ascend (a size that is to come largest first is negated), so that "after" is one comparison
of rows, which SQLite does by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sd_daemon.core.cursors import is_key, refused
from sd_daemon.core.files.extensions import EXTENSION
from sd_wire.operations.files import DirectorySort, MediaSort

if TYPE_CHECKING:
    from collections.abc import Sequence

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


class Order:
    """One order of a listing, as SQL."""

    def __init__(self, keys: Sequence[str], *, folders_first: bool = False) -> None:
        self._keys = (_NOT_A_FOLDER, *keys) if folders_first else tuple(keys)
        self.columns = ", ".join(self._keys)

    def after(self, place: list[Any] | None) -> str:
        """A condition for what follows a row with these keys. Raises InvalidValue."""
        if place is None:
            return "1"
        if len(place) != len(self._keys) or not all(is_key(key) for key in place):
            raise refused()
        return f"({self.columns}) > ({', '.join('?' * len(place))})"
