"""Waiting until the index knows what has just happened, as a script does between two commands."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from person import Person, in_index, on_disk, plant

if TYPE_CHECKING:
    from pathlib import Path

    from running import Daemon


def test_what_was_done_before_is_in_the_index(watching: Daemon, tmp_path: Path) -> None:
    person = Person(watching)
    person.create("Home")
    tree = plant(tmp_path / "tree", 5, 5)
    person.add(tree)
    person.all_quiet()
    first = min(os.listdir(tree))
    for number in range(20):
        folder = tree / f"new {number}" / "deep" / "er"
        folder.mkdir(parents=True)
        (folder / "file").write_text("new")
        names = ("moved", first) if number % 2 else (first, "moved")
        os.rename(tree / names[0], tree / names[1])
        if number % 5 == 0:  # to where nobody watches: it may still be on its way for a while
            os.rename(folder / "file", tmp_path / f"away {number}")
        assert person.ask("indexing.catch_up") == {"complete": True}
        assert in_index(person.folder(), tree) == on_disk(tree)


def test_it_waits_for_the_first_scan(watching: Daemon, tmp_path: Path) -> None:
    person = Person(watching)
    person.create("Home")
    tree = plant(tmp_path / "tree", 60, 50)
    person.add(tree)
    person.ask("indexing.catch_up")
    assert in_index(person.folder(), tree) == on_disk(tree)


def test_it_says_that_nobody_watches(daemon: Daemon, tmp_path: Path) -> None:
    person = Person(daemon)
    person.create("Home")
    person.add(plant(tmp_path / "tree", 2, 2))
    assert person.ask("indexing.catch_up") == {"complete": False}


@pytest.mark.parametrize("ruled", [True, False])
def test_what_the_daemon_writes_itself_is_no_news(
    watching: Daemon, tmp_path: Path, *, ruled: bool
) -> None:
    """A home has the daemon's data in it, and every look at a change there would change them."""
    person = Person(watching)
    person.create("Home")
    if not ruled:
        person.ask("config.library.update!", {"no_system_files": False})
    tree = plant(tmp_path / "tree", 2, 2)
    person.add(tmp_path)
    person.all_quiet()
    (tree / "new").write_text("new")
    person.all_quiet()
    said = []
    for _ in range(3):
        person.ask("indexing.catch_up")
        with watching.connect() as wire:
            said.append(wire.ask({"Hello": {}})["Hello"]["sequence"])
    assert said[0] == said[-1]
    assert f"{tree}/new" in str(person.ask("search.files", {"query": "new"}))
