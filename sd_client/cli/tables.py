"""Tables and lists of facts, laid out for a terminal and plain for everything else.

On a terminal columns are aligned by the width that characters have there, and the column that can
give way is shortened to fit. Elsewhere a row is its cells with tabs between, in full, without a
headline: what `cut` and `awk` read.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any, NamedTuple

from sd_client.cli.output import BOLD, DIM, Output

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NARROWEST = 12


class Column(NamedTuple):
    """A column: its headline, and the cell it makes of a row."""

    title: str
    cell: Callable[[Any], str]
    right: bool = False
    gives_way: bool = False


def width(text: str) -> int:
    """How many columns of a terminal the text takes."""
    if text.isascii():
        return len(text)
    return sum(map(_width_of, text))


def _width_of(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def fit(text: str, room: int) -> str:
    """The text in so many columns, with an ellipsis in the middle: both ends of a path matter."""
    if width(text) <= room:
        return text
    half = (room - 1) // 2
    return f"{_start(text, room - 1 - half)}…{_start(text[::-1], half)[::-1]}"


def _start(text: str, room: int) -> str:
    taken = 0
    for index, char in enumerate(text):
        taken += _width_of(char)
        if taken > room:
            return text[:index]
    return text


def pad(text: str, room: int, *, right: bool) -> str:
    """The text filled up with blanks."""
    blanks = " " * (room - width(text))
    return blanks + text if right else text + blanks


def table(output: Output, columns: Sequence[Column], rows: Sequence[Any]) -> None:
    """Rows under their headlines; columns in which no row has anything are left out."""
    cells = [[output.safe(column.cell(row)) for column in columns] for row in rows]
    if not output.terminal:
        output.lines("\t".join(row) for row in cells)
        return
    used = [n for n, _ in enumerate(columns) if any(row[n] for row in cells)]
    columns = [columns[n] for n in used]
    cells = [[row[n] for n in used] for row in cells]
    if not cells:
        return
    rooms = _rooms(columns, cells, output.width)
    heads = [pad(c.title, room, right=c.right) for c, room in zip(columns, rooms, strict=True)]
    output.line(output.paint("  ".join(heads).rstrip(), BOLD))
    output.lines(_row(columns, row, rooms) for row in cells)


def _rooms(columns: Sequence[Column], cells: list[list[str]], room: int) -> list[int]:
    rooms = [
        max(width(column.title), *(width(row[n]) for row in cells))
        for n, column in enumerate(columns)
    ]
    excess = sum(rooms) + 2 * (len(rooms) - 1) - room
    for n, column in enumerate(columns):
        if column.gives_way and excess > 0:
            smaller = max(NARROWEST, rooms[n] - excess)
            excess -= rooms[n] - smaller
            rooms[n] = min(rooms[n], smaller)
    return rooms


def _row(columns: Sequence[Column], row: list[str], rooms: list[int]) -> str:
    padded = [
        pad(fit(cell, room), room, right=column.right)
        for column, cell, room in zip(columns, row, rooms, strict=True)
    ]
    return "  ".join(padded).rstrip()


def facts(output: Output, pairs: Sequence[tuple[str, str]]) -> None:
    """Names and what they stand for, one pair per line."""
    if not output.terminal:
        output.lines(f"{name}\t{text}" for name, text in pairs)
        return
    room = max((width(name) for name, _ in pairs), default=0)
    output.lines(
        f"{output.paint(pad(name, room, right=False), DIM)}  {output.safe(text)}"
        for name, text in pairs
    )
