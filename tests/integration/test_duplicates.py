"""Duplicates through a daemon: found in the index, compared on the disk, and one of each left."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from person import Person, in_index, on_disk

from tests.loops import filesystem

if TYPE_CHECKING:
    from pathlib import Path

    from running import Daemon
    from trash_bin import Bin

LARGE = 300_000  # bytes: so much that its content identity is made of samples


@pytest.fixture
def person(bin_: Bin, daemon: Daemon) -> Person:
    person = Person(daemon)
    person.create("Home")
    return person


@pytest.fixture
def tree(person: Person, tmp_path: Path) -> Path:
    """Three of one content, one of them twice; two of another; one alone; two that only look so."""
    tree = tmp_path / "tree"
    for number, (name, content) in enumerate(
        {
            "b/first": b"same" * 100,
            "a/second": b"same" * 100,
            "third longer name": b"same" * 100,
            "x.txt": b"other",
            "y.txt": b"other",
            "alone": b"alone",
            "large": b"L" * LARGE,
            "unlike": b"L" * 30_000 + b"!" + b"L" * (LARGE - 30_001),
        }.items()
    ):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
        os.utime(tree / name, (1000 + number, 1000 + number))
    os.link(tree / "b" / "first", tree / "b" / "linked")
    person.index(tree)
    return tree


def groups(person: Person, **more: Any) -> list[dict[str, Any]]:
    return list(person.ask("duplicates.list", more)["groups"])


def names(group: dict[str, Any], tree: Path) -> list[str]:
    return [file["sd_path"]["Physical"]["path"][len(str(tree)) + 1 :] for file in group["files"]]


def resolved(person: Person, **request: Any) -> dict[str, Any]:
    """Let it run to its end, and the index follow."""
    events = person.listen("FileOperationCompleted")
    ended = person.ended(person.ask("duplicates.resolve!", request)["id"])
    assert ended["status"] == "completed", ended
    assert ended["output"]["type"] == "DuplicateDetection"
    data = dict(ended["output"]["data"])
    if data["resolved_count"] and not data["dry_run"]:
        events.until("FileOperationCompleted", job_id=ended["id"])
        person.all_quiet()
    return data


def test_the_most_wasted_come_first(person: Person, tree: Path) -> None:
    found = person.ask("duplicates.list")
    large, same, other = found["groups"]
    assert (large["size"], large["count"], large["wasted_bytes"]) == (LARGE, 2, LARGE)
    assert (same["size"], same["count"], same["wasted_bytes"]) == (400, 3, 800)
    assert (other["size"], other["count"], other["wasted_bytes"]) == (5, 2, 5)
    assert (found["total_groups"], found["total_wasted_bytes"]) == (3, LARGE + 805)
    assert names(same, tree) == ["b/first", "b/linked", "a/second", "third longer name"]
    assert [file["linked"] for file in same["files"]] == [False, True, False, False]
    assert len(other["content_hash"]) == 16


def test_narrowed_and_page_by_page(person: Person, tree: Path, tmp_path: Path) -> None:
    assert [one["size"] for one in groups(person, min_size=400)] == [LARGE, 400]
    assert [one["size"] for one in groups(person, kind="text")] == [5]
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "z.txt").write_bytes(b"alone")
    location = person.index(tmp_path / "elsewhere")
    assert groups(person, location_id=location) == []
    assert [one["size"] for one in groups(person)] == [LARGE, 400, 5, 5]
    sizes, cursor = [], None
    while True:
        page = person.ask("duplicates.list", {"limit": 1, "cursor": cursor})
        sizes += [one["size"] for one in page["groups"]]
        assert page["total_groups"] == 4
        cursor = page["next_cursor"]
        if not page["has_more"]:
            break
    assert sizes == [LARGE, 400, 5, 5]
    assert person.refused("duplicates.list", {"cursor": "x"}).code == "invalid-value"
    unknown = {"location_id": "00000000-0000-0000-0000-000000000000"}
    assert person.refused("duplicates.list", unknown).code == "location-not-found"


@pytest.mark.parametrize(
    ("keep", "kept"),
    [("oldest", "b/first"), ("newest", "third longer name"), ("shortest_path", "b/first")],
)
def test_one_of_each_stays(person: Person, tree: Path, bin_: Bin, keep: str, kept: str) -> None:
    before = on_disk(tree)
    dry = resolved(person, within=str(tree), keep=keep, dry_run=True)
    assert on_disk(tree) == before
    data = resolved(person, within=str(tree), keep=keep)
    assert data["resolved_count"] == dry["resolved_count"] == len(dry["items"])
    assert (tree / kept).exists()
    assert (tree / "alone").exists()
    assert (tree / "x.txt").exists() != (tree / "y.txt").exists()
    left = [
        name
        for name in ("b/first", "b/linked", "a/second", "third longer name")
        if (tree / name).exists()
    ]
    assert left == (["b/first", "b/linked"] if kept == "b/first" else [kept])
    assert bin_.originals() == {os.fsdecode(path) for path in set(before) - set(on_disk(tree))}
    # Whose samples are the same, and not all their bytes.
    assert (tree / "large").exists()
    assert (tree / "unlike").exists()
    reasons = [one["reason"] for one in data["skipped"]]
    assert "its bytes are not the same" in reasons
    assert in_index(person.folder(), tree) == on_disk(tree)


def test_those_in_a_folder_stay_and_groups_without_one_are_left(
    person: Person, tree: Path, bin_: Bin
) -> None:
    data = resolved(person, within=str(tree), keep="in_folder", keep_folder=str(tree / "a"))
    assert bin_.originals() == {
        str(tree / name) for name in ("b/first", "b/linked", "third longer name")
    }
    assert (tree / "x.txt").exists()
    assert (tree / "y.txt").exists()
    assert data["resolved_count"] == 3


def test_named_ones_stay_and_only_the_groups_that_are_named(
    person: Person, tree: Path, bin_: Bin
) -> None:
    other = next(one for one in groups(person) if one["size"] == 5)
    keep = {"keep": "named", "keep_files": [str(tree / "y.txt"), str(tree / "b" / "linked")]}
    resolved(person, contents=[other["content_id"]], **keep)
    assert bin_.originals() == {str(tree / "x.txt")}


def test_hard_links_take_the_place_of_copies(person: Person, tree: Path, bin_: Bin) -> None:
    data = resolved(person, within=str(tree), action="hardlink")
    inodes = {
        os.stat(tree / name).st_ino
        for name in ("b/first", "b/linked", "a/second", "third longer name")
    }
    assert len(inodes) == 1
    assert os.stat(tree / "large").st_ino != os.stat(tree / "unlike").st_ino
    assert data["resolved_count"] == 3
    assert bin_.originals() == set()
    assert not [name for name in os.listdir(tree) if name.startswith(".spacedrive")]
    assert in_index(person.folder(), tree) == on_disk(tree)
    assert [one["size"] for one in groups(person)] == [LARGE]


def test_where_blocks_cannot_be_shared_nothing_happens(person: Person, tree: Path) -> None:
    before = on_disk(tree)
    job = person.ask("duplicates.resolve!", {"within": str(tree / "a"), "action": "reflink"})
    assert person.ended(job["id"])["output"]["data"]["resolved_count"] == 0
    other = next(one for one in groups(person) if one["size"] == 5)
    job = person.ask(
        "duplicates.resolve!", {"contents": [other["content_id"]], "action": "reflink"}
    )
    ended = person.ended(job["id"])
    if ended["status"] == "completed":  # a filesystem that can
        assert ended["output"]["data"]["resolved_count"] == 1
        return
    assert "cannot share blocks" in ended["error_message"]
    after = on_disk(tree)
    del before[os.fsencode(tree)], after[os.fsencode(tree)]  # a name came and went in it
    assert after == before


def test_what_changed_since_it_was_indexed_is_compared_and_left(
    person: Person, tree: Path, bin_: Bin
) -> None:
    (tree / "y.txt").write_bytes(b"OTHER")
    (tree / "a" / "second").unlink()
    data = resolved(person, within=str(tree))
    assert (tree / "y.txt").exists()
    assert (tree / "x.txt").exists()
    assert bin_.originals() == {str(tree / "third longer name")}
    assert data["failed_count"] == 1


def test_what_does_not_say_all_is_refused(person: Person, tree: Path) -> None:
    def code(**request: Any) -> str:
        return person.refused("duplicates.resolve!", request).code

    assert code() == "invalid-value"
    assert code(within=str(tree), keep="in_folder") == "invalid-value"
    assert code(within=str(tree), keep="named") == "invalid-value"
    assert code(within="/nowhere") == "path-not-indexed"
    assert code(within="relative") == "unsupported-path"


def test_how_much_is_where(person: Person, tree: Path) -> None:
    found = person.ask("files.disk_usage", {"path": str(tree)})
    total = found["total"]
    files = [path for path in tree.rglob("*") if path.is_file()]
    assert total["size"] == sum(path.stat().st_size for path in files)
    assert (total["file_count"], total["folder_count"]) == (len(files), 2)
    seen = {one["path"]["Physical"]["path"]: one["size"] for one in found["usages"]}
    assert seen == {str(tree / "b"): 800, str(tree / "a"): 400}
    with_files = {"path": str(tree), "include_files": True, "depth": 1}
    found = person.ask("files.disk_usage", with_files)
    assert [one["size"] for one in found["usages"]] == [LARGE, LARGE, 800, 400, 400, 5, 5, 5]
    assert person.ask("files.disk_usage", {"path": str(tree / "x.txt")})["total"]["size"] == 5
    assert person.ask("files.disk_usage", {"path": str(tree), "depth": 0})["usages"] == []
    assert person.refused("files.disk_usage", {"path": "/nowhere"}).code == "path-not-indexed"


def test_blocks_are_shared_where_the_filesystem_can(
    person: Person, tmp_path: Path, bin_: Bin
) -> None:
    with filesystem("btrfs", tmp_path) as disk:
        for number, name in enumerate(("one", "two")):
            (disk / name).write_bytes(b"x" * LARGE)
            os.utime(disk / name, (1000 + number, 1000 + number))
        (disk / "two").chmod(0o640)
        os.setxattr(disk / "two", "user.note", b"kept")
        person.index(disk)
        data = resolved(person, within=str(disk), action="reflink")
        assert data["resolved_count"] == 1
        one, two = os.stat(disk / "one"), os.stat(disk / "two")
        assert one.st_ino != two.st_ino
        assert (two.st_mode & 0o777, two.st_mtime) == (0o640, 1001)
        assert os.getxattr(disk / "two", "user.note") == b"kept"
        assert (disk / "two").read_bytes() == b"x" * LARGE
        extents = subprocess.run(
            ["filefrag", "-v", str(disk / "two")], capture_output=True, text=True, check=True
        )
        assert "shared" in extents.stdout
