"""Editors that save by renaming what was there to a backup, and writing a new file in its place.

What a person has open is the name, so the entry stays with that: its content is another now, and
the backup is a new file, or gone a moment later.
"""

from __future__ import annotations

import re
import stat
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import os

    from sd_daemon.core.index.follow.hints import Rename

SAVED_S = 5.0  # from the rename to the new file, at most

# What comes after the name: vim, emacs (also numbered), kate; usual ones; JetBrains. And what Word
# calls it, whatever the name was, which comes to us through a file server.
_ENDS = re.compile(r"~|\.~\d+~|\.bak|\.old|\.orig|___jb_old___")
_OF_ANYTHING = re.compile(r"~WRL\d+\.tmp", re.IGNORECASE)


class Away(NamedTuple):
    """An entry that was renamed to a backup, and nothing was in its place yet."""

    rename: Rename
    entry: int
    newest: int  # the highest id that there was
    at: float


class Saves:
    """The renames to backups of the last seconds, by the place that was left."""

    def __init__(self) -> None:
        self._away: dict[tuple[int, str], Away] = {}

    def note(self, rename: Rename, entry: int, newest: int) -> None:
        """Remember a rename, if it may be the first step of a save."""
        if is_backup(rename):
            self._away[rename[:2]] = Away(rename, entry, newest, time.monotonic())

    def waiting(self) -> list[Away]:
        """Those whose place may still be taken by a new file."""
        since = time.monotonic() - SAVED_S
        self._away = {place: one for place, one in self._away.items() if one.at > since}
        return list(self._away.values())

    def forget(self, away: Away) -> None:
        """One is settled."""
        del self._away[away.rename[:2]]


def is_backup(rename: Rename) -> bool:
    """Whether the new name is what a backup of the old one is called."""
    folder, name, to_folder, to_name = rename
    if folder != to_folder:
        return False
    for start in (name, "." + name):
        if to_name.startswith(start) and _ENDS.fullmatch(to_name, len(start)):
            return True
    return _OF_ANYTHING.fullmatch(to_name) is not None


def is_replaced(inode: int, here: os.stat_result | None) -> bool:
    """Whether another file is where the one with this inode number was."""
    return here is not None and stat.S_ISREG(here.st_mode) and here.st_ino != inode
