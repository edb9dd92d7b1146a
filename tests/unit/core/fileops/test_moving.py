"""Moves, between filesystems too, and what happens on a full disk."""

from __future__ import annotations

import errno
import os
import random
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from doing import Desk, differences, interrupt, temporaries

from sd_daemon.core.fileops.copying import replacing
from sd_daemon.core.jobs.context import JobInterrupted
from sd_wire.errors import DiskFull, NotEnoughSpace, SdError
from sd_wire.operations.files import ConflictResolution

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1024 * 1024
RUNS = 50


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small tree."""
    tree = tmp_path / "tree"
    (tree / "inner").mkdir(parents=True)
    for number in range(40):
        (tree / f"{number}").write_text(f"{number}")
        (tree / "inner" / f"{number}").write_bytes(b"x" * number)
    os.link(tree / "1", tree / "inner" / "one")
    os.symlink("1", tree / "link")
    return tree


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Path]:
    """A folder on another filesystem, whose trash is the test's own."""
    if os.geteuid() == 0:
        place = tmp_path / "other"
        place.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", place], check=True)
        (place / "inner").mkdir()
        yield place / "inner"
        subprocess.run(["umount", "-l", place], check=True)
        return
    bin_ = Path(f"/dev/shm/.Trash-{os.geteuid()}")
    if bin_.exists() or os.stat("/dev/shm").st_dev == os.stat(tmp_path).st_dev:
        pytest.skip("there is no other filesystem, or things of a person are in its trash")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)
    shutil.rmtree(bin_, ignore_errors=True)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of eight MiB."""
    if os.geteuid():
        pytest.skip("only root can mount a filesystem")
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", place], check=True)
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def copy_of(tree: Path) -> Path:
    """What the tree was like."""
    place = tree.parent / "as it was"
    subprocess.run(["cp", "-a", tree, place], check=True)
    return place


def test_a_move_is_a_rename(desk: Desk, tree: Path, tmp_path: Path) -> None:
    to = tmp_path / "to"
    to.mkdir()
    was, inode = copy_of(tree), tree.stat().st_ino
    context = desk.context()
    out = desk.copy(tree, to=to, move=True, context=context)
    assert (out["moved_count"], out["total_bytes"]) == (1, 0)
    assert (to / "tree").stat().st_ino == inode
    assert not tree.exists()
    desk.undo(context)
    assert tree.stat().st_ino == inode
    assert differences(was, tree) == ""


def test_a_folder_of_the_name_is_no_trash(desk: Desk, tmp_path: Path) -> None:
    """What lay in a person's own folder `files` goes back there, and not into the trash."""
    mine = tmp_path / "files"
    mine.mkdir()
    (mine / "a").write_text("mine")
    (tmp_path / "to").mkdir()
    context = desk.context()
    desk.copy(mine / "a", to=tmp_path / "to", move=True, context=context)
    desk.undo(context)
    assert (mine / "a").read_text() == "mine"


def test_a_move_between_filesystems(desk: Desk, tree: Path, other: Path) -> None:
    was = copy_of(tree)
    context = desk.context()
    out = desk.copy(tree, to=other, move=True, context=context)
    assert out["failed_count"] == 0
    assert not tree.exists()
    assert differences(was, other / "tree") == ""
    assert temporaries(tree.parent) + temporaries(other) == []
    desk.undo(context)
    assert differences(was, tree) == ""
    assert list(other.iterdir()) == []


def test_what_could_not_be_undone_stays_to_be_undone(desk: Desk, tree: Path, to: Path) -> None:
    move, undo, rest, redo = (desk.context() for _ in range(4))
    desk.copy(tree / "1", tree / "2", to=to, move=True, context=move)
    (tree / "1").write_text("in the way")
    out = desk.undo(move, undo)
    assert out["failed_count"] == 1
    assert out["failures"][0]["path"] == str(tree / "1")
    assert "old name" in out["failures"][0]["reason"]
    assert (tree / "2").read_text() == "2"
    assert (desk.history(move).can_undo, desk.history(move).done_count) == (True, 2)
    (tree / "1").unlink()
    out = desk.undo(move, rest)
    assert (out["undone_count"], out["failed_count"]) == (1, 0)
    assert (tree / "1").read_text() == "1"
    assert os.listdir(to) == []
    assert desk.history(move).why_not == "it was undone already"
    desk.undo(rest, redo)
    assert os.listdir(to) == ["1"]
    assert desk.history(move).can_undo
    desk.undo(redo)
    assert os.listdir(to) == []
    assert desk.history(move).why_not == "it was undone already"


def test_undo_makes_folders_again_that_are_gone(desk: Desk, tree: Path, to: Path) -> None:
    move, undo = desk.context(), desk.context()
    desk.copy(tree / "1", tree / "inner" / "2", to=to, move=True, context=move)
    shutil.rmtree(tree)
    os.umask(0o022)  # a new worker has it, and the copy did without
    out = desk.undo(move, undo)
    assert out["failed_count"] == 0
    assert (tree / "1").read_text() == "1"
    assert (tree / "inner" / "2").read_bytes() == b"xx"
    assert [path.stat().st_mode & 0o7777 for path in (tree, tree / "inner")] == [0o755, 0o755]
    assert os.listdir(to) == []
    assert desk.history(move).why_not == "it was undone already"
    desk.undo(undo)
    assert not tree.exists()
    assert sorted(os.listdir(to)) == ["1", "2"]


def test_a_folder_that_could_not_be_made_again_is_made_as_it_was_later(
    desk: Desk, tree: Path, to: Path
) -> None:
    move, undo = desk.context(), desk.context()
    desk.copy(tree / "inner" / "2", to=to, move=True, context=move)
    shutil.rmtree(tree)
    tree.symlink_to("nowhere")
    os.umask(0o022)  # a new worker has it, and the copy did without
    with pytest.raises(SdError):
        desk.undo(move, undo)
    tree.unlink()
    tree.mkdir()
    out = desk.undo(move, undo)
    assert out["failed_count"] == 0
    assert (tree / "inner" / "2").read_bytes() == b"xx"
    assert (tree / "inner").stat().st_mode & 0o7777 == 0o755


def test_what_was_added_meanwhile_keeps_the_source(desk: Desk, tree: Path, other: Path) -> None:
    context = desk.context()

    def add(_number: int) -> None:
        late = tree / "inner" / "late"
        if list(other.glob("*/inner/39")) and late.parent.exists() and not late.exists():
            late.write_text("late")

    context.at_safe_point = add
    out = desk.copy(tree, to=other, move=True, context=context)
    assert out["failed_count"] == 1
    assert "the source stays" in out["failures"][0]["reason"]
    assert (tree / "inner" / "late").read_text() == "late"
    assert (tree / "1").exists()
    context.at_safe_point = lambda _: None
    desk.undo(context)  # of what is a copy now
    assert (tree / "1").exists()
    assert temporaries(tree.parent) + temporaries(other) == []


def test_what_cannot_be_read_keeps_the_source(
    desk: Desk, tree: Path, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def refuse(name: str, flags: int, *rest: int, **more: int) -> int:
        if name == "7" and not flags & os.O_CREAT:
            raise PermissionError(errno.EACCES, "Permission denied", name)
        return real(name, flags, *rest, **more)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse)
        out = desk.copy(tree, to=other, move=True)
    assert out["failed_count"] == 3  # two of that name, and the tree
    assert (tree / "7").read_text() == "7"
    assert (tree / "8").exists()
    assert not (other / "tree" / "7").exists()


def test_removal_goes_on_where_it_was_interrupted(desk: Desk, tree: Path, other: Path) -> None:
    was = copy_of(tree)
    context = desk.context()

    def stop(_number: int) -> None:
        if (other / "tree").exists() and not (tree / "inner").exists():
            raise JobInterrupted

    context.at_safe_point = stop
    with pytest.raises(JobInterrupted):
        desk.copy(tree, to=other, move=True, context=context)
    assert differences(was, other / "tree") == ""
    assert not tree.exists()
    assert temporaries(tree.parent)
    context.at_safe_point = lambda _: None
    desk.copy(tree, to=other, move=True, context=context)
    assert temporaries(tree.parent) == []
    assert differences(was, other / "tree") == ""


def test_cancelled_before_the_source_goes_both_are_whole(
    desk: Desk, tree: Path, other: Path
) -> None:
    was = copy_of(tree)
    context = desk.context()
    context.at_safe_point = lambda number: interrupt(number) if number == 3 else None
    with pytest.raises(JobInterrupted):
        desk.copy(tree, to=other, move=True, context=context)
    desk.settle(context)
    assert differences(was, tree) == ""
    assert list(other.iterdir()) == []


@pytest.mark.parametrize("move", [False, True])
@pytest.mark.parametrize("exchanges", [True, False])
def test_what_is_replaced_is_in_the_trash(
    desk: Desk,
    tree: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    move: bool,  # noqa: FBT001
    exchanges: bool,  # noqa: FBT001
) -> None:
    if not exchanges:
        monkeypatch.setattr(replacing, "exchange", lambda *_: False)
    to = tmp_path / "to"
    to.mkdir()
    (to / "1").write_text("old")
    was = copy_of(tree)
    context = desk.context()
    overwrite = ConflictResolution.OVERWRITE
    desk.copy(tree / "1", to=to, move=move, resolution=overwrite, context=context)
    assert (to / "1").read_text() == "1"
    (kept,) = (tmp_path / "home" / "Trash" / "files").iterdir()
    assert kept.read_text() == "old"
    desk.undo(context)
    assert (to / "1").read_text() == "old"
    shutil.copystat(was, tree)  # a name has gone from it and come back
    assert differences(was, tree) == ""
    assert temporaries(tmp_path) == []


def test_without_a_trash_what_is_replaced_goes_at_the_end(
    desk: Desk, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("sd_daemon.core.fileops.trashes.Trashes.holding", none)
    to = tmp_path / "to"
    to.mkdir()
    (to / "1").write_text("old")
    context = desk.context()
    desk.copy(tree / "1", to=to, resolution=ConflictResolution.OVERWRITE, context=context)
    assert (to / "1").read_text() == "1"
    assert os.listdir(to) == ["1"]


def test_too_little_room_is_said_before(desk: Desk, tree: Path, small: Path) -> None:
    (tree / "large").write_bytes(os.urandom(9 * MIB))
    with pytest.raises(NotEnoughSpace):
        desk.copy(tree, to=small)
    assert list(small.iterdir()) == []


def test_a_disk_that_fills_up_shows_nothing_half(desk: Desk, tree: Path, small: Path) -> None:
    """Somebody else writes as we do, and takes the room that there was."""
    chance = random.Random(3)
    (tree / "large").write_bytes(chance.randbytes(MIB))
    was = copy_of(tree)
    struck, filler = 0, small / "filler"
    for run in range(RUNS):
        context = desk.context()
        moment = chance.randrange(1, 10)

        def fill(number: int, moment: int = moment) -> None:
            if number >= moment and temporaries(small) and not filler.exists():
                with open(filler, "wb", buffering=0) as file:
                    try:
                        while True:
                            file.write(b"x" * 4096)
                    except OSError:
                        pass

        context.at_safe_point = fill
        move = run % 2 == 1
        try:
            desk.copy(tree, to=small, move=move, context=context)
        except DiskFull:
            struck += 1
            assert os.listdir(small) == ["filler"]
            assert differences(was, tree) == ""
            filler.unlink()
            context.at_safe_point = lambda _: None
            desk.copy(tree, to=small, move=move, context=context)
        assert temporaries(small) == []
        assert differences(was, small / "tree") == ""
        assert tree.exists() != move
        subprocess.run(["rm", "-rf", small / "tree", filler, tree], check=True)
        subprocess.run(["cp", "-a", was, tree], check=True)
        assert temporaries(tree.parent) == []
    assert struck > RUNS / 4


def test_nothing_at_all_is_an_error(desk: Desk, tree: Path, tmp_path: Path) -> None:
    to = tmp_path / "to"
    to.mkdir()
    context = desk.context()
    (tree / "gone").write_text("x")
    source = tree / "gone"

    def remove(_number: int) -> None:
        source.unlink(missing_ok=True)

    context.at_safe_point = remove
    with pytest.raises(SdError):
        desk.copy(source, to=to, context=context)
    assert list(to.iterdir()) == []
