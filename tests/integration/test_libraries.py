"""Libraries, as a person makes, opens, closes, renames, copies and removes them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from person import Person, assert_sound, in_index, on_disk, plant
from running import Daemon

if TYPE_CHECKING:
    from pathlib import Path

Make = Callable[..., Daemon]


@pytest.fixture
def person(daemon: Daemon) -> Person:
    return Person(daemon)


def test_a_library_is_made_found_and_still_there_after_a_restart(person: Person) -> None:
    made = person.create("Home")
    (listed,) = person.ask("libraries.list")
    assert listed == {"id": made, "name": "Home", "path": person.folder(), "stats": None}
    info = person.ask("libraries.info")
    assert info["name"] == "Home"
    assert info["statistics"]["total_files"] == 0
    person.restart()
    assert person.libraries()["Home"]["id"] == made


def test_making_one_is_told_in_order(person: Person) -> None:
    events = person.listen()
    made = person.create("Home")
    events.until("LibraryOpened")
    assert events.names() == ["LibraryCreated", "LibraryOpened"]
    assert {body["id"] for _, body in events.seen} == {made}


def test_a_name_that_is_taken_is_refused_with_a_way_out(person: Person) -> None:
    person.create("Home")
    refused = person.refused("libraries.create!", {"name": "Home"})
    assert refused.code == "library-exists"
    assert refused.text == f"{person.folder()} already exists"
    assert refused.hint is not None
    assert "sd library open" in refused.hint


@pytest.mark.parametrize(
    ("name", "code", "pointer"),
    [
        ("..", "invalid-value", "/payload/name"),
        ("   ", "invalid-value", "/payload/name"),
        ("a\nb", "invalid-value", "/payload/name"),
        ("", "invalid-payload", "/payload/name"),
        ("x" * 256, "invalid-payload", "/payload/name"),
    ],
)
def test_a_name_that_cannot_be_is_refused(
    person: Person, name: str, code: str, pointer: str
) -> None:
    refused = person.refused("libraries.create!", {"name": name})
    assert (refused.code, refused.pointer) == (code, pointer)
    assert os.listdir(person.daemon.data_dir / "libraries") == []


def test_a_place_that_cannot_be_is_refused(person: Person, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, code in (("relative", "invalid-value"), (str(tmp_path / "file"), "not-a-directory")):
        assert person.refused("libraries.create!", {"name": "x", "path": path}).code == code


def test_what_is_closed_stays_closed_until_it_is_opened(person: Person) -> None:
    home = person.create("Home")
    events = person.listen("LibraryClosed", "LibraryOpened")
    assert person.ask("libraries.close!", {"library_id": home})["name"] == "Home"
    events.until("LibraryClosed", id=home)
    assert person.libraries() == {}
    assert person.refused("libraries.close!", {"library_id": home}).code == "library-not-found"
    person.restart()
    assert person.libraries() == {}
    assert person.ask("libraries.open!", {"path": person.folder()})["library_id"] == home
    person.restart()
    assert list(person.libraries()) == ["Home"]


def test_a_rename_is_seen_by_all_and_kept(person: Person) -> None:
    home = person.create("Home")
    events = person.listen("ConfigChanged")
    renamed = person.ask("libraries.rename!", {"library_id": home, "new_name": " Büro "}, home)
    assert (renamed["old_name"], renamed["new_name"]) == ("Home", "Büro")
    assert events.until("ConfigChanged") == {"field": "library.name"}
    person.restart()
    assert list(person.libraries()) == ["Büro"]
    refused = person.refused("libraries.rename!", {"library_id": home, "new_name": " . "}, home)
    assert (refused.code, refused.pointer) == ("invalid-value", "/payload/new_name")


def test_deleting_keeps_the_files_that_were_indexed(person: Person, tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree")
    home = person.create("Home")
    person.index(tree)
    before = on_disk(tree)
    assert person.ask("libraries.delete!", {"library_id": home, "delete_data": True})["name"]
    assert not os.path.exists(person.folder())
    assert os.listdir(person.daemon.data_dir / "libraries") == []
    assert on_disk(tree) == before
    person.restart()
    assert person.libraries() == {}
    assert person.ask("core.status")["problems"] == []


def test_deleting_without_the_data_can_be_taken_back(person: Person) -> None:
    home = person.create("Home")
    person.ask("libraries.delete!", {"library_id": home})
    person.restart()
    assert person.libraries() == {}
    assert person.ask("libraries.open!", {"path": person.folder()})["library_id"] == home


def test_a_library_elsewhere_is_opened_again_at_the_next_start(
    person: Person, tmp_path: Path
) -> None:
    person.create("Away", tmp_path / "disk")
    person.restart()
    assert person.libraries()["Away"]["path"] == str(tmp_path / "disk/Away.sdlibrary")
    person.stop()
    shutil.move(tmp_path / "disk", tmp_path / "unplugged")
    person.daemon.start()
    (problem,) = person.ask("core.status")["problems"]
    assert "Away.sdlibrary is not a library: there is no library.json in it" in problem
    person.stop()
    shutil.move(tmp_path / "unplugged", tmp_path / "disk")
    person.daemon.start()
    assert list(person.libraries()) == ["Away"]
    assert person.ask("core.status")["problems"] == []


@pytest.mark.parametrize("what", ["nothing", "an empty folder", "a file"])
def test_what_is_no_library_is_not_opened(person: Person, tmp_path: Path, what: str) -> None:
    path = tmp_path / "x.sdlibrary"
    if what == "an empty folder":
        path.mkdir()
    elif what == "a file":
        path.touch()
    refused = person.refused("libraries.open!", {"path": str(path)})
    assert refused.code == "not-a-library"
    assert refused.text.startswith(f"{path} is not a library: ")


def test_a_copy_can_be_taken_while_the_library_is_used(person: Person, tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree", folders=20, files=20)
    home = person.create("Home")
    location, job = person.add(tree)
    copy = tmp_path / "backups/Copy.sdlibrary"
    exported = person.ask("libraries.export!", {"library_id": home, "export_path": str(copy)}, home)
    assert exported["exported_files"] == ["jobs.db", "library.db", "library.json"]
    assert sorted(os.listdir(copy.parent)) == ["Copy.sdlibrary"]
    assert person.ended(job)["status"] == "completed"

    refused = person.refused("libraries.open!", {"path": str(copy)})
    assert refused.code == "library-copy-open"
    assert refused.text == (
        f"{copy} is a copy of the library Home, which is open at {person.folder()}"
    )
    again = person.refused(
        "libraries.export!", {"library_id": home, "export_path": str(copy)}, home
    )
    assert again.code == "library-exists"

    person.ask("libraries.close!", {"library_id": home})
    assert person.ask("libraries.open!", {"path": str(copy)})["library_id"] == home
    person.all_quiet()  # the job that the copy caught in the middle goes on in it
    assert list(person.locations()) == [location]
    assert in_index(str(copy), tree) == on_disk(tree)
    person.stop()
    assert_sound(str(copy))


def test_two_daemons_cannot_have_one_library(make_daemon: Make, tmp_path: Path) -> None:
    one, other = Person(make_daemon("one").start()), Person(make_daemon("other").start())
    one.create("Shared", tmp_path / "disk")
    path = str(tmp_path / "disk/Shared.sdlibrary")
    refused = other.refused("libraries.open!", {"path": path})
    assert refused.code == "library-locked"
    assert one.daemon.process is not None
    owner = f"process {one.daemon.process.pid}"
    assert refused.text == f"the library {path} is in use by another daemon ({owner})"
    one.daemon.kill()  # whatever it was doing, it cannot leave a lock behind
    assert other.ask("libraries.open!", {"path": path})["name"] == "Shared"


def test_with_several_libraries_each_request_names_its_own(person: Person) -> None:
    home, work = person.create("Home"), person.create("Work")
    refused = person.refused("locations.list")
    assert refused.code == "library-required"
    assert "2 libraries are open" in refused.text
    assert refused.hint == "name one (library_id): Home, Work"
    assert person.locations(home) == person.locations(work) == {}


def test_the_settings_of_a_library_change_and_stay(person: Person) -> None:
    person.create("Home")
    events = person.listen("ConfigChanged")
    change = {"thumbnail_quality": 50, "no_git": False, "sync_enabled": False}
    answer = person.ask("config.library.update!", change)
    assert answer == {"success": True, "message": "changed: thumbnail_quality, no_git"}
    assert events.until("ConfigChanged")["field"] == "library.thumbnail_quality"
    assert events.until("ConfigChanged")["field"] == "library.no_git"
    same = person.ask("config.library.update!", change)
    assert same["message"] == "nothing was different"
    person.restart()
    config = person.ask("config.library.get")
    assert (config["thumbnail_quality"], config["indexer"]["no_git"]) == (50, False)
    refused = person.refused("config.library.update!", {"thumbnail_quality": 101})
    assert (refused.code, refused.pointer) == ("invalid-payload", "/payload/thumbnail_quality")


def test_the_configuration_of_the_daemon_changes_and_stays(person: Person) -> None:
    events = person.listen("ConfigChanged")
    answer = person.ask("config.app.update!", {"theme": "dark", "networking_enabled": True})
    assert answer["requires_restart"] is True
    assert events.until("ConfigChanged")["field"] == "theme"
    person.restart()
    config = person.ask("config.app.get")
    assert config["preferences"]["theme"] == "dark"
    file = json.loads((person.daemon.data_dir / "spacedrive.json").read_text())
    assert file["services"]["networking_enabled"] is True
    refused = person.refused("config.app.update!", {"log_level": "loud"})
    assert (refused.code, refused.pointer) == ("invalid-value", "/payload/log_level")


def test_devices_and_volumes_are_those_of_this_machine(person: Person, tmp_path: Path) -> None:
    person.create("Home")
    (device,) = person.ask("devices.list")
    assert device["os"] == "Linux"
    volumes = person.ask("volumes.list", {"filter": "All"})["volumes"]
    assert "/" in [volume["mount_point"] for volume in volumes]
    person.index(plant(tmp_path / "tree"))
    tracked = person.ask("volumes.list", {"filter": "TrackedOnly"})["volumes"]
    assert len(tracked) == 1
    assert tracked[0]["is_tracked"] is True
    assert person.ask("volumes.refresh!")["volumes_refreshed"] == len(volumes)
