"""The bytes of one file: from an open file into another that is empty.

What has holes keeps them. Where two files can share blocks they do; otherwise the kernel copies
from one to the other, in steps that are small enough to be told and to be stopped between.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from sd_daemon.core.fileops.copying.kernel import LACKING, begin_writing, share_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from blake3 import blake3

    from sd_daemon.core.fileops.copying.tally import Tally

STEP = 8 * 1024 * 1024  # bytes between two reports
SMALL = 256 * 1024  # bytes that are read at once and written at once: fewer calls
_BUFFER = 1024 * 1024  # bytes that pass through this process at once, where they have to
_BLOCK = 512  # bytes of a block as stat counts them


class NotShared(Exception):
    """Two files were to share blocks, and cannot."""


class Content:
    """Copies contents. Remembers which ways of the kernel work between which two filesystems."""

    def __init__(self, tally: Tally, *, streaming: bool = False, atomic: bool = False) -> None:
        """`streaming`: only by reading and writing; `atomic`: only by sharing blocks."""
        self._tally = tally
        self._streaming = streaming
        self._atomic = atomic
        self._unshared: set[tuple[int, int]] = set()  # pairs of filesystems
        self._ways = [_by_read_and_write] if streaming else _ways()

    def copy(
        self,
        source: int,
        target: int,
        found: os.stat_result,
        path: str,
        device: int,
        digest: blake3 | None,
    ) -> int:
        """Copy what `source` holds, whose stat is `found`; how many bytes that were.

        `device` is where `target` is, `path` is for the reports. `digest` is fed with what was
        read. Raises OSError, JobInterrupted; NotShared where that was the only way allowed.
        """
        size = found.st_size
        pair = (found.st_dev, device)
        if not self._streaming and size and pair not in self._unshared:
            if share_blocks(source, target):
                if digest is not None:
                    _feed(source, size, digest)
                return size
            self._unshared.add(pair)
        if self._atomic and size:
            raise NotShared
        if not size:
            return _copy_to_end(source, target, digest)
        has_holes = found.st_blocks * _BLOCK < size
        if size <= SMALL and not has_holes:
            return self._copy_small(source, target, size, digest)
        return self._copy_large(source, target, found, path, digest, has_holes=has_holes)

    def _copy_small(self, source: int, target: int, size: int, digest: blake3 | None) -> int:
        data = os.read(source, size + 1)
        while len(data) < size and (more := os.read(source, size + 1 - len(data))):
            data += more  # a filesystem in user space gives what it likes
        if digest is not None:
            digest.update(data)
        if data:
            write_all(target, data)
        return len(data)

    def _copy_large(
        self,
        source: int,
        target: int,
        found: os.stat_result,
        path: str,
        digest: blake3 | None,
        *,
        has_holes: bool,
    ) -> int:
        size = found.st_size
        if digest is not None and has_holes:  # zeros count, too
            _feed(source, size, digest)
            digest = None
        before = self._tally.size
        regions = _regions(source, size) if has_holes else iter([(0, size)])
        for start, end in regions:
            at = start
            while at < end:
                moved = self._step(source, target, at, min(STEP, end - at), digest)
                if not moved:
                    self._tally.size = before
                    return at  # it became shorter; whoever called looks for that
                begin_writing(target, at, moved)
                at += moved
                self._tally.size += moved
                self._tally.tell(path, moved)
        self._tally.size = before  # the file counts when it is done
        if has_holes:
            os.ftruncate(target, size)
        return size

    def _step(
        self, source: int, target: int, offset: int, count: int, digest: blake3 | None
    ) -> int:
        if digest is not None:
            return _by_read_and_write(source, target, offset, count, digest)
        while True:
            try:
                return self._ways[0](source, target, offset, count)
            except OSError as error:
                if error.errno not in LACKING or len(self._ways) == 1:
                    raise
                del self._ways[0]


def _ways() -> list[Callable[[int, int, int, int], int]]:
    ways: list[Callable[[int, int, int, int], int]] = []
    if hasattr(os, "copy_file_range"):
        ways += [_by_copy_file_range, _by_sendfile]
    return [*ways, _by_read_and_write]


def _by_copy_file_range(source: int, target: int, offset: int, count: int) -> int:
    return os.copy_file_range(source, target, count, offset, offset)


def _by_sendfile(source: int, target: int, offset: int, count: int) -> int:
    os.lseek(target, offset, os.SEEK_SET)
    return os.sendfile(target, source, offset, count)


def _by_read_and_write(
    source: int, target: int, offset: int, count: int, digest: blake3 | None = None
) -> int:
    os.lseek(target, offset, os.SEEK_SET)
    end = offset + count
    at = offset
    while at < end:
        data = os.pread(source, min(_BUFFER, end - at), at)
        if not data:
            break
        if digest is not None:
            digest.update(data)
        write_all(target, data)
        at += len(data)
    return at - offset


def _copy_to_end(source: int, target: int, digest: blake3 | None) -> int:
    """Copy a file that says it is empty: those of /proc say so, whatever they hold."""
    count = 0
    while data := os.read(source, _BUFFER):
        if digest is not None:
            digest.update(data)
        write_all(target, data)
        count += len(data)
    return count


def write_all(target: int, data: bytes) -> None:
    """Write all of `data`. Raises OSError."""
    written = os.write(target, data)
    rest = memoryview(data)
    while written < len(rest):
        rest = rest[written:]
        written = os.write(target, rest)


def _feed(source: int, size: int, digest: blake3) -> None:
    at = 0
    while at < size and (data := os.pread(source, _BUFFER, at)):
        digest.update(data)
        at += len(data)


def _regions(source: int, size: int) -> Iterator[tuple[int, int]]:
    """Where there is data, from and to. All of it where the filesystem does not tell."""
    end = 0
    while end < size:
        try:
            start = os.lseek(source, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # only a hole is left
                return
            yield end, size
            return
        end = os.lseek(source, start, os.SEEK_HOLE)
        yield start, min(end, size)
