"""Filters and scopes: which entries a search may find, whatever they are called.

What SQL can decide becomes a condition; what takes Python (the kind of a content, hidden folders)
becomes a test of a candidate. The conditions speak of `e`, an entry, and `f`, the folder it is in.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sd_daemon.core import locations
from sd_daemon.core.files.build import name_of, split_name
from sd_daemon.core.files.extensions import having_extension
from sd_daemon.core.files.find import indexed_folder
from sd_daemon.core.index.kinds import identify_kind
from sd_daemon.core.index.walk import DIRECTORY, FILE, Subtree, loose
from sd_daemon.core.paths import resolve
from sd_wire.errors import InvalidValue
from sd_wire.operations.search import (
    DateField,
    DateRange,
    ScopedSearch,
    SearchFiles,
    SearchFilters,
    SizeRange,
)
from sd_wire.types.files import CONTENT_KINDS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

# id, parent, name, kind, size, mtime, and the folder's path if the restriction asked for it
Candidate = tuple[int, int, str | bytes, int, int, int, str | bytes | None]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LIMIT = (1 << 63) - 1
_TIMES = {DateField.CREATED_AT: "min(e.mtime, e.ctime)", DateField.MODIFIED_AT: "e.mtime"}


class Restriction:
    """Conditions in SQL with their values, and tests of candidates."""

    __slots__ = ("nothing", "scope", "scope_values", "tests", "values", "where", "with_folder")

    def __init__(self) -> None:
        self.where: list[str] = []  # about `e`
        self.values: list[Any] = []
        self.scope: list[str] = []  # about `f`
        self.scope_values: list[Any] = []
        self.tests: list[Callable[[Candidate], bool]] = []
        self.with_folder = False  # whether a test looks at the folder's path
        self.nothing = False  # whether nothing can be found

    def add(self, condition: str, *values: Any) -> None:
        """Take on one more condition."""
        self.where.append(condition)
        self.values += values

    @property
    def is_empty(self) -> bool:
        """Whether everything is allowed."""
        return not (self.where or self.scope or self.tests or self.nothing)


def restriction(db: sqlite3.Connection, device_slug: str, request: SearchFiles) -> Restriction:
    """What the scope and the filters of a request allow.

    Raises LocationNotFound, PathNotIndexed, UnsupportedPath, InvalidValue.
    """
    allowed = Restriction()
    if isinstance(request.scope, ScopedSearch):
        _within(allowed, [_scope(db, device_slug, request.scope)])
    filters = request.filters
    if filters.locations is not None:
        pointer = "/payload/filters/locations"
        roots = [locations.get(db, uuid, pointer).path for uuid in filters.locations]
        _within(allowed, roots)
    if filters.size_range is not None:
        _sizes(allowed, filters.size_range)
    if filters.date_range is not None:
        _dates(allowed, filters.date_range)
    if filters.tags is not None and filters.tags.include:
        allowed.nothing = True  # no file has a tag yet
    if filters.include_hidden is False:
        _no_hidden(allowed, [one.path for one in locations.listed(db)])
    _types(allowed, filters)
    return allowed


def _scope(db: sqlite3.Connection, device_slug: str, scope: ScopedSearch) -> str:
    """The path of the folder to search below."""
    if (scope.Location is None) == (scope.Path is None):
        reason = "it must have either Location or Path"
        raise InvalidValue(field="scope", reason=reason, pointer="/payload/scope")
    if scope.Location is not None:
        pointer = "/payload/scope/Location/location_id"
        return locations.get(db, scope.Location.location_id, pointer).path
    assert scope.Path is not None
    path = resolve(db, scope.Path.path, device_slug, field="scope.Path.path")
    indexed_folder(db, path, field="scope.Path.path")
    return path


def _within(allowed: Restriction, paths: list[str]) -> None:
    trees = [Subtree(path) for path in paths]
    allowed.scope.append("(" + (" OR ".join(tree.where("f.path") for tree in trees) or "0") + ")")
    allowed.scope_values += [value for tree in trees for value in tree.params]


def _sizes(allowed: Restriction, sizes: SizeRange) -> None:
    allowed.add(f"e.kind <> {DIRECTORY}")  # the size of a folder says nothing about its files
    if sizes.min is not None:
        allowed.add("e.size >= ?", _within_64_bits(sizes.min))
    if sizes.max is not None:
        allowed.add("e.size <= ?", _within_64_bits(sizes.max))


def _dates(allowed: Restriction, dates: DateRange) -> None:
    column = _TIMES.get(dates.field)
    if column is None:
        reason = f"the index does not hold {dates.field}; use ModifiedAt or CreatedAt"
        pointer = "/payload/filters/date_range/field"
        raise InvalidValue(field="filters.date_range.field", reason=reason, pointer=pointer)
    if dates.start is not None:
        allowed.add(f"{column} >= ?", _nanoseconds(dates.start))
    if dates.end is not None:
        allowed.add(f"{column} <= ?", _nanoseconds(dates.end))


def _nanoseconds(moment: datetime) -> int:
    """Since the epoch; a time without a zone is UTC."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return _within_64_bits((moment - _EPOCH) // timedelta(microseconds=1) * 1000)


def _within_64_bits(number: int) -> int:
    return max(-_LIMIT, min(_LIMIT, number))


def _types(allowed: Restriction, filters: SearchFilters) -> None:
    if filters.file_types is not None:
        wanted = {name.removeprefix(".").lower() for name in filters.file_types}
        allowed.add(f"e.kind <> {DIRECTORY}")
        if all(name.isascii() for name in wanted):
            condition, values = having_extension(sorted(wanted))
            allowed.add(condition, *values)
        allowed.tests.append(lambda found: _extension(found) in wanted)
    if filters.content_types is not None:
        numbers = {CONTENT_KINDS.index(kind) for kind in filters.content_types}
        allowed.add(f"e.kind = {FILE}")
        allowed.tests.append(lambda found: identify_kind(found[2])[0] in numbers)


def _extension(found: Candidate) -> str | None:
    extension = split_name(name_of(found[2], found[1]))[1]
    return None if extension is None else extension.lower()


def _no_hidden(allowed: Restriction, roots: list[str]) -> None:
    """Leave out what begins with a dot, and everything inside such a folder.

    What leads to a location does not count: who has ~/.config indexed wants to see it.
    """
    trees = [Subtree(root) for root in roots]

    def is_visible(found: Candidate) -> bool:
        name, folder = found[2], found[6]
        if found[1] and name_of(name, found[1]).startswith("."):
            return False
        path = "" if folder is None else loose(folder)
        start = max((len(tree.path) for tree in trees if tree.contains(path)), default=0)
        return "/." not in path[start:]

    allowed.with_folder = True
    allowed.tests.append(is_visible)
