"""Locations, as a person adds, nests, changes, moves and removes them."""

from __future__ import annotations

import os
import shutil
import sqlite3
from base64 import b64encode
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from person import Person, assert_sound, in_index, on_disk, plant

if TYPE_CHECKING:
    from pathlib import Path

    from running import Daemon

RULES_OFF = {"no_system_files": False, "no_git": False, "no_dev_dirs": False}


@pytest.fixture
def person(daemon: Daemon) -> Person:
    person = Person(daemon)
    person.create("Home")
    person.ask("config.library.update!", RULES_OFF)
    return person


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return plant(tmp_path / "tree", folders=5, files=5)


def entries(person: Person) -> int:
    with sqlite3.connect(f"file:{person.folder()}/library.db?mode=ro", uri=True) as db:
        (count,) = db.execute("SELECT count(*) FROM entries").fetchone()
    db.close()
    return int(count)


def test_a_folder_is_added_indexed_and_equals_find(person: Person, tree: Path) -> None:
    events = person.listen()
    location, job = person.add(tree)
    done = person.ended(job)
    assert done["status"] == "completed"
    events.until("IndexingCompleted", location_id=location)
    names = events.names("JobProgress", "ResourceChanged", "LibraryStatisticsUpdated")
    assert names[0] == "LocationAdded"
    assert set(names) >= {"JobQueued", "IndexingStarted", "JobStarted", "JobCompleted"}
    truth = on_disk(tree)
    assert in_index(person.folder(), tree) == truth
    listed = person.locations()[location]
    files = [row for row in truth.values() if row[0] != 1]  # all that is no folder
    assert listed["file_count"] == len(files) == done["output"]["data"]["stats"]["files"]
    assert listed["total_size"] == sum(row[1] for row in files if row[0] == 0)
    assert listed["name"] == "tree"
    assert listed["scan_state"] == "Completed"
    assert listed["is_available"] is True
    assert listed["sd_path"]["Physical"]["path"] == str(tree)


@pytest.mark.parametrize(
    ("path", "code", "sentence"),
    [
        ("{tmp}/nothing", "path-not-found", "{tmp}/nothing does not exist"),
        ("{tmp}/file", "not-a-directory", "{tmp}/file is not a folder"),
        ("{tmp}/file/below", "not-a-directory", "{tmp}/file/below is not a folder"),
        ("{tmp}/loop", "path-denied", "Too many levels of symbolic links"),
        ("{tmp}/dangling", "path-not-found", "{tmp}/dangling does not exist"),
        ("relative", "unsupported-path", "relative is not a path on this device"),
        ("", "unsupported-path", "an empty text is not a path"),
        ("/a\0b", "invalid-value", "NUL"),
    ],
)
def test_what_cannot_be_a_location_is_refused(
    person: Person, tmp_path: Path, path: str, code: str, sentence: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("nowhere")
    refused = person.refused("locations.add!", {"path": path.format(tmp=tmp_path)})
    assert refused.code == code
    assert sentence.format(tmp=tmp_path) in refused.text
    assert refused.pointer is not None
    assert refused.pointer.startswith("/payload/path")
    assert person.locations() == {}
    assert entries(person) == 0


def test_a_folder_is_a_location_once(person: Person, tree: Path) -> None:
    location = person.index(tree)
    for path in (str(tree), f"{tree}/", f"{tree}/./../tree"):
        refused = person.refused("locations.add!", {"path": path})
        assert refused.code == "location-exists"
        assert refused.hint == f"'sd location rescan {location}' reads it again"


def test_a_link_to_a_folder_makes_that_folder_a_location(
    person: Person, tree: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(tree)
    location = person.index(tmp_path / "link")
    assert person.locations()[location]["sd_path"]["Physical"]["path"] == str(tree)
    assert in_index(person.folder(), tree) == on_disk(tree)


def test_an_sd_path_with_exact_bytes_names_a_folder(person: Person, tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/odd \xff"
    os.mkdir(odd)
    open(odd + b"/file", "wb").close()
    (device,) = person.ask("devices.list")
    first = person.ask("locations.validate_path", {"path": str(tmp_path)})
    assert first["path_depth"] > 1
    path = {
        "Physical": {
            "device_slug": device["slug"],
            "path": odd.decode("utf-8", "replace"),
            "path_bytes": b64encode(odd).decode(),
        }
    }
    made = person.ask("locations.add!", {"path": path})
    assert made["path"] == path
    assert person.ended(made["job_id"])["status"] == "completed"
    (listed,) = person.locations().values()
    assert listed["sd_path"] == path
    assert listed["file_count"] == 1
    assert listed["name"] == "odd \ufffd"


@pytest.mark.parametrize("first", ["inner", "outer"])
def test_a_location_inside_another_shares_its_entries(
    person: Person, tree: Path, first: str
) -> None:
    inner = tree / "0002"
    order = [inner, tree] if first == "inner" else [tree, inner]
    ids = {path: person.index(path) for path in order}
    truth = on_disk(tree)
    assert in_index(person.folder(), tree) == truth
    assert in_index(person.folder(), inner) == on_disk(inner)
    assert entries(person) == len(truth)
    counts = {path: person.locations()[ids[path]]["file_count"] for path in order}
    assert counts[inner] == 5
    assert counts[tree] == sum(row[0] != 1 for row in truth.values())
    statistics = person.libraries()["Home"]["stats"]
    assert (statistics["total_files"], statistics["location_count"]) == (counts[tree], 2)

    removed = person.ask("locations.remove!", {"location_id": ids[tree]})
    assert person.ended(removed["job_id"])["status"] == "completed"
    assert list(person.locations()) == [ids[inner]]
    assert in_index(person.folder(), inner) == on_disk(inner)
    assert entries(person) == len(on_disk(inner))
    assert person.locations()[ids[inner]]["file_count"] == 5
    rescan = person.ask("locations.rescan!", {"location_id": ids[inner], "full_rescan": True})
    assert person.ended(rescan["job_id"])["status"] == "completed"
    assert in_index(person.folder(), inner) == on_disk(inner)
    person.stop()
    assert_sound(person.folder())


def test_removing_the_inner_keeps_the_outer_whole(person: Person, tree: Path) -> None:
    outer, inner = person.index(tree), person.index(tree / "0001")
    removed = person.ask("locations.remove!", {"location_id": inner})
    assert person.ended(removed["job_id"])["status"] == "completed"
    assert list(person.locations()) == [outer]
    assert in_index(person.folder(), tree) == on_disk(tree)


def test_a_removed_location_leaves_nothing_and_the_files_alone(person: Person, tree: Path) -> None:
    location = person.index(tree)
    before = on_disk(tree)
    events = person.listen("LocationRemoved", "ResourceDeleted")
    removed = person.ask("locations.remove!", {"location_id": location})
    events.until("LocationRemoved", location_id=location)
    events.until("ResourceDeleted", resource_id=location)
    assert person.ended(removed["job_id"])["status"] == "completed"
    assert entries(person) == 0
    assert on_disk(tree) == before
    for method in ("locations.remove!", "locations.rescan!"):
        assert person.refused(method, {"location_id": location}).code == "location-not-found"
    assert person.index(tree) != location


def test_a_location_can_be_removed_while_it_is_indexed(person: Person, tmp_path: Path) -> None:
    tree = plant(tmp_path / "large", folders=60, files=40)
    location, first = person.add(tree)
    second = person.ask("locations.rescan!", {"location_id": location})["job_id"]
    removed = person.ask("locations.remove!", {"location_id": location})
    assert person.ended(removed["job_id"])["status"] == "completed"
    assert {person.job(job)["status"] for job in (first, second)} <= {"cancelled", "completed"}
    assert entries(person) == 0
    person.stop()
    assert_sound(person.folder())


def test_a_rescan_finds_what_came_and_went(person: Person, tree: Path) -> None:
    location = person.index(tree)
    (tree / "0001" / "new.txt").write_text("new")
    (tree / "0002").rename(tree / "moved")
    shutil.rmtree(tree / "0003")
    answer = person.ask("locations.rescan!", {"location_id": location})
    assert (answer["location_path"], answer["full_rescan"]) == (str(tree), False)
    done = person.ended(answer["job_id"])
    assert in_index(person.folder(), tree) == on_disk(tree)
    data = done["output"]["data"]
    assert (data["added"], data["removed"]) == (1, 6)
    assert data["moved"] >= 1


def test_a_full_rescan_finds_what_changed_inside_a_file(person: Person, tree: Path) -> None:
    location = person.index(tree)
    with (tree / "0001" / "0001.txt").open("a") as file:
        file.write("more")
    answer = person.ask("locations.rescan!", {"location_id": location, "full_rescan": True})
    person.ended(answer["job_id"])
    assert in_index(person.folder(), tree) == on_disk(tree)


def test_a_name_and_policies_change_and_an_unknown_field_does_not(
    person: Person, tree: Path
) -> None:
    location = person.index(tree)
    events = person.listen("ResourceChanged")
    person.ask("locations.update!", {"id": location, "name": "Photos"})
    changed = events.until("ResourceChanged", resource_type="location")
    while changed["resource"]["name"] != "Photos":  # the end of indexing may be told as late
        changed = events.until("ResourceChanged", resource_type="location")
    policies = person.locations()[location]["job_policies"]
    policies["thumbnail"]["quality"] = 12
    person.ask("locations.update!", {"id": location, "job_policies": policies})
    listed = person.locations()[location]
    assert (listed["name"], listed["job_policies"]["thumbnail"]["quality"]) == ("Photos", 12)
    missing = person.refused("locations.update!", {"id": str(uuid4()), "name": "x"})
    assert missing.code == "location-not-found"
    assert missing.pointer == "/payload/id"


def test_policies_that_are_nonsense_are_refused(person: Person, tree: Path) -> None:
    wrong = {"thumbnail": {"quality": "best"}}
    refused = person.refused("locations.add!", {"path": str(tree), "job_policies": wrong})
    assert (refused.code, refused.pointer) == ("invalid-value", "/payload/job_policies")
    assert "thumbnail.quality" in refused.text
    assert person.locations() == {}


def test_a_location_without_indexing_is_indexed_when_that_is_wanted(
    person: Person, tree: Path
) -> None:
    location, job = person.add(tree, mode="None")
    assert job is None
    assert person.locations()[location]["scan_state"] == "Idle"
    assert entries(person) == 1
    enabled = person.ask("locations.enable_indexing!", {"id": location, "index_mode": "Content"})
    assert person.ended(enabled["job_id"])["status"] == "completed"
    assert person.locations()[location]["index_mode"] == "Content"
    assert in_index(person.folder(), tree) == on_disk(tree)


def test_folders_are_judged_before_they_are_added(person: Person, tree: Path) -> None:
    def judged(path: Any) -> dict[str, Any]:
        return dict(person.ask("locations.validate_path", {"path": path}))

    assert judged("/proc/self")["risk_level"] == "high"
    assert judged("/")["is_recommended"] is False
    nothing = judged("/srv/photos/of/mine")
    assert "is not a folder that can be read now" in nothing["warnings"][0]["message"]
    assert nothing["path_depth"] == 4
    assert person.refused("locations.validate_path", {"path": "x"}).code == "unsupported-path"


def test_suggestions_are_folders_that_are_there_and_not_locations(person: Person) -> None:
    for one in person.ask("locations.suggested")["locations"]:
        assert os.path.isdir(one["path"])


# --- export and import ---------------------------------------------------------------------------


def test_the_index_of_a_location_moves_by_file(person: Person, tree: Path, tmp_path: Path) -> None:
    location = person.index(tree)
    target = tmp_path / "location.sql"
    exported = person.ask(
        "locations.export!", {"location_uuid": location, "export_path": str(target)}
    )
    assert exported["file_size_bytes"] == target.stat().st_size
    assert exported["stats"]["entries"] == len(on_disk(tree))
    taken = person.refused("locations.import!", {"import_path": str(target)})
    assert taken.code == "location-exists"
    skipped = person.ask("locations.import!", {"import_path": str(target), "skip_existing": True})
    assert (skipped["location_uuid"], skipped["stats"]["entries_imported"]) == (location, 0)

    removed = person.ask("locations.remove!", {"location_id": location})
    person.ended(removed["job_id"])
    events = person.listen("LocationAdded")
    imported = person.ask("locations.import!", {"import_path": str(target), "new_name": "Again"})
    events.until("LocationAdded", location_id=imported["location_uuid"])
    assert imported["stats"]["entries_imported"] == len(on_disk(tree))
    assert in_index(person.folder(), tree) == on_disk(tree)
    assert person.locations()[imported["location_uuid"]]["name"] == "Again"
    # What changed since is found by the next scan.
    (tree / "later.txt").write_text("later")
    rescan = person.ask("locations.rescan!", {"location_id": imported["location_uuid"]})
    assert person.ended(rescan["job_id"])["status"] == "completed"
    assert in_index(person.folder(), tree) == on_disk(tree)
    person.stop()
    assert_sound(person.folder())


def test_what_cannot_be_exported_or_imported_is_said(
    person: Person, tree: Path, tmp_path: Path
) -> None:
    location = person.index(tree)
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear Anna")
    wanted = {"location_uuid": location, "export_path": str(letter)}
    assert person.refused("locations.export!", wanted).code == "invalid-value"
    assert letter.read_text() == "Dear Anna"
    wanted["export_path"] = str(tmp_path / "no/such/file.sql")
    assert person.refused("locations.export!", wanted).code == "storage-read-only"
    wanted = {"location_uuid": str(uuid4()), "export_path": str(tmp_path / "x.sql")}
    assert person.refused("locations.export!", wanted).code == "location-not-found"
    for path, code in (
        (letter, "import-invalid"),
        (tmp_path / "nothing", "path-not-found"),
        (tmp_path, "path-denied"),
    ):
        assert person.refused("locations.import!", {"import_path": str(path)}).code == code


def test_an_import_that_was_cut_off_is_refused_by_its_own_name(
    person: Person, tree: Path, tmp_path: Path
) -> None:
    location = person.index(tree)
    target = tmp_path / "location.sql"
    person.ask("locations.export!", {"location_uuid": location, "export_path": str(target)})
    person.ended(person.ask("locations.remove!", {"location_id": location})["job_id"])
    text = target.read_bytes()
    target.write_bytes(text[: len(text) * 2 // 3])
    refused = person.refused("locations.import!", {"import_path": str(target)})
    assert refused.code == "import-invalid"
    assert refused.text.startswith(f"{target} cannot be imported: ")
    assert entries(person) == 0
