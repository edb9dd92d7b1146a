"""files.copy through a daemon: copies, moves, conflicts, and taking it back."""

from __future__ import annotations

import base64
import os
import shutil
import stat
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from person import Person, in_index, on_disk, plant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from running import Daemon
    from trash_bin import Bin


@pytest.fixture
def person(bin_: Bin, daemon: Daemon) -> Person:
    person = Person(daemon)
    person.create("Home")
    return person


@pytest.fixture
def tree(person: Person, tmp_path: Path) -> Path:
    return plant(tmp_path / "tree", 3, 4)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    target = tmp_path / "target"
    target.mkdir()
    return target


def copied(person: Person, sources: list[Any], destination: Any, **more: Any) -> dict[str, Any]:
    """Copy or move, and wait; how the job ended."""
    paths = [str(one) for one in sources]
    request = {"sources": {"paths": paths}, "destination": str(destination), **more}
    return done(person, "files.copy!", request)


def done(person: Person, method: str, request: dict[str, Any]) -> dict[str, Any]:
    """Do something that is a job, and wait until the index has followed; how it ended."""
    events = person.listen("FileOperationCompleted")
    receipt = person.ask(method, request)
    ended = person.ended(receipt["id"])
    if ended["status"] == "completed":
        events.until("FileOperationCompleted", job_id=receipt["id"])
        person.all_quiet()
    return {**ended, "id": receipt["id"]}


def undone(person: Person, operation: str | None = None) -> dict[str, Any]:
    """Undo, and wait."""
    return done(person, "history.undo!", {"operation_id": operation})


def assert_same(one: Path, other: Path) -> None:
    """What rsync would still have to do: nothing."""
    command = ["rsync", "-aHAX", "--checksum", "--dry-run", "--itemize-changes", "--delete"]
    done = subprocess.run(
        [*command, f"{one}/", f"{other}/"], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""


def fill(path: Path) -> None:
    """Write into a file until its filesystem is full."""
    with open(path, "wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)


def hidden(*folders: Path) -> list[str]:
    """Temporaries that are still there."""
    return [
        name
        for folder in folders
        for _, dirs, files in os.walk(folder)
        for name in [*dirs, *files]
        if name.startswith(".spacedrive-")
    ]


def test_a_tree_is_copied_and_taken_back(
    person: Person, tree: Path, target: Path, bin_: Bin
) -> None:
    person.index(target)
    events = person.listen("FileOperationCompleted")
    ended = copied(person, [tree], target)
    assert ended["status"] == "completed"
    assert ended["output"]["type"] == "FileCopy"
    things = [one for one in tree.rglob("*") if one.is_symlink() or not one.is_dir()]
    assert ended["output"]["data"]["copied_count"] == len(things)
    assert_same(tree, target / "tree")
    assert events.until("FileOperationCompleted", job_id=ended["id"])["operation"] == "Copy"
    assert in_index(person.folder(), target) == on_disk(target)
    (item,) = person.ask("history.list")["operations"]
    assert item["id"] == ended["id"]
    assert (item["kind"], item["state"], item["can_undo"]) == ("copy", "done", True)
    back = undone(person)
    assert back["status"] == "completed", back
    assert list(target.iterdir()) == []
    assert bin_.originals() == {str(target / "tree")}
    assert hidden(target, tree) == []
    again = undone(person, back["id"])
    assert again["status"] == "completed", again
    assert_same(tree, target / "tree")
    assert bin_.originals() == set()


def test_what_was_trashed_comes_back_where_its_folder_is_gone(
    person: Person, tree: Path, bin_: Bin
) -> None:
    file = tree / "deep" / "er" / "file"
    file.parent.mkdir(parents=True)
    file.write_text("x")
    trashed = done(person, "files.delete!", {"targets": {"paths": [str(file)]}})
    assert trashed["status"] == "completed", trashed
    shutil.rmtree(tree / "deep")
    back = undone(person)
    assert back["status"] == "completed", back
    assert file.read_text() == "x"
    assert stat.S_IMODE(file.parent.stat().st_mode) & 0o002 == 0
    assert bin_.originals() == set()


def test_a_move_keeps_what_the_index_knows(person: Person, tmp_path: Path, tree: Path) -> None:
    for name in ("a", "b"):
        (tree / name).mkdir()
    (tree / "0001").rename(tree / "a" / "0001")
    person.index(tmp_path / "tree", mode="Content")
    here, there = tree / "a" / "0001" / "0002.txt", tree / "b" / "0001" / "0002.txt"
    before = person.ask("files.by_path", {"path": str(here)})
    ended = copied(person, [tree / "a" / "0001"], tree / "b", move_files=True)
    assert ended["output"]["type"] == "FileMove"
    assert not here.exists()
    assert person.ask("files.by_path", {"path": str(there)})["id"] == before["id"]
    after = person.ask("files.by_path", {"path": str(there)})  # nothing was read again
    assert after["content_identity"] == before["content_identity"]
    assert in_index(person.folder(), tree) == on_disk(tree)
    assert undone(person)["status"] == "completed"
    assert person.ask("files.by_path", {"path": str(here)})["id"] == before["id"]


def test_overwrite_joins_folders_and_keeps_the_old(
    person: Person, tree: Path, target: Path, bin_: Bin
) -> None:
    shutil.copytree(tree, target / "tree", symlinks=True)
    old = target / "tree" / "0001" / "0002.txt"
    old.write_text("old")
    (target / "tree" / "only here").write_text("stays")
    refused = person.refused(
        "files.copy!",
        {"sources": {"paths": [str(tree / "plain.txt")]}, "destination": str(target / "tree")},
    )
    assert refused.code == "file-conflict"
    failed = copied(person, [tree], target)
    assert failed["status"] == "failed"
    assert "already exists" in failed["error_message"]
    ended = copied(person, [tree], target, on_conflict="Overwrite")
    assert ended["status"] == "completed", ended
    assert old.read_text() == "2 of 1"
    assert (target / "tree" / "only here").read_text() == "stays"
    assert str(old) in bin_.originals()
    assert hidden(target) == []
    assert undone(person)["status"] == "completed"
    assert old.read_text() == "old"


def test_a_rename_and_taking_it_back(person: Person, tree: Path) -> None:
    person.index(tree)
    before = person.ask("files.by_path", {"path": str(tree / "plain.txt")})
    request = {"target": str(tree / "plain.txt"), "new_name": "better.txt"}
    ended = done(person, "files.rename!", request)
    assert ended["status"] == "completed", ended
    after = person.ask("files.by_path", {"path": str(tree / "better.txt")})
    assert after["id"] == before["id"]
    (item,) = person.ask("history.list")["operations"]
    assert (item["kind"], item["title"]) == ("rename", "Renaming of plain.txt to better.txt")
    assert undone(person)["status"] == "completed"
    assert (tree / "plain.txt").exists()
    odd = base64.b64encode(b"not \xfe utf-8").decode()
    request = {"target": str(tree / "plain.txt"), "new_name": "x", "new_name_bytes": odd}
    assert done(person, "files.rename!", request)["status"] == "completed"
    assert os.path.exists(os.fsencode(tree) + b"/not \xfe utf-8")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", "name-invalid"),
        ("..", "name-invalid"),
        ("a/b", "name-invalid"),
        ("x" * 256, "name-invalid"),
        ("with space", "file-conflict"),
        ("plain.txt", "file-conflict"),
    ],
)
def test_names_that_cannot_be_given(person: Person, tree: Path, name: str, code: str) -> None:
    request = {"target": str(tree / "plain.txt"), "new_name": name}
    assert person.refused("files.rename!", request).code == code
    if code == "name-invalid":
        made = {"parent": str(tree), "name": name}
        assert person.refused("files.createFolder!", made).code == code


def test_a_new_folder_and_what_goes_into_it(person: Person, tree: Path) -> None:
    request = {"parent": str(tree / "a" / "b"), "name": "c", "parents": True}
    made = person.ask("files.createFolder!", request)
    assert made["folder_path"]["Physical"]["path"] == str(tree / "a" / "b" / "c")
    assert made["job_receipt"] is None
    assert (tree / "a" / "b" / "c").is_dir()
    assert person.refused("files.createFolder!", request).code == "file-conflict"
    items = [str(tree / "plain.txt"), str(tree / "0001")]
    made = person.ask("files.createFolder!", {"parent": str(tree), "name": "new", "items": items})
    ended = person.ended(made["job_receipt"]["id"])
    assert ended["status"] == "completed", ended
    assert sorted(os.listdir(tree / "new")) == ["0001", "plain.txt"]
    newest = person.ask("history.list", {"limit": 1})
    assert [one["kind"] for one in newest["operations"]] == ["create"]
    assert newest["total_count"] == 2
    rest = person.ask("history.list", {"cursor": newest["next_cursor"]})
    assert [one["title"] for one in rest["operations"]] == [f"New folder {tree}/a/b/c"]
    assert person.refused("history.list", {"cursor": "x"}).code == "invalid-value"
    assert undone(person)["status"] == "completed"
    assert not (tree / "new").exists()
    assert (tree / "plain.txt").exists()
    assert (tree / "0001" / "0001.txt").exists()


def test_a_preview_is_what_happens_then(person: Person, tree: Path, target: Path) -> None:
    (target / "tree" / "0001").mkdir(parents=True)
    (target / "tree" / "0001" / "0001.txt").write_text("old")
    request = {
        "sources": {"paths": [str(tree)]},
        "destination": str(target),
        "on_conflict": "AutoModifyName",
        "decisions": [{"target": str(target / "tree"), "resolution": "Overwrite"}],
    }
    seen = person.ask("files.preview", {"copy": request})
    before = on_disk(target)
    assert on_disk(target) == before
    (conflict,) = seen["conflicts"]
    assert conflict["target"]["Physical"]["path"] == str(target / "tree" / "0001" / "0001.txt")
    assert conflict["resolution"] == "AutoModifyName"
    assert (conflict["source_size"], conflict["target_size"]) == (6, 3)
    assert (seen["enough_space"], seen["is_fast"], seen["problems"]) == (True, False, [])
    ended = done(person, "files.copy!", request)
    assert ended["output"]["data"]["copied_count"] == seen["file_count"]
    assert ended["output"]["data"]["total_bytes"] == seen["total_bytes"]
    made = {path for path in on_disk(target) if path not in before}
    exact = {
        base64.b64decode(one["target"]["Physical"].get("path_bytes") or b"")
        or one["target"]["Physical"]["path"].encode()
        for one in seen["items"]
        if one["action"] != "join"
    }
    assert exact == made
    move = {**request, "move_files": True, "on_conflict": "Skip", "decisions": []}
    fast = person.ask("files.preview", {"copy": move, "limit": 1})
    assert (fast["is_fast"], fast["available_bytes"], fast["truncated"]) == (True, None, True)


def test_what_is_refused(person: Person, tree: Path, target: Path, tmp_path: Path) -> None:
    def code(sources: list[Any], destination: Any, **more: Any) -> str:
        request = {
            "sources": {"paths": [str(one) for one in sources]},
            "destination": str(destination),
            **more,
        }
        return person.refused("files.copy!", request).code

    person.index(tree)
    (target / "taken").write_text("x")
    os.symlink("nowhere", target / "dangling")
    assert code([], target) == "invalid-value"
    assert code([tree / "nothing"], target) == "path-not-found"
    assert code([tree, tree / "0001"], tmp_path / "none") == "path-not-found"
    assert code([tree], target / "none" / "deeper") == "path-not-found"
    assert code([tree, target], target / "taken") == "not-a-directory"
    assert code([tree], tree / "0001") == "target-inside-source"
    assert code([tree / "plain.txt"], tree / "plain.txt") == "target-inside-source"
    assert code([tree / "plain.txt"], target / "dangling") == "file-conflict"
    assert code([tree], target, move_files=True) == "path-protected"
    assert code([tree / "plain.txt"], person.daemon.data_dir) == "path-protected"
    assert code([tree / "plain.txt"], "relative") == "unsupported-path"
    inner = tree / "0001" / "0001.txt"
    assert code([tree, target], target, into_folder=False) == "invalid-value"
    os.rename(inner, tree / "0001" / "0001")
    assert code([tree / "0001" / "0001"], tree, on_conflict="Overwrite") == "target-inside-source"
    assert person.refused("history.undo!", {"operation_id": None}).code == "operation-not-found"


def test_a_copy_beside_itself_gets_another_name(person: Person, tree: Path) -> None:
    ended = copied(person, [tree / "0001"], tree, on_conflict="AutoModifyName")
    assert ended["status"] == "completed", ended
    assert_same(tree / "0001", tree / "0001 (1)")
    ended = copied(person, [tree / "plain.txt"], tree, on_conflict="AutoModifyName")
    assert (tree / "plain (1).txt").read_bytes() == (tree / "plain.txt").read_bytes()


def test_what_a_copy_is_about(person: Person, tree: Path, target: Path) -> None:
    ended = copied(person, [tree, tree / "plain.txt"], target)
    found = person.ask("jobs.get_copy_metadata", {"job_id": ended["id"]})
    assert found["error"] is None
    about = found["metadata"]
    assert about["strategy"]["strategy_name"] == "Copy"
    assert (about["is_move_operation"], about["total_file_count"]) == (False, 1)
    (entry,) = about["files"]
    assert entry["source_path"]["Physical"]["path"] == str(tree)
    assert (entry["status"], entry["is_directory"]) == ("completed", True)
    assert entry["size_bytes"] == ended["output"]["data"]["total_bytes"]
    nothing = person.ask("jobs.get_copy_metadata", {"job_id": str(uuid4())})
    assert nothing["metadata"] is None
    assert "no job" in nothing["error"]


def test_cancelled_and_paused(person: Person, tree: Path, target: Path) -> None:
    (tree / "large").write_bytes(os.urandom(12_000_000))
    request = {
        "sources": {"paths": [str(tree)]},
        "destination": str(target),
        "limits": {"bandwidth": 2_000_000},
    }
    for end in ("cancel", "pause"):
        events = person.listen("JobProgress")
        receipt = person.ask("files.copy!", request)
        events.until("JobProgress", job_id=receipt["id"])
        person.ask(f"jobs.{end}!", {"job_id": receipt["id"]})
        person.all_quiet()
        if end == "cancel":
            assert list(target.iterdir()) == []
            (item,) = person.ask("history.list")["operations"]
            assert (item["state"], item["can_undo"]) == ("cancelled", False)
            refused = person.refused("history.undo!", {"operation_id": receipt["id"]})
            assert refused.code == "cannot-undo"
    person.ask("jobs.limit!", {"job_id": receipt["id"], "bandwidth": 0})
    person.ask("jobs.resume!", {"job_id": receipt["id"]})
    assert person.ended(receipt["id"])["status"] == "completed"
    assert_same(tree, target / "tree")
    assert hidden(target) == []


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of eight MiB."""
    if os.geteuid():
        pytest.skip("only root can mount a filesystem")
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", place], check=True)
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_no_room_and_no_permission(person: Person, tree: Path, small: Path) -> None:
    (tree / "large").write_bytes(b"x" * 9_000_000)
    request = {"sources": {"paths": [str(tree / "large")]}, "destination": str(small)}
    refused = person.refused("files.copy!", request)
    assert refused.code == "not-enough-space"
    assert "9000000 are needed" in refused.text
    ended = copied(person, [tree], small)  # what is in a folder is for the job to find out
    assert (ended["status"], "has room for" in ended["error_message"]) == ("failed", True)
    assert list(small.iterdir()) == []
    (tree / "large").unlink()
    for number in range(20):
        (tree / f"{number}").write_bytes(b"x" * 100_000)
    events = person.listen("JobProgress")
    slow = {"limits": {"bandwidth": 500_000}}
    request = {"sources": {"paths": [str(tree)]}, "destination": str(small), **slow}
    receipt = person.ask("files.copy!", request)
    events.until("JobProgress", job_id=receipt["id"], message="Copying 3")
    fill(small / "filler")  # somebody else takes the room
    ended = person.ended(receipt["id"])
    assert (ended["status"], str(small) in ended["error_message"]) == ("failed", True)
    assert "no space left on the disk" in ended["error_message"]
    assert os.listdir(small) == ["filler"]
    (small / "filler").unlink()
    person.restart()
    person.ask("jobs.resume!", {"job_id": receipt["id"]})
    assert person.ended(receipt["id"])["status"] == "completed"
    assert_same(tree, small / "tree")
    subprocess.run(["mount", "-o", "remount,ro", small], check=True)
    request = {"sources": {"paths": [str(tree / "plain.txt")]}, "destination": str(small)}
    refused = person.refused("files.copy!", request)
    assert (refused.code, "read-only" in refused.text) == ("path-not-writable", True)
