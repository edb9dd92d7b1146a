"""Reading what a search finds page by page, while files come and go."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from shelf import DAY, NOW, SLUG, Shelf, full_name

from sd_daemon.core.search.files import search_files
from sd_daemon.core.search.found import BREADTHS
from sd_wire.errors import InvalidValue
from sd_wire.operations.search import (
    LocationScope,
    PaginationOptions,
    ScopedSearch,
    SearchFiles,
    SearchFilters,
    SearchMode,
    SortDirection,
    SortField,
    SortOptions,
)

SMALL = {one: breadth._replace(beginning=3, window=7) for one, breadth in BREADTHS.items()}
NAMES = ["img", "img.jpg", "IMG", "Imgé.png", "my img.jpg", "an img here", "img_1.jpg", "ximg", "i"]
ORDERS = [SortOptions()] * 6 + [
    SortOptions(field, direction) for field in SortField for direction in SortDirection
]
FOLDERS = ["photos", "photos/more", "other"]
QUERIES = ["img", "img", "i", "photos/img", "photos/", "img jpg", ""]


def ask(shelf, query, limit=3, cursor=None, now=NOW, **options):
    request = SearchFiles(
        query=query, pagination=PaginationOptions(limit), cursor=cursor, **options
    )
    return search_files(shelf.db, shelf.ids, SLUG, request, now)


def library(names, *, with_index=True):
    """A library with these files: (name, folder, age in days, size)."""
    shelf = Shelf()
    shelf.location("/home")
    for one in names:
        add(shelf, one)
    if with_index:
        shelf.index_beginnings()
    return shelf


def add(shelf, one):
    name, folder, age, size = one
    number = len(shelf.folders)  # a folder of its own: in one no name can be twice
    path = f"/home/{number}/{FOLDERS[folder]}/{NAMES[name]}"
    return shelf.file(path, size=size, mtime=NOW - age * DAY)


some_file = st.tuples(
    st.integers(0, len(NAMES) - 1),
    st.integers(0, len(FOLDERS) - 1),
    st.sampled_from([0, 0, 3, 20, 90]),
    st.integers(0, 2),
)
some_change = st.one_of(
    st.tuples(st.just("add"), some_file),
    st.tuples(st.just("remove"), st.integers(0, 200)),
    st.tuples(st.just("touch"), st.integers(0, 200)),
    st.tuples(st.just("index"), st.integers(1, 9)),
    st.tuples(st.just("wait"), st.integers(1, 40)),
)
searches = st.fixed_dictionaries(
    {
        "mode": st.sampled_from(SearchMode),
        "sort": st.sampled_from(ORDERS),
    }
)

SAME = [(0, 0, 0, 0)] * 30


@pytest.fixture(autouse=True, scope="module")
def _small():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sd_daemon.core.search.found.BREADTHS", SMALL)
        yield


def possible(query, options):
    return query or options["sort"].field is not SortField.RELEVANCE


@settings(deadline=None)
@given(
    files=st.lists(some_file, min_size=12, max_size=40),
    query=st.sampled_from(QUERIES),
    options=searches,
    limit=st.integers(1, 6),
    with_index=st.booleans(),
    indexed=st.integers(0, 60),
    hidden=st.sampled_from([None, False]),
    changes=st.lists(st.lists(some_change, max_size=4), min_size=4, max_size=30),
)
def test_nothing_comes_twice_and_nothing_that_stays_is_passed_over(
    files, query, options, limit, with_index, indexed, hidden, changes
):
    if not possible(query, options):
        return
    shelf = library(files, with_index=with_index)
    shelf.index_names(indexed)
    options = {**options, "filters": SearchFilters(include_hidden=hidden)}

    def everything(now):
        return [one.id for one in ask(shelf, query, 1000, now=now, **options).files]

    lasting, changed = set(everything(NOW)), set()
    walked, cursor, now = [], None, NOW
    while True:
        page = ask(shelf, query, limit, cursor, now, **options)
        walked += [one.id for one in page.files]
        assert page.pagination.has_next == (page.next_cursor is not None)
        cursor = page.next_cursor
        if cursor is None:
            break
        assert len(walked) < 1000
        for kind, what in changes.pop(0) if changes else ():
            now += what * DAY if kind == "wait" else 0
            changed |= change(shelf, kind, what)
        lasting &= set(everything(now))
    assert len(set(walked) - changed) == len([one for one in walked if one not in changed])
    assert lasting - changed <= set(walked)


def change(shelf, kind, what):
    """Do it, and tell what is another file now."""
    if kind == "add":
        add(shelf, what)
    elif kind == "index":
        shelf.index_names(what)
    rows = shelf.db.execute("SELECT id FROM entries WHERE kind = 0").fetchall()
    if not rows or kind not in ("remove", "touch"):
        return set()
    (number,) = rows[what % len(rows)]
    if kind == "remove":
        shelf.db.execute("DELETE FROM entries WHERE id = ?", (number,))
        return set()
    shelf.db.execute("UPDATE entries SET mtime = ?, size = size + 1 WHERE id = ?", (NOW, number))
    return {shelf.uuid(number)}


@settings(deadline=None)
@given(
    files=st.lists(some_file, min_size=12, max_size=40),
    query=st.sampled_from(QUERIES),
    options=searches,
    limit=st.integers(1, 6),
    with_index=st.booleans(),
    indexed=st.integers(0, 60),
)
@example(
    files=SAME,
    query="photos/",
    options={"mode": SearchMode.FAST, "sort": ORDERS[0]},
    limit=4,
    with_index=True,
    indexed=40,
)
@example(
    files=SAME,
    query="photos/",
    options={"mode": SearchMode.FAST, "sort": ORDERS[-1]},
    limit=4,
    with_index=True,
    indexed=40,
)
def test_where_nothing_changes_pages_are_parts_of_the_whole(
    files, query, options, limit, with_index, indexed
):
    if not possible(query, options):
        return
    shelf = library(files, with_index=with_index)
    shelf.index_names(indexed)
    walked, cursor = [], None
    while True:
        page = ask(shelf, query, limit, cursor, cursors=True, **options)
        assert page.pagination.offset == len(walked)
        assert page.pagination.has_previous == bool(walked)
        walked += zip([one.id for one in page.files], page.cursors, strict=True)
        cursor = page.next_cursor
        if cursor is None:
            break
        assert len(walked) < 1000
    by_offset = []
    while len(by_offset) < len(walked):
        pagination = PaginationOptions(limit, len(by_offset))
        request = SearchFiles(query=query, pagination=pagination, **options)
        by_offset += [one.id for one in search_files(shelf.db, shelf.ids, SLUG, request, NOW).files]
    assert [one for one, _ in walked] == by_offset
    for number, (_, cursor) in enumerate(walked):  # every cursor begins behind its item
        rest = ask(shelf, query, 2, cursor, **options)
        assert [one.id for one in rest.files] == by_offset[number + 1 : number + 3]


@pytest.mark.parametrize("mode", SearchMode)
def test_no_newer_file_comes_into_a_search_by_relevance(mode):
    shelf = library([(0, 0, 90, 0)] * 4 + [(6, 0, 90, 0)] * 20)
    first = ask(shelf, "img", 5, mode=mode)
    new = [shelf.uuid(add(shelf, (name, 0, 0, 0))) for name in (0, 2, 6, 7)]
    rest = ask(shelf, "img", 100, first.next_cursor, mode=mode)
    assert len(first.files) + len(rest.files) == 24
    assert not {one.id for one in rest.files} & set(new)


def test_totals_and_facets():
    shelf = library([(1, 0, 0, 0)] * 5 + [(6, 1, 0, 0)] * 3)
    shelf.index_names()
    first = ask(shelf, "img", 5, mode=SearchMode.FULL)
    assert first.facets.file_types == {"jpg": 8}
    second = ask(shelf, "img", 5, first.next_cursor, mode=SearchMode.FULL)
    assert second.facets.file_types == {}
    assert (first.total_found, second.total_found) == (8, 8)
    assert second.pagination == msgspec.structs.replace(
        first.pagination, current_page=2, offset=5, has_previous=True, has_next=False
    )


def test_a_cursor_is_good_for_its_own_search_only():
    shelf, other = library([(0, 0, 0, 0)] * 6), library([(0, 0, 0, 0)] * 6)
    place = shelf.location("/home/1")
    cursor = ask(shelf, "img").next_cursor
    assert ask(shelf, "img", 1, cursor).files  # another size of the page is no other search
    for query, options in (
        ("im", {}),
        ("img", {"mode": SearchMode.FULL}),
        ("img", {"sort": SortOptions(SortField.NAME)}),
        ("img", {"sort": SortOptions(SortField.RELEVANCE, SortDirection.ASC)}),
        ("img", {"filters": SearchFilters(file_types=["jpg"])}),
        ("img", {"scope": ScopedSearch(Location=LocationScope(place))}),
    ):
        with pytest.raises(InvalidValue, match="another listing") as refused:
            ask(shelf, query, cursor=cursor, **options)
        assert refused.value.pointer == "/payload/cursor"
    with pytest.raises(InvalidValue, match="another listing"):
        ask(other, "img", cursor=cursor)


def test_a_cursor_and_an_offset():
    shelf = library([(0, 0, 0, 0)] * 6)
    cursor = ask(shelf, "img").next_cursor
    request = SearchFiles("img", pagination=PaginationOptions(3, 3), cursor=cursor)
    with pytest.raises(InvalidValue, match="leave it out"):
        search_files(shelf.db, shelf.ids, SLUG, request, NOW)


# Whatever a place is made of
parts = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats()
    | st.text(max_size=3)
    | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=5),
    max_leaves=12,
)
forged_places = parts | st.tuples(
    st.integers(0, 1 << 60),
    st.tuples(
        st.integers(),
        st.integers(-(1 << 63), (1 << 63) - 1),
        st.lists(st.none() | st.tuples(st.text(max_size=2), st.integers(0, 9)), max_size=4),
        st.none() | st.lists(st.integers(-(1 << 63), 9), max_size=3),
    ),
    st.none() | st.tuples(st.booleans(), st.floats(), st.text(max_size=2), st.integers(-9, 9)),
    st.none() | st.lists(st.integers(-9, 1 << 63), max_size=3),
)


@settings(deadline=None)
@given(
    place=forged_places,
    query=st.sampled_from(QUERIES),
    options=searches,
    limit=st.integers(1, 3),
)
def test_a_forged_cursor_is_refused_or_a_place(place, query, options, limit):
    if not possible(query, options):
        return
    shelf = library([(name, name % 3, name, 0) for name in range(len(NAMES))] * 3)
    cursor = ask(shelf, query, 1, **options).next_cursor
    if cursor is None:
        return
    listing, _ = msgspec.msgpack.decode(urlsafe_b64decode(cursor + "==="))
    try:
        encoded = msgspec.msgpack.encode([listing, place])
    except OverflowError:
        return
    forged = urlsafe_b64encode(encoded).decode()
    try:
        found = ask(shelf, query, limit, forged, **options)
    except InvalidValue as error:
        refused, found = error.pointer, None
    assert found is not None or refused == "/payload/cursor"
    if found is not None:
        assert len(found.files) <= limit
        assert query != "img" or all("img" in full_name(one).lower() for one in found.files)
