"""What clients hear of files: from a real pass over a real disk, over the socket."""

from __future__ import annotations

import os
import shutil
from base64 import b64decode
from typing import TYPE_CHECKING, Any

import pytest
from person import Events, Person, plant

if TYPE_CHECKING:
    from pathlib import Path

    from running import Daemon

FILE_EVENTS = [
    *("EntryCreated", "EntryModified", "EntryMoved", "EntryDeleted", "FilesModified"),
    *("ResourceChangedBatch", "ResourceDeleted", "Refresh", "IndexingCompleted"),
]
NOT_UTF8 = os.fsdecode(b"not \xff utf-8")


class Place:
    """A person with a location, who goes through it again and says what they heard."""

    def __init__(self, daemon: Daemon, tree: Path) -> None:
        self.person = Person(daemon)
        self.library = self.person.create("Home")
        self.tree = tree
        for name in ("one", "two", "deep/three"):
            self.put(f"a/{name}")
        self.put("b/four")
        events = self.watch()
        self.location, _ = self.person.add(tree)
        events.until("IndexingCompleted")

    def put(self, name: str, text: str = "") -> Path:
        path = self.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text or f"this is {name.encode(errors='replace')!r}")
        return path

    def watch(self, types: list[str] = FILE_EVENTS, **wanted: Any) -> Events:
        """Subscribe, with a filter."""
        wire = self.person.daemon.connect()
        asked = {"event_types": types, "filter": wanted or None}
        assert "Subscribed" in wire.ask({"Subscribe": asked, "id": "w"})
        return Events(wire)

    def rescan(self) -> list[tuple[str, dict[str, Any]]]:
        """Go through the whole location again; the events that came of it."""
        events = self.watch()
        given = {"location_id": self.location, "full_rescan": True}
        self.person.ask("locations.rescan!", given)
        events.until("IndexingCompleted")
        return events.seen[:-1]

    def file(self, path: Path) -> dict[str, Any]:
        """The file at a path as a query answers it."""
        return dict(self.person.ask("files.by_path", {"path": str(path)}))

    def scope(self, path: Path) -> dict[str, Any]:
        """A folder as the path of a filter."""
        sd_path: dict[str, Any] = self.file(path)["sd_path"]
        return sd_path


@pytest.fixture
def place(daemon: Daemon, tmp_path: Path) -> Place:
    return Place(daemon, tmp_path / "tree")


def entries(heard: list[tuple[str, dict[str, Any]]], name: str) -> list[str]:
    """The ids in the events of a name."""
    return [body["entry_id"] for kind, body in heard if kind == name]


def resources(heard: list[tuple[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """The last form in which each file was announced, by id."""
    batches = [body for kind, body in heard if kind == "ResourceChangedBatch"]
    assert all(body["resource_type"] == "file" for body in batches)
    return {file["id"]: file for body in batches for file in body["resources"]}


def affected(heard: list[tuple[str, dict[str, Any]]]) -> set[bytes]:
    """The exact paths that events name as affected."""
    found = set()
    for _, body in heard:
        for path in (body.get("metadata") or {}).get("affected_paths", []):
            physical = path["Physical"]
            exact = physical.get("path_bytes")
            found.add(b64decode(exact) if exact else physical["path"].encode())
    return found


def test_a_new_file_is_announced_as_listings_answer_it(place: Place) -> None:
    new = place.put("b/new.txt")
    heard = place.rescan()
    file = place.file(new)
    assert entries(heard, "EntryCreated") == [file["id"]]
    assert entries(heard, "EntryModified") == [place.file(new.parent)["id"]]
    assert "FilesModified" not in [kind for kind, _ in heard], "that is a folder"
    assert resources(heard)[file["id"]] == file
    assert file["content_identity"] is not None  # it was identified in the same pass
    listed = place.person.ask("files.directory_listing", {"path": str(new.parent)})["files"]
    assert file in listed
    found = place.person.ask("search.files", {"query": "new"})["files"]
    assert [one["id"] for one in found] == [file["id"]]
    assert {os.fsencode(new), os.fsencode(new.parent)} <= affected(heard)
    metadata = [body["metadata"] for kind, body in heard if kind == "ResourceChangedBatch"]
    assert all(one["no_merge_fields"] == ["sd_path"] for one in metadata)
    assert all(body["library_id"] == place.library for kind, body in heard)


def test_a_changed_file(place: Place) -> None:
    one = place.put("a/one", "another text, and a longer one")
    heard = place.rescan()
    file = place.file(one)
    assert entries(heard, "EntryModified") == [file["id"]]
    assert resources(heard) == {file["id"]: file}
    modified = [body for kind, body in heard if kind == "FilesModified"]
    assert modified == [{"library_id": place.library, "paths": [str(one)]}]


@pytest.mark.parametrize("target", ["a/renamed", "b/moved"])
def test_a_moved_file_keeps_its_id(place: Place, target: str) -> None:
    old, new = place.tree / "a/one", place.tree / target
    before = place.file(old)
    old.rename(new)
    heard = place.rescan()
    (moved,) = [body for kind, body in heard if kind == "EntryMoved"]
    assert moved == {
        "library_id": place.library,
        "entry_id": before["id"],
        "old_path": str(old),
        "new_path": str(new),
    }
    file = place.file(new)
    assert file["id"] == before["id"]
    assert resources(heard)[file["id"]] == file
    four = {os.fsencode(path) for path in (old, old.parent, new, new.parent)}
    assert four <= affected(heard)
    assert not {kind for kind, _ in heard} & {"EntryDeleted", "EntryCreated", "ResourceDeleted"}


def test_a_deleted_file(place: Place) -> None:
    old = place.tree / "a/one"
    gone = place.file(old)["id"]
    old.unlink()
    heard = place.rescan()
    assert entries(heard, "EntryDeleted") == [gone]
    (deleted,) = [body for kind, body in heard if kind == "ResourceDeleted"]
    assert (deleted["resource_type"], deleted["resource_id"]) == ("file", gone)
    assert affected([("", deleted)]) == {os.fsencode(old), os.fsencode(old.parent)}
    assert place.person.ask("files.by_id", {"file_id": gone}) is None


def test_a_moved_folder_is_one_resource(place: Place) -> None:
    old, new = place.tree / "a/deep", place.tree / "b/deeper"
    folder, inside = place.file(old)["id"], place.file(old / "three")["id"]
    old.rename(new)
    heard = place.rescan()
    assert entries(heard, "EntryMoved") == [folder]
    assert resources(heard)[folder]["sd_path"] == place.scope(new)
    assert inside not in resources(heard)
    assert place.file(new / "three")["id"] == inside


def test_a_second_name_of_a_file_is_a_file_of_its_own(place: Place) -> None:
    one, link = place.tree / "a/one", place.tree / "b/link"
    os.link(one, link)
    heard = place.rescan()
    first, second = place.file(one), place.file(link)
    assert first["id"] != second["id"]
    assert first["inode"] == second["inode"]
    assert entries(heard, "EntryCreated") == [second["id"]]
    assert resources(heard)[second["id"]] == second
    one.unlink()
    heard = place.rescan()
    assert entries(heard, "EntryDeleted") == [first["id"]]
    assert entries(heard, "EntryMoved") == []


def test_a_name_that_is_not_utf_8(place: Place) -> None:
    path = place.put(f"b/{NOT_UTF8}")
    heard = place.rescan()
    (new,) = entries(heard, "EntryCreated")
    file = place.person.ask("files.by_id", {"file_id": new})
    assert resources(heard)[new] == file
    assert b64decode(file["sd_path"]["Physical"]["path_bytes"]) == os.fsencode(path)
    path.rename(place.tree / "a" / NOT_UTF8)
    heard = place.rescan()
    (moved,) = [body for kind, body in heard if kind == "EntryMoved"]
    assert moved["new_path"] == f"{place.tree}/a/not \ufffd utf-8"
    assert {os.fsencode(path), os.fsencode(place.tree / "a" / NOT_UTF8)} <= affected(heard)


def test_more_than_a_thousand_changes_are_a_refresh(place: Place) -> None:
    for number in range(1500):
        place.put(f"many/{number}")
    heard = place.rescan()
    assert heard[-1] == ("Refresh", {})
    assert entries(heard, "EntryCreated") == []
    assert len(resources(heard)) <= 1  # the folder they came into
    shutil.rmtree(place.tree / "many")
    assert place.rescan()[-1] == ("Refresh", {})


def test_an_import_makes_everything_different(place: Place, tmp_path: Path) -> None:
    export, asked = str(tmp_path / "export.sql"), {"location_uuid": place.location}
    place.person.ask("locations.export!", {**asked, "export_path": export})
    gone = place.person.ask("locations.remove!", {"location_id": place.location})
    place.person.ended(gone["job_id"])
    events = place.watch()
    place.person.ask("locations.import!", {"import_path": export})
    events.until("Refresh")
    (place.location,) = place.person.locations()
    assert entries(place.rescan(), "EntryCreated") == []  # that would be said twice


def test_a_filter_by_library(place: Place, tmp_path: Path) -> None:
    other = place.person.create("Other")
    here, there = place.watch(library_id=place.library), place.watch(library_id=other)
    plant(tmp_path / "elsewhere")
    place.person.index(tmp_path / "elsewhere", library=other)
    for number in range(1100):
        place.put(f"many/{number}")
    rescan = {"location_id": place.location, "full_rescan": True}
    place.person.ask("locations.rescan!", rescan, place.library)
    here.until("IndexingCompleted")
    assert ("Refresh", {}) in here.seen
    assert {line["library_id"] for line in here.lines} == {place.library}
    there.until("IndexingCompleted")
    assert "EntryCreated" in there.names()
    assert "Refresh" not in there.names()


def test_a_filter_by_path(place: Place) -> None:
    deep = place.tree / "a/deep"
    exact = place.watch(path_scope=place.scope(place.tree / "a"))
    below = place.watch(path_scope=place.scope(place.tree), include_descendants=True)
    inside = place.watch(path_scope=place.scope(deep), include_descendants=True)
    (place.tree / "a/one").rename(place.tree / "b/one")
    place.rescan()
    one = place.file(place.tree / "b/one")["id"]
    for events in (exact, below):  # where it was, also for who does not see where it is
        assert events.until("ResourceChangedBatch")["resources"]
        assert one in resources(events.seen) or one in resources([*events.seen, _next(events)])
    (deep / "three").unlink()
    place.put("c/many/new")
    place.rescan()
    assert inside.until("ResourceChangedBatch", "ResourceDeleted")
    assert affected(inside.seen) & {os.fsencode(deep), os.fsencode(deep / "three")}
    for number in range(1100):
        place.put(f"c/many/{number}")
    place.rescan()
    for events in (exact, below, inside):  # no path is named, and all may be concerned
        events.until("Refresh")
    assert "EntryCreated" not in {*exact.names(), *below.names(), *inside.names()}


def _next(events: Events) -> tuple[str, dict[str, Any]]:
    events.until("ResourceChangedBatch")
    return events.seen[-1]


def test_a_filter_by_type_of_resource(place: Place) -> None:
    files = place.watch(["ResourceChanged", *FILE_EVENTS], resource_type="file")
    locations = place.watch(["ResourceChanged", *FILE_EVENTS], resource_type="location")
    place.put("b/new")
    (place.tree / "a/one").unlink()
    place.rescan()
    files.until("ResourceDeleted")
    assert set(files.names()) == {"ResourceChangedBatch", "ResourceDeleted"}
    locations.until("ResourceChanged")
    assert locations.names() == ["ResourceChanged"]
    for number in range(1100):
        place.put(f"many/{number}")
    place.rescan()
    files.until("Refresh")


def test_what_a_request_caused_bears_its_id(place: Place) -> None:
    place.put("b/new")
    (place.tree / "a/one").unlink()
    events = place.watch()
    given = {"location_id": place.location, "full_rescan": True}
    with place.person.daemon.connect() as wire:
        call = {"method": "action:locations.rescan.input", "payload": given}
        assert "JsonOk" in wire.ask({"Action": call, "id": "why"})
    events.until("IndexingCompleted")
    assert {"EntryCreated", "EntryDeleted", "ResourceDeleted"} <= set(events.names())
    assert {line["correlation_id"] for line in events.lines} == {"why"}


def test_the_progress_of_indexing_goes_with_that_of_the_job(place: Place, tmp_path: Path) -> None:
    events = place.watch(["IndexingProgress", "JobProgress", "JobCompleted"])
    location, _ = place.person.add(plant(tmp_path / "large", folders=40, files=50))
    events.until("JobCompleted")
    pairs = list(zip(events.seen[:-1:2], events.seen[1::2], strict=True))
    assert len(pairs) > 2
    for (first, job), (second, indexing) in pairs:
        assert (first, second) == ("JobProgress", "IndexingProgress")
        assert indexing["location_id"] == location
        assert indexing["library_id"] == place.library
        done = job["generic_progress"]["completion"]
        assert indexing["processed"] == done["completed"]
        assert indexing["total"] == (done["total"] or None)


def test_a_job_that_is_paused_says_so_and_goes_on(place: Place, tmp_path: Path) -> None:
    """What it has found by then is in the listings already."""
    events = place.watch([*FILE_EVENTS, "JobProgress", "JobPaused"])
    location, job = place.person.add(plant(tmp_path / "large", folders=160, files=50))
    events.until("JobProgress", job_id=job)
    place.person.ask("jobs.pause!", {"job_id": job})
    events.until("JobPaused", job_id=job)
    events.until("Refresh")
    heard = len(events.seen)
    place.person.ask("jobs.resume!", {"job_id": job})
    assert place.person.ended(job)["status"] == "completed"
    events.until("IndexingCompleted", location_id=location)
    assert ("Refresh", {}) in events.seen[heard:]
    assert entries(events.seen, "EntryCreated") == []
