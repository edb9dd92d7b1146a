"""The files of the event journal: what is in one, and reading what came after a number."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sd_daemon.core.event_journal import EventJournal

HOLE = 0o400
"""The mode of a segment behind whose end there were events that could not be kept."""

SLICE = 128 * 1024  # bytes that are read at a time


class Range(msgspec.Struct):
    """Numbers of events, both ends included."""

    first: int
    last: int


class Mark(msgspec.Struct):
    """What has to be known of the journal itself."""

    stream: UUID  # names the numbering
    boot: str | None  # since when the system runs
    sequence: int  # the last number that was used
    reserved: int  # up to here numbers may have been used
    clean: bool = False  # nothing was used above `sequence`
    lost: list[Range] = []  # what is not in the journal and should be


class Line(msgspec.Struct, gc=False):
    """A line: an event with its facts, or a mark. So much of it is looked at to check it."""

    sequence: int = 0
    mark: Mark | None = None


class Entry(Line, gc=False):
    """A line with all that is to be read in it."""

    library_id: UUID | None = None
    Event: msgspec.Raw = msgspec.Raw()


class Segment(msgspec.Struct):
    """One file."""

    path: str
    after: int  # all in it is later than this
    last: int  # number of the last event in it
    size: int  # bytes that are written and whole


class Scanned(msgspec.Struct):
    """What was found in a file."""

    segment: Segment
    mark: Mark | None = None  # the last one
    clean: bool = False  # it is the last line, and says that nothing follows
    torn: bool = False  # there is something behind the last whole line
    damaged: bool = False  # its last lines cannot be read
    has_hole: bool = False  # events behind its end could not be kept
    holes: list[Range] = []  # what cannot be read, with something readable behind it


_check = msgspec.json.Decoder(Line).decode
_decode = msgspec.json.Decoder(Entry).decode
_NOT_READABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def scan(path: str) -> Scanned:
    """Read a segment and check every line. Blocks. Raises OSError."""
    name = os.path.basename(path).partition(".")[0]
    after = int(name) if name.isdecimal() else 0
    found = Scanned(Segment(path, after, after, 0), holes=[])
    segment = found.segment
    with open(path, "rb") as file:
        found.has_hole = os.fstat(file.fileno()).st_mode & 0o777 == HOLE
        for line in file:
            if not line.endswith(b"\n"):
                found.torn = True
                break
            segment.size += len(line)
            try:
                _take(found, _check(line))
            except _NOT_READABLE:
                found.damaged = True
                found.clean = False
    return found


def _take(found: Scanned, entry: Line) -> None:
    if entry.mark is not None:
        found.mark = entry.mark
        found.clean = entry.mark.clean
        return
    found.clean = False
    segment = found.segment
    if found.damaged and entry.sequence > segment.last + 1:
        found.holes.append(Range(segment.last + 1, entry.sequence - 1))
    found.damaged = False
    segment.last = max(segment.last, entry.sequence)


# --- reading what came after a number ------------------------------------------------------------


class Kept(NamedTuple):
    """An event as the journal has it."""

    sequence: int
    library_id: UUID | None
    text: bytes  # the event
    facts: bytes  # what stands beside it, without the braces


class Part(NamedTuple):
    """A piece of a segment, to be read in a thread."""

    file: int
    start: int
    end: int


class JournalReader:
    """Reads the journal from a number on, a slice at a time.

    `next_part` and `missed` belong to the loop's thread, `read` to any, one at a time.
    """

    def __init__(self, journal: EventJournal, after: int) -> None:
        self.position = after  # number of the last event that was read or passed over
        self._journal = journal
        self._segment: Segment | None = None
        self._file: int | None = None
        self._offset = 0

    def next_part(self) -> Part | None:
        """What to read next; None at the end of what is written. Raises OSError where a segment
        is not there any more, or not all of it; the next call goes on behind it."""
        segment = self._segment
        if segment is None or self._offset >= segment.size:
            behind = (
                one for one in self._journal.segments if one.last > max(self.position, one.after)
            )
            following = next(behind, None)
            if following is None:
                return None
            if following is segment:  # read to its end, and not all was there
                self.position = segment.last
                raise OSError(errno.EIO, os.strerror(errno.EIO), segment.path)
            segment = self._open(following)
        assert self._file is not None
        return Part(self._file, self._offset, segment.size)

    def read(self, part: Part) -> list[Kept]:
        """The events of a slice that come after the position. Blocks."""
        found: list[Kept] = []
        for line in self._lines(part):
            try:
                entry = _decode(line)
            except _NOT_READABLE:
                continue
            if entry.mark is None and entry.sequence > self.position:
                self.position = entry.sequence
                text = bytes(entry.Event)
                facts = line[1 : len(line) - len(text) - len(b',"Event":}\n')]
                found.append(Kept(entry.sequence, entry.library_id, text, facts))
        return found

    def close(self) -> None:
        """Read nothing more."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _open(self, segment: Segment) -> Segment:
        self.close()
        self._segment, self._offset = segment, 0
        try:
            self._file = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._segment, self.position = None, segment.last
            raise
        return segment

    def _lines(self, part: Part) -> Iterator[bytes]:
        """The whole lines of a slice, which is longer where the first line is."""
        size = min(SLICE, part.end - part.start)
        block = os.pread(part.file, size, part.start)
        while b"\n" not in block and part.start + len(block) < part.end:
            more = os.pread(part.file, SLICE, part.start + len(block))
            if not more:
                break
            block += more
        end = block.rfind(b"\n") + 1 or len(block)
        self._offset = part.start + end if end else part.end
        return iter(block[:end].splitlines(keepends=True))
