"""What a person is told when the disk, the folder or the database is not as it should be."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from person import Person, assert_sound, in_index, on_disk, plant
from running import CallFailed, Daemon

from sd_daemon.core.db.migrate import known_migrations

Make = Callable[..., Daemon]


@pytest.fixture
def person(daemon: Daemon) -> Person:
    person = Person(daemon)
    person.create("Home")
    return person


class Disk:
    """A small filesystem of its own."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def mount(self, *options: str) -> None:
        """Mount it, or change how it is mounted."""
        place = str(self.place)
        command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", place]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"a filesystem cannot be mounted here: {done.stderr.strip()}")

    def fill(self, leave: int = 0) -> None:
        """Use up all space but so many bytes."""
        with open(self.place / "filler", "ab", buffering=0) as file:
            try:
                while file.write(b"x" * 4096):
                    pass
            except OSError:
                pass
        size = (self.place / "filler").stat().st_size
        os.truncate(self.place / "filler", max(size - leave, 0))

    def free(self) -> None:
        """Give the space back."""
        (self.place / "filler").unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    (tmp_path / "disk").mkdir()
    disk = Disk(tmp_path / "disk")
    disk.mount("size=16m")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk.place)], check=True)


def ended(daemon: Daemon) -> str:
    """What a daemon that could not start says, and nothing of a traceback."""
    assert daemon.wait() != 0
    said = daemon.errors()
    assert "Traceback" not in said
    return said


# --- full ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("leave", [0, 20_000, 150_000])
def test_a_library_that_does_not_fit_leaves_nothing_behind(
    person: Person, disk: Disk, leave: int
) -> None:
    disk.fill(leave)
    wanted = {"name": "Big", "path": str(disk.place)}
    refused = person.refused("libraries.create!", wanted)
    assert refused.code == "disk-full"
    assert refused.text == f"no space left on the disk that holds {disk.place}/Big.sdlibrary"
    assert os.listdir(disk.place) == ["filler"]
    disk.free()
    assert person.ask("libraries.create!", wanted)["name"] == "Big"


def test_a_job_that_fills_the_disk_fails_and_goes_on_when_there_is_space(
    person: Person, disk: Disk, tmp_path: Path
) -> None:
    tree = plant(tmp_path / "tree", folders=100, files=60)
    library = person.create("Small", disk.place)
    folder = f"{disk.place}/Small.sdlibrary"
    disk.fill(leave=300_000)
    events = person.listen("JobFailed", "JobQueued")
    _, job = person.add(tree, library)
    failed = events.until("JobFailed", job_id=job)
    sentence = f"no space left on the disk that holds {folder}"
    assert failed["error"] == sentence
    info = person.job(job)
    assert (info["status"], info["error_message"]) == ("failed", sentence)
    assert [one["id"] for one in person.ask("jobs.list", {"status": None}, library)["jobs"]] == [
        job
    ]
    assert person.libraries().keys() == {"Home", "Small"}

    disk.free()
    person.ask("jobs.resume!", {"job_id": job})
    assert person.ended(job)["status"] == "completed"
    assert in_index(folder, tree) == on_disk(tree)
    person.stop()
    assert_sound(folder)


def outcome_of_rescan(person: Person, location: str, library: str) -> str:
    """The code of what went wrong, at the request or later in its job."""
    try:
        started = person.ask("locations.rescan!", {"location_id": location}, library)
    except CallFailed as failed:
        return failed.code
    info = person.ended(started["job_id"])
    if "no space left" in (info["error_message"] or ""):
        return "disk-full"
    if "its folder is not there" in (info["error_message"] or ""):
        return "storage-read-only"
    return str(info["error_message"] or info["status"])


def test_a_full_disk_from_the_first_moment_of_a_job(
    person: Person, disk: Disk, tmp_path: Path
) -> None:
    tree = plant(tmp_path / "tree")
    library = person.create("Small", disk.place)
    location = person.index(tree, library)
    disk.fill()
    assert outcome_of_rescan(person, location, library) in ("completed", "disk-full")
    assert in_index(f"{disk.place}/Small.sdlibrary", tree) == on_disk(tree)
    person.strike()  # and even now
    person.daemon.start()
    assert "Home" in person.libraries()
    disk.free()
    if "Small" not in person.libraries():
        person.ask("libraries.open!", {"path": f"{disk.place}/Small.sdlibrary"})
    person.all_quiet(library)
    again = person.ask("locations.rescan!", {"location_id": location}, library)["job_id"]
    assert person.ended(again)["status"] == "completed"


def test_an_export_that_does_not_fit_leaves_nothing_behind(
    person: Person, disk: Disk, tmp_path: Path
) -> None:
    tree = plant(tmp_path / "tree", folders=10, files=20)
    location = person.index(tree)
    (home,) = person.libraries().values()
    disk.fill(leave=10_000)
    copy = {"library_id": home["id"], "export_path": f"{disk.place}/Copy.sdlibrary"}
    assert person.refused("libraries.export!", copy).code == "disk-full"
    file = {"location_uuid": location, "export_path": f"{disk.place}/location.sql"}
    refused = person.refused("locations.export!", file)
    assert refused.code == "disk-full"
    assert os.listdir(disk.place) == ["filler"]


def test_a_setting_that_cannot_be_stored_is_not_changed(disk: Disk, make_daemon: Make) -> None:
    person = Person(make_daemon("disk/data").start())
    disk.fill()
    refused = person.refused("config.app.update!", {"theme": "dark"})
    assert refused.code == "disk-full"
    assert person.ask("config.app.get")["preferences"]["theme"] == "system"
    disk.free()
    assert person.ask("config.app.update!", {"theme": "dark"})["success"] is True


# --- read-only -----------------------------------------------------------------------------------


def test_a_library_on_a_disk_that_becomes_read_only(
    person: Person, disk: Disk, tmp_path: Path
) -> None:
    tree = plant(tmp_path / "tree")
    library = person.create("Away", disk.place)
    location = person.index(tree, library)
    person.stop()
    disk.mount("remount", "ro")
    person.daemon.start()
    (problem,) = person.ask("core.status")["problems"]
    assert f"{disk.place}/Away.sdlibrary cannot be written: Read-only file system" in problem
    assert list(person.libraries()) == ["Home"]
    refused = person.refused("libraries.open!", {"path": f"{disk.place}/Away.sdlibrary"})
    assert refused.code == "storage-read-only"
    disk.mount("remount", "rw")
    person.ask("libraries.open!", {"path": f"{disk.place}/Away.sdlibrary"})
    assert person.ask("core.status")["problems"] == []
    assert list(person.locations(library)) == [location]


def start_bound_by_permissions(daemon: Daemon) -> None:
    """Start a daemon for which the permissions of files count, as they do not for root."""
    command = [sys.executable, "-m", "sd_daemon", "--data-dir", str(daemon.data_dir)]
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root cannot give up its privileges without setpriv")
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    daemon.process = subprocess.Popen(command, stderr=subprocess.PIPE)


def test_a_data_folder_that_cannot_be_written(make_daemon: Make, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o555)
    daemon = make_daemon("data")
    start_bound_by_permissions(daemon)
    said = ended(daemon)
    assert str(tmp_path / "data") in said
    assert "Permission denied" in said
    assert os.listdir(tmp_path / "data") == []


@pytest.fixture
def bound(make_daemon: Make) -> Person:
    daemon = make_daemon()
    start_bound_by_permissions(daemon)
    daemon.wait_until_it_answers()
    person = Person(daemon)
    person.create("Home")
    return person


def test_a_folder_that_may_not_be_read_is_refused(bound: Person, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir(mode=0)
    refused = bound.refused("locations.add!", {"path": str(secret)})
    assert refused.code == "path-denied"
    assert refused.text == f"the daemon may not read {secret}: Permission denied"
    assert refused.hint == f"check the permissions; the daemon runs as user {os.geteuid()}"
    secret.chmod(0o700)


def test_a_location_that_may_not_be_read_any_more_keeps_its_index(
    bound: Person, tmp_path: Path
) -> None:
    tree = plant(tmp_path / "tree", 2, 2)
    location = bound.index(tree)
    before = in_index(bound.folder(), tree)
    tree.chmod(0)
    job = bound.ask("locations.rescan!", {"location_id": location})["job_id"]
    failed = bound.ended(job)
    assert failed["status"] == "failed"
    assert failed["error_message"] == f"{tree}: the folder cannot be read (Permission denied)"
    listed = bound.locations()[location]
    assert (listed["is_available"], listed["scan_state"]) == (False, "Failed")
    assert listed["error_message"] == failed["error_message"]
    assert in_index(bound.folder(), tree) == before
    tree.chmod(0o755)


def test_one_folder_that_may_not_be_read_is_listed_and_stops_nothing(
    bound: Person, tmp_path: Path
) -> None:
    tree = plant(tmp_path / "tree", 2, 2)
    (tree / "0000").chmod(0)
    location, job = bound.add(tree)
    done = bound.ended(job)
    assert done["status"] == "completed"
    (error,) = done["output"]["data"]["errors_listed"]
    assert (error["path"], error["error"]) == (str(tree / "0000"), "EACCES")
    assert bound.locations()[location]["omitted_count"] == 1
    (tree / "0000").chmod(0o755)
    again = bound.ask("locations.rescan!", {"location_id": location})["job_id"]
    assert bound.ended(again)["status"] == "completed"
    assert in_index(bound.folder(), tree) == on_disk(tree)


# --- damaged -------------------------------------------------------------------------------------


def damage(path: Path, how: str) -> bytes:
    content = path.read_bytes()
    if how == "garbage":
        content = b"garbage!" * (len(content) // 8)
    elif how == "cut off":
        content = content[: len(content) // 2]
    elif how == "a hole":
        third = len(content) // 3 // 8192 * 8192
        content = content[:third] + b"\xa5" * 8192 * 4 + content[third + 8192 * 4 :]
    elif how == "empty":
        content = b""
    path.write_bytes(content)
    return content


@pytest.mark.parametrize("how", ["garbage", "cut off", "a hole"])
def test_a_damaged_index_is_reported_and_left_alone(
    person: Person, tmp_path: Path, how: str
) -> None:
    tree = plant(tmp_path / "tree", folders=40, files=40)
    (home,) = person.libraries().values()
    location = person.index(tree)
    other = person.create("Other")
    person.stop()
    damaged = Path(person.folder(), "library.db")
    content = damage(damaged, how)
    person.daemon.start()
    if "Home" in person.libraries():  # only what is read is seen to be damaged
        started = person.ask(
            "locations.rescan!", {"location_id": location, "full_rescan": True}, home["id"]
        )
        failed = person.ended(started["job_id"])
        assert failed["status"] == "failed"
        sentence = failed["error_message"]
    else:
        (sentence,) = person.ask("core.status")["problems"]
        refused = person.refused("libraries.open!", {"path": person.folder()})
        assert refused.code == "library-damaged"
        assert damaged.read_bytes() == content
    assert f"the database of library {person.folder()} is damaged" in sentence
    assert person.index(tree, other)
    assert in_index(person.folder("Other"), tree) == on_disk(tree)


@pytest.mark.parametrize("how", ["garbage", "cut off"])
def test_damaged_jobs_are_reported_and_left_alone(person: Person, how: str) -> None:
    person.create("Other")
    person.stop()
    damaged = Path(person.folder(), "jobs.db")
    content = damage(damaged, how)
    person.daemon.start()
    assert list(person.libraries()) == ["Other"]
    (problem,) = person.ask("core.status")["problems"]
    assert f"the database of library {person.folder()} is damaged" in problem
    assert damaged.read_bytes() == content


@pytest.mark.parametrize("file", ["library.db", "jobs.db"])
def test_a_library_of_a_newer_release_is_left_alone(person: Person, file: str) -> None:
    person.create("Other")
    person.stop()
    with sqlite3.connect(f"{person.folder()}/{file}") as db:
        db.execute("PRAGMA user_version = 999")
    db.close()
    before = Path(person.folder(), file).read_bytes()
    person.daemon.start()
    assert list(person.libraries()) == ["Other"]
    refused = person.refused("libraries.open!", {"path": person.folder()})
    assert refused.code == "library-too-new"
    known = len(known_migrations(file.removesuffix(".db")))
    assert f"(schema 999, this one knows {known})" in refused.text
    assert Path(person.folder(), file).read_bytes() == before


def test_a_damaged_library_json(person: Person) -> None:
    person.create("Other")
    person.stop()
    Path(person.folder(), "library.json").write_text('{"id": ')
    person.daemon.start()
    assert list(person.libraries()) == ["Other"]
    (problem,) = person.ask("core.status")["problems"]
    assert f"{person.folder()} is not a library: its library.json is damaged" in problem
    assert Path(person.folder(), "library.json").read_text() == '{"id": '


@pytest.mark.parametrize("file", ["spacedrive.json", "device.json"])
def test_a_damaged_file_of_the_daemon_keeps_it_from_starting(person: Person, file: str) -> None:
    """To go on with defaults would give the machine another identity without a word."""
    person.ask("config.app.update!", {"theme": "dark"})
    person.stop()
    path = person.daemon.data_dir / file
    path.write_text("{ damaged")
    person.daemon.start(wait=False)
    said = ended(person.daemon)
    assert f"{path} is damaged: " in said
    assert "correct it, or move it away" in said
    assert path.read_text() == "{ damaged"


def test_a_data_folder_that_is_a_file(make_daemon: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    daemon = make_daemon("file").start(wait=False)
    said = ended(daemon)
    assert str(tmp_path / "file") in said
    assert (tmp_path / "file").read_text() == "mine"


# --- gone ----------------------------------------------------------------------------------------


def outcome_of_start(person: Person, folder: Path) -> str:
    """What becomes of indexing a folder by its path, at the request or later in its job."""
    try:
        job = person.ask("indexing.start!", {"paths": [str(folder)]})["id"]
    except CallFailed as failed:
        return failed.code
    message = person.ended(job)["error_message"] or "nothing was wrong"
    return "kept" if "what the index knows about it is kept" in message else message


@pytest.mark.parametrize("now", ["nothing", "a file"])
def test_a_location_that_is_not_there_keeps_its_index(
    person: Person, tmp_path: Path, now: str
) -> None:
    tree = plant(tmp_path / "tree", 2, 2)
    location = person.index(tree)
    before = in_index(person.folder(), tree)
    tree.rename(tmp_path / "unplugged")
    if now == "a file":
        tree.touch()
    assert person.locations()[location]["is_available"] is False
    refused = person.refused("locations.rescan!", {"location_id": location})
    assert refused.code == "location-offline"
    assert refused.text == f"the location {tree} is not there"
    assert outcome_of_start(person, tree) in ("kept", "not-a-directory")
    assert in_index(person.folder(), tree) == before
    tree.unlink(missing_ok=True)
    (tmp_path / "unplugged").rename(tree)
    again = person.ask("locations.rescan!", {"location_id": location})["job_id"]
    assert person.ended(again)["status"] == "completed"
    assert in_index(person.folder(), tree) == on_disk(tree)


def test_a_library_whose_folder_is_removed_while_it_is_open(person: Person, tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree", 2, 2)
    person.create("Other")
    (home,) = [one for one in person.libraries().values() if one["name"] == "Home"]
    location = person.index(tree, home["id"])
    shutil.rmtree(person.folder())
    assert person.libraries().keys() == {"Home", "Other"}
    assert outcome_of_rescan(person, location, home["id"]) == "storage-read-only"
    assert person.ask("libraries.delete!", {"library_id": home["id"], "delete_data": True})
    assert person.libraries().keys() == {"Other"}
    assert person.stop() < 2
