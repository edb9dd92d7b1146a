"""Which watch belongs to which folder, in memory that outlives the process.

The daemon holds the descriptor of this memory beside that of inotify while nobody follows, and
hands both to the next follower. A place in the table is the number of a watch; the kernel counts
them up and uses none twice, so what is gone leaves a hole.
"""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_WIDTH = 8
_GROW = 8192  # places at a time
MOST = 8_000_000  # places; a table that has grown so far is made anew


class WatchTable:
    """entries.id of the folder of each watch, 0 for none. Place 0 is `watched`."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._map()

    @staticmethod
    def create() -> int:
        """A descriptor of a new, empty table."""
        fd = os.memfd_create("watches", os.MFD_CLOEXEC)
        os.ftruncate(fd, _GROW * _WIDTH)
        return fd

    @property
    def watched(self) -> int:
        """Folders with ids up to this one have been watched, or could not be."""
        return self._places[0]

    def note_watched(self, folder: int) -> None:
        """Note that folders with ids up to this one have been watched, or could not be."""
        self._places[0] = folder

    def get(self, watch: int) -> int:
        """The folder of a watch; 0 if it has none."""
        return self._places[watch] if 0 < watch < len(self._places) else 0

    def set(self, watch: int, folder: int) -> None:
        """Note that a watch is that of a folder, or with 0 that it has ended."""
        if watch >= len(self._places):
            if not folder:
                return
            self._places.release()
            self._memory.close()
            os.ftruncate(self.fd, (watch // _GROW + 1) * _GROW * _WIDTH)
            self._map()
        self._places[watch] = folder

    def is_worn(self) -> bool:
        """Say whether there are so many holes that it is time for a new one."""
        return len(self._places) > MOST

    def watches(self) -> Iterator[tuple[int, int]]:
        """Yield each watch with its folder."""
        for watch in range(1, len(self._places)):
            if folder := self._places[watch]:
                yield watch, folder

    def _map(self) -> None:
        self._memory = mmap.mmap(self.fd, os.fstat(self.fd).st_size)
        self._places = memoryview(self._memory).cast("q")
