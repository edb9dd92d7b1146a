"""Folders whose mode lets nobody write into them, copied and moved by those who respect it."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from doing import Desk, differences, interrupt, temporaries
from unprivileged import unprivileged

from sd_daemon.core.jobs.context import JobInterrupted
from sd_wire.errors import SdError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROOT = os.geteuid() == 0
FOLDERS = 20


@pytest.fixture(autouse=True)
def respectful() -> Iterator[None]:
    with unprivileged():
        yield


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    """Folders that nothing can be removed from, with what a second run makes anew in them."""
    tree = tmp_path / "tree"
    for number in range(FOLDERS):
        folder = tree / f"{number}"
        (folder / "inner").mkdir(parents=True)
        (folder / "inner" / "file").write_text("inner")
        for name in range(20):
            (folder / f"{name}").write_text(f"{name}")
        (folder / "link").symlink_to("0")
        os.link(folder / "1", folder / "one")
        os.mkfifo(folder / "pipe")
        folder.chmod(0o555)
    yield tree
    for place in (tree, tmp_path / "to", tmp_path / "home"):
        if place.exists():
            subprocess.run(["chmod", "-R", "u+w", place], check=True)


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Path]:
    """A folder on another filesystem."""
    if not ROOT:
        pytest.skip("only root can mount a filesystem")
    place = tmp_path / "other"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", place], check=True)
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def stopped_in_the_middle(desk: Desk, tree: Path, to: Path) -> str:
    """A job that has completed some of the folders, and not all: its id."""
    context = desk.context()

    def stop(_number: int) -> None:
        done = [one for one in to.glob(".spacedrive-*/*") if one.stat().st_mode & 0o777 == 0o555]
        if len(done) > FOLDERS // 2:
            interrupt(0)

    context.at_safe_point = stop
    with pytest.raises(JobInterrupted):
        desk.copy(tree, to=to, context=context)
    return context.job_id


def test_an_interrupted_copy_goes_on(desk: Desk, tree: Path, to: Path) -> None:
    again = desk.context()
    again.job_id = stopped_in_the_middle(desk, tree, to)
    done = desk.copy(tree, to=to, context=again)
    assert done["failures"] == []
    assert differences(tree, to / "tree") == ""
    assert temporaries(to) == []


def test_a_cancelled_copy_leaves_nothing(desk: Desk, tree: Path, to: Path) -> None:
    context = desk.context()
    context.job_id = stopped_in_the_middle(desk, tree, to)
    desk.settle(context)
    assert os.listdir(to) == []


def test_a_move_between_filesystems_moves_all_of_it(desk: Desk, tree: Path, other: Path) -> None:
    context = desk.context()
    done = desk.copy(tree, to=other, context=context, move=True)
    assert done["failures"] == []
    assert not os.path.lexists(tree)
    assert len(os.listdir(other / "tree")) == FOLDERS
    desk.undo(context)
    assert len(os.listdir(tree)) == FOLDERS
    assert os.listdir(other) == []


def test_without_a_trash_an_undo_removes_it(
    desk: Desk, tree: Path, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = desk.context()
    desk.copy(tree, to=to, context=context)

    def none(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("sd_daemon.core.fileops.trashes.Trashes.expect", none)
    desk.undo(context)
    assert os.listdir(to) == []


def test_without_a_trash_an_undo_hides_nothing(
    desk: Desk, tree: Path, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, own = desk.context(), desk.context()
    desk.copy(tree, to=to, context=context)

    def none(*_: object) -> None:
        raise PermissionError

    def add(_number: int) -> None:
        for hidden in to.glob(".spacedrive-*"):
            (hidden / "added").touch()

    monkeypatch.setattr("sd_daemon.core.fileops.trashes.Trashes.expect", none)
    own.at_safe_point = add
    desk.undo(context, own)
    assert temporaries(to) == []
    assert os.listdir(to / "tree") == ["added"]


def test_what_others_keep_stays_whole(desk: Desk, tree: Path, other: Path) -> None:
    if not ROOT:
        pytest.skip("only root can give folders away")
    theirs = tree / "theirs"
    theirs.mkdir()
    (theirs / "file").write_text("theirs")
    os.chown(theirs, 41001, 41001)
    before = sorted(tree.rglob("*"))
    context = desk.context()
    done = desk.copy(tree, to=other, context=context, move=True)
    assert done["failures"][0]["reason"].endswith(f"nothing may be removed from {theirs}")
    assert sorted(tree.rglob("*")) == before
    assert temporaries(tree.parent) == []


def test_the_only_whole_one_is_not_undone(desk: Desk, tree: Path, other: Path) -> None:
    context = desk.context()

    def add(_number: int) -> None:
        for hidden in tree.parent.glob(".spacedrive-*"):
            if len(os.listdir(hidden)) < FOLDERS:
                (hidden / "added").touch()

    context.at_safe_point = add
    done = desk.copy(tree, to=other, context=context, move=True)
    assert "not all of the source could be removed" in done["failures"][0]["reason"]
    assert os.listdir(tree) == ["added"]
    with pytest.raises(SdError, match="is gone, and it is left alone"):
        desk.undo(context)
    assert len(os.listdir(other / "tree")) == FOLDERS
