"""Listings and their cursors."""

from __future__ import annotations

from base64 import urlsafe_b64encode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shelf import Shelf, full_name

from sd_wire.errors import InvalidValue, PathNotIndexed
from sd_wire.operations.files import DirectorySort, MediaSort
from sd_wire.types.files import ContentKind


def names(listing):
    return [full_name(file) for file in listing.files]


@pytest.fixture
def folder(shelf):
    """A folder with something of everything."""
    shelf.location("/f")
    shelf.file("/f/b.txt", size=3, mtime=30)
    shelf.file("/f/A.py", size=1, mtime=10)
    shelf.file("/f/a.txt", size=1, mtime=50)
    shelf.folder("/f/sub")
    shelf.file("/f/.hidden", size=9, mtime=5)
    shelf.file(b"/f/\xe9.txt", size=2, mtime=20)
    shelf.file("/f/sub/below.txt")
    return shelf


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        (DirectorySort.NAME, [".hidden", "A.py", "a.txt", "b.txt", "sub", "\ufffd.txt"]),
        (DirectorySort.MODIFIED, ["a.txt", "b.txt", "\ufffd.txt", "A.py", ".hidden", "sub"]),
        (DirectorySort.SIZE, ["sub", ".hidden", "b.txt", "\ufffd.txt", "A.py", "a.txt"]),
        (DirectorySort.TYPE, ["sub", ".hidden", "\ufffd.txt", "A.py", "a.txt", "b.txt"]),
    ],
)
def test_orders(folder, sort, order):
    assert names(folder.listing("/f", sort_by=sort)) == order
    first = names(folder.listing("/f", sort_by=sort, folders_first=True))
    assert first == ["sub", *[name for name in order if name != "sub"]]


def test_hidden_ones_are_listed_unless_refused(folder):
    assert folder.listing("/f").total_count == 6
    assert folder.listing("/f", include_hidden=True).total_count == 6
    visible = folder.listing("/f", include_hidden=False)
    assert visible.total_count == 5
    assert ".hidden" not in names(visible)


def test_what_cannot_be_listed(folder):
    with pytest.raises(PathNotIndexed):
        folder.listing("/elsewhere")
    with pytest.raises(InvalidValue) as refused:
        folder.listing("/f/b.txt")
    assert refused.value.pointer == "/payload/path"


def forged(value: object) -> str:
    return urlsafe_b64encode(msgspec.msgpack.encode(value)).decode()


@pytest.mark.parametrize("cursor", ["", "x", "é", "%%%", "AAAA", forged([b"", []]), forged([1, 2])])
def test_what_is_no_cursor(folder, cursor):
    with pytest.raises(InvalidValue) as refused:
        folder.listing("/f", cursor=cursor)
    assert refused.value.pointer == "/payload/cursor"


def test_a_cursor_is_good_for_its_own_listing_only(folder):
    cursor = folder.listing("/f", limit=2).next_cursor
    assert cursor is not None
    for other in ({"sort_by": DirectorySort.SIZE}, {"folders_first": True}):
        with pytest.raises(InvalidValue):
            folder.listing("/f", cursor=cursor, **other)
    with pytest.raises(InvalidValue):
        folder.listing("/f/sub", cursor=cursor)


def test_changes_between_pages_neither_repeat_nor_hide(folder):
    page = folder.listing("/f", limit=3)
    assert names(page) == [".hidden", "A.py", "a.txt"]
    folder.file("/f/A.new before")
    folder.file("/f/b after.txt")
    folder.db.execute("DELETE FROM entries WHERE name = 'a.txt'")  # the last of the page
    rest = folder.listing("/f", limit=10, cursor=page.next_cursor)
    assert names(rest) == ["b after.txt", "b.txt", "sub", "\ufffd.txt"]
    assert (rest.has_more, rest.next_cursor) == (False, None)


some_names = st.text(st.sampled_from("aAbBé.漢1"), min_size=1, max_size=4).map(
    str.encode
) | st.binary(min_size=1, max_size=3)
some_files = st.dictionaries(
    some_names.filter(lambda name: b"/" not in name and b"\0" not in name),
    st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(-1, 1)),
    max_size=20,
)


@given(
    files=some_files,
    sort=st.sampled_from(DirectorySort),
    folders_first=st.booleans(),
    limit=st.integers(1, 7),
)
def test_cursors_walk_every_entry_exactly_once(files, sort, folders_first, limit):
    shelf = Shelf()
    shelf.location("/d")
    for name, (kind, size, mtime) in files.items():
        shelf.file(b"/d/" + name, kind, size=size, mtime=mtime)
    walked, cursor = [], None
    while True:
        page = shelf.listing(
            "/d", sort_by=sort, folders_first=folders_first, limit=limit, cursor=cursor
        )
        walked += [file.id for file in page.files]
        assert page.total_count == len(files)
        assert page.has_more == (page.next_cursor is not None)
        cursor = page.next_cursor
        if cursor is None:
            break
    whole = shelf.listing("/d", sort_by=sort, folders_first=folders_first)
    assert walked == [file.id for file in whole.files]
    assert len(set(walked)) == len(files)


@pytest.fixture
def album(shelf):
    """Pictures, videos and other things, in two floors."""
    shelf.location("/album")
    shelf.file("/album/one.JPG", mtime=3, size=10)
    shelf.file("/album/two.mp4", mtime=9, size=30)
    shelf.file("/album/notes.txt", mtime=8)
    shelf.file("/album/.jpg", mtime=8)
    shelf.folder("/album/folder.jpg")
    shelf.file(b"/album/deep/\xe9t\xe9.jpeg", mtime=5, size=20)
    shelf.file("/album/deep/er/four.png", mtime=1, size=40)
    shelf.location("/albumen")
    shelf.file("/albumen/not here.jpg")
    return shelf


def test_media_of_a_folder_and_of_all_below_it(album):
    assert names(album.media("/album")) == ["two.mp4", "one.JPG"]
    below = album.media("/album", include_descendants=True)
    assert names(below) == ["two.mp4", "\ufffdt\ufffd.jpeg", "one.JPG", "four.png"]
    assert below.total_count == 4
    by_size = album.media("/album", include_descendants=True, sort_by=MediaSort.SIZE)
    assert names(by_size) == ["four.png", "two.mp4", "\ufffdt\ufffd.jpeg", "one.JPG"]
    assert names(album.media("/album", media_types=[ContentKind.TEXT])) == ["notes.txt"]
    assert names(album.media("/album", media_types=[ContentKind.MEMORY])) == []


@pytest.mark.parametrize("sort", MediaSort)
def test_media_go_on_from_cursors(album, sort):
    walked, cursor = [], None
    for _ in range(4):
        page = album.media("/album", include_descendants=True, sort_by=sort, limit=1, cursor=cursor)
        walked += names(page)
        cursor = page.next_cursor
    assert cursor is None
    assert walked == names(album.media("/album", include_descendants=True, sort_by=sort))
