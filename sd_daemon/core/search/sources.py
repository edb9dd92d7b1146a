"""Where candidates come from, and which of them are hits.

Every source is a piece of SQL over `e`, the entries, that yields a superset of the hits it stands
for, once each; what is read from it is looked at again here. Together the sources of a search
have all hits:

- names in the trigram index, and entries above its watermark, which are read;
- for words too short for trigrams, all entries;
- below a folder, what is in it, if that is little or there is no better way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from sd_daemon.core.cursors import Number
from sd_daemon.core.files.build import name_of
from sd_daemon.core.index.names import fold
from sd_daemon.core.search.restrict import Candidate
from sd_daemon.core.search.text import SearchText, match_expression

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from sd_daemon.core.search.restrict import Restriction

_SMALL_SCOPE = 4000  # entries that are read sooner than a word is looked up
_COLUMNS = "id, parent, name, kind, size, mtime, path"  # a Candidate
_HAS_INDEX = "SELECT 1 FROM sqlite_master WHERE type = 'index' AND name = 'entries_name'"
_BY_NAME = (
    "(SELECT id FROM entries INDEXED BY entries_name WHERE {where}"
    " ORDER BY name COLLATE NOCASE, id LIMIT ?) n CROSS JOIN entries e ON e.id = n.id"
)
_NAMED = "name COLLATE NOCASE >= ? AND name COLLATE NOCASE < ?"
# An index of an expression does not look into rows of values, so the first stands alone, too.
_NAMED_UP_TO = (
    "name COLLATE NOCASE >= ? AND name COLLATE NOCASE <= ?"
    " AND (name COLLATE NOCASE, id) <= (?, ?) AND id <= ?"
)
_LAST_NAMED = (
    f"SELECT name, id FROM entries INDEXED BY entries_name WHERE {_NAMED}"
    " ORDER BY name COLLATE NOCASE, id LIMIT 1 OFFSET ?"
)
_NOT_ASCII = "(length(e.name) <> length(CAST(e.name AS BLOB)) OR typeof(e.name) = 'blob')"


class Hit(msgspec.Struct, gc=False):
    """An entry that was found, and its folded name."""

    number: int  # entries.id
    folded: str
    entry: Candidate


class Source(NamedTuple):
    """Tables, joined, and conditions on them; what comes out is ordered by its `place`, the
    largest first."""

    tables: str
    where: list[str]
    values: list[Any]
    place: tuple[str, ...] = ("e.id",)
    is_index: bool = False  # whether most candidates are hits


class Stretch(NamedTuple):
    """A part of all hits, in the order in which they come by themselves."""

    newest: int | None = None  # only entries up to this number
    beyond: list[int] | None = None  # only what comes after this place
    down_to: list[int] | None = None  # only what does not come after this place


class LastNamed(msgspec.Struct, array_like=True):
    """The last of the names that were taken from the index of names."""

    name: str
    number: Number  # entries.id


WHOLE = Stretch()
_ANY = 1 << 40  # more entries than there are


class Sources:
    """The candidates of one search."""

    def __init__(self, db: sqlite3.Connection, text: SearchText, allowed: Restriction) -> None:
        self._db = db
        self._text = text
        self._allowed = allowed
        self._with_folder = allowed.with_folder or bool(text.ends)
        (self._watermark,) = db.execute("SELECT entry FROM names_progress").fetchone()
        self.all = self._choose()

    def hits(self, stretch: Stretch = WHOLE) -> Iterator[Hit]:
        """Every hit, newest entry first; of words about folders, newest folder first."""
        for source in self.all:
            sql, values = self._statement(_within(source, stretch))
            order = ", ".join(f"{column} DESC" for column in source.place)
            yield from self._fitting(f"{sql} ORDER BY {order}", values, is_index=source.is_index)

    @property
    def width(self) -> int:
        """How many numbers say where in that order a hit is."""
        return len(self.all[0].place)

    def place(self, hit: Hit) -> list[int]:
        """Where in that order a hit is."""
        return [hit.number] if self.width == 1 else [hit.entry[1], hit.number]

    def newest(self) -> int:
        """The number of the newest entry."""
        (number,) = self._db.execute("SELECT ifnull(max(id), 0) FROM entries").fetchone()
        return int(number)

    def sorted_hits(
        self, key: str, direction: str, after: list[Any] | None, limit: int
    ) -> Iterator[Hit]:
        """Hits, ordered by an SQL expression, which is a column more of their entries; `after` is
        its value and the number of one. `limit` is for when nothing is left to test."""
        parts, values = [], []
        behind = f"({key}, e.id) {'>' if direction == 'ASC' else '<'} (?, ?)"
        for source in self.all:
            where, given = source.where, source.values
            if after is not None:
                where, given = [*where, behind], [*given, *after]
            sql, some = self._statement(
                source._replace(where=where, values=given), f", {key} AS sort_key"
            )
            parts.append(sql)
            values += some
        order = f"ORDER BY sort_key {direction}, id {direction}"
        sql = f"SELECT {_COLUMNS}, sort_key FROM ({' UNION ALL '.join(parts)}) {order}"
        if self.is_decided:
            sql, values = f"{sql} LIMIT ?", [*values, limit]
        return self._fitting(sql, values, is_index=False)

    def beginning(self, phrase: str, limit: int) -> tuple[list[Hit], int]:
        """Hits that begin with `phrase`, in order of name. Of more than `limit` the first ones,
        and the first of those that are called just so, with or without an extension; and how many
        of these parts of the index of names were read.

        Only names of ASCII are found by any case of letters.
        """
        if not phrase or not self._has_names():
            return [], 0
        whole, *parts = _beginnings(phrase)
        found = list(self._named(_NAMED, [*whole], limit))
        if len(found) < limit:
            return found, 1
        known = {hit.number for hit in found}
        for part in parts:
            found += [hit for hit in self._named(_NAMED, [*part], limit) if hit.number not in known]
            known.update(hit.number for hit in found)
        return found, 1 + len(parts)

    def last_named(self, phrase: str, limit: int, parts: int) -> list[LastNamed | None]:
        """Where each of these parts of the index of names ended; None: it was read to its end."""
        rows = [
            self._db.execute(_LAST_NAMED, (low, high, limit - 1)).fetchone()
            for low, high in _beginnings(phrase)[:parts]
        ]
        return [None if row is None else LastNamed(*row) for row in rows]

    def beginning_again(self, phrase: str, ends: list[LastNamed | None], newest: int) -> list[Hit]:
        """What is left of the hits that `beginning` found."""
        if not ends or not self._has_names():
            return []
        found: dict[int, Hit] = {}
        for (low, high), end in zip(_beginnings(phrase), ends, strict=False):
            last = (high, 0) if end is None else (end.name, end.number)
            named = self._named(_NAMED_UP_TO, [low, last[0], *last, newest], _ANY)
            found |= {hit.number: hit for hit in named}
        return list(found.values())

    def _has_names(self) -> bool:
        return self._db.execute(_HAS_INDEX).fetchone() is not None

    def _named(self, where: str, given: list[Any], limit: int) -> Iterator[Hit]:
        sql, values = self._statement(Source(_BY_NAME.format(where=where), [], []))
        return self._fitting(sql, [*given, limit, *values], is_index=True)

    @property
    def is_decided(self) -> bool:
        """Whether every candidate is a hit."""
        return self._text.blank and not self._allowed.tests

    def count(self) -> int:
        """How many candidates there are."""
        total = 0
        for source in self.all:
            sql, values = self._statement(source)
            total += self._db.execute(f"SELECT count(*) FROM ({sql})", values).fetchone()[0]
        return total

    def roughly(self, limit: int) -> int | None:
        """About how many hits there are, up to `limit`, if the trigram index alone can tell."""
        trigrams = self._text.trigrams()
        if not trigrams or not self._allowed.is_empty or self._text.ends:
            return None
        (count,) = self._db.execute(
            "SELECT count(*) FROM (SELECT 1 FROM names WHERE names MATCH ? LIMIT ?)",
            (match_expression(trigrams), limit),
        ).fetchone()
        return int(count)

    def _choose(self) -> list[Source]:
        trigrams = self._text.trigrams()
        if self._allowed.scope and (not trigrams or self._is_small()):
            tables = "folders f CROSS JOIN entries e ON e.parent = f.id"
            return [Source(tables, *self._reading())]
        if trigrams:
            return self._by_trigrams(trigrams)
        above = self._text.folder_trigrams()
        return self._by_folder(above) if above else [Source("entries e", *self._reading())]

    def _by_trigrams(self, trigrams: list[str]) -> list[Source]:
        where, values = self._reading()
        return [
            Source("entries e", ["e.id > ?", *where], [self._watermark, *values]),
            Source(
                "names n CROSS JOIN entries e ON e.id = n.rowid",
                ["names MATCH ?", "n.rowid <= ?"],
                [match_expression(trigrams), self._watermark],
                ("n.rowid",),
                is_index=True,
            ),
        ]

    def _by_folder(self, trigrams: list[str]) -> list[Source]:
        """What lies in folders of a certain name."""
        where, values = self._reading()
        return [
            Source(
                "entries e",
                ["e.parent > ?", *where],
                [self._watermark, *values],
                ("e.parent", "e.id"),
            ),
            Source(
                "names n CROSS JOIN entries e ON e.parent = n.rowid",
                ["names MATCH ?", "n.rowid <= ?", *where],
                [match_expression(trigrams), self._watermark, *values],
                ("n.rowid", "e.id"),
            ),
        ]

    def _is_small(self) -> bool:
        (count,) = self._db.execute(
            "SELECT count(*) FROM (SELECT 1 FROM folders f CROSS JOIN entries e ON e.parent = f.id"
            f" WHERE {' AND '.join(self._allowed.scope)} LIMIT {_SMALL_SCOPE})",
            self._allowed.scope_values,
        ).fetchone()
        return int(count) < _SMALL_SCOPE

    def _reading(self) -> tuple[list[str], list[Any]]:
        """Conditions that spare Python most names when they are read one by one.

        Where a name is of ASCII, LIKE knows what fits. Where it is not, only folding tells.
        """
        where: list[str] = []
        values: list[Any] = []
        anywhere = [("%", part) for part in self._text.parts]
        at_the_start = [("", end.name) for end in self._text.ends if end.name]
        for before, word in anywhere + at_the_start:
            if word.isascii():
                escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
                where.append(f"(e.name LIKE ? ESCAPE '\\' OR {_NOT_ASCII})")
                values.append(f"{before}{escaped}%")
            else:
                where.append(_NOT_ASCII)
        return where, values

    def _statement(self, source: Source, more: str = "") -> tuple[str, list[Any]]:
        """A SELECT of candidates without ORDER BY, and its values. `more` are further columns."""
        tables = source.tables
        allowed = self._allowed
        if not tables.startswith("folders"):
            if allowed.scope or self._text.ends:
                tables += " CROSS JOIN folders f ON f.id = e.parent"
            elif self._with_folder:
                tables += " LEFT JOIN folders f ON f.id = e.parent"
        path = "f.path" if self._with_folder else "NULL"
        where = " AND ".join([*source.where, *allowed.where, *allowed.scope]) or "1"
        sql = (
            f"SELECT e.id, e.parent, e.name, e.kind, e.size, e.mtime, {path} AS path{more}"
            f" FROM {tables} WHERE {where}"
        )
        return sql, [*source.values, *allowed.values, *allowed.scope_values]

    def _fitting(self, sql: str, values: list[Any], *, is_index: bool) -> Iterator[Hit]:
        fits, tests, ends = self._text.fits_name, self._allowed.tests, self._text.ends
        may_fit = self._text.may_fit
        for entry in self._db.execute(sql, values):
            number, parent, name, *_ = entry
            if not (is_index or may_fit(name)):
                continue
            folded = fold(name if parent else name_of(name, 0))
            if (
                fits(folded)
                and not (ends and not self._text.fits_folder(entry[6]))
                and not (tests and not all(test(entry) for test in tests))
            ):
                yield Hit(number, folded, entry)


def _beginnings(phrase: str) -> list[tuple[str, str]]:
    """Parts of the index of names: what begins so, what is called just so, and with an extension;
    the second of each pair is not in it."""
    return [(phrase, phrase + "\U0010ffff"), (phrase, phrase + "\1"), (f"{phrase}.", f"{phrase}/")]


def _within(source: Source, stretch: Stretch) -> Source:
    """The same source, of a part of its candidates."""
    where, values = list(source.where), list(source.values)
    columns, first = f"({', '.join(source.place)})", source.place[0]
    marks = f"({', '.join('?' * len(source.place))})"
    if stretch.newest is not None:
        where.append("e.id <= ?")
        values.append(stretch.newest)
    # The first column stands alone, too: a full-text index does not look into rows of values.
    if stretch.beyond is not None:
        where += [f"{first} <= ?", f"{columns} < {marks}"]
        values += [stretch.beyond[0], *stretch.beyond]
    if stretch.down_to is not None:
        where += [f"{first} >= ?", f"{columns} >= {marks}"]
        values += [stretch.down_to[0], *stretch.down_to]
    return source._replace(where=where, values=values)
