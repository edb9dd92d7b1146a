"""Removing a location takes out what belonged to it, and nothing that belongs to another."""

from __future__ import annotations

import os
import uuid

import pytest
from truth import Context, differences, find

from sd_daemon.core.index.job import run_purge
from sd_daemon.core.jobs.context import JobInterrupted


@pytest.fixture
def outer(library, tree):
    for number in range(3):
        (tree / "a" / str(number)).mkdir(parents=True)
        for name in range(5):
            (tree / "a" / str(number) / f"file {name}").touch()
    location = library.add(tree)
    library.index(location)
    return location


def remove(library, location):
    """Delete the row of a location, as its owner does before the job; returns its entry."""
    [(entry,)] = library.query(
        "DELETE FROM locations WHERE uuid = ? RETURNING entry", uuid.UUID(location).bytes
    )
    return entry


def test_everything_goes(library, tree, outer):
    report = run_purge({"entry": remove(library, outer)}, Context(library.dir, "purge"))
    assert report == {"removed": 20}
    for table in ("entries", "folders", "vanished", "omissions", "scans"):
        assert library.query(f"SELECT count(*) FROM {table}") == [(0,)]
    assert library.query("SELECT count(*) FROM names WHERE names MATCH 'fil'") == [(0,)]
    assert len(find(tree)) == 20
    library.check()


def test_a_location_inside_keeps_its_entries(library, tree, outer):
    inner = library.add(tree / "a" / "1")
    library.index(inner)
    before = library.ids()
    run_purge({"entry": remove(library, outer)}, Context(library.dir, "purge"))
    root = tree / "a" / "1"
    assert differences(library.entries(root), find(root)) == []
    after = library.ids()
    assert len(after) == 6
    assert all(before[path] == number for path, number in after.items())
    assert library.query("SELECT parent, name FROM entries WHERE parent = 0") == [(0, str(root))]
    library.check()
    library.index(inner, full=True)
    assert library.ids() == after


def test_a_location_around_keeps_them_too(library, tree, outer):
    inner = library.add(tree / "a" / "1")
    run_purge({"entry": remove(library, inner)}, Context(library.dir, "purge"))
    assert differences(library.entries(tree), find(tree)) == []


def test_removed_and_added_again_at_once(library, tree, outer):
    entry = remove(library, outer)
    again = library.add(tree)
    assert run_purge({"entry": entry}, Context(library.dir, "purge")) == {"removed": 0}
    library.index(again)
    assert differences(library.entries(tree), find(tree)) == []


def test_interrupted_it_goes_on(library, tree, outer, monkeypatch):
    monkeypatch.setattr("sd_daemon.core.index.settle._ROWS", 4)
    entry = remove(library, outer)
    stops = 0
    while True:
        try:
            run_purge({"entry": entry}, Context(library.dir, "purge", 1))
            break
        except JobInterrupted:
            stops += 1
            library.query("SELECT 1")
    assert stops >= 5
    assert library.query("SELECT count(*) FROM entries") == [(0,)]
    assert os.path.isdir(tree)
    library.check()
