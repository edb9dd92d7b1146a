"""files.copy through a daemon: copies, moves, conflicts, and taking it back."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from person import Person, in_index, on_disk, plant
from trash_bin import Bin

if TYPE_CHECKING:
    from pathlib import Path

    from running import Daemon


@pytest.fixture
def bin_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bin:
    """The trash of the daemon's user, who has a home of their own."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    return Bin(tmp_path / "share" / "Trash")


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


def test_a_move_keeps_what_the_index_knows(person: Person, tmp_path: Path, tree: Path) -> None:
    person.index(tmp_path / "tree")
    (tree / "to").mkdir()
    before = person.ask("files.by_path", {"path": str(tree / "0001" / "0002.txt")})
    ended = copied(person, [tree / "0001"], tree / "to", move_files=True)
    assert ended["output"]["type"] == "FileMove"
    assert not (tree / "0001").exists()
    after = person.ask("files.by_path", {"path": str(tree / "to" / "0001" / "0002.txt")})
    assert after["id"] == before["id"]
    assert undone(person)["status"] == "completed"
    assert (tree / "0001" / "0002.txt").exists()


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
