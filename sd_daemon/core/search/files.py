"""The operation search.files."""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from sd_daemon.core.files.build import FileBuilder, name_of
from sd_daemon.core.search.facets import facets
from sd_daemon.core.search.highlight import highlights
from sd_daemon.core.search.rank import breakdown, ranked
from sd_daemon.core.search.restrict import restriction
from sd_daemon.core.search.sources import Hit, Sources
from sd_daemon.core.search.text import SearchText
from sd_wire.errors import InvalidValue
from sd_wire.operations.search import (
    FilterKind,
    IndexType,
    PaginationInfo,
    PaginationOptions,
    SearchFacets,
    SearchFiles,
    SearchHit,
    SearchMode,
    SearchResult,
    SortDirection,
    SortField,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from sd_daemon.core.ids import EntryIds


class Breadth(NamedTuple):
    """How much a mode looks at."""

    beginning: int  # hits taken from the index of names, of each sort
    window: int  # of the other hits, how many are ranked, counted into facets and counted exactly
    counted: int | None  # up to where hits beyond the window are counted, None: all, one by one


BREADTHS = {
    SearchMode.FAST: Breadth(64, 300, 0),
    SearchMode.NORMAL: Breadth(250, 1000, 10_000),
    SearchMode.FULL: Breadth(2000, 10_000, None),
}
AVAILABLE = [
    FilterKind.FILE_TYPES,
    FilterKind.DATE_RANGE,
    FilterKind.SIZE_RANGE,
    FilterKind.CONTENT_TYPES,
    FilterKind.LOCATIONS,
    FilterKind.HIDDEN,
]
_FURTHEST = 1 << 40  # entries; SQLite and itertools count no further than 63 bits
_SORT_KEYS = {
    SortField.NAME: "e.name COLLATE NOCASE",
    SortField.SIZE: "e.size",
    SortField.MODIFIED_AT: "e.mtime",
    SortField.CREATED_AT: "min(e.mtime, e.ctime)",
    SortField.INDEXED_AT: "e.id",
}


class Found(NamedTuple):
    """One page of hits, and what is known about the others."""

    page: list[Hit]
    seen: list[Hit]  # what facets are counted over
    total: int
    is_exact: bool


def search_files(
    db: sqlite3.Connection,
    ids: EntryIds,
    device_slug: str,
    request: SearchFiles,
    now: int | None = None,
) -> SearchResult:
    """Find files by parts of their names. `now` is in nanoseconds since the epoch.

    Every text is a valid query. Sorted by relevance the best comes first, whichever direction is
    asked for; without any words, the newest entry. Raises InvalidValue for an empty query without
    filter and order, and for a filter on a time that the index does not hold; LocationNotFound,
    PathNotIndexed and UnsupportedPath for scopes.
    """
    started = time.perf_counter_ns()
    now = time.time_ns() if now is None else now
    text = SearchText(request.query)
    allowed = restriction(db, device_slug, request)
    by_relevance = request.sort.field is SortField.RELEVANCE
    if text.blank and by_relevance and allowed.is_empty:
        reason = "it is empty; give a part of a name, a filter or an order"
        raise InvalidValue(field="query", reason=reason, pointer="/payload/query")
    if text.hopeless or allowed.nothing:
        found = Found([], [], 0, is_exact=True)
    elif by_relevance and not text.blank:
        found = _by_relevance(Sources(db, text, allowed), text, request, now)
    else:
        found = _in_order(Sources(db, text, allowed), request)
    counts = SearchFacets()
    if request.mode is not SearchMode.FAST:
        counts = facets(db, found.seen, now)
    builder = FileBuilder(db, ids, device_slug)
    hits = _described(builder, text, found.page, now)
    return SearchResult(
        files=[hit.file for hit in hits],
        results=hits,
        total_found=found.total,
        search_id=uuid4(),
        facets=counts,
        suggestions=[],
        pagination=_pagination(request.pagination, found.total),
        execution_time_ms=(time.perf_counter_ns() - started) // 1_000_000,
        index_type=IndexType.PERSISTENT,
        available_filters=AVAILABLE,
        total_is_exact=found.is_exact,
    )


def _by_relevance(sources: Sources, text: SearchText, request: SearchFiles, now: int) -> Found:
    breadth = BREADTHS[request.mode]
    first = min(request.pagination.offset, _FURTHEST)
    last = first + request.pagination.limit
    best: list[Hit] = []
    if request.mode is SearchMode.FAST:
        best = ranked(text, sources.beginning(text.phrase, breadth.beginning), now)
        if len(best) > last:  # what comes next in this order cannot change the page
            return Found(best[first:last], [], len(best), is_exact=False)
    hits = sources.hits()
    window = list(islice(hits, breadth.window))
    if len(window) < breadth.window:
        window = ranked(text, window, now)
        if best:
            window = best + _without(window, best)
        return Found(window[first:last], window, len(window), is_exact=True)
    if request.mode is SearchMode.FAST:
        head = best + ranked(text, _without(window, best), now)
    else:
        best = sources.beginning(text.phrase, breadth.beginning)
        head = ranked(text, best + _without(window, best), now)
    known = {hit.number for hit in head}
    rest = (hit for hit in hits if hit.number not in known)
    page = head[first:last]
    passed = max(0, first - len(head))
    page += islice(rest, passed, passed + last - first - len(page))
    more = next(rest, None) is not None
    reached = max(len(head), first + len(page)) + more
    return _counted(sources, Found(page, head, reached, is_exact=not more), rest, breadth)


def _without(hits: list[Hit], others: list[Hit]) -> list[Hit]:
    known = {hit.number for hit in others}
    return [hit for hit in hits if hit.number not in known]


def _counted(sources: Sources, found: Found, rest: Iterator[Hit], breadth: Breadth) -> Found:
    """The same with a total that takes in what lies beyond the page."""
    if found.is_exact or breadth.counted == 0:
        return found
    if breadth.counted is None:
        return found._replace(total=found.total + sum(1 for _ in rest), is_exact=True)
    return found._replace(total=max(found.total, sources.roughly(breadth.counted) or 0))


def _in_order(sources: Sources, request: SearchFiles) -> Found:
    breadth = BREADTHS[request.mode]
    first = min(request.pagination.offset, _FURTHEST)
    last = first + request.pagination.limit
    wanted = max(last + 1, breadth.window)
    key = _SORT_KEYS.get(request.sort.field, "e.id")
    direction = "ASC" if request.sort.direction is SortDirection.ASC else "DESC"
    if request.sort.field is SortField.RELEVANCE:
        direction = "DESC"
    if key == "e.id" and direction == "DESC" and not sources.is_decided:
        rest = sources.hits()  # which come in that order by themselves
    else:
        rest = sources.sorted_hits(key, direction, wanted)
    seen = list(islice(rest, wanted))
    found = Found(seen[first:last], seen, len(seen), len(seen) < wanted)
    if found.is_exact or breadth.counted == 0:
        return found
    if sources.is_decided:
        return found._replace(total=sources.count(), is_exact=True)
    return _counted(sources, found, rest, breadth)


def _described(
    builder: FileBuilder, text: SearchText, page: list[Hit], now: int
) -> list[SearchHit]:
    files = builder.by_numbers([hit.number for hit in page])
    described = []
    for hit, file in zip(page, files, strict=True):  # one read transaction: none can be gone
        scores = breakdown(text, hit, now)
        name = name_of(hit.entry[2], hit.entry[1])
        marks = highlights(text, name, hit.folded)
        described.append(SearchHit(file, scores.final_score, scores, marks))
    return described


def _pagination(asked: PaginationOptions, total: int) -> PaginationInfo:
    """Pages count from 1, as existing clients show them."""
    return PaginationInfo(
        current_page=asked.offset // asked.limit + 1,
        total_pages=-(-total // asked.limit),
        has_next=asked.offset + asked.limit < total,
        has_previous=asked.offset > 0,
        limit=asked.limit,
        offset=asked.offset,
    )
