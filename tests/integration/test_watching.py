"""What other programs do to files is in the index at once, and events tell it."""

from __future__ import annotations

import os
import shutil
import sqlite3
from typing import TYPE_CHECKING

import pytest
from person import ODD_NAMES, Person, assert_sound, plant
from watched import CHANGES, Watched

if TYPE_CHECKING:
    from pathlib import Path

    from running import Daemon


@pytest.fixture
def watched(watching: Daemon, tmp_path: Path) -> Watched:
    made = Watched(watching, plant(tmp_path / "tree", folders=4, files=4))
    assert made.state()["watching"] == "live"
    return made


def test_a_new_file_is_told_and_found(watched: Watched) -> None:
    events = watched.person.listen(*CHANGES, "ResourceChangedBatch")
    (watched.tree / "0001" / "sunset.txt").write_text("over the sea")
    created = events.until("EntryCreated")
    batch = events.until("ResourceChangedBatch")
    file = next(one for one in batch["resources"] if one["id"] == created["entry_id"])
    assert file["sd_path"]["Physical"]["path"] == f"{watched.tree}/0001/sunset.txt"
    found = watched.person.ask("search.files", {"query": "sunset"})["files"]
    assert [one["id"] for one in found] == [created["entry_id"]]
    # Its content is identified when it is at rest, and that is told, too.
    while file["content_identity"] is None:
        batch = events.until("ResourceChangedBatch")
        file = next((one for one in batch["resources"] if one["id"] == file["id"]), file)
    watched.agrees()
    watched.counts()


def test_a_changed_file_keeps_its_id_also_when_an_editor_replaces_it(watched: Watched) -> None:
    path = watched.tree / "0001" / "0001.txt"
    before = watched.ids()[str(path)]
    path.write_text("longer than it was")
    watched.agrees()
    beside = watched.tree / "0001" / ".0001.txt.swp"
    beside.write_text("and longer once more")
    beside.rename(path)
    watched.agrees()
    assert watched.ids()[str(path)] == before


def test_renames_keep_ids_whatever_they_cross(watched: Watched) -> None:
    tree, before = watched.tree, watched.ids()
    events = watched.person.listen("EntryMoved")
    (tree / "0001" / "0001.txt").rename(tree / "0002" / "elsewhere.txt")
    moved = events.until("EntryMoved")
    assert moved["old_path"] == f"{tree}/0001/0001.txt"
    assert moved["new_path"] == f"{tree}/0002/elsewhere.txt"
    (tree / "0002").rename(tree / "0003" / "inner")  # a tree
    (tree / "0003").rename(tree / "outer")  # with what was just moved into it
    watched.agrees()
    now = watched.ids()
    assert now[f"{tree}/outer/inner/elsewhere.txt"] == before[f"{tree}/0001/0001.txt"]
    assert now[f"{tree}/outer/inner/0003.txt"] == before[f"{tree}/0002/0003.txt"]
    assert now[f"{tree}/outer/inner"] == before[f"{tree}/0002"]
    watched.counts()


def test_raw_changes_come_to_who_asks_for_them(watched: Watched) -> None:
    events, tree = watched.person.listen("FsRawChange"), watched.tree
    usual = watched.person.listen()
    (tree / "0001" / "raw").write_text("raw")
    assert events.until("FsRawChange", kind={"Create": {"path": f"{tree}/0001/raw"}})
    (tree / "0001" / "raw").rename(tree / "0002" / "raw")
    renamed = {"Rename": {"from": f"{tree}/0001/raw", "to": f"{tree}/0002/raw"}}
    assert events.until("FsRawChange", kind=renamed)
    with (tree / "0002" / "raw").open("a") as file:
        file.write("more")
    assert events.until("FsRawChange", kind={"Modify": {"path": f"{tree}/0002/raw"}})
    (tree / "0002" / "raw").unlink()
    assert events.until("FsRawChange", kind={"Remove": {"path": f"{tree}/0002/raw"}})
    usual.until("EntryDeleted")
    assert "FsRawChange" not in usual.names()


def test_two_names_that_change_places(watched: Watched) -> None:
    one, two = (watched.tree / "0001" / name for name in ("0001.txt", "0002.txt"))
    one.write_text("so that one can be told from the other")
    watched.agrees()
    before = watched.ids()
    beside = one.with_name("beside")
    one.rename(beside)
    two.rename(one)
    beside.rename(two)
    watched.agrees()
    now = watched.ids()
    assert (now[str(one)], now[str(two)]) == (before[str(two)], before[str(one)])


def test_a_rename_over_a_known_name_is_the_end_of_what_had_it(watched: Watched) -> None:
    one, two = (watched.tree / "0001" / name for name in ("0001.txt", "0002.txt"))
    before = watched.ids()
    one.rename(two)
    watched.agrees()
    assert watched.ids()[str(two)] == before[str(one)]
    assert before[str(two)] not in watched.ids().values()


def test_new_deep_trees_and_what_comes_into_them_at_once(watched: Watched) -> None:
    for number in range(30):
        deep = watched.tree / f"{number}" / "a" / "b" / "c" / "d"
        deep.mkdir(parents=True)
        (deep / "file").write_text(str(number))
    watched.agrees()
    (watched.tree / "7" / "a" / "b" / "c" / "d" / "later").write_text("watched as well")
    watched.agrees()


def test_moves_out_and_in(watched: Watched, tmp_path: Path) -> None:
    (watched.tree / "0001").rename(tmp_path / "outside")
    watched.agrees()
    (tmp_path / "outside" / "new").write_text("nobody is told of this")
    (tmp_path / "outside").rename(watched.tree / "back")
    watched.agrees()
    (watched.tree / "back" / "again").write_text("but of this")
    watched.agrees()
    watched.counts()


def test_a_file_with_two_names_is_changed_under_both(watched: Watched) -> None:
    one = watched.tree / "0001" / "0001.txt"
    two = watched.tree / "0003" / "linked"
    os.link(one, two)
    watched.agrees()
    with two.open("a") as file:
        file.write("more")
    watched.agrees()
    with two.open("a") as file:
        file.write("and more, through a name that is gone then")
    two.unlink()
    watched.agrees()


def test_names_of_any_bytes(watched: Watched) -> None:
    folder = os.fsencode(watched.tree) + b"/0002/"
    for name in ODD_NAMES:
        with open(folder + name, "wb") as file:
            file.write(name)
    watched.agrees()
    for name in ODD_NAMES:
        os.rename(folder + name, folder + b"x" + name[:200])
    watched.agrees()
    os.mkdir(folder + b"\xff\xfe")
    watched.agrees()
    os.rename(folder + b"\xff\xfe", folder + b"\xfe\xff")
    with open(folder + b"\xfe\xff/inside \xff", "wb"):
        pass
    watched.agrees()


def test_what_takes_the_place_of_something_else(watched: Watched) -> None:
    place = watched.tree / "0001"
    shutil.rmtree(place)
    place.write_text("a file now")
    watched.agrees()
    place.unlink()
    place.mkdir()
    (place / "inside").write_text("a folder again")
    watched.agrees()
    shutil.rmtree(place)
    place.symlink_to(watched.tree / "0002")  # which nobody follows
    watched.agrees()
    place.unlink()
    (watched.tree / "0002").rename(place)
    (place / "new").write_text("and watched")
    watched.agrees()


def test_a_folder_is_renamed_while_its_children_are_made(watched: Watched) -> None:
    here, there = watched.tree / "here", watched.tree / "there"
    here.mkdir()
    for number in range(300):
        (here / f"{number}").write_text(str(number))
        if number % 10 == 9:
            here.rename(there)
            here, there = there, here
    watched.agrees()


def test_rules_hold_as_a_scan_has_them(watched: Watched) -> None:
    """A folder that proves itself to be downloaded is left out, until the proof goes."""
    project = watched.tree / "project"
    (project / "node_modules" / "left").mkdir(parents=True)
    (project / "node_modules" / "left" / "index.js").write_text("0")
    watched.agrees()  # it is a folder like any other
    (project / "package.json").write_text("{}")

    def known() -> bool:
        return f"{project}/node_modules/left" in watched.ids()

    events = watched.person.listen(*CHANGES)
    while known():
        events.until(*CHANGES)
    (project / ".hidden").write_text("hidden names are as in a scan")
    (project / "name.tmp").write_text("so are temporary ones")
    (project / "package.json").unlink()
    while not known():
        events.until(*CHANGES)
    watched.agrees()
    (watched.tree / "repository" / ".git").mkdir(parents=True)
    (watched.tree / "repository" / ".git" / "objects").mkdir()
    (watched.tree / "repository" / ".git" / "HEAD").write_text("ref: refs/heads/main")
    while f"{watched.tree}/repository/.git" in watched.ids() or (
        f"{watched.tree}/repository" not in watched.ids()
    ):
        events.until(*CHANGES)


def test_a_location_inside_another(watched: Watched) -> None:
    inner = watched.tree / "0002"
    location = watched.person.index(inner)
    (inner / "new").write_text("counts in both")
    (watched.tree / "0001" / "0001.txt").rename(inner / "moved in")
    watched.agrees()
    watched.counts(location, inner)
    watched.counts()


def test_what_happens_while_the_daemon_is_away(watched: Watched) -> None:
    tree, before = watched.tree, watched.ids()
    watched.person.stop()
    (tree / "0001" / "0001.txt").write_text("changed in place: no folder tells of that")
    (tree / "0002").rename(tree / "0003" / "moved")
    (tree / "0001" / "new").write_text("new")
    (tree / "0001" / "0002.txt").unlink()
    watched.person.daemon.start()
    watched.agrees()
    assert watched.ids()[f"{tree}/0003/moved/0001.txt"] == before[f"{tree}/0002/0001.txt"]
    (tree / "0003" / "moved" / "live").write_text("and it is watched again")
    watched.agrees()
    assert_sound(watched.person.folder())


def test_a_library_that_is_closed_is_followed_no_more(watched: Watched) -> None:
    watched.person.ask("libraries.close!", {"library_id": watched.library})
    assert watched.followers() == []
    (watched.tree / "0001" / "new").write_text("not seen")
    watched.person.ask("libraries.open!", {"path": watched.person.folder()})
    watched.agrees()


def test_a_location_that_is_removed(watched: Watched) -> None:
    watched.person.ask("locations.remove!", {"location_id": watched.location})
    watched.person.all_quiet()
    (watched.tree / "0001" / "new").write_text("not seen")
    again = watched.person.index(watched.tree)
    watched.location = again
    (watched.tree / "0001" / "newer").write_text("seen")
    watched.agrees()


def test_files_are_followed_while_they_are_identified(watched: Watched) -> None:
    """What is committed is announced, and nothing of a round is left behind."""
    for number in range(200):
        (watched.tree / "0001" / f"n{number}").write_text(f"content {number}")
    watched.agrees()
    db = sqlite3.connect(f"{watched.person.folder()}/library.db")
    try:
        events = watched.person.listen("ResourceChangedBatch")
        query = "SELECT count(*) FROM entries WHERE kind = 0 AND size > 0 AND content IS NULL"
        while db.execute(query).fetchone() != (0,):
            events.until("ResourceChangedBatch")
        assert db.execute("SELECT count(*) FROM scans").fetchone() == (0,)
    finally:
        db.close()


def test_the_status_tells_that_it_watches(watched: Watched) -> None:
    state = watched.person.ask("core.status")["services"]["location_watcher"]
    assert state == {"running": True, "details": "1 of 1 locations live"}


def test_it_can_be_switched_off(daemon: Daemon, tmp_path: Path) -> None:
    person = Person(daemon)
    person.create("Home")
    location = person.index(plant(tmp_path / "tree"))
    state = person.locations()[location]
    assert (state["watching"], state["watching_reason"]) == ("off", None)
    service = person.ask("core.status")["services"]["location_watcher"]
    assert (service["running"], service["details"].partition(":")[0]) == (False, "turned off")
