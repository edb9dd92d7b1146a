"""How deep a message is and how many values it has, found out without reading it.

A decoder has to be kept from both: each level costs it stack, and where its own limit lies depends
on the Python; each value becomes an object, and eight megabytes of `{},` half a gigabyte of them.

What is long is looked over in pieces, so that somebody else can have a turn after each.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from itertools import accumulate
from typing import NamedTuple

from sd_wire.errors import RequestTooDeep, TooManyValues
from sd_wire.messages import MAX_DEPTH, MAX_VALUES

PIECE = 128 * 1024  # bytes of JSON that are looked over in one go
STEPS = 4096  # values of MessagePack in one go

Steps = Generator[None, None, None]
"""Raises RequestTooDeep or TooManyValues."""


# --- JSON ----------------------------------------------------------------------------------------

_NOT_MARKS = bytes(set(range(256)) - set(b'[]{},"'))
_SIGNS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")  # one level up or, as a signed byte, down


def may_exceed_json(text: bytes) -> bool:
    """Whether it can be beyond a bound at all. Hardly any is, and most are found out here."""
    if len(text) <= 2 * MAX_DEPTH:
        return False
    return len(text) > MAX_VALUES or text.count(b"[") + text.count(b"{") > MAX_DEPTH


def marks_of(text: bytes) -> Generator[bytes, None, None]:
    """The brackets and commas of a JSON text that stand outside of its strings, in pieces."""
    inside = 0  # 1 in a string
    rest = b""  # a backslash whose character is in the next piece
    for start in range(0, len(text), PIECE):
        piece = rest + text[start : start + PIECE]
        rest = b""
        if b"\\" in piece:
            piece = piece.replace(b"\\\\", b"")
            if piece.endswith(b"\\"):
                piece, rest = piece[:-1], b"\\"
            piece = piece.replace(b'\\"', b"")
        parts = piece.translate(None, _NOT_MARKS).split(b'"')
        yield b"".join(parts[inside::2])
        inside ^= (len(parts) - 1) & 1


def look_over_json(text: bytes) -> Steps:
    """Go over a text from its beginning to its end."""
    depth = values = 0
    for marks in marks_of(text):
        opened = marks.count(b"[") + marks.count(b"{")
        if depth + opened > MAX_DEPTH and _highest(marks, depth) > MAX_DEPTH:
            raise RequestTooDeep(limit=MAX_DEPTH)
        depth += opened - marks.count(b"]") - marks.count(b"}")
        values += opened + marks.count(b",")
        if values > MAX_VALUES:
            raise TooManyValues(limit=MAX_VALUES)
        yield


def _highest(marks: bytes, depth: int) -> int:
    signs = memoryview(marks.translate(_SIGNS, b",")).cast("b")
    return max(accumulate(signs, initial=depth))


def has_more_members(array: bytes, limit: int) -> bool:
    """Whether a JSON array has more than so many members."""
    if array.count(b",") < limit:
        return False
    depth = commas = 0
    for marks in marks_of(array):
        for mark in marks:
            if mark in b"[{":
                depth += 1
            elif mark in b"]}":
                depth -= 1
            elif depth == 1:
                commas += 1
        if commas >= limit:
            return True
    return False


# --- MessagePack ---------------------------------------------------------------------------------

_CONTAINERS = bytes([*range(0x80, 0xA0), 0xDC, 0xDD, 0xDE, 0xDF])
_NOT_CONTAINERS = bytes(set(range(256)) - set(_CONTAINERS))
_ONE_BYTE = re.compile(rb"[\x00-\x7f\xc0\xc2\xc3\xe0-\xff]+")  # small numbers, nil, true and false


class _Form(NamedTuple):
    """What follows a first byte."""

    length: int = 0  # bytes of a number
    more: int = 0  # bytes beside those that the number says
    array: bool = False  # the number is one of members
    pairs: bool = False  # or of pairs


_FORMS = {
    **{first: _Form(0, first & 0x1F) for first in range(0xA0, 0xC0)},
    0xC4: _Form(1),
    0xC5: _Form(2),
    0xC6: _Form(4),
    0xD9: _Form(1),
    0xDA: _Form(2),
    0xDB: _Form(4),
    0xC7: _Form(1, 1),
    0xC8: _Form(2, 1),
    0xC9: _Form(4, 1),
    0xCA: _Form(0, 4),
    0xCB: _Form(0, 8),
    **{first: _Form(0, 1 << (first & 3)) for first in range(0xCC, 0xD4)},
    **{0xD4 + power: _Form(0, 1 + (1 << power)) for power in range(5)},
    0xDC: _Form(2, array=True),
    0xDD: _Form(4, array=True),
    0xDE: _Form(2, pairs=True),
    0xDF: _Form(4, pairs=True),
}


def may_exceed_messagepack(document: bytes) -> bool:
    """Whether it can be beyond a bound at all, with all that its bytes hold."""
    return len(document) > MAX_VALUES or len(document.translate(None, _NOT_CONTAINERS)) > MAX_DEPTH


class Walk:
    """Goes over the documents of one message, which count together."""

    def __init__(self) -> None:
        self._values = 0

    def over(self, document: bytes, depth: int = 0) -> Steps:
        """One document, which stands so deep already. One that cannot be read is no affair of
        this: the decoder says so."""
        open_members = [1]  # how many are still to come, of each container that is open
        place, end, steps = 0, len(document), 0
        while open_members and place < end:
            if not open_members[-1]:
                open_members.pop()
                continue
            simple = _ONE_BYTE.match(document, place, place + open_members[-1])
            if simple:
                open_members[-1] -= simple.end() - place
                place = simple.end()
                continue
            open_members[-1] -= 1
            place, members, pairs = _after(document, place)
            if members is not None:
                self._count(members, depth + len(open_members))
                open_members.append(2 * members if pairs else members)
            steps += 1
            if not steps % STEPS:
                yield

    def _count(self, members: int, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise RequestTooDeep(limit=MAX_DEPTH)
        self._values += max(1, members)  # as brackets and commas count in JSON
        if self._values > MAX_VALUES:
            raise TooManyValues(limit=MAX_VALUES)


def _after(document: bytes, place: int) -> tuple[int, int | None, bool]:
    """Where the next value begins; how many members this one has, no more than there is room for,
    or None where it can have none; and whether those are pairs."""
    first = document[place]
    place += 1
    if first < 0xA0:  # a small map or array
        return place, first & 0x0F, first < 0x90
    form = _FORMS.get(first)
    if form is None:
        return len(document), None, False  # a byte that is never used
    number = int.from_bytes(document[place : place + form.length], "big")
    place += form.length
    if form.array or form.pairs:
        return place, min(number, len(document) - place), form.pairs
    return place + number + form.more, None, False


_LENGTHS = {0xDC: 2, 0xDD: 4}  # bytes of the number after the first byte of a longer array


def announced_members(array: bytes) -> int:
    """How many members a MessagePack array says that it has; none where it is no array."""
    head = array[0]
    if 0x90 <= head <= 0x9F:
        return head & 0x0F
    return int.from_bytes(array[1 : 1 + _LENGTHS.get(head, 0)], "big")
