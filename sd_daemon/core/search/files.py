"""The operation search.files."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sd_daemon.core.cursors import Cursors
from sd_daemon.core.files.build import FileBuilder, name_of
from sd_daemon.core.search import ordered, relevance
from sd_daemon.core.search.facets import facets
from sd_daemon.core.search.found import Found
from sd_daemon.core.search.highlight import highlights
from sd_daemon.core.search.rank import breakdown
from sd_daemon.core.search.restrict import restriction
from sd_daemon.core.search.sources import Sources
from sd_daemon.core.search.text import SearchText
from sd_wire.errors import InvalidValue
from sd_wire.operations.search import (
    FilterKind,
    IndexType,
    PaginationInfo,
    SearchFacets,
    SearchFiles,
    SearchHit,
    SearchMode,
    SearchResult,
    SortField,
)

if TYPE_CHECKING:
    import sqlite3

    from sd_daemon.core.ids import EntryIds
    from sd_daemon.core.search.sources import Hit

_NOTHING = Found([], [], 0, is_exact=True, more=False, place=lambda _number: None)
AVAILABLE = [
    FilterKind.FILE_TYPES,
    FilterKind.DATE_RANGE,
    FilterKind.SIZE_RANGE,
    FilterKind.CONTENT_TYPES,
    FilterKind.LOCATIONS,
    FilterKind.HIDDEN,
]


def search_files(
    db: sqlite3.Connection,
    ids: EntryIds,
    device_slug: str,
    request: SearchFiles,
    now: int | None = None,
) -> SearchResult:
    """Find files by parts of their names. `now` is in nanoseconds since the epoch.

    Every text is a valid query. Sorted by relevance the best comes first, whichever direction is
    asked for; without any words, the newest entry. Facets come with the first page only. Raises
    InvalidValue for an empty query without filter and order, for a filter on a time that the index
    does not hold, and for a cursor of something else; LocationNotFound, PathNotIndexed and
    UnsupportedPath for scopes.
    """
    started = time.perf_counter_ns()
    now = time.time_ns() if now is None else now
    text = SearchText(request.query)
    allowed = restriction(db, device_slug, request)
    by_relevance = request.sort.field is SortField.RELEVANCE
    if text.blank and by_relevance and allowed.is_empty:
        reason = "it is empty; give a part of a name, a filter or an order"
        raise InvalidValue(field="query", reason=reason, pointer="/payload/query")
    if request.cursor is not None and request.pagination.offset:
        reason = "a cursor says where the page begins; leave it out"
        pointer = "/payload/pagination/offset"
        raise InvalidValue(field="pagination.offset", reason=reason, pointer=pointer)
    best_first = by_relevance and not text.blank
    cursors: Cursors[Any] = Cursors(
        ids.library_id, request, relevance.Place if best_first else ordered.Place
    )
    place = cursors.read()
    if text.hopeless or allowed.nothing:
        found = _NOTHING
    elif best_first:
        found = relevance.Relevance(Sources(db, text, allowed), text, request, place, now).found()
    else:
        found = ordered.in_order(Sources(db, text, allowed), request, place)
    counts = SearchFacets()
    if request.mode is not SearchMode.FAST and place is None:
        counts = facets(db, found.seen, now)
    builder = FileBuilder(db, ids, device_slug)
    hits = _described(builder, text, found.page, now)
    ends = cursors.ends(found.place, len(found.page), more=found.more)
    passed = request.pagination.offset if place is None else place.passed
    return SearchResult(
        files=[hit.file for hit in hits],
        results=hits,
        total_found=found.total,
        search_id=uuid4(),
        facets=counts,
        suggestions=[],
        pagination=_pagination(request.pagination.limit, passed, found),
        execution_time_ms=(time.perf_counter_ns() - started) // 1_000_000,
        index_type=IndexType.PERSISTENT,
        available_filters=AVAILABLE,
        total_is_exact=found.is_exact,
        next_cursor=ends.next_cursor,
        cursors=ends.cursors,
    )


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


def _pagination(limit: int, passed: int, found: Found) -> PaginationInfo:
    """Pages count from 1, as existing clients show them."""
    return PaginationInfo(
        current_page=passed // limit + 1,
        total_pages=-(-found.total // limit),
        has_next=found.more,
        has_previous=passed > 0,
        limit=limit,
        offset=passed,
    )
