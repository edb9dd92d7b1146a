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
_NEWEST_FIRST = "e.id DESC"
_HAS_INDEX = "SELECT 1 FROM sqlite_master WHERE type = 'index' AND name = 'entries_name'"
_BY_NAME = (
    "(SELECT id FROM entries INDEXED BY entries_name WHERE name COLLATE NOCASE >= ?"
    " AND name COLLATE NOCASE < ? ORDER BY name COLLATE NOCASE LIMIT ?) n"
    " CROSS JOIN entries e ON e.id = n.id"
)
_NOT_ASCII = "(length(e.name) <> length(CAST(e.name AS BLOB)) OR typeof(e.name) = 'blob')"


class Hit(msgspec.Struct, gc=False):
    """An entry that was found, and its folded name."""

    number: int  # entries.id
    folded: str
    entry: Candidate


class Source(NamedTuple):
    """Tables, joined, and conditions on them; `newest` orders what comes out of them."""

    tables: str
    where: list[str]
    values: list[Any]
    newest: str = _NEWEST_FIRST
    is_index: bool = False  # whether most candidates are hits


class Sources:
    """The candidates of one search."""

    def __init__(self, db: sqlite3.Connection, text: SearchText, allowed: Restriction) -> None:
        self._db = db
        self._text = text
        self._allowed = allowed
        self._with_folder = allowed.with_folder or bool(text.ends)
        (self._watermark,) = db.execute("SELECT entry FROM names_progress").fetchone()
        self.all = self._choose()

    def hits(self) -> Iterator[Hit]:
        """Every hit, newest entry first."""
        for source in self.all:
            sql, values = self._statement(source)
            sql = f"{sql} ORDER BY {source.newest}"
            yield from self._fitting(sql, values, is_index=source.is_index)

    def sorted_hits(self, key: str, direction: str, limit: int | None = None) -> Iterator[Hit]:
        """Every hit, ordered by an SQL expression; `limit` is for when nothing is left to test."""
        parts, values = [], []
        for source in self.all:
            sql, some = self._statement(source, f", {key} AS sort_key")
            parts.append(sql)
            values += some
        order = f"ORDER BY sort_key {direction}, id {direction}"
        sql = f"SELECT {_COLUMNS} FROM ({' UNION ALL '.join(parts)}) {order}"
        if limit is not None and self.is_decided:
            sql, values = f"{sql} LIMIT ?", [*values, limit]
        return self._fitting(sql, values, is_index=False)

    def beginning(self, phrase: str, limit: int) -> list[Hit]:
        """Hits that begin with `phrase`, in order of name. Of more than `limit` the first ones,
        and the first of those that are called just so, with or without an extension.

        Only names of ASCII are found by any case of letters.
        """
        if not phrase or self._db.execute(_HAS_INDEX).fetchone() is None:
            return []
        found = list(self._named(phrase, phrase + "\U0010ffff", limit))
        if len(found) < limit:
            return found
        known = {hit.number for hit in found}
        for low, high in ((phrase, phrase + "\1"), (f"{phrase}.", f"{phrase}/")):
            found += [hit for hit in self._named(low, high, limit) if hit.number not in known]
            known.update(hit.number for hit in found)
        return found

    def _named(self, low: str, high: str, limit: int) -> Iterator[Hit]:
        sql, values = self._statement(Source(_BY_NAME, [], []))
        return self._fitting(sql, [low, high, limit, *values], is_index=True)

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
                "n.rowid DESC",
                is_index=True,
            ),
        ]

    def _by_folder(self, trigrams: list[str]) -> list[Source]:
        """What lies in folders of a certain name."""
        where, values = self._reading()
        return [
            Source("entries e", ["e.parent > ?", *where], [self._watermark, *values]),
            Source(
                "names n CROSS JOIN entries e ON e.parent = n.rowid",
                ["names MATCH ?", "n.rowid <= ?", *where],
                [match_expression(trigrams), self._watermark, *values],
                "n.rowid DESC, e.id DESC",
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
