"""Reading back what was written, from the disk.

What was just written is still in memory, and to compare with that proves nothing. So files wait
until some of them are together; then all is flushed, forgotten by the memory, read again and
compared with the digest of what was read from the source. A filesystem in memory (tmpfs) has no
disk: there it shows only that memory holds.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from blake3 import blake3

from sd_daemon.core.fileops.copying.kernel import forget_cached
from sd_daemon.core.fileops.rename import flush_filesystem

if TYPE_CHECKING:
    from sd_daemon.core.fileops.copying.file import Copier, Place

_WAITING = 400  # files that are kept open until they are read again
_WAITING_BYTES = 256 * 1024 * 1024
_BUFFER = 4 * 1024 * 1024
_FEW = 4  # files that are flushed one by one


class Written(NamedTuple):
    """A file that was written and is to be read again."""

    place: Place
    fd: int
    found: os.stat_result
    digest: bytes


class Verifier:
    """Verifies the files of one copy."""

    def __init__(self, copier: Copier) -> None:
        self._copier = copier
        self._waiting: list[Written] = []
        self._size = 0
        self._buffer = bytearray(_BUFFER)

    def add(self, written: Written) -> None:
        """Take over an open file. Its times, which say that it is complete, it gets here."""
        self._waiting.append(written)
        self._size += written.found.st_size
        if len(self._waiting) >= _WAITING or self._size >= _WAITING_BYTES:
            self.flush()

    def flush(self) -> None:
        """Verify what waits. What is not as it should be is removed, and counted as failed."""
        waiting, self._waiting, self._size = self._waiting, [], 0
        try:
            _flush(waiting)
            for written in waiting:
                forget_cached(written.fd)
            for written in waiting:
                self._compare(written)
        finally:
            for written in waiting:
                os.close(written.fd)

    def _compare(self, written: Written) -> None:
        digest = blake3()
        os.lseek(written.fd, 0, os.SEEK_SET)
        view = memoryview(self._buffer)
        while count := os.readv(written.fd, [self._buffer]):
            digest.update(view[:count])
            if count == _BUFFER:  # of small files the next that is copied tells
                self._copier.tally.tell(written.place.path)
        if digest.digest() == written.digest:
            self._copier.metadata.give_times(written.fd, written.found)
        else:
            self._copier.reject(written)


def _flush(waiting: list[Written]) -> None:
    """Have files on the disk: a few one by one, many with all that their filesystem holds back."""
    if len(waiting) <= _FEW:
        for written in waiting:
            os.fsync(written.fd)
        return
    for fd in {written.place.base.device: written.fd for written in waiting}.values():
        flush_filesystem(fd)
