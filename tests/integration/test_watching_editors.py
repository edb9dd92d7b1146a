"""However an editor saves, the document keeps its id, and nothing is left of how it was done."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from person import plant
from watched import Watched

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from running import Daemon

NAME = "doc.txt"
Step = tuple[str, ...]

# What each is known to do to the names: {} stands for the document.
EDITORS: dict[str, list[Step]] = {
    "vim": [
        ("write", ".{}.swp"),
        ("write", "4913"),
        ("delete", "4913"),
        ("rename", "{}", "{}~"),
        ("write", "{}"),
        ("delete", "{}~"),
        ("delete", ".{}.swp"),
    ],
    "vim, backup": [("rename", "{}", "{}~"), ("write", "{}")],
    "vim, backupcopy": [("write", "{}~"), ("write", "{}"), ("delete", "{}~")],
    "vim, backupext": [("rename", "{}", "{}.bak"), ("write", "{}"), ("delete", "{}.bak")],
    "emacs": [
        ("link", ".#{}"),
        ("write", "#{}#"),
        ("rename", "{}", "{}~"),
        ("write", "{}"),
        ("delete", "#{}#"),
        ("delete", ".#{}"),
    ],
    "emacs, numbered": [("rename", "{}", "{}.~1~"), ("write", "{}")],
    "gedit": [("write", ".goutputstream-AB12C1"), ("rename", ".goutputstream-AB12C1", "{}")],
    "gedit, backup": [
        ("write", ".goutputstream-AB12C1"),
        ("hardlink", "{}", "{}~"),
        ("rename", ".goutputstream-AB12C1", "{}"),
    ],
    "LibreOffice": [
        ("write", ".~lock.{}#"),
        ("write", "lu41b2x.tmp"),
        ("rename", "lu41b2x.tmp", "{}"),
        ("delete", ".~lock.{}#"),
    ],
    "kate": [
        ("write", ".{}.kate-swp"),
        ("write", "{}.Xq31Zb"),
        ("rename", "{}.Xq31Zb", "{}"),
        ("delete", ".{}.kate-swp"),
    ],
    "VS Code": [("write", "{}")],
    "VS Code, atomic": [("write", "{}.vsctmp"), ("rename", "{}.vsctmp", "{}")],
    "JetBrains": [
        ("write", "{}___jb_tmp___"),
        ("rename", "{}", "{}___jb_old___"),
        ("rename", "{}___jb_tmp___", "{}"),
        ("delete", "{}___jb_old___"),
    ],
    "Word": [
        ("write", "~WRD0001.tmp"),
        ("rename", "{}", "~WRL0002.tmp"),
        ("rename", "~WRD0001.tmp", "{}"),
        ("delete", "~WRL0002.tmp"),
    ],
}


def do(folder: Path, step: Step) -> None:
    what, *names = step
    paths = [folder / name.format(NAME) for name in names]
    if what == "write":
        paths[0].write_text("x" * (1 + paths[0].stat().st_size if paths[0].exists() else 20))
    elif what == "rename":
        paths[0].rename(paths[1])
    elif what == "hardlink":
        paths[1].unlink(missing_ok=True)
        os.link(paths[0], paths[1])
    elif what == "link":
        paths[0].symlink_to("somebody@here.1234")
    else:
        assert what == "delete"
        paths[0].unlink()


@pytest.fixture
def watched(watching: Daemon, tmp_path: Path) -> Watched:
    return Watched(watching, plant(tmp_path / "tree", folders=1, files=2))


def nobody_looks(watched: Watched) -> None:
    """All is seen together, as it is with an editor."""


def all_is_seen(watched: Watched) -> None:
    """Each step is seen alone, as on a slow disk."""
    watched.person.ask("indexing.catch_up")


@pytest.mark.parametrize("age", ["old", "young"])
@pytest.mark.parametrize("between", [nobody_looks, all_is_seen])
def test_the_document_keeps_its_id(
    watched: Watched, between: Callable[[Watched], None], age: str
) -> None:
    folder = watched.tree / "0000"
    for editor in EDITORS:
        (folder / editor).mkdir()
        (folder / editor / NAME).write_text("as it was")
    watched.agrees()
    if age == "old":  # what was there when the daemon came is not from a moment ago
        watched.person.restart()
        watched.agrees()
        watched.person.ask("indexing.catch_up")
    before = watched.ids()
    for editor, steps in EDITORS.items():
        for _ in range(2):  # backups are there already the second time
            for step in steps:
                do(folder / editor, step)
                between(watched)
    watched.agrees()
    now = watched.ids()
    lost = [
        editor
        for editor in EDITORS
        if now[f"{folder}/{editor}/{NAME}"] != before[f"{folder}/{editor}/{NAME}"]
    ]
    assert lost == []
    watched.counts()


def test_what_is_renamed_to_a_backup_by_hand_keeps_its_id(watched: Watched) -> None:
    one, two = (watched.tree / "0000" / name for name in ("0000.txt", "0001.txt"))
    before = watched.ids()
    backup = one.with_name("0000.txt~")
    one.rename(backup)
    two.rename(one)
    watched.person.ask("indexing.catch_up")
    now = watched.ids()
    assert (now[str(backup)], now[str(one)]) == (before[str(one)], before[str(two)])
    one.unlink()
    watched.person.ask("indexing.catch_up")
    assert watched.ids()[str(backup)] == before[str(one)]
