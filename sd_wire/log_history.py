"""Which log records somebody wants, and how those of the past are found in the log's files.

The daemon reads for its subscribers, and `sd logs` where no daemon runs: so the files are opened
elsewhere. A log of any size takes the memory of one block. It is read
twice: from its end back to the place where the wanted records begin, then forwards from there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from sd_wire.log_line import LEVELS, record_of, stamp_of
from sd_wire.messages import LogFilter, SubscribeLogs, uuid_named

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sd_wire.events import LogMessage

BLOCK = 1 << 16  # bytes of one read
LONGEST = 1 << 22  # bytes; what has no line end for so long is no line of ours

_AS_IT_STANDS = re.compile(r"[A-Za-z0-9_.:-]+")  # in a line, whatever the rest of it is
_STAMP = len("2026-11-23T01:02:03.123456Z")
_RANKS = {name: rank for rank, name in enumerate(reversed(LEVELS))}


# --- which ---------------------------------------------------------------------------------------


def level_named(name: str | None) -> str | None:
    """The level that is meant, or None where there is no such level."""
    level = "" if name is None else name.upper()
    level = "WARN" if level == "WARNING" else level
    return level if level in LEVELS else None


class Chosen:
    """What a filter lets through: records of at least its level, whose target contains its target,
    and whose job, library and correlation are its own. A record without such a field is out. A
    level that nobody knows lets everything pass."""

    __slots__ = ("_correlation", "_job", "_library", "_rank", "_target", "_traits")

    def __init__(self, wanted: LogFilter) -> None:
        level = level_named(wanted.level)
        self._rank = 0 if level is None else _RANKS[level]
        self._target = wanted.target
        self._job = wanted.job_id and (uuid_named(wanted.job_id) or wanted.job_id)
        self._library = wanted.library_id
        self._correlation = wanted.correlation_id
        texts = (wanted.target, wanted.correlation_id, wanted.library_id)
        spelled = [str(text) for text in texts if text is not None]
        self._traits = [text.encode() for text in spelled if _AS_IT_STANDS.fullmatch(text)]

    def may_be(self, line: bytes) -> bool:
        """Whether a line is worth reading: False where its record cannot pass."""
        return all(trait in line for trait in self._traits)

    def __contains__(self, record: LogMessage) -> bool:
        """Whether the record passes."""
        if _RANKS.get(record.level, 0) < self._rank:
            return False
        if self._target is not None and self._target not in record.target:
            return False
        if self._job is not None and record.job_id != self._job:
            return False
        if self._library is not None and record.library_id != self._library:
            return False
        correlation = self._correlation
        return correlation is None or record.fields.get("correlation_id") == correlation


# --- from where ----------------------------------------------------------------------------------


class Part(NamedTuple):
    """A log file, or the beginning of one."""

    file: BinaryIO  # read by nobody else
    size: int

    def read(self, place: int, size: int) -> bytes:
        """So many bytes, from this place on."""
        self.file.seek(place)
        return self.file.read(size)


class Place(NamedTuple):
    """Where a line begins."""

    part: int
    offset: int


def past(parts: Sequence[Part], asked: SubscribeLogs) -> Iterator[LogMessage]:
    """The records that are asked for, oldest first. `parts`: oldest first.

    Raises OSError where the files cannot be read.
    """
    chosen = Chosen(asked.filter or LogFilter())
    since = None if asked.since is None else stamp_of(asked.since).encode()
    if asked.last == 0 or (asked.last is None and since is None):
        return
    place = _beginning(parts, chosen, asked.last, since)
    for number in range(place.part, len(parts)):
        start = place.offset if number == place.part else 0
        for line in _forwards(parts[number], start):
            record = _record(line, since, chosen)
            if record is not None:
                yield record


def _beginning(
    parts: Sequence[Part], chosen: Chosen, last: int | None, since: bytes | None
) -> Place:
    """Where to begin to read: `last` wanted records before the end, or before all since then.

    Threads may write two records in the other order than they were made in, and clocks are set:
    what is older is looked for until a whole block has nothing that is young enough.
    """
    found = 0
    for number in range(len(parts) - 1, -1, -1):
        for start, lines in _backwards(parts[number]):
            end = start + sum(map(len, lines)) + len(lines)
            if since is not None and _are_older(lines, since):
                return Place(number, end)
            if last is None:
                continue
            for line in reversed(lines):
                end -= len(line) + 1
                found += _record(line, since, chosen) is not None
                if found == last:
                    return Place(number, end)
    return Place(0, 0)


def _are_older(lines: list[bytes], since: bytes) -> bool:
    dated = [line for line in lines if line[_STAMP - 1 : _STAMP] == b"Z"]
    return bool(dated) and max(dated) < since


def _record(line: bytes, since: bytes | None, chosen: Chosen) -> LogMessage | None:
    if since is not None and line < since:
        return None
    if not chosen.may_be(line):
        return None
    try:
        record = record_of(line.decode())
    except UnicodeDecodeError:
        return None  # damaged
    return record if record is not None and record in chosen else None


# --- lines ---------------------------------------------------------------------------------------


def _backwards(part: Part) -> Iterator[tuple[int, list[bytes]]]:
    """Blocks of whole lines, the last block first, each with the place where it begins."""
    end, size = part.size, BLOCK
    while end > 0:
        start = max(0, end - size)
        block = part.read(start, end - start)
        if start > 0:
            first = block.find(b"\n", 0, -1) + 1
            if first == 0 and size < LONGEST:
                size *= 2  # a long line: more of it
                continue
            block = block[first:]
            start += first
        yield start, block.removesuffix(b"\n").split(b"\n")
        end, size = start, BLOCK


def _forwards(part: Part, start: int) -> Iterator[bytes]:
    """Whole lines, the first one first."""
    rest = b""
    while start < part.size:
        block = part.read(start, min(BLOCK, part.size - start))
        if not block:  # somebody has made it shorter
            return
        start += len(block)
        *lines, rest = (rest + block).split(b"\n")
        yield from lines
        if len(rest) > LONGEST:
            rest = rest[:1]  # of no line of ours, and not to be taken for one
    if rest:
        yield rest


# --- files ---------------------------------------------------------------------------------------

ROTATED = 5
"""How many full files are kept beside the one that is written."""


def file_names(path: str) -> list[str]:
    """The files of a log, oldest first."""
    return [*(f"{path}.{number}" for number in range(ROTATED, 0, -1)), path]


def part_of(file: BinaryIO) -> Part:
    """An open file, as far as it goes now."""
    return Part(file, file.seek(0, 2))
