"""How the questions about all of a library are answered: along which index, and in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sd_daemon.core.db.connection import open_reader
from sd_daemon.core.db.migrate import migrate
from sd_daemon.core.files import duplicates, usage
from sd_daemon.core.index.walk import Subtree
from sd_wire.operations.files import GetDiskUsage

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path


class Watching:
    """A connection that keeps the plans of what it is asked."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.plans: list[str] = []

    def execute(self, query: str, params: tuple[object, ...] = ()) -> sqlite3.Cursor:
        rows = self._db.execute(f"EXPLAIN QUERY PLAN {query}", params)
        self.plans += [row[3] for row in rows]
        return self._db.execute(query, params)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Watching]:
    migrate(f"{tmp_path}/library.db", "library")
    opened = open_reader(f"{tmp_path}/library.db")
    yield Watching(opened)
    opened.close()


def test_groups_are_counted_along_the_contents(db: Watching) -> None:
    duplicates.groups(db, min_size=1)  # type: ignore[arg-type]
    assert any("USING COVERING INDEX entries_content" in step for step in db.plans)
    assert not [step for step in db.plans if step.startswith("SCAN entries USING INDEX")]


def test_below_a_folder_along_its_names(db: Watching) -> None:
    duplicates.groups(db, min_size=1, within="/a")  # type: ignore[arg-type]
    assert any("USING INDEX entries_parent_name (parent=?)" in step for step in db.plans)


def test_usage_in_the_order_of_the_folders(db: Watching) -> None:
    with pytest.raises(Exception, match="not in the index"):
        usage.disk_usage(db, "here", GetDiskUsage("/a"))  # type: ignore[arg-type]
    below = Subtree("/a")
    db.execute(usage._SUMS.format(inside=below.where("f.path")), below.params)
    assert "SCAN f" in db.plans
    assert not [step for step in db.plans if "TEMP B-TREE" in step]
    assert any("entries_parent_name (parent=?)" in step for step in db.plans)
