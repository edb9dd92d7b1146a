"""What no other test asks a daemon for, so that the record of the wire has met everything."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from person import Person, plant

if TYPE_CHECKING:
    from pathlib import Path

    from running import Daemon


@pytest.fixture
def person(daemon: Daemon) -> Person:
    """Somebody with a library."""
    made = Person(daemon)
    made.create()
    return made


def physical(person: Person, path: Path) -> dict[str, Any]:
    slug = person.ask("core.status")["device_info"]["slug"]
    return {"Physical": {"device_slug": slug, "path": str(path)}}


def test_pictures_are_listed_counted_and_compared(person: Person, tmp_path: Path) -> None:
    for folder, names in {"one": ["a.jpg", "b.mp4", "c.txt"], "two": ["a.jpg"]}.items():
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).write_bytes(name.encode() * 100)
    one = person.index(tmp_path / "one")
    person.index(tmp_path / "two")
    media = person.ask("files.media_listing", {"path": physical(person, tmp_path / "one")})
    assert {file["name"] for file in media["files"]} == {"a", "b"}
    counted = person.ask("files.content_kind_stats")
    assert counted["total_files"] == sum(stat["file_count"] for stat in counted["stats"])
    unique = person.ask("files.unique_to_location", {"location_id": one})
    assert {file["name"] for file in unique["unique_files"]} == {"b", "c"}
    (copied,) = (file for file in media["files"] if file["name"] == "a")
    copies = person.ask("files.alternate_instances", {"entry_uuid": copied["id"]})
    paths = {file["sd_path"]["Physical"]["path"] for file in copies["instances"]}
    assert paths == {str(tmp_path / "one" / "a.jpg"), str(tmp_path / "two" / "a.jpg")}


def test_what_a_rule_leaves_out_can_be_seen(person: Person, tmp_path: Path) -> None:
    folder = plant(tmp_path / "pictures")
    (folder / ".git" / "objects").mkdir(parents=True)
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/main")
    person.index(folder)
    rules = [rule for rule in person.ask("indexing.rules")["rules"] if rule["omitted"]]
    (rule,) = rules
    assert (rule["setting"], rule["enabled"], rule["omitted"]) == ("no_git", True, 1)
    (left_out,) = person.ask("indexing.omissions", {"rule": rule["name"]})["omissions"]
    assert left_out["sd_path"]["Physical"]["path"] == str(folder / ".git")


def test_a_configuration_that_cannot_be_read_is_told_and_nothing_changes(person: Person) -> None:
    file = person.daemon.data_dir / "spacedrive.json"
    before = person.ask("config.app.get")
    person.ask("config.app.reload!")
    text = file.read_text("utf-8") if file.exists() else "{}"
    file.write_text("{damaged", "utf-8")
    assert person.refused("config.app.reload!").code == "file-damaged"
    file.unlink()
    file.mkdir()
    assert person.refused("config.app.reload!").code == "data-folder-unusable"
    file.rmdir()
    file.write_text(text, "utf-8")
    person.ask("config.app.reload!")
    assert person.ask("config.app.get") == before


def test_a_configuration_that_was_edited_is_not_written_over(person: Person) -> None:
    file = person.daemon.data_dir / "spacedrive.json"
    events = person.listen("ConfigChanged")
    stored = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps({**stored, "preferences": {"language": "de"}}), "utf-8")
    assert person.ask("config.app.update!", {"theme": "dark"})["message"] == (
        "changed: language, theme"
    )
    assert [events.until("ConfigChanged")["field"] for _ in range(2)] == ["language", "theme"]
    both = {"theme": "dark", "language": "de"}
    assert person.ask("config.app.get")["preferences"] == both
    assert json.loads(file.read_text("utf-8"))["preferences"] == both

    file.write_text("{damaged", "utf-8")
    assert person.refused("config.app.update!", {"theme": "light"}).code == "file-damaged"
    assert file.read_text("utf-8") == "{damaged"
    assert person.ask("config.app.get")["preferences"] == both
    assert any("spacedrive.json" in one for one in person.ask("core.status")["problems"])


def test_a_batch_of_queries_is_given_up_as_a_whole_and_not_by_the_id_of_a_member(
    person: Person,
) -> None:
    search = {"method": "query:search.files", "payload": {"query": "xq", "filters": {}}}
    members = [{"Query": search, "id": f"m{number}"} for number in range(200)]
    with person.daemon.connect() as wire:
        wire.send({"Batch": members, "id": 1}, {"Cancel": {"id": "m150"}, "id": 2})
        replies = {reply["id"]: reply for reply in (wire.read(), wire.read())}
        assert replies[2]["Cancelled"]["outcome"] == "unknown"
        assert ["JsonOk" in one for one in replies[1]["Batch"]] == [True] * 200
        wire.send({"Batch": members, "id": 3}, {"Cancel": {"id": 3}, "id": 4})
        replies = {reply["id"]: reply for reply in (wire.read(), wire.read())}
        assert replies[4]["Cancelled"]["outcome"] == "stopped"
        assert replies[3]["details"]["code"] == "request-cancelled"


def test_a_number_that_no_encoding_could_carry_is_refused(person: Person) -> None:
    for name, payload in [
        ("test.ping", {"message": "x", "count": 10**30}),
        ("config.app.update!", {"proxy_pairing_vouch_signature_max_age": 2**53}),
        ("config.app.update!", {"limits_idle_seconds": 10**30}),
        ("config.app.update!", {"language": "x" * 65}),
    ]:
        assert person.refused(name, payload).code == "invalid-payload"
    most = {"message": "x", "count": 2**53 - 1}
    assert person.ask("test.ping", most)["count"] == 2**53 - 1


def test_a_library_that_could_not_be_opened_is_told_to_who_asks_later(person: Person) -> None:
    with person.daemon.connect() as wire:
        begun = wire.ask({"Hello": {}})["Hello"]
    library = person.folder()
    person.stop()
    for name in os.listdir(library):
        if name.startswith("library.db"):
            os.unlink(f"{library}/{name}")
    with open(f"{library}/library.db", "wb") as file:
        file.write(b"no database at all" * 1000)
    person.daemon.start()
    with person.daemon.connect() as wire:
        wanted = {"event_types": ["LibraryLoadFailed"], "after": begun["sequence"]}
        wire.ask({"Subscribe": wanted, "id": "w"})
        failed = wire.read()["Event"]["LibraryLoadFailed"]
    assert failed["path"] == library
    assert failed["error_type"] == "library-damaged"


def test_a_database_that_somebody_else_holds_is_busy_and_delays_no_end(
    person: Person, tmp_path: Path
) -> None:
    """A call that cannot go on holds up the end for a moment, and that moment can be seen."""
    add = {"method": "action:locations.add.input", "payload": {"path": str(tmp_path)}}
    ping = {"method": "query:test.ping", "payload": {"message": "x"}}
    holder = sqlite3.connect(f"{person.folder()}/library.db", isolation_level=None)
    try:
        holder.execute("BEGIN IMMEDIATE")
        with person.daemon.connect() as wire, person.daemon.connect() as other:
            assert wire.ask({"Action": add, "id": 1})["details"]["code"] == "database-busy"
            wire.send({"Action": add, "id": 2})
            other.ask("Ping")
            person.daemon.signal(signal.SIGTERM)
            reply = other.ask({"Query": ping, "id": 3})
            while "JsonOk" in reply:
                reply = other.ask({"Query": ping, "id": 3})
            assert reply["details"]["code"] == "shutting-down"
            assert reply["details"]["retryable"] is True
    finally:
        holder.close()
    assert person.daemon.wait() == 0


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount")
def test_a_disk_that_comes_and_goes_is_told(person: Person, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    events = person.listen("VolumeAdded", "VolumeRemoved", "VolumeUpdated")
    person.ask("volumes.refresh!", {"force": False})
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this system does not let us mount")
    try:
        person.ask("volumes.refresh!", {"force": False})
        added = events.until("VolumeAdded", mount_point=str(disk))
        (disk / "file").write_bytes(b"x" * 500_000)
        person.ask("volumes.refresh!", {"force": False})
        changed = events.until("VolumeUpdated", fingerprint=added["fingerprint"])
        old, new = changed["old_info"], changed["new_info"]
        assert new["total_bytes_available"] < old["total_bytes_available"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    person.ask("volumes.refresh!", {"force": False})
    events.until("VolumeRemoved", fingerprint=added["fingerprint"])
