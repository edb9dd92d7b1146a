"""One round of whoever follows the files: what it has brought in agrees with the disk."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from truth import Context

from sd_daemon.core.index.follow.bringing import Round
from sd_daemon.core.index.follow.hints import Hints
from sd_daemon.core.index.follow.places import Places
from sd_daemon.core.index.follow.replay import last_entry
from sd_daemon.core.index.follow.saves import Saves
from sd_daemon.core.index.follow.watches import Unwatched
from sd_daemon.core.jobs.context import JobInterrupted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from truth import Library

    from sd_daemon.core.index.reading import Folder


class Busy(Unwatched):
    """Watches of folders in which somebody makes something just before they are watched."""

    def add(self, folder: Folder, fd: int) -> int:
        if folder.path.endswith("/new"):
            os.mkdir("made meanwhile", dir_fd=fd)
        return super().add(folder, fd)


def bring(library: Library, *marks: tuple[int, str], watches: Unwatched | None = None) -> None:
    """A round that was told of these names."""
    hints = Hints()
    for folder, name in marks:
        hints.mark(folder, name)
    db = library.open()
    db.execute("CREATE INDEX IF NOT EXISTS entries_inode ON entries (inode) WHERE kind = 0")
    round_ = Round(
        db,
        Places(db),
        watches or Unwatched(),
        {},
        first_new_id=last_entry(db) + 1,
        announce=lambda: None,
        hear=Hints,
        saves=Saves(),
    )
    round_.run(hints, takes_over=False, hold=False, lost=())
    db.close()


def test_what_came_before_a_new_folder_was_watched_shows_in_its_time(
    library: Library, tree: Path
) -> None:
    library.index(library.add(tree))
    (tree / "new").mkdir()
    os.utime(tree / "new", (1, 1))
    bring(library, (library.ids()[os.fsencode(tree)], "new"), watches=Busy())
    known = library.entries(tree)
    for path in (tree / "new", tree / "new" / "made meanwhile"):
        assert known[os.fsencode(path)][2] == path.lstat().st_mtime_ns


def totals(library: Library) -> Iterator[tuple[int, int, int]]:
    """Of each location, as they were added: files, folders, bytes."""
    query = "SELECT file_count, directory_count, total_size FROM locations ORDER BY id"
    return (tuple(row) for row in library.query(query))


@pytest.mark.parametrize("first", ["outer", "inner"])
def test_the_totals_of_a_location_within_another(library: Library, tree: Path, first: str) -> None:
    (tree / "inner").mkdir()
    (tree / "inner" / "old").write_bytes(b"1")
    places = [tree, tree / "inner"]
    for place in places if first == "outer" else reversed(places):
        library.index(library.add(place))
    (tree / "inner" / "new").write_bytes(b"22")
    (tree / "new").write_bytes(b"333")
    ids = library.ids()
    bring(library, *((ids[os.fsencode(place)], "new") for place in places))
    expected = [(3, 1, 6), (2, 0, 3)]
    assert list(totals(library)) == (expected if first == "outer" else expected[::-1])


def test_a_pass_that_waits_does_not_add_what_was_counted_anew(library: Library, tree: Path) -> None:
    """A job that is paused has found some of what is counted meanwhile."""
    (tree / "inner").mkdir()
    outer, inner = library.add(tree), library.add(tree / "inner")
    library.index(outer)
    library.index(inner)
    for number in range(3000):
        (tree / "inner" / f"{number}").write_bytes(b"1")
    with pytest.raises(JobInterrupted):
        library.index(inner, job="paused", context=Context(library.dir, "paused", stop_at=3))
    assert len(library.entries(tree / "inner")) > 1, "it had found some"
    (tree / "new").write_bytes(b"22")
    bring(library, (library.ids()[os.fsencode(tree)], "new"))
    library.index(inner, job="paused")
    assert list(totals(library)) == [(3001, 1, 3002), (3000, 0, 3000)]
