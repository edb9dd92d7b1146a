"""Inode numbers are given again: the time of birth says whether two entries are one file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from sd_daemon.core.db.connection import transaction
from sd_daemon.core.index.birth import Proof, birth_of, prove
from sd_daemon.core.index.follow.part import Part
from sd_daemon.core.index.follow.places import Places
from sd_daemon.core.index.names import NameIndex
from sd_daemon.core.index.rules import Rules

if TYPE_CHECKING:
    from pathlib import Path

    from truth import Library


@pytest.fixture(autouse=True)
def _it_is_told(tree: Path) -> None:
    if (found := birth_of(str(tree.parent), tree.name)) is None or found.born is None:
        pytest.skip("this filesystem does not tell when a file was born")


def give_number(library: Library, entry: int, path: Path) -> None:
    """Let an entry have had the number that a file has now, as if it had been free again."""
    db = library.open()
    with transaction(db):
        for table in ("entries", "folders"):
            query = f"UPDATE {table} SET inode = ? WHERE id = ?"
            db.execute(query, (path.lstat().st_ino, entry))
    db.close()


def test_what_is_proven(tree: Path) -> None:
    file = tree / "file"
    file.write_text("x")
    found = file.lstat()
    inode, seen = found.st_ino, found.st_ctime_ns
    assert prove(str(tree), "file", inode=inode, seen=seen) is Proof.SAME
    file.rename(tree / "moved")
    (tree / "moved").write_text("changed after that")
    assert prove(str(tree), "moved", inode=inode, seen=seen) is Proof.SAME
    assert prove(str(tree), "file", inode=inode, seen=seen) is Proof.NOT_THERE
    assert prove(str(tree), "moved", inode=inode, seen=seen - 10**9) is Proof.OTHER
    file.write_text("another")
    assert prove(str(tree), "file", inode=inode, seen=seen) is Proof.NOT_THERE
    assert prove("/proc/self", "stat", inode=1, seen=seen) is Proof.UNKNOWN


def test_a_path_longer_than_the_kernel_takes(tree: Path) -> None:
    here = os.open(tree, os.O_RDONLY)
    path = str(tree)
    for _ in range(30):
        os.mkdir("n" * 200, dir_fd=here)
        below = os.open("n" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here, path = below, f"{path}/{'n' * 200}"
    with open(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here), "w") as file:
        found = os.fstat(file.fileno())
    os.close(here)
    assert prove(path, "file", inode=found.st_ino, seen=found.st_ctime_ns) is Proof.SAME


def test_a_file_with_a_number_that_was_free_is_another(library: Library, tree: Path) -> None:
    old, new = tree / "old", tree / "new"
    old.write_text("1")
    os.utime(old, ns=(10**18, 10**18))
    location = library.add(tree)
    library.index(location)
    before = library.ids()[os.fsencode(old)]
    old.unlink()
    new.write_text("2")
    os.utime(new, ns=(10**18, 10**18))  # as a copy that keeps times may have it
    give_number(library, before, new)
    library.index(location, full=True)
    assert library.ids()[os.fsencode(new)] != before


def test_a_folder_with_a_number_that_was_free_is_another(library: Library, tree: Path) -> None:
    """Even if what is in it has the number of what was in the other."""
    old, new = tree / "old", tree / "new"
    old.mkdir()
    (old / "child").touch()
    location = library.add(tree)
    library.index(location)
    before, child = (library.ids()[os.fsencode(path)] for path in (old, old / "child"))
    (old / "child").unlink()
    old.rmdir()
    new.mkdir()
    (new / "child").touch()
    give_number(library, before, new)
    give_number(library, child, new / "child")
    library.index(location, full=True)
    assert library.ids()[os.fsencode(new)] != before


def test_a_folder_of_which_everything_has_changed_is_the_same(library: Library, tree: Path) -> None:
    old, new = tree / "old", tree / "new"
    old.mkdir()
    (old / "child").touch()
    location = library.add(tree)
    library.index(location)
    before = library.ids()[os.fsencode(old)]
    old.rename(new)
    (new / "another").touch()
    (new / "child").unlink()
    library.index(location, full=True)
    assert library.ids()[os.fsencode(new)] == before


def test_a_file_on_its_way_is_waited_for(library: Library, tree: Path) -> None:
    """It was found where nobody watched, and has gone on before anything could be proven of it."""
    old, folder, away = tree / "old", tree / "folder", tree / "away"
    folder.mkdir()
    old.write_text("1")
    library.index(library.add(tree))
    before = library.ids()[os.fsencode(old)]
    old.rename(folder / "new")
    (folder / "new").write_text("longer")
    db = library.open()
    try:
        found = (folder / "new").lstat()
        ids = library.ids()
        (parent,) = db.execute("SELECT id FROM folders WHERE path = ?", (str(folder),)).fetchone()
        with transaction(db):
            db.execute("CREATE INDEX entries_inode ON entries (inode) WHERE kind = 0")
            new_id = db.execute(
                "INSERT INTO entries (parent, name, kind, size, mtime, ctime, inode)"
                " VALUES (?, 'new', 0, ?, ?, ?, ?)",
                (parent, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino),
            ).lastrowid
        (place,) = Places(db).all
        part = Part(db, NameIndex(db), Rules({}), place, new_id, lambda: None, ())
        with transaction(db):
            part.vanish(before, ids[os.fsencode(tree)], found.st_dev, found.st_ino, is_folder=False)
        folder.rename(away)
        names = [(parent, "new")]
        assert part.settle(set(), set(), hold=False, lost=()) == (names, True)
        away.rename(folder)
        part.take_over()
        assert part.settle(set(), set(), hold=False, lost=()) == (names, False)
        part.end()
    finally:
        db.close()
    assert library.ids()[os.fsencode(folder / "new")] == before
    assert os.fsencode(old) not in library.ids()
    library.check()
