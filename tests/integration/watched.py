"""A daemon that watches a folder, and the question whether its index is as the folder is."""

from __future__ import annotations

import os
import sqlite3
import time
from typing import TYPE_CHECKING, Any

import pytest
from person import Person, in_index, on_disk

if TYPE_CHECKING:
    from pathlib import Path

    from running import Daemon

PATIENCE_S = 30.0  # a loaded machine; it takes a tenth of a second
CHANGES = ["EntryCreated", "EntryModified", "EntryMoved", "EntryDeleted", "Refresh"]


class Watched:
    """Somebody whose folder `tree` is watched by a daemon."""

    def __init__(self, daemon: Daemon, tree: Path, **location: Any) -> None:
        self.person = Person(daemon)
        self.tree = tree
        self.library = self.person.create("Home")
        states = self.person.listen("ResourceChanged", library=self.library)
        self.location = self.person.index(tree, **location)
        while self.state()["watching"] == "off":
            states.until("ResourceChanged", resource_type="location")

    def state(self) -> dict[str, Any]:
        """The location as it is listed."""
        return self.person.locations()[self.location]

    def agrees(self) -> None:
        """Wait until the index says what `find` says. Nobody tells when there is nothing more to
        come, so this looks again and again."""
        until = time.monotonic() + PATIENCE_S
        while (differing := self.differences()) and time.monotonic() < until:
            time.sleep(0.02)
        assert differing == [], "\n".join(differing)

    def differences(self) -> list[str]:
        """What is not the same, short enough to be read."""
        disk, index = on_disk(self.tree), in_index(self.person.folder(), self.tree)
        paths = sorted(disk.keys() | index.keys())
        return [
            f"{path!r}: disk {disk.get(path)}, index {index.get(path)}"
            for path in paths
            if disk.get(path) != index.get(path)
        ][:20]

    def ids(self) -> dict[str, int]:
        """entries.id by path."""
        file = f"file:{self.person.folder()}/library.db?mode=ro"
        db = sqlite3.connect(file, uri=True)
        try:
            folders = dict(db.execute("SELECT id, path FROM folders").fetchall())
            rows = db.execute("SELECT id, parent, name FROM entries WHERE parent > 0").fetchall()
        finally:
            db.close()
        return {
            f"{_text(folders[parent])}/{_text(name)}": number
            for number, parent, name in rows
            if parent in folders
        }

    def counts(self, location: str | None = None, tree: Path | None = None) -> None:
        """Wait until a location says how many files, folders and bytes it has, and rightly."""
        until = time.monotonic() + PATIENCE_S
        truth = counted(tree or self.tree)
        while (said := self._totals(location)) != truth and time.monotonic() < until:
            time.sleep(0.02)
        assert said == truth, f"the location says {said}, the disk {truth}"

    def _totals(self, location: str | None) -> tuple[int, int, int]:
        state = self.person.locations()[location or self.location]
        return state["file_count"], state["directory_count"], state["total_size"]

    def followers(self) -> list[int]:
        """The processes of the daemon that follow files. It has no other children here."""
        process = self.person.daemon.process
        assert process is not None
        with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="ascii") as file:
            return [int(pid) for pid in file.read().split()]


def _text(stored: str | bytes) -> str:
    return stored if isinstance(stored, str) else os.fsdecode(stored)


def counted(tree: Path) -> tuple[int, int, int]:
    """The same as the disk says it."""
    rows = on_disk(tree).values()
    folders = sum(row[0] == 1 for row in rows) - 1
    return len(rows) - folders - 1, folders, sum(row[1] for row in rows if row[0] == 0)


def sysctl(name: str, value: int) -> int:
    """Set a limit of inotify; what it was. Skips the test where that is not allowed."""
    path = f"/proc/sys/fs/inotify/{name}"
    with open(path, encoding="ascii") as file:
        before = int(file.read())
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(str(value))
    except OSError as error:
        pytest.skip(f"the limits of inotify cannot be changed here: {error.strerror}")
    return before
