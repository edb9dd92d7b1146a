"""Searches that are sorted by something that every entry has."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from sd_daemon.core.cursors import Number, is_key, refused
from sd_daemon.core.search import found as pages
from sd_daemon.core.search.found import FURTHEST, Found, counted
from sd_daemon.core.search.sources import Stretch
from sd_wire.operation import LARGEST
from sd_wire.operations.search import SearchFiles, SortDirection, SortField

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sd_daemon.core.search.sources import Hit, Sources

_BY_NUMBER = "e.id"
_SORT_KEYS = {
    SortField.NAME: "e.name COLLATE NOCASE",
    SortField.SIZE: "e.size",
    SortField.MODIFIED_AT: "e.mtime",
    SortField.CREATED_AT: "min(e.mtime, e.ctime)",
    SortField.INDEXED_AT: _BY_NUMBER,
}


class Place(msgspec.Struct, array_like=True):
    """Where in the order a hit is."""

    passed: Annotated[int, msgspec.Meta(ge=0, le=LARGEST)]  # hits up to it, as they were counted
    key: Any
    number: Number  # entries.id


def in_order(sources: Sources, request: SearchFiles, place: Place | None) -> Found:
    """One page of the hits in the order that is asked for; where that is by relevance, the newest
    entry first. Raises InvalidValue for a place that is none."""
    if place is not None and not is_key(place.key):
        raise refused()
    breadth = pages.BREADTHS[request.mode]
    first = min(request.pagination.offset, FURTHEST)
    last = first + request.pagination.limit
    wanted = last + 1 if place else max(last + 1, breadth.window)
    passed = place.passed if place else 0
    rest = _ordered(sources, request, place, wanted)
    seen = list(islice(rest, wanted))
    page = seen[first:last]

    def place_of(number: int) -> Place:
        hit = page[number]
        return Place(passed + first + number + 1, _key(hit, request.sort.field), hit.number)

    found = Found(
        page, seen, passed + len(seen), len(seen) < wanted, len(seen) > last, place=place_of
    )
    if found.is_exact or breadth.counted == 0:
        return found
    if sources.is_decided:
        return found._replace(total=sources.count(), is_exact=True)
    return counted(sources, found, rest, breadth)


def _key(hit: Hit, field: SortField) -> Any:
    # Those that come in order by themselves have no column for it.
    return hit.number if _SORT_KEYS.get(field, _BY_NUMBER) == _BY_NUMBER else hit.entry[-1]


def _ordered(
    sources: Sources, request: SearchFiles, place: Place | None, wanted: int
) -> Iterator[Hit]:
    field = request.sort.field
    key = _SORT_KEYS.get(field, _BY_NUMBER)
    direction = "ASC" if request.sort.direction is SortDirection.ASC else "DESC"
    if field is SortField.RELEVANCE:
        direction = "DESC"
    if (key, direction) == (_BY_NUMBER, "DESC") and not sources.is_decided and sources.width == 1:
        # They come in that order by themselves.
        return sources.hits(Stretch(beyond=[place.number] if place else None))
    after = [place.key, place.number] if place else None
    return sources.sorted_hits(key, direction, after, wanted)
