"""Validation through a daemon: what is damaged, what was changed, what is gone."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from person import Person, plant
from running import obey_permissions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from running import Daemon

LARGE = 400_000  # bytes: its content identity is made of samples


@pytest.fixture
def person(daemon: Daemon) -> Person:
    person = Person(daemon)
    person.create("Home")
    return person


@pytest.fixture
def tree(person: Person, tmp_path: Path) -> Path:
    tree = plant(tmp_path / "tree", 3, 4)
    (tree / "large").write_bytes(b"L" * LARGE)
    person.index(tree)
    return tree


def validated(person: Person, *paths: Path, level: str = "complete") -> dict[str, Any]:
    """Let it run to its end; its results."""
    wanted = {"paths": [str(path) for path in paths], "level": level}
    receipt = person.ask("validation.start!", wanted)
    assert receipt["job_name"] == "file_validation"
    ended = person.ended(receipt["id"])
    assert ended["status"] == "completed", ended
    assert ended["output"]["type"] == "FileValidation"
    found = dict(person.ask("validation.results", {"job_id": receipt["id"]}))
    data = ended["output"]["data"]
    assert data["validated_count"] == found["validated_count"]
    assert data["issues_found"] == len(found["issues"])
    assert data["total_bytes_validated"] == found["total_bytes"]
    return {**found, "job": receipt["id"]}


def issues(found: dict[str, Any]) -> list[tuple[str, str]]:
    """How bad, and the name."""
    return [
        (one["severity"], os.path.basename(one["path"]["Physical"]["path"]))
        for one in found["issues"]
    ]


def damage(path: Path, offset: int) -> None:
    """Change one byte and nothing that can be seen from outside."""
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes([byte[0] ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("level", ["readable", "sampled", "complete"])
def test_what_is_right_has_no_issues(person: Person, tree: Path, level: str) -> None:
    found = validated(person, tree, level=level)
    assert found["issues"] == []
    files = [path for path in tree.rglob("*") if path.is_file() and not path.is_symlink()]
    assert found["validated_count"] == len(files)
    if level == "complete":
        assert found["total_bytes"] == sum(path.stat().st_size for path in files)


def test_the_first_complete_one_records_and_the_next_finds_damage(
    person: Person, tree: Path
) -> None:
    assert validated(person, tree)["issues"] == []
    db = sqlite3.connect(f"file:{person.folder()}/library.db?mode=ro", uri=True)
    kept = db.execute("SELECT count(*) FROM contents WHERE integrity_hash IS NULL").fetchone()
    db.close()
    assert kept == (0,)
    damage(tree / "large", 30_000)  # between two samples
    damage(tree / "0000" / "0001.txt", 0)
    (tree / "0001" / "0001.txt").write_text("written by somebody")
    (tree / "0002" / "0001.txt").unlink()
    assert sorted(issues(validated(person, tree, level="sampled"))) == [
        ("Critical", "0001.txt"),
        ("Info", "0001.txt"),
        ("Warning", "0001.txt"),
    ]
    for _ in range(2):  # and it goes on being damaged
        found = validated(person, tree)
        assert sorted(issues(found)) == [
            ("Critical", "0001.txt"),
            ("Critical", "large"),
            ("Info", "0001.txt"),
            ("Warning", "0001.txt"),
        ]
        assert found["critical_count"] == 2
    only = person.ask("validation.results", {"job_id": found["job"], "severity": "Critical"})
    assert len(only["issues"]) == 2
    assert (tree / "large").stat().st_size == LARGE


def test_a_file_with_the_samples_of_another_is_said_to_be_one(person: Person, tree: Path) -> None:
    unlike = b"L" * 30_000 + b"!" + b"L" * (LARGE - 30_001)
    (tree / "unlike").write_bytes(unlike)
    person.index_again(tree)
    found = validated(person, tree)
    assert issues(found) in ([], [("Warning", "unlike")], [("Warning", "large")])
    assert issues(validated(person, tree)) == []


def test_what_may_not_be_read_is_an_error(
    make_daemon: Callable[..., Daemon], tmp_path: Path
) -> None:
    person = Person(make_daemon().start(preexec_fn=obey_permissions))
    person.create("Home")
    tree = plant(tmp_path / "tree", 3, 4)
    person.index(tree)
    (tree / "plain.txt").chmod(0)
    assert issues(validated(person, tree)) == [("Error", "plain.txt")]


def test_page_by_page(person: Person, tree: Path) -> None:
    for number in range(4):
        (tree / "0000" / f"{number:04}.txt").unlink()
    job = validated(person, tree / "0000", level="readable")["job"]
    seen, cursor = [], None
    while True:
        page = person.ask("validation.results", {"job_id": job, "limit": 3, "cursor": cursor})
        seen += issues(page)
        assert page["warning_count"] == 4
        cursor = page["next_cursor"]
        if not page["has_more"]:
            break
    assert sorted(seen) == [("Warning", f"{number:04}.txt") for number in range(4)]
    refused = person.refused("validation.results", {"job_id": job, "cursor": "x"})
    assert refused.code == "invalid-value"


def test_single_files_and_what_is_refused(person: Person, tree: Path) -> None:
    found = validated(person, tree / "large", tree / "0000" / "0000.txt")
    assert found["validated_count"] == 2
    assert person.refused("validation.start!", {"paths": []}).code == "invalid-value"
    assert person.refused("validation.start!", {"paths": ["/nowhere"]}).code == "path-not-indexed"
    assert person.refused("validation.start!", {"paths": ["here"]}).code == "unsupported-path"
    unknown = {"job_id": "00000000-0000-0000-0000-000000000000"}
    assert person.refused("validation.results", unknown).code == "job-not-found"


def test_interrupted_it_goes_on_where_it_was(person: Person, tmp_path: Path) -> None:
    many = plant(tmp_path / "many", 100, 40)
    person.index(many)
    events = person.listen()
    job = person.ask("validation.start!", {"paths": [str(many)], "level": "complete"})["id"]
    events.until("JobProgress", job_id=job)
    person.strike()
    person.daemon.start()
    ended = person.ended(job)
    assert ended["status"] == "completed"
    files = [path for path in many.rglob("*") if path.is_file() and not path.is_symlink()]
    assert ended["output"]["data"]["validated_count"] == len(files)
    assert ended["output"]["data"]["issues_found"] == 0
