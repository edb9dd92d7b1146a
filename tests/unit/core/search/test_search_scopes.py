"""Scopes, filters and facets: what may be found, and how it spreads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from shelf import DAY, NOW, SLUG

from sd_wire.errors import InvalidValue, LocationNotFound, PathNotIndexed, UnsupportedPath
from sd_wire.operations.search import (
    DateField,
    DateRange,
    LocationScope,
    PathScope,
    ScopedSearch,
    SearchFilters,
    SearchMode,
    SizeRange,
    SortField,
    SortOptions,
    TagFilter,
)
from sd_wire.types.files import ContentKind
from sd_wire.types.paths import CloudPath, CloudService, ContentPath, PhysicalPath, SdPath

BY_NAME = SortOptions(SortField.NAME, "Asc")


@pytest.fixture
def library(shelf):
    """Two locations with files of several types, sizes and ages."""
    shelf.pictures = shelf.location("/pictures")
    shelf.work = shelf.location("/desk")
    shelf.file("/pictures/sun a.jpg", size=500, mtime=NOW - DAY // 2)
    shelf.file("/pictures/2023/sun b.PNG", size=3_000_000, mtime=NOW - 20 * DAY)
    shelf.file("/pictures/.cache/sun c.jpg", size=0, mtime=NOW - 2000 * DAY, ctime=NOW - DAY)
    shelf.file(b"/pictures/sun \xe9.jpg", size=7, mtime=NOW - 3 * DAY)
    shelf.file("/desk/sun d.py", size=20, mtime=NOW - 3 * DAY)
    shelf.file("/desk/.sun e.py", size=20, mtime=NOW - 300 * DAY)
    shelf.file("/desk/.config/deep/sun f.txt", size=2 << 30, mtime=NOW - 3 * DAY)
    shelf.index_names(9)
    return shelf


def path(text: str, slug: str = SLUG) -> SdPath:
    return SdPath(Physical=PhysicalPath(slug, text))


def below(where: SdPath) -> ScopedSearch:
    return ScopedSearch(Path=PathScope(where))


@pytest.mark.parametrize("query", ["sun", "su", ""])
def test_scopes(library, query):
    def found(scope):
        return set(library.found(query, scope=scope, sort=BY_NAME))

    assert found(below(path("/pictures/2023"))) == {"sun b.PNG"}
    assert found(below(path("/pictures/2023/"))) == {"sun b.PNG"}
    in_work = found(ScopedSearch(Location=LocationScope(library.work)))
    assert {"sun d.py", ".sun e.py", "sun f.txt"} <= in_work
    assert not {name for name in in_work if name.endswith(("jpg", "PNG"))}


@pytest.mark.parametrize(
    ("scope", "error"),
    [
        (ScopedSearch(Location=LocationScope(uuid4())), LocationNotFound),
        (below(path("/elsewhere")), PathNotIndexed),
        (below(path("/pictures/sun a.jpg")), InvalidValue),
        (below(path("/pictures", "another-device")), UnsupportedPath),
        (below(path("pictures")), UnsupportedPath),
        (below(path("/pict\0ures")), InvalidValue),
        (below(SdPath(Cloud=CloudPath(CloudService.S3, "bucket", "x"))), UnsupportedPath),
        (below(SdPath(Content=ContentPath(uuid4()))), PathNotIndexed),
        (ScopedSearch(), InvalidValue),
    ],
)
def test_scopes_that_are_none(library, scope, error):
    with pytest.raises(error) as refused:
        library.search("sun", scope=scope)
    assert refused.value.pointer.startswith("/payload/scope")


DAYS = [datetime.fromtimestamp(0, UTC) + timedelta(days=20_000 - ago) for ago in range(40)]


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        (SearchFilters(file_types=["jpg"]), {"sun a.jpg", "sun c.jpg", "sun \ufffd.jpg"}),
        (SearchFilters(file_types=[".png", "TXT"]), {"sun b.PNG", "sun f.txt"}),
        (SearchFilters(file_types=[]), set()),
        (SearchFilters(size_range=SizeRange(1, 20)), {"sun \ufffd.jpg", "sun d.py", ".sun e.py"}),
        (SearchFilters(size_range=SizeRange(1 << 30, 1 << 80)), {"sun f.txt"}),
        (SearchFilters(date_range=DateRange(start=DAYS[1])), {"sun a.jpg"}),
        (
            SearchFilters(date_range=DateRange(start=DAYS[30], end=DAYS[10])),
            {"sun b.PNG"},
        ),
        (SearchFilters(date_range=DateRange(end=datetime(1, 1, 1))), set()),  # noqa: DTZ001
        (
            SearchFilters(date_range=DateRange(DateField.CREATED_AT, end=DAYS[39])),
            {"sun c.jpg", ".sun e.py"},
        ),
        (
            SearchFilters(content_types=[ContentKind.IMAGE]),
            {"sun a.jpg", "sun b.PNG", "sun c.jpg", "sun \ufffd.jpg"},
        ),
        (SearchFilters(content_types=[ContentKind.CODE]), {"sun d.py", ".sun e.py"}),
        (
            SearchFilters(include_hidden=False),
            {"sun a.jpg", "sun b.PNG", "sun \ufffd.jpg", "sun d.py"},
        ),
        (SearchFilters(tags=TagFilter(include=[uuid4()])), set()),
        (SearchFilters(locations=[]), set()),
        (
            SearchFilters(file_types=["jpg"], size_range=SizeRange(max=9)),
            {"sun c.jpg", "sun \ufffd.jpg"},
        ),
    ],
)
@pytest.mark.parametrize("query", ["sun", "su", ""])
def test_filters(library, filters, names, query):
    for mode in SearchMode:
        found = library.found(query, filters=filters, mode=mode)
        assert {name for name in found if "sun" in name} == names


def test_a_filter_by_locations(library):
    filters = SearchFilters(locations=[library.pictures, library.work])
    assert len(library.found("sun", filters=filters)) == 7
    with pytest.raises(LocationNotFound):
        library.search("sun", filters=SearchFilters(locations=[uuid4()]))


@pytest.mark.parametrize("field", [DateField.ACCESSED_AT, DateField.INDEXED_AT])
def test_a_time_that_the_index_does_not_hold_is_refused(library, field):
    with pytest.raises(InvalidValue) as refused:
        library.search("sun", filters=SearchFilters(date_range=DateRange(field)))
    assert refused.value.pointer == "/payload/filters/date_range/field"


def test_a_location_inside_a_hidden_folder_is_not_hidden(library):
    library.location("/desk/.config")
    visible = library.found("sun", filters=SearchFilters(include_hidden=False))
    assert "sun f.txt" in visible


def test_facets_say_how_all_hits_spread(library):
    found = library.search("sun", limit=1)
    assert found.facets.file_types == {"jpg": 3, "py": 2, "png": 1, "txt": 1}
    assert found.facets.locations == {str(library.pictures): 4, str(library.work): 3}
    assert found.facets.date_ranges == {"day": 1, "week": 3, "month": 1, "year": 1, "older": 1}
    assert found.facets.size_ranges == {
        "empty": 1,
        "up_to_1_mib": 4,
        "up_to_16_mib": 1,
        "larger": 1,
    }
    assert library.search("sun", mode=SearchMode.FAST).facets.file_types == {}


def test_a_large_scope_is_searched_by_trigrams(library, monkeypatch):
    monkeypatch.setattr("sd_daemon.core.search.sources._SMALL_SCOPE", 1)
    scope = ScopedSearch(Location=LocationScope(library.work))
    assert set(library.found("sun", scope=scope)) == {"sun d.py", ".sun e.py", "sun f.txt"}


def test_pages_are_counted(library):
    page = library.search("sun", limit=3, offset=3).pagination
    assert (page.current_page, page.total_pages, page.has_next, page.has_previous) == (
        2,
        3,
        True,
        True,
    )
    beyond = library.search("sun", limit=3, offset=1 << 70)
    assert (beyond.files, beyond.pagination.has_next) == ([], False)
