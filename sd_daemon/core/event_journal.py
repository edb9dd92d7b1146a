"""The events of one core on the disk, so that whoever was away can be told what happened.

    {data_dir}/events/00000000000000004711.jsonl    the events after number 4711

Each line is an event with its facts, or a mark: what has to be known of the journal itself. The
last mark is the valid one. Lines are only ever appended, all of a turn of the loop in one write()
and before any of them goes to a client. So the end of the process at any instant loses nothing
that anybody has seen, and what is torn at the end was seen by nobody and is cut off. The size is
bounded: when a segment is full another is begun, and the oldest goes.

Numbers never repeat. A mark reserves a block of them before the first is used; after an end
without farewell it goes on above what was reserved. A power cut can take lines and marks that the
disk had not got yet: then the numbers jump, so far that nobody can have used them, and what was
jumped over counts as gone.

A disk that refuses stops nobody: the events are delivered, and gone for whoever was away. That
this is so is written down as soon as that works. Until then the file's mode says it, because a
mode can be changed on a full disk, too: a segment that its owner may not write has a hole at its
end.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from itertools import pairwise
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import msgspec

from sd_daemon.core.boot import this_boot
from sd_daemon.core.event_segments import HOLE, Mark, Range, Segment, scan
from sd_daemon.core.log import get_log

if TYPE_CHECKING:
    from sd_daemon.core.event_segments import Scanned

log = get_log(__name__)

SEGMENT_BYTES = 2 * 1024 * 1024  # of a segment before another is begun
TOTAL_BYTES = 16 * 1024 * 1024  # of all of them, about
BLOCK = 1 << 20  # numbers that are reserved at a time; half of them ahead
JUMP = 1 << 32  # numbers after a power cut: more than can be used before a disk has its data
RETRY_S = 1.0  # after a write that was refused
MOST_RANGES = 32  # that are remembered as gone, one by one

_encode = msgspec.json.Encoder().encode


class EventJournal:
    """The journal of one core. Made by `open`; used in the loop's thread."""

    def __init__(self, folder: str | None, boot: str | None) -> None:
        """Without a folder nothing is kept."""
        self.stream = uuid4()
        self.sequence = 0  # the last number that may have been used before this was opened
        self.limit = 0  # from here on more numbers have to be reserved
        self.last = 0  # number of the last event that is kept
        self.segments: list[Segment] = []
        self.lost: list[Range] = []  # what is gone, besides what is older than the first segment
        self._folder = folder
        self._boot = boot
        self._lock: int | None = None
        self._file: int | None = None
        self._lines: list[bytes] = []
        self._first_added = 0
        self._last_added = 0
        self._mark_due = True
        self._losing: Range | None = None  # what could not be written
        self._retry_at = 0.0

    # --- opening and closing ---------------------------------------------------------------------

    @classmethod
    def open(cls, folder: str, boot: str | None = None) -> EventJournal:
        """The journal in a folder, read and checked. What keeps it from being used is logged, and
        then nothing is kept. Blocks."""
        journal = cls(folder, boot or this_boot())
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            journal._lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(journal._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            journal._continue(_segments_in(folder))
            journal.reserve(journal.sequence)
            journal.write()
            if journal._file is not None:
                # Or a power cut could leave the farewell of earlier as the last word, or have the
                # numbers jump to where they were already.
                os.fsync(journal._file)
        except OSError as error:
            log.warning("events are not kept", folder=folder, reason=error)
            journal.close()
            return cls(None, None)
        return journal

    def close(self, sequence: int | None = None) -> None:
        """Keep nothing more. `sequence`: the last number that was used. Blocks."""
        if sequence is not None:
            self.write()
            if self._file is not None and self._losing is None:
                self._say_farewell(sequence)
        for one in (self._file, self._lock):
            if one is not None:
                os.close(one)
        self._file = self._lock = self._folder = None

    def _say_farewell(self, sequence: int) -> None:
        """Put down that nothing was used above a number, so that it goes on right there."""
        assert self._file is not None
        try:
            self._append(self._mark(sequence, clean=True))
            os.fsync(self._file)
        except OSError as error:
            log.warning("the end of the events was not noted", reason=error)

    def _continue(self, found: list[Scanned]) -> None:
        marks = [one.mark for one in found if one.mark is not None]
        if not marks:
            self._begin_anew(found)
            return
        mark = marks[-1]
        own = _of_stream(found, mark.stream)
        self.stream = mark.stream
        self.segments = [one.segment for one in own]
        self.last = max(one.segment.last for one in own)
        self.lost = mark.lost + _holes(own)
        with_mark = max(place for place, one in enumerate(own) if one.mark is not None)
        self.sequence = self._resumed(mark, own[with_mark:])
        self._forget_old()
        if not own[-1].has_hole:
            self._take_up(own[-1])

    def _begin_anew(self, found: list[Scanned]) -> None:
        if found:
            log.warning("the events of earlier cannot be read", folder=self._folder)
        for one in found:
            os.unlink(one.segment.path)

    def _resumed(self, mark: Mark, tail: list[Scanned]) -> int:
        """The number to go on from; what may be missing before it is noted. The tail begins with
        the last mark."""
        refused = any(one.has_hole for one in tail)
        if tail[-1].clean and not refused:
            return max(mark.sequence, self.last)
        reserved = max(mark.reserved, self.last, tail[-1].segment.after)
        if refused or self._boot is None or mark.boot != self._boot:
            reserved += JUMP  # there may have been marks that are not here
        elif not any(one.damaged for one in tail):
            return reserved
        self.lost.append(Range(self.last + 1, reserved))
        log.warning("some events may be gone", first=self.last + 1, last=reserved)
        return reserved

    def _take_up(self, last: Scanned) -> None:
        """Append to a segment from now on. What is torn at its end is cut off."""
        path = last.segment.path
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        if last.torn:
            os.ftruncate(self._file, last.segment.size)

    # --- writing ---------------------------------------------------------------------------------

    def reserve(self, sequence: int) -> None:
        """Numbers above this one are about to be used."""
        self.sequence = sequence
        self.limit = sequence + BLOCK // 2
        self._mark_due = True

    def add(self, sequence: int, facts: bytes, text: bytes) -> None:
        """Keep an event from the next `write` on."""
        if self._folder is None:
            self.lost = [Range(1, sequence)]
            return
        self._lines.append(b'{%b,"Event":%b}\n' % (facts, text))
        self._first_added = self._first_added or sequence
        self._last_added = sequence

    def write(self) -> None:
        """Put what was added where the end of this process cannot take it."""
        if (not self._lines and not self._mark_due) or self._folder is None:
            return
        if self._losing is not None and time.monotonic() < self._retry_at:
            self._lose(None)
            return
        try:
            self._make_room()
            self._append(b"".join(self._lines))
        except OSError as error:
            self._lose(error)
        else:
            self._kept()

    def _append(self, data: bytes) -> None:
        """Write a mark, where one is due, and the data: all of it or nothing. Raises OSError."""
        assert self._file is not None
        segment = self.segments[-1]
        if self._mark_due:
            data = self._mark(self.sequence) + data
        written = os.write(self._file, data)
        if written < len(data):
            os.ftruncate(self._file, segment.size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        segment.size += len(data)

    def _kept(self) -> None:
        self._mark_due = False
        if self._lines:
            self.last = self.segments[-1].last = self._last_added
        if self._losing is not None:
            log.info("events are kept again", first=self._losing.first, last=self._losing.last)
            self._losing = None
            assert self._file is not None
            os.fchmod(self._file, 0o600)
        self._forget_added()

    def _forget_added(self) -> None:
        self._lines.clear()
        self._first_added = 0

    def _lose(self, error: OSError | None) -> None:
        """What was added is not kept. It is remembered as gone, here and in the file's mode."""
        if self._losing is None:
            log.warning("events are not kept", folder=self._folder, reason=error)
            self._losing = Range(self._last_added + 1, self._last_added)  # nothing, so far
            self.lost.append(self._losing)
        if self._lines:
            if self._losing.first > self._losing.last:
                self._losing.first = self._first_added
            self._losing.last = self._last_added
        self._mark_due = True
        self._forget_added()
        if error is not None:
            self._retry_at = time.monotonic() + RETRY_S
            self._leave_hole()

    def _leave_hole(self) -> None:
        if self._file is None:
            return
        try:
            os.ftruncate(self._file, self.segments[-1].size)
            os.fchmod(self._file, HOLE)
        except OSError:  # nothing can be done with this file any more
            os.close(self._file)
            self._file = None

    def _mark(self, sequence: int, *, clean: bool = False) -> bytes:
        """A mark. While it is not the last word, it reserves numbers."""
        reserved = sequence if clean else sequence + BLOCK
        mark = Mark(self.stream, self._boot, sequence, reserved, clean, self._gone())
        return b'{"mark":%b}\n' % _encode(mark)

    def _make_room(self) -> None:
        """Begin another segment where there is none, or where the last is full."""
        if self._file is not None:
            last = self.segments[-1]
            if last.size < SEGMENT_BYTES or self.last <= last.after:
                return
        after = self.last
        if self.segments and after <= self.segments[-1].after:
            after = max(self.segments[-1].after + 1, self.sequence)
        path = f"{self._folder}/{after:020d}.jsonl"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        file = os.open(path, flags, 0o600)
        if self._file is not None:
            os.close(self._file)
        self._file = file
        self._mark_due = True
        self.segments.append(Segment(path, after, after, 0))
        self._drop_oldest()

    def _drop_oldest(self) -> None:
        while len(self.segments) > 1 and sum(one.size for one in self.segments) > TOTAL_BYTES:
            try:
                os.unlink(self.segments[0].path)
            except FileNotFoundError:
                pass
            del self.segments[0]
        self._forget_old()

    def _forget_old(self) -> None:
        """What is older than the first segment is gone anyway."""
        first = self.segments[0].after
        left = sorted((one for one in self.lost if one.last > first), key=lambda one: one.first)
        while len(left) > MOST_RANGES:
            left[1].first = left[0].first
            del left[0]
        self.lost = left

    # --- asking ----------------------------------------------------------------------------------

    def gone_after(self, after: int, until: int) -> Range | None:
        """From where to where events between two numbers, the first not included, may be missing.
        In between there can be some that are not."""
        oldest = self.segments[0].after if self.segments else 0
        ranges = [Range(1, oldest), *self._gone()]
        hits = [one for one in ranges if one.last > after and one.first <= until]
        if not hits:
            return None
        first = max(after + 1, min(one.first for one in hits))
        return Range(first, min(until, max(one.last for one in hits)))

    def lost_after(self, after: int) -> list[Range]:
        """What was lost of the events after a number, and is not only too old."""
        hits = (one for one in self._gone() if one.last > after)
        return [Range(max(one.first, after + 1), one.last) for one in hits]

    def _gone(self) -> list[Range]:
        return [one for one in self.lost if one.first <= one.last]


def _segments_in(folder: str) -> list[Scanned]:
    names = sorted(name for name in os.listdir(folder) if name.endswith(".jsonl"))
    return [scan(f"{folder}/{name}") for name in names]


def _of_stream(found: list[Scanned], stream: UUID) -> list[Scanned]:
    """The segments of one numbering; those of another are removed."""
    own = [one for one in found if one.mark is None or one.mark.stream == stream]
    for one in found:
        if one not in own:
            os.unlink(one.segment.path)
    return own


def _holes(own: list[Scanned]) -> list[Range]:
    """What is missing inside of segments, and between them."""
    holes = [hole for one in own for hole in one.holes]
    for one, following in pairwise(own):
        if one.segment.last < following.segment.after:
            holes.append(Range(one.segment.last + 1, following.segment.after))
    if holes:
        log.warning("some events cannot be read", first=holes[0].first, last=holes[-1].last)
    return holes
