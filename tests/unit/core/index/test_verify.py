"""Verification finds every way in which index and disk can differ, and sets it right."""

from __future__ import annotations

import os

import pytest
from truth import NO_RULES, Context, age, differences, find

from sd_daemon.core.index.errors import RootMissing
from sd_daemon.core.index.verify_job import run_verify


def verify(library, location, **params):
    params = {"location_id": location, "mode": "Content", "rules": NO_RULES, **params}
    return run_verify(params, Context(library.dir, "verify"))


@pytest.fixture
def indexed(library, tree):
    for number in range(4):
        (tree / f"folder {number}").mkdir()
        for name in range(3):
            (tree / f"folder {number}" / f"file {name}").write_text(f"{number}{name}")
    with open(os.fsencode(tree) + b"/\xff", "wb") as file:
        file.write(b"not utf-8")
    age(tree)
    location = library.add(tree)
    library.index(location, mode="Content", rules=NO_RULES)
    return location


def issues(result):
    lists = ("missing_from_index", "stale_in_index", "metadata_mismatches", "hierarchy_errors")
    return sorted(
        (os.path.basename(row["path"]), row["issue_type"]["type"])
        for sort in lists
        for row in result["report"][sort]
    )


def test_agreement(library, tree, indexed):
    report = verify(library, indexed, content=True)["report"]
    assert report["total_differences"] == 0
    assert report["filesystem_file_count"] == report["database_file_count"] == 13
    assert report["filesystem_dir_count"] == report["database_dir_count"] == 4
    assert report["summary"] == "index and disk agree on 13 files and 4 folders"


def test_every_difference_is_found_and_fixed(library, tree, indexed):
    before = os.stat(tree / "folder 0/file 0")
    (tree / "folder 0/file 0").write_text("XY")  # same size, and same mtime:
    os.utime(tree / "folder 0/file 0", ns=(before.st_atime_ns, before.st_mtime_ns))
    (tree / "folder 0/file 1").write_text("longer than it was")
    (tree / "folder 1/file 0").unlink()
    (tree / "folder 1/file 0").mkdir()
    (tree / "folder 1/file 0/inner").touch()
    (tree / "folder 2/file 0").unlink()
    (tree / "folder 3").rename(tree / "folder 4")
    os.rename(os.fsencode(tree) + b"/\xff", os.fsencode(tree) + b"/\xfe")
    result = verify(library, indexed, content=True)
    found = issues(result)
    for issue in [
        ("file 0", "ContentMismatch"),
        ("file 1", "SizeMismatch"),
        ("file 1", "ModifiedTimeMismatch"),
        ("file 0", "KindMismatch"),
        ("inner", "MissingFromIndex"),
        ("file 0", "StaleInIndex"),
        ("folder 4", "MissingFromIndex"),
        ("folder 3", "StaleInIndex"),
        ("\ufffd", "StaleInIndex"),
        ("\ufffd", "MissingFromIndex"),
    ]:
        assert issue in found
    assert result["report"]["total_differences"] == len(found)
    assert {row.get("path_bytes") for row in result["report"]["stale_in_index"]} > {None}
    result = verify(library, indexed, content=True, fix=True)
    assert result["report"]["fixed"]
    assert differences(library.entries(tree), find(tree)) == []
    library.check()
    again = verify(library, indexed, content=True)
    assert again["report"]["total_differences"] == 0


def test_what_was_written_into_the_index_by_mistake(library, tree, indexed):
    db = library.open()
    db.execute("UPDATE folders SET path = ? WHERE path = ?", (f"{tree}/wrong", f"{tree}/folder 1"))
    db.execute("UPDATE entries SET inode = 1 WHERE name = 'file 2'")
    db.close()
    found = issues(verify(library, indexed))
    assert ("wrong", "ParentMismatch") in found
    assert ("file 2", "InodeMismatch") in found
    verify(library, indexed, fix=True)
    assert differences(library.entries(tree), find(tree)) == []
    library.check()


def test_without_details(library, tree, indexed):
    (tree / "new").touch()
    report = verify(library, indexed, detailed=False)["report"]
    assert report["total_differences"] > 0
    assert report["missing_from_index"] == []


def test_what_rules_leave_out_is_not_missing(library, tree):
    (tree / "project" / "node_modules" / "x").mkdir(parents=True)
    (tree / "project" / "package.json").touch()
    (tree / "cache").mkdir()
    (tree / "cache" / "data").touch()
    tag = "Signature: 8a477f597d28d172789f06886806bc55\n"
    (tree / "cache" / "CACHEDIR.TAG").write_text(tag)
    location = library.add(tree)
    library.index(location)
    report = verify(library, location, rules=None)["report"]
    assert report["total_differences"] == 0
    report = verify(library, location)["report"]
    assert report["by_issue"] == {"MissingFromIndex": 4}


def test_the_lists_are_capped_and_say_so(library, tree, monkeypatch):
    monkeypatch.setattr("sd_daemon.core.index.differences.LISTED", 5)
    location = library.add(tree)
    library.index(location)
    for number in range(20):
        (tree / str(number)).touch()
    report = verify(library, location)["report"]
    assert report["total_differences"] == 20
    assert len(report["missing_from_index"]) == 5
    assert report["truncated"]
    assert "first 5 are listed" in report["summary"]


def test_a_missing_folder(library, tree, indexed, tmp_path):
    tree.rename(tmp_path / "away")
    with pytest.raises(RootMissing):
        verify(library, indexed)
    (tmp_path / "away").rename(tree)
