"""The scan against `find`, and what a rescan keeps."""

from __future__ import annotations

import os

import pytest
from truth import NO_RULES, Context, age, differences, find

from sd_daemon.core.db.connection import transaction
from sd_daemon.core.index.errors import PathOutside, RootMissing
from sd_daemon.core.index.passes import abandon
from sd_daemon.core.jobs.context import JobInterrupted


def same(library, tree):
    assert differences(library.entries(tree), find(tree)) == []
    library.check()


def fill(tree, folders=5, files=4):
    for number in range(folders):
        folder = tree / f"folder {number}"
        folder.mkdir()
        for name in range(files):
            (folder / f"file {name}.txt").write_text(f"{number} {name}")


def test_first_index_equals_find(library, tree):
    fill(tree)
    here = library.add(tree)
    report = library.index(here)
    same(library, tree)
    assert report["added"] == 25
    assert library.totals(here) == (20, 5, 60)


def test_an_empty_folder(library, tree):
    here = library.add(tree)
    library.index(here)
    same(library, tree)
    assert library.totals(here) == (0, 0, 0)


def test_unchanged_is_not_read_again(library, tree):
    fill(tree)
    age(tree)
    here = library.add(tree)
    library.index(here)
    report = library.index(here)
    assert (report["folders_read"], report["folders_unchanged"]) == (0, 6)
    report = library.index(here, full=True)
    assert report["folders_read"] == 6
    assert (report["added"], report["changed"], report["removed"]) == (0, 0, 0)
    same(library, tree)


def test_a_folder_that_was_just_changed_is_read_again(library, tree):
    fill(tree)
    here = library.add(tree)
    library.index(here)
    assert library.index(here)["folders_read"] == 6


def test_quick_rescan_finds_added_and_removed(library, tree):
    fill(tree)
    age(tree)
    here = library.add(tree)
    library.index(here)
    (tree / "folder 1" / "new").write_text("new")
    (tree / "folder 2" / "file 1.txt").unlink()
    (tree / "folder 3" / "deep").mkdir()
    (tree / "folder 3" / "deep" / "er").mkdir()
    (tree / "folder 3" / "deep" / "er" / "x").touch()
    report = library.index(here)
    same(library, tree)
    assert report["folders_unchanged"] == 3
    assert library.totals(here)[:2] == (21, 7)


def test_full_rescan_finds_a_changed_file(library, tree):
    fill(tree)
    age(tree)
    here = library.add(tree)
    library.index(here, mode="Content")
    file = tree / "folder 1" / "file 1.txt"
    with file.open("r+") as handle:
        handle.write("9")
    report = library.index(here, full=True)
    assert report["changed"] == 1
    same(library, tree)
    assert library.query("SELECT count(*) FROM entries WHERE kind = 0 AND content IS NULL") == [
        (1,)
    ]


@pytest.mark.parametrize("full", [False, True])
def test_moves_keep_their_ids(library, tree, full):
    fill(tree)
    (tree / "folder 0" / "inner").mkdir()
    (tree / "folder 0" / "inner" / "deep.txt").write_text("deep")
    age(tree)
    here = library.add(tree)
    library.index(here, mode="Content")
    before = library.ids()
    moves = {
        "folder 1/file 1.txt": "folder 2/renamed.txt",
        "folder 3/file 2.txt": "folder 3/Réné.txt",
        "folder 0": "moved folder",
        "folder 4": "folder 2/folder 4",
    }
    for old, new in moves.items():
        (tree / old).rename(tree / new)
    report = library.index(here, full=full, mode="Content")
    same(library, tree)
    after = library.ids()
    for old, new in moves.items():
        assert after[os.fsencode(tree / new)] == before[os.fsencode(tree / old)], new
    deep = os.fsencode(tree / "moved folder/inner/deep.txt")
    assert after[deep] == before[os.fsencode(tree / "folder 0/inner/deep.txt")]
    assert len(after) == len(before)
    assert report["moved"] == 4
    assert report["added"] == report["removed"] == 0
    assert library.query("SELECT 1 FROM entries WHERE kind = 0 AND content IS NULL") == []


def test_a_file_moved_out_of_a_deleted_folder_keeps_its_id(library, tree):
    fill(tree)
    age(tree)
    here = library.add(tree)
    library.index(here)
    before = library.ids()
    for file in (tree / "folder 1").iterdir():
        file.rename(tree / "folder 2" / ("from 1 " + file.name))
    (tree / "folder 1").rmdir()
    library.index(here)
    same(library, tree)
    after = library.ids()
    old = before[os.fsencode(tree / "folder 1/file 3.txt")]
    assert after[os.fsencode(tree / "folder 2/from 1 file 3.txt")] == old


def test_a_new_folder_with_the_inode_of_a_deleted_one_is_new(library, tree):
    (tree / "old").mkdir()
    (tree / "old" / "x").touch()
    age(tree)
    here = library.add(tree)
    library.index(here)
    before = library.ids()[os.fsencode(tree / "old")]
    inode = (tree / "old").stat().st_ino
    (tree / "old" / "x").unlink()
    (tree / "old").rmdir()
    (tree / "new").mkdir()
    if (tree / "new").stat().st_ino != inode:
        pytest.skip("this file system does not give the number away again at once")
    library.index(here)
    same(library, tree)
    assert library.ids()[os.fsencode(tree / "new")] != before


def test_a_hard_link_is_a_new_entry(library, tree):
    fill(tree)
    age(tree)
    here = library.add(tree)
    library.index(here)
    before = library.ids()
    os.link(tree / "folder 1/file 1.txt", tree / "folder 2/linked")
    library.index(here, full=True)
    same(library, tree)
    after = library.ids()
    old = os.fsencode(tree / "folder 1/file 1.txt")
    assert after[old] == before[old]
    assert after[os.fsencode(tree / "folder 2/linked")] > max(before.values())


@pytest.mark.parametrize("full", [False, True])
def test_replaced_by_another_kind(library, tree, full):
    fill(tree)
    (tree / "folder 0" / "deep").mkdir()
    (tree / "folder 0" / "deep" / "x").touch()
    age(tree)
    here = library.add(tree)
    library.index(here)
    for path in [tree / "folder 1/file 1.txt"]:
        path.unlink()
        path.mkdir()
        (path / "inside").touch()
    (tree / "folder 0").rename(tree / "aside")
    (tree / "folder 0").write_text("a file now")
    for file in (tree / "folder 2").iterdir():
        file.unlink()
    (tree / "folder 2").rmdir()
    (tree / "folder 2").symlink_to("folder 1")
    library.index(here, full=full)
    same(library, tree)


def test_a_missing_root_keeps_everything(library, tree, tmp_path):
    fill(tree)
    here = library.add(tree)
    library.index(here)
    before = library.ids()
    tree.rename(tmp_path / "elsewhere")
    with pytest.raises(RootMissing):
        library.index(here)
    assert library.ids() == before
    state = library.query("SELECT scan_state, error FROM locations")[0]
    assert state[0] == "Failed"
    assert "kept" in state[1]
    (tmp_path / "elsewhere").rename(tree)
    library.index(here)
    same(library, tree)
    assert library.ids() == before


def test_a_folder_inside(library, tree):
    fill(tree)
    here = library.add(tree)
    library.index(here)
    (tree / "folder 1" / "a" / "b").mkdir(parents=True)
    (tree / "folder 1" / "a" / "b" / "c").touch()
    (tree / "folder 2" / "not asked for").touch()
    path = {"path": str(tree / "folder 1/a/b"), "path_bytes": None}
    library.index(here, path=path)
    found = library.entries(tree)
    assert os.fsencode(tree / "folder 1/a/b/c") in found
    assert os.fsencode(tree / "folder 2/not asked for") not in found
    library.index(here)
    same(library, tree)
    assert library.totals(here)[:2] == (22, 7)


def test_a_path_outside_is_refused(library, tree):
    here = library.add(tree)
    with pytest.raises(PathOutside):
        library.index(here, path={"path": str(tree) + "x", "path_bytes": None})


def test_only_the_folder_itself(library, tree):
    fill(tree)
    (tree / "top").touch()
    here = library.add(tree)
    library.index(here, scope="Current")
    assert len(library.entries(tree)) == 7
    library.index(here)
    same(library, tree)


def test_nested_locations_share_their_entries(library, tree):
    fill(tree)
    inner = library.add(tree / "folder 1")
    library.index(inner)
    before = library.ids()
    outer = library.add(tree)
    library.index(outer)
    same(library, tree)
    after = library.ids()
    assert all(after[path] == number for path, number in before.items())
    assert library.totals(inner) == (4, 0, 12)
    assert library.totals(outer) == (20, 5, 60)
    (tree / "folder 1" / "new").write_text("12345")
    library.index(inner)
    assert library.totals(inner) == (5, 0, 17)
    assert library.totals(outer) == (21, 5, 65)


def test_interrupted_everywhere_it_goes_on(library, tree):
    fill(tree, folders=40)
    here = library.add(tree)
    for stops in range(100):  # noqa: B007
        try:
            library.index(here, context=Context(library.dir, "one", 2), mode="Content")
            break
        except JobInterrupted:
            assert library.query("SELECT scan_state FROM locations") == [("Paused",)]
    assert stops >= 3
    same(library, tree)
    assert library.totals(here) == (160, 40, 600)
    assert library.query("SELECT count(*) FROM scans") == [(0,)]


def test_many_names_in_one_folder_are_saved_in_parts(library, tree, monkeypatch):
    monkeypatch.setattr("sd_daemon.core.index.reading.MANY", 50)
    for number in range(500):
        (tree / f"{number:03}").touch()
    (tree / "sub").mkdir()
    (tree / "sub" / "x").touch()
    age(tree)
    here = library.add(tree)
    library.index(here, rules=NO_RULES)
    same(library, tree)
    assert library.totals(here) == (501, 1, 0)
    for number in range(0, 500, 3):
        (tree / f"{number:03}").unlink()
    for number in range(1, 500, 3):
        (tree / f"{number:03}").write_text("x")
    for number in range(200):
        (tree / f"new {number}").touch()
    (tree / "sub").rename(tree / "other")
    library.index(here, full=True)
    same(library, tree)


def test_killed_in_the_middle_of_a_large_folder(library, tree, monkeypatch):
    monkeypatch.setattr("sd_daemon.core.index.reading.MANY", 50)
    for number in range(300):
        (tree / f"{number:03}").touch()
    here = library.add(tree)
    context = Context(library.dir, "one", 3)
    with pytest.raises(JobInterrupted):
        library.index(here, context=context)
    assert library.query("SELECT scan FROM folders") == [(-1,)]
    library.index(here, context=Context(library.dir, "one"))
    same(library, tree)


def test_what_a_cancelled_pass_had_found_counts_and_is_identified(library, tree):
    fill(tree)
    here = library.add(tree)
    library.index(here, mode="Content")
    age(tree)
    fill(tree / "folder 1")
    (tree / "folder 2" / "file 2.txt").write_text("other words")
    for stops in range(2, 9):
        context = Context(library.dir, f"cancelled {stops}", stops)
        try:
            library.index(here, context=context, mode="Content", full=True)
        except JobInterrupted:
            db = library.open()
            with transaction(db):
                abandon(db, context.job_id)
            db.close()
    library.index(here, mode="Content")
    same(library, tree)
    assert library.totals(here) == (40, 10, 128)
    assert library.query("SELECT count(*) FROM entries WHERE kind = 0 AND content IS NULL") == [
        (0,)
    ]
