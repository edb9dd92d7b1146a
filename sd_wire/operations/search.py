"""Search."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec

from sd_wire.errors import InvalidValue, LocationNotFound, PathNotIndexed, UnsupportedPath
from sd_wire.operation import Natural, Request, doc, query
from sd_wire.paging import Cursor, ItemCursors, NextCursor, WithCursors
from sd_wire.types.files import ContentKind, File
from sd_wire.types.paths import SdPath


class LocationScope(msgspec.Struct):
    """Files of one location."""

    location_id: UUID


class PathScope(msgspec.Struct):
    """Files below one folder."""

    path: SdPath


class ScopedSearch(msgspec.Struct, omit_defaults=True):
    """`{"Location":{...}}` or `{"Path":{...}}`; exactly one is set."""

    Location: LocationScope | None = None
    Path: PathScope | None = None


class WholeLibrary(StrEnum):
    """`"Library"`."""

    LIBRARY = "Library"


class SearchMode(StrEnum):
    """How much work a search may do. All modes find the same files; Fast does not count them all
    and gives no facets."""

    FAST = "Fast"
    NORMAL = "Normal"
    FULL = "Full"


class TagFilter(msgspec.Struct):
    """Tags a file must have and must not have."""

    include: list[UUID] = []
    exclude: list[UUID] = []


class DateField(StrEnum):
    """Which time a filter means."""

    CREATED_AT = "CreatedAt"
    MODIFIED_AT = "ModifiedAt"
    ACCESSED_AT = "AccessedAt"
    INDEXED_AT = "IndexedAt"


class DateRange(msgspec.Struct):
    """A span of time; an end that is left out is open."""

    field: DateField = DateField.MODIFIED_AT
    start: datetime | None = None
    end: datetime | None = None


class SizeRange(msgspec.Struct):
    """A span of sizes in bytes, both ends included."""

    min: int | None = None
    max: int | None = None


class SearchFilters(msgspec.Struct):
    """What a file must be like, besides its name."""

    file_types: Annotated[list[str] | None, doc("extensions, with or without the dot")] = None
    tags: TagFilter | None = None
    date_range: DateRange | None = None
    size_range: SizeRange | None = None
    locations: list[UUID] | None = None
    content_types: list[ContentKind] | None = None
    include_hidden: Annotated[bool | None, doc("true by default")] = None
    include_archived: bool | None = None


class SortField(StrEnum):
    """What a result is ordered by."""

    RELEVANCE = "Relevance"
    NAME = "Name"
    SIZE = "Size"
    MODIFIED_AT = "ModifiedAt"
    CREATED_AT = "CreatedAt"
    INDEXED_AT = "IndexedAt"


class SortDirection(StrEnum):
    """Which end comes first."""

    ASC = "Asc"
    DESC = "Desc"


class SortOptions(msgspec.Struct):
    """The order of a result."""

    field: SortField = SortField.RELEVANCE
    direction: SortDirection = SortDirection.DESC


class PaginationOptions(msgspec.Struct):
    """Which part of a result."""

    limit: Annotated[int, doc("how many at most", ge=1, le=1000)] = 50
    offset: Annotated[Natural, doc("how many to pass over")] = 0


class ScoreBreakdown(msgspec.Struct):
    """Where a score comes from."""

    temporal_score: float
    semantic_score: float | None
    metadata_score: float
    recency_boost: float
    user_preference_boost: float
    final_score: float


class TextHighlight(msgspec.Struct):
    """A part of a text that was looked for; start and end count characters."""

    field: str
    text: str
    start: int
    end: int


class SearchHit(msgspec.Struct):
    """A file that was found, and why."""

    file: File
    score: float
    score_breakdown: ScoreBreakdown
    highlights: list[TextHighlight]
    matched_content: str | None = None


class SearchFacets(msgspec.Struct):
    """How many of the files that were found are of which sort. Only the first page has them."""

    file_types: dict[str, int] = {}
    tags: dict[str, int] = {}
    locations: dict[str, int] = {}
    date_ranges: dict[str, int] = {}
    size_ranges: dict[str, int] = {}


class PaginationInfo(msgspec.Struct):
    """Which part of a result this is."""

    current_page: int
    total_pages: int
    has_next: bool
    has_previous: bool
    limit: int
    offset: int


class IndexType(StrEnum):
    """Which index answered."""

    PERSISTENT = "Persistent"
    EPHEMERAL = "Ephemeral"
    HYBRID = "Hybrid"


class FilterKind(StrEnum):
    """A filter that this search understands."""

    FILE_TYPES = "FileTypes"
    DATE_RANGE = "DateRange"
    SIZE_RANGE = "SizeRange"
    CONTENT_TYPES = "ContentTypes"
    TAGS = "Tags"
    LOCATIONS = "Locations"
    HIDDEN = "Hidden"
    ARCHIVED = "Archived"


class SearchResult(msgspec.Struct):
    """What was found."""

    files: list[File]
    results: list[SearchHit]
    total_found: int
    search_id: UUID
    facets: SearchFacets
    suggestions: list[str]
    pagination: PaginationInfo
    execution_time_ms: int
    index_type: IndexType
    available_filters: list[FilterKind]
    # ours
    total_is_exact: Annotated[bool, doc("false where more were found than were counted")] = True
    next_cursor: NextCursor = None
    cursors: ItemCursors = None


@query(
    "search.files",
    errors=(InvalidValue, LocationNotFound, PathNotIndexed, UnsupportedPath),
    pages="results",
)
class SearchFiles(Request[SearchResult]):
    """Find files by any parts of their names, in any order. Case and accents do not matter. An
    empty query is allowed together with a filter or a sort order. To read on, a cursor is better
    than an offset: files that come and go meanwhile do not shift it."""

    query: Annotated[str, doc("parts of a name, separated by blanks", max_length=1000)]
    scope: Annotated[WholeLibrary | ScopedSearch, doc("where to look")] = WholeLibrary.LIBRARY
    mode: Annotated[SearchMode, doc("how thorough")] = SearchMode.NORMAL
    filters: Annotated[SearchFilters, doc("what files must be like")] = msgspec.field(
        default_factory=SearchFilters
    )
    sort: Annotated[SortOptions, doc("the order")] = msgspec.field(default_factory=SortOptions)
    pagination: Annotated[PaginationOptions, doc("which part")] = msgspec.field(
        default_factory=PaginationOptions
    )
    # ours
    cursor: Cursor = None
    cursors: WithCursors = False
