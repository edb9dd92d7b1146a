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

    from sd_daemon.core.fileops.copying.tally import Counts
    from sd_daemon.core.fileops.copying.verify import Check

STEP = 8 * 1024 * 1024  # bytes between two reports
SMALL = 256 * 1024  # bytes that are read at once and written at once: fewer calls
_BUFFER = 1024 * 1024  # bytes that pass through this process at once, where they have to
_BLOCK = 512  # bytes of a block as stat counts them


class NotShared(Exception):
    """Two files were to share blocks, and cannot."""


class Content:
    """Copies contents. Remembers which ways of the kernel work between which two filesystems."""

    def __init__(self, tally: Counts, *, streaming: bool = False, atomic: bool = False) -> None:
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
        check: Check | None,
    ) -> int:
        """Copy what `source` holds, whose stat is `found`; how many bytes that were.

        `device` is where `target` is, `path` is for the reports. `check` is told what there is to
        verify. Raises OSError, JobInterrupted; NotShared where that was the only way allowed.
        """
        size = found.st_size
        pair = (found.st_dev, device)
        if not self._streaming and size and pair not in self._unshared:
            if share_blocks(source, target):
                self._report(source, 0, size, check)
                return size
            self._unshared.add(pair)
        if self._atomic and size:
            raise NotShared
        if not size:
            return _copy_to_end(source, target, check)
        has_holes = found.st_blocks * _BLOCK < size
        if size <= SMALL and not has_holes:
            return self._copy_small(source, target, size, check)
        return self._copy_large(source, target, found, path, check, has_holes=has_holes)

    def _copy_small(self, source: int, target: int, size: int, check: Check | None) -> int:
        data = os.read(source, size + 1)
        while len(data) < size and (more := os.read(source, size + 1 - len(data))):
            data += more  # a filesystem in user space gives what it likes
        if check is not None:
            check.read(data)
        if data:
            write_all(target, data)
        return len(data)

    def _copy_large(
        self,
        source: int,
        target: int,
        found: os.stat_result,
        path: str,
        check: Check | None,
        *,
        has_holes: bool,
    ) -> int:
        size = found.st_size
        before, at = self._tally.size, 0
        for start, end in _regions(source, size) if has_holes else [(0, size)]:
            if start > at:
                os.ftruncate(target, start)
                self._report(source, at, start, check)
            at = start
            while at < end:
                moved = self._step(source, target, at, min(STEP, end - at))
                if not moved:
                    self._tally.size = before
                    return at  # it became shorter; whoever called looks for that
                begin_writing(target, at, moved)
                self._report(source, at, at + moved, check)
                at += moved
                self._tally.size += moved
                self._tally.tell(path, moved)
        self._tally.size = before  # the file counts when it is done
        if at < size:
            os.ftruncate(target, size)
            self._report(source, at, size, check)
        return size

    def _report(self, source: int, start: int, end: int, check: Check | None) -> None:
        """What lies between can be verified."""
        while check is not None and start < end:
            check.grew(source, start, min(start + STEP, end))
            start += STEP

    def _step(self, source: int, target: int, offset: int, count: int) -> int:
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


def _by_read_and_write(source: int, target: int, offset: int, count: int) -> int:
    os.lseek(target, offset, os.SEEK_SET)
    end = offset + count
    at = offset
    while at < end:
        data = os.pread(source, min(_BUFFER, end - at), at)
        if not data:
            break
        write_all(target, data)
        at += len(data)
    return at - offset


def _copy_to_end(source: int, target: int, check: Check | None) -> int:
    """Copy a file that says it is empty: those of /proc say so, whatever they hold."""
    count = 0
    while True:
        data = os.read(source, _BUFFER)
        if check is not None:
            check.read(data)
        if not data:
            return count
        write_all(target, data)
        count += len(data)


def write_all(target: int, data: bytes) -> None:
    """Write all of `data`. Raises OSError."""
    written = os.write(target, data)
    rest = memoryview(data)
    while written < len(rest):
        rest = rest[written:]
        written = os.write(target, rest)


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
