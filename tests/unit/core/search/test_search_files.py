"""What a person types, and what is found."""

from __future__ import annotations

import os

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from shelf import DAY, NOW, Shelf, full_name

from sd_daemon.core.index.names import NameIndex, fold
from sd_daemon.core.search.found import BREADTHS
from sd_daemon.core.search.text import SearchText
from sd_wire.errors import InvalidValue
from sd_wire.operations.search import (
    SearchFilters,
    SearchMode,
    SizeRange,
    SortDirection,
    SortField,
    SortOptions,
)

NAMES = [
    *("report.pdf", "Report 2023.pdf", "final report.pdf", "my-file.txt", "my file.txt"),
    *("o'brien.doc", 'a "quoted" name', "100%.txt", "1000.txt", "snake_case.py", "snakeXcase.py"),
    *("c++", "c.cpp", "a*b", "back\\slash", "Résumé.PDF", "resume.txt", "STRASSE", "straße"),
    *("写真.jpg", "東京の写真", "файл.txt", "😀 smile.png", "[x] (y) {z}", "AND OR NOT", "-dash"),
    *("semi;colon", "NEAR(a b)", "name:report", "^caret", "tab\there", "new\nline", "ﬁle ligature"),
    *("한글.txt", "e\u0301t\u00e9.md", b"caf\xe9 latin1.txt", "x", "xy", "q7"),
]


@pytest.fixture(params=["indexed", "half indexed", "not indexed"])
def library(request):
    """A library whose names are in the trigram index entirely, in part, and not at all."""
    shelf = Shelf()
    shelf.location("/home/me")
    for name in NAMES:
        shelf.file(b"/home/me/" + (name if isinstance(name, bytes) else name.encode()))
    if request.param == "indexed":
        shelf.index_beginnings()
    shelf.index_names({"indexed": 1000, "half indexed": 15, "not indexed": 0}[request.param])
    return shelf


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("report.pdf", {"report.pdf", "final report.pdf"}),
        ("REPORT", {"report.pdf", "Report 2023.pdf", "final report.pdf", "name:report"}),
        ("pdf 2023", {"Report 2023.pdf"}),
        ("pdf report final", {"final report.pdf"}),
        ("c++", {"c++"}),
        ("my-file", {"my-file.txt"}),
        ("o'brien", {"o'brien.doc"}),
        ('"quoted"', {'a "quoted" name'}),
        ("%", {"100%.txt"}),
        ("100%", {"100%.txt"}),
        ("_", {"snake_case.py"}),
        ("snake_case", {"snake_case.py"}),
        ("*", {"a*b"}),
        ("a*b", {"a*b"}),
        ("\\", {"back\\slash"}),
        ("resume", {"Résumé.PDF", "resume.txt"}),
        ("résumé", {"Résumé.PDF", "resume.txt"}),
        ("strasse", {"STRASSE", "straße"}),
        ("写真", {"写真.jpg", "東京の写真"}),
        ("京", {"東京の写真"}),
        ("ФАЙЛ", {"файл.txt"}),
        ("😀", {"😀 smile.png"}),
        ("AND", {"AND OR NOT"}),
        ("-dash", {"-dash"}),
        ("name:report", {"name:report"}),
        ("NEAR(a", {"NEAR(a b)"}),
        ("file lig", {"ﬁle ligature"}),
        ("한글", {"한글.txt"}),
        ("ete", {"été.md"}),
        ("caf lat", {"caf\ufffd latin1.txt"}),
        ("caf\udce9", {"caf\ufffd latin1.txt"}),
        ("q7", {"q7"}),
        ("xy", {"xy"}),
        ("nothing like it", set()),
        ("report\0", set()),
        ("\u0301", set()),
    ],
)
def test_what_is_typed_is_meant_literally(library, query, names):
    for mode in SearchMode:
        # The name with a combining accent is shown as it is on the disk.
        found = {name.replace("e\u0301", "é") for name in library.found(query, mode=mode)}
        assert found == names


def test_the_root_of_a_location_has_the_name_of_its_folder(shelf):
    shelf.location("/home/report me")
    shelf.index_names()
    assert shelf.found("report") == ["report me"]
    assert shelf.found("home") == []


def test_only_the_new_name_after_a_rename_and_nothing_after_a_delete(shelf):
    shelf.location("/d")
    entry = shelf.file("/d/summer.txt")
    shelf.index_names()
    NameIndex(shelf.db).rename(entry, "summer.txt", "winter.txt")
    shelf.db.execute("UPDATE entries SET name = 'winter.txt' WHERE id = ?", (entry,))
    assert shelf.found("summer") == []
    assert shelf.found("winter") == ["winter.txt"]
    NameIndex(shelf.db).remove([(entry, "winter.txt")])
    shelf.db.execute("DELETE FROM entries WHERE id = ?", (entry,))
    assert shelf.found("winter") == []


@pytest.mark.parametrize("with_trigrams", [True, False])
def test_a_word_with_slashes_is_the_end_of_a_path(shelf, with_trigrams):
    shelf.location("/home/me")
    shelf.file("/home/me/Photos/2024/img 1.jpg")
    shelf.file("/home/me/photos/2023/img 2.jpg")
    shelf.file("/home/me/docs/2024/img 3.jpg")
    if with_trigrams:
        shelf.index_names()
    assert shelf.found("photos/2024/img") == ["img 1.jpg"]
    assert shelf.found("2024/img jpg") == ["img 1.jpg", "img 3.jpg"]
    assert shelf.found("tos/2024/") == ["img 1.jpg"]
    assert shelf.found("docs/") == ["2024"]
    assert set(shelf.found("/img")) == {"img 1.jpg", "img 2.jpg", "img 3.jpg"}
    assert shelf.found("photos/img") == []


def test_the_better_the_place_of_the_words_the_earlier(shelf):
    shelf.location("/d")
    best_first = ["report", "report.pdf", "report 1.pdf", "my report.pdf", "myreport.pdf"]
    for name in reversed(best_first):
        shelf.file(f"/d/{name}")
    shelf.index_names()
    result = shelf.search("report")
    assert [full_name(hit.file) for hit in result.results] == best_first
    scores = [hit.score for hit in result.results]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert result.total_is_exact
    assert result.total_found == 5


def test_among_equals_the_recent_then_the_shorter_then_by_name(shelf):
    shelf.location("/d")
    shelf.file("/d/note old.txt", mtime=NOW - 400 * DAY)
    shelf.file("/d/note month.txt", mtime=NOW - 20 * DAY)
    shelf.file("/d/note day.txt", mtime=NOW - DAY // 2)
    shelf.file("/d/note b.txt", mtime=NOW - 400 * DAY)
    shelf.file("/d/note a.txt", mtime=NOW - 400 * DAY)
    expected = ["note day.txt", "note month.txt", "note a.txt", "note b.txt", "note old.txt"]
    assert shelf.found("note") == expected


def test_highlights_are_parts_of_the_name_as_it_is_shown(shelf):
    shelf.location("/d")
    names = ["Ein Résumé (résumé).pdf", "E\u0301te\u0301 résumé.txt", "ﬁn resume", "한글 resume"]
    for name in names:
        shelf.file(f"/d/{name}")
    for hit in shelf.search("resume").results:
        (mark,) = hit.highlights
        assert mark.field == "name"
        assert full_name(hit.file)[mark.start : mark.end] == mark.text
        assert fold(mark.text) == "resume"
    two = shelf.search("pdf ein").results[0].highlights
    assert [(mark.text, mark.start) for mark in two] == [("Ein", 0), ("pdf", 20)]


@pytest.mark.parametrize("mode", SearchMode)
@pytest.mark.parametrize("with_index", [True, False])
def test_more_hits_than_are_ranked_are_all_reached_by_paging(shelf, mode, with_index, monkeypatch):
    small = {one: breadth._replace(beginning=7, window=20) for one, breadth in BREADTHS.items()}
    monkeypatch.setattr("sd_daemon.core.search.found.BREADTHS", small)
    shelf.location("/d")
    names = {f"img {number}.jpg" for number in range(100)} | {f"a img{n}.png" for n in range(30)}
    for name in sorted(names):
        shelf.file(f"/d/{name}")
    shelf.index_names(90)
    if with_index:
        shelf.index_beginnings()
    pages = [shelf.search("img", limit=13, offset=at, mode=mode) for at in range(0, 131, 13)]
    found = [full_name(file) for page in pages for file in page.files]
    assert len(found) == len(set(found)) == 130
    assert set(found) == names
    assert [page.pagination.has_next for page in pages] == [True] * 9 + [False] * 2
    if mode is SearchMode.FULL:
        assert {page.total_found for page in pages} == {130}
    assert all(page.total_found == 130 for page in pages if page.total_is_exact)


@pytest.mark.parametrize("field", [field for field in SortField if field != "Relevance"])
@pytest.mark.parametrize("direction", SortDirection)
@pytest.mark.parametrize("query", ["", "img"])
def test_every_order_and_the_other_way_round(shelf, field, direction, query):
    shelf.location("/d")
    for number in range(30):
        shelf.file(
            f"/d/{'Ii'[number % 2]}mg {number * 7 % 30}.jpg",
            size=number * 11 % 30 // 2,
            mtime=NOW - number * 13 % 30 * DAY,
        )
    shelf.index_names(17)
    sort = SortOptions(field, direction)
    options = {"sort": sort, "filters": files_only()}
    whole = shelf.search(query, **options)
    keys = {
        "Name": lambda file: full_name(file).lower(),
        "Size": lambda file: file.size,
        "ModifiedAt": lambda file: file.modified_at,
        "CreatedAt": lambda file: file.created_at,
        "IndexedAt": lambda file: shelf.ids.to_number(file.id),
    }
    order = [keys[field](file) for file in whole.files]
    assert order == sorted(order, reverse=direction == "Desc")
    assert (whole.total_found, whole.total_is_exact) == (30, True)
    paged = [
        file.id
        for at in range(0, 30, 7)
        for file in shelf.search(query, limit=7, offset=at, **options).files
    ]
    assert paged == [file.id for file in whole.files]


def files_only():
    return SearchFilters(size_range=SizeRange(0, None))


@pytest.mark.parametrize("query", ["", "  \t ", "\u3000"])
def test_an_empty_query_needs_a_filter_or_an_order(shelf, query):
    with pytest.raises(InvalidValue) as refused:
        shelf.search(query)
    assert refused.value.pointer == "/payload/query"
    assert shelf.search(query, sort=SortOptions(SortField.INDEXED_AT)).total_found == 0


# --- laws

some_names = st.text(
    st.sampled_from("aAbé\u0301ß写%_*\"'\\ .-ÀﬁI\u0130한ᄒ") | st.characters(codec="utf-8"),
    min_size=1,
).filter(lambda name: "/" not in name and "\0" not in name and len(name.encode()) < 256)
some_queries = st.text(
    st.sampled_from("aAbé\u0301ß写%_*\"'\\ .-ﬁI한") | st.characters(), max_size=9
)


@given(
    names=st.lists(some_names, max_size=12, unique=True),
    query=some_queries,
    piece=st.tuples(st.integers(0, 11), st.integers(0, 8), st.integers(1, 6)),
    watermark=st.integers(0, 14),
    mode=st.sampled_from(SearchMode),
)
@example(names=["aßb", "assb"], query="ßB", piece=(0, 0, 1), watermark=1, mode=SearchMode.FAST)
def test_found_is_what_contains_every_word(names, query, piece, watermark, mode):
    shelf = Shelf()
    shelf.location("/d")
    for name in names:
        shelf.file(b"/d/" + os.fsencode(name))
    shelf.index_names(watermark)
    shelf.index_beginnings()
    if names:  # so that something is found more often
        name, start, length = names[piece[0] % len(names)], piece[1], piece[2]
        query += " " + name[start : start + length]
    if "/" in query or not query.split():
        return
    words = [fold(word) for word in query.split() if fold(word)]
    if any("\ud800" <= char <= "\udfff" for char in query):
        shelf.search(query, mode=mode)
        return
    expected = [name for name in [*names, "d"] if all(word in fold(name) for word in words)]
    assert sorted(shelf.found(query, mode=mode)) == sorted(expected if words else [])


@given(query=st.text(max_size=60), slashes=st.booleans())
def test_no_text_is_an_error(query, slashes):
    shelf = Shelf()
    shelf.location("/d")
    shelf.file("/d/" + "x" * 30)
    shelf.index_names()
    if slashes:
        query = "/".join(query)
    if query.split():
        shelf.search(query)
    shelf.search(query, sort=SortOptions(SortField.NAME))


@given(
    before=st.text(max_size=3),
    name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4),
    after=st.text(max_size=3),
)
def test_no_name_that_fits_is_passed_over_unfolded(before, name, after):
    text = SearchText(fold(name))
    if fold(name) in fold(before + name + after) and "/" not in name:
        assert text.blank or text.hopeless or text.may_fit(before + name + after)


def test_no_character_is_passed_over_unfolded():
    for number in range(0x110000):
        folded = fold(chr(number))
        if folded and folded != chr(number) and not folded.isspace() and "/" not in folded:
            assert SearchText(folded).may_fit(chr(number)), hex(number)
