"""What happens to a deletion where the disk, or somebody, is in its way."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from person import Person
from trash_bin import Bin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from running import Daemon

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts filesystems")
UID = os.geteuid()


@pytest.fixture
def person(bin_: Bin, daemon: Daemon) -> Person:
    person = Person(daemon)
    person.create("Home")
    return person


@contextmanager
def mounted(at: Path, options: str = "size=1m") -> Iterator[Path]:
    """A filesystem of its own at this folder."""
    at.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "none", str(at)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr}")
    try:
        yield at
    finally:
        subprocess.run(["umount", "-l", str(at)], capture_output=True, check=False)


@contextmanager
def immutable(path: Path) -> Iterator[None]:
    """A file that nobody may delete, root included."""
    done = subprocess.run(["chattr", "+i", str(path)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("no file can be made immutable here")
    try:
        yield
    finally:
        found = [path, *path.parents[1].rglob(path.name)]
        subprocess.run(["chattr", "-i", *map(str, found)], capture_output=True, check=False)


def delete(person: Person, *paths: Path, **more: Any) -> str:
    payload = {"targets": {"paths": [str(path) for path in paths]}, **more}
    return str(person.ask("files.delete!", payload)["id"])


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".spacedrive*")]


def plant(folder: Path) -> Path:
    (folder / "inner").mkdir(parents=True)
    for number in range(5):
        (folder / "inner" / str(number)).write_bytes(b"x" * 200_000)
    return folder


@needs_root
def test_what_cannot_be_destroyed_is_not_left_hidden(person: Person, tmp_path: Path) -> None:
    folder = plant(tmp_path / "place" / "folder")
    (tmp_path / "place" / "other").write_text("x")
    with immutable(folder / "inner" / "3"):
        job = delete(person, folder, tmp_path / "place" / "other", permanent=True, recursive=True)
        ended = person.ended(job)
        assert ended["status"] == "completed"
        data = ended["output"]["data"]
        assert (data["deleted_count"], data["failed_count"]) == (1, 1)
        assert "1 in it could not be deleted" in data["failures"][0]["reason"]
        assert ended["warnings"] == []
        assert [path.name for path in (folder / "inner").iterdir()] == ["3"]
        assert hidden(tmp_path) == []
        alone = person.ended(delete(person, folder, permanent=True, recursive=True))
        assert alone["status"] == "failed"
        assert alone["error_message"].endswith(
            "Operation not permitted (1 in it could not be deleted)"
        )
    person.ask("jobs.resume!", {"job_id": alone["id"]})
    assert person.ended(alone["id"])["status"] == "completed"
    assert not folder.exists()


@needs_root
def test_a_disk_that_is_read_only_or_away(person: Person, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk") as disk:
        for name in ("a", "b"):
            (disk / name).write_text("x")
        assert person.ended(delete(person, disk / "a"))["status"] == "completed"
        listed = person.ask("trash.list")["items"]
        (item,) = [one for one in listed if str(disk) in one["path"]["Physical"]["path"]]
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        for more in ({}, {"permanent": True}):
            payload = {"targets": {"paths": [str(disk / "b")]}, **more}
            refused = person.refused("files.delete!", payload)
            assert refused.code == "path-not-writable"
            assert "read-only" in refused.text
        job = person.ask("trash.restore!", {"items": [item["id"]]})["id"]
        assert "Read-only" in person.ended(job)["error_message"]
        subprocess.run(["umount", str(disk)], check=True)
        payload = {"targets": {"paths": [str(disk / "b")]}}
        assert person.refused("files.delete!", payload).code == "path-not-found"
        assert person.refused("trash.restore!", {"items": [item["id"]]}).code == (
            "trash-item-not-found"
        )


@needs_root
def test_a_trash_that_is_full_or_somebody_elses(person: Person, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=1m,nr_inodes=7") as disk:
        (disk / "a").write_text("x")
        person.ended(delete(person, disk / "a"))  # which makes the trash
        (disk / "b").write_text("x")
        ended = person.ended(delete(person, disk / "b"))
        assert ended["status"] == "failed"
        assert ended["error_message"].startswith("no space left on the disk")
        assert (disk / "b").exists()
        trash = Bin(disk / f".Trash-{UID}", str(disk))
        assert trash.originals() == {str(disk / "a")}
        os.chown(trash.folder, 65534, 65534)
        refused = person.refused("files.delete!", {"targets": {"paths": [str(disk / "b")]}})
        assert refused.code == "trash-unavailable"
        assert "belongs to nobody" in refused.text
        assert person.ended(delete(person, disk / "b", permanent=True))["status"] == "completed"
        assert not (disk / "b").exists()


def test_cancelled_in_the_middle_nothing_stays_hidden(person: Person, tmp_path: Path) -> None:
    folder = plant(tmp_path / "place" / "folder")
    events = person.listen("JobProgress", "JobCompleted")
    slow = {"bandwidth": 100_000}
    job = delete(person, folder, secure=True, recursive=True, limits=slow)
    events.until("JobProgress", job_id=job)
    assert len(hidden(tmp_path)) == 1
    assert not folder.exists()
    person.ask("jobs.cancel!", {"job_id": job})
    events.until("JobCompleted", job_type="settle_files")
    assert hidden(tmp_path) == []
    assert not folder.exists()


def test_paused_in_the_middle_it_goes_on(person: Person, tmp_path: Path) -> None:
    folder = plant(tmp_path / "place" / "folder")
    events = person.listen("JobProgress")
    job = delete(person, folder, secure=True, recursive=True, limits={"bandwidth": 100_000})
    events.until("JobProgress", job_id=job)
    person.ask("jobs.pause!", {"job_id": job})
    assert len(hidden(tmp_path)) == 1
    person.ask("jobs.limit!", {"job_id": job, "bandwidth": 0})
    person.ask("jobs.resume!", {"job_id": job})
    assert person.ended(job)["status"] == "completed"
    assert hidden(tmp_path) == []
    assert not folder.exists()
