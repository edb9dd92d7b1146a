"""files.delete through a daemon: into the trash, for good, and what it refuses."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING, Any

import pytest
from person import ODD_NAMES, Person, in_index, on_disk, plant

if TYPE_CHECKING:
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
    tree = plant(tmp_path / "tree", 3, 4)
    person.index(tree)
    return tree


def deleted(person: Person, *paths: Any, **more: Any) -> dict[str, Any]:
    """Delete, and wait; how the job ended."""
    events = person.listen("FileOperationCompleted")
    receipt = person.ask("files.delete!", {"targets": {"paths": list(paths)}, **more})
    assert receipt["job_name"] == "delete_files"
    ended = person.ended(receipt["id"])
    if ended["status"] == "completed":
        events.until("FileOperationCompleted", job_id=receipt["id"])
        person.all_quiet()  # the index has followed
    return ended


def wire_path(person: Person, path: bytes) -> dict[str, Any]:
    """A path with its exact bytes."""
    (device,) = person.ask("devices.list")
    text = path.decode("utf-8", "replace")
    exact = base64.b64encode(path).decode()
    return {"Physical": {"device_slug": device["slug"], "path": text, "path_bytes": exact}}


def test_into_the_trash_and_the_index_follows(person: Person, tree: Path, bin_: Bin) -> None:
    events = person.listen()
    ended = deleted(person, str(tree / "0000"), str(tree / "plain.txt"), str(tree / "link"))
    assert ended["status"] == "completed"
    assert ended["output"]["type"] == "FileDelete"
    data = ended["output"]["data"]
    assert (data["deleted_count"], data["failed_count"], data["failures"]) == (3, 0, [])
    assert data["total_bytes"] == sum(len(b"%d of 0" % n) for n in range(4)) + len("nowhere")
    assert bin_.originals() == {str(tree / name) for name in ("0000", "plain.txt", "link")}
    event = events.until("FileOperationCompleted")
    assert (event["operation"], event["affected_files"]) == ("Delete", 3)
    assert event["job_id"] == ended["id"]
    assert in_index(person.folder(), tree) == on_disk(tree)


def test_every_odd_name(person: Person, tree: Path, bin_: Bin) -> None:
    paths = [os.fsencode(tree) + b"/" + name for name in ODD_NAMES]
    ended = deleted(person, *[wire_path(person, path) for path in paths])
    assert ended["output"]["data"]["deleted_count"] == len(ODD_NAMES)
    assert {os.fsencode(one) for one in bin_.originals()} == set(paths)
    assert in_index(person.folder(), tree) == on_disk(tree)


def test_for_good(person: Person, tree: Path, bin_: Bin) -> None:
    refused = person.refused(
        "files.delete!", {"targets": {"paths": [str(tree / "0001")]}, "permanent": True}
    )
    assert refused.code == "folder-not-empty"
    ended = deleted(person, str(tree / "0001"), str(tree / "link"), permanent=True, recursive=True)
    assert ended["output"]["data"]["deleted_count"] == 2
    assert not os.path.lexists(tree / "0001")
    assert not os.path.lexists(tree / "link")
    assert bin_.originals() == set()
    assert in_index(person.folder(), tree) == on_disk(tree)


def test_secure_says_what_it_cannot_promise(person: Person, tree: Path) -> None:
    os.link(tree / "0001" / "0001.txt", tree / "kept")
    ended = deleted(person, str(tree / "0001"), secure=True, recursive=True)
    assert ended["status"] == "completed"
    assert any("another name" in warning for warning in ended["warnings"])
    assert (tree / "kept").read_bytes() == b"1 of 1"


def test_a_preview_changes_nothing_and_tells_all(person: Person, tree: Path, bin_: Bin) -> None:
    before = on_disk(tree)
    wanted = {"targets": {"paths": [str(tree / "0000"), str(tree / "plain.txt")]}}
    found = person.ask("files.preview", {"delete": wanted})
    assert [item["action"] for item in found["items"]] == ["trash", "trash"]
    assert (found["file_count"], found["folder_count"]) == (5, 1)
    assert found["is_fast"]
    assert on_disk(tree) == before
    assert not bin_.folder.exists()
    for_good = {**wanted, "permanent": True, "recursive": True}
    found = person.ask("files.preview", {"delete": for_good, "limit": 2})
    assert [item["action"] for item in found["items"]] == ["delete", "delete"]
    assert found["truncated"]
    assert person.refused("files.preview", {}).code == "invalid-value"


def test_what_is_inside_another_target_goes_with_it(person: Person, tree: Path, bin_: Bin) -> None:
    paths = [str(tree / "0000" / "0001.txt"), str(tree / "0000"), str(tree / "0000")]
    ended = deleted(person, *paths)
    assert ended["output"]["data"]["deleted_count"] == 1
    assert bin_.originals() == {str(tree / "0000")}


def test_what_is_refused(person: Person, tree: Path, daemon: Daemon) -> None:
    def code(*paths: str, **more: Any) -> str:
        payload = {"targets": {"paths": list(paths)}, **more}
        return person.refused("files.delete!", payload).code

    assert code() == "invalid-value"
    assert code(str(tree / "nothing")) == "path-not-found"
    assert code("relative") == "unsupported-path"
    for protected in ("/", "/proc", str(tree), str(tree.parent), str(daemon.data_dir)):
        assert code(protected, permanent=True, recursive=True) == "path-protected"
    assert code(f"{daemon.data_dir}/device.json") == "path-protected"
    assert tree.exists()


def test_a_thing_that_goes_before_its_turn_fails_alone(person: Person, tree: Path) -> None:
    paths = [str(tree / "0000" / f"{number:04}.txt") for number in range(3)]
    blocker = person.ask("files.delete!", {"targets": {"paths": paths[:1]}})
    person.ended(blocker["id"])
    refused = person.refused("files.delete!", {"targets": {"paths": paths}})
    assert refused.pointer == "/payload/targets/paths/0"
