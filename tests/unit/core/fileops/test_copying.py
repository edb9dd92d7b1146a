"""Copies hold all that their sources do, and nothing that is not whole is ever seen."""

from __future__ import annotations

import os
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest
from doing import Desk, differences, interrupt, temporaries
from torture import deepen, grow

from sd_daemon.core.fileops.copying import kernel
from sd_daemon.core.jobs.context import JobInterrupted
from sd_wire.errors import FileConflict, SdError
from sd_wire.operations.files import ConflictResolution, CopyMethod
from sd_wire.types.jobs import JobLimits

if TYPE_CHECKING:
    from pathlib import Path

ROOT = os.geteuid() == 0
MIB = 1024 * 1024


def dress(tree: Path) -> None:
    """Give some files what is easily lost."""
    one, other = tree / "dressed", tree / "folder dressed"
    one.write_text("dressed")
    other.mkdir()
    (other / "inner").write_text("inner")
    for path in (one, other):
        os.setxattr(path, "user.note", b"kept \xff")
        subprocess.run(["setfacl", "-m", "u:1234:rx", path], check=True)
    subprocess.run(["setfacl", "-d", "-m", "u:1234:rwx", other], check=True)
    one.chmod(0o4751)
    other.chmod(0o3775)
    if ROOT:
        os.chown(one, 1234, 4321)
        one.chmod(0o4751)
    for path in (tree / "links" / "dangling", one, other / "inner", other):
        os.utime(path, ns=(1, 987_654_321_123_456_789), follow_symlinks=False)
    with open(tree / "holes", "wb") as file:
        for place in (0, 5 * MIB, 40 * MIB + 17):
            file.seek(place)
            file.write(b"data" * 3000)
        file.truncate(64 * MIB)
    (tree / "large").write_bytes(os.urandom(20 * MIB + 5))
    os.link(tree / "large", other / "same as large")


@pytest.mark.parametrize("more", [{}, {"method": CopyMethod.STREAMING}, {"verify": True}])
def test_nothing_is_lost(desk: Desk, tree: Path, to: Path, more: dict[str, object]) -> None:
    grow(os.fsencode(tree))
    (tree / "sparse").unlink()  # ten gigabytes are read to be verified
    dress(tree)
    before = differences(tree, tree)
    out = desk.copy(tree, to=to, **more)
    assert out["failed_count"] == 0, out["failures"]
    assert differences(tree, to / "tree") == before == ""
    assert temporaries(to) == []


def test_what_the_target_folder_gives_away_is_not_taken(desk: Desk, tree: Path, to: Path) -> None:
    (tree / "file").write_text("x")
    (tree / "folder").mkdir()
    single = tree.parent / "single"
    single.write_text("y")
    subprocess.run(["setfacl", "-d", "-m", "u:1234:rwx", to], check=True)
    if ROOT:
        os.chown(to, -1, 4321)
    to.chmod(0o2777)
    desk.copy(tree, single, to=to)
    assert differences(tree, to / "tree") == ""
    assert os.listxattr(to / "single") == []
    assert os.stat(to / "single").st_gid == os.stat(single).st_gid


@pytest.mark.parametrize(("name", "times"), [(b"n" * 200, 60), (b"d", 1000)])
def test_as_deep_as_it_likes(desk: Desk, tree: Path, to: Path, name: bytes, times: int) -> None:
    deepen(os.fsencode(tree), name, times)
    out = desk.copy(tree, to=to)
    assert out["failed_count"] == 0, out["failures"]
    assert out["copied_count"] == times
    counted = subprocess.run(["find", to, "-type", "f"], capture_output=True, check=True).stdout
    assert counted.count(b"\n") == times


def test_names_of_one_file_stay_together_between_sources(desk: Desk, tree: Path, to: Path) -> None:
    one, other = tree / "one", tree / "other"
    one.write_text("x")
    os.link(one, other)
    desk.copy(one, other, to=to)
    assert os.stat(to / "one").st_ino == os.stat(to / "other").st_ino


def test_names_of_one_file_stay_together_between_folders(desk: Desk, tree: Path, to: Path) -> None:
    sources = [tree / "one", tree / "other", tree / "name"]
    for folder in sources[:2]:
        folder.mkdir()
    (sources[0] / "file").write_text("x")
    os.link(sources[0] / "file", sources[1] / "file")
    os.link(sources[0] / "file", sources[2])
    os.mkfifo(sources[0] / "pipe")
    os.link(sources[0] / "pipe", sources[1] / "pipe")
    desk.copy(*sources, to=to)
    assert differences(tree, to) == ""


def test_what_others_have_changed_gets_no_other_name(desk: Desk, tree: Path, to: Path) -> None:
    sources = [tree / "one", tree / "other"]
    for folder in sources:
        folder.mkdir()
    (sources[0] / "file").write_text("x")
    os.link(sources[0] / "file", sources[1] / "file")
    context = desk.context()

    def change(_number: int) -> None:
        if (to / "one").exists():
            (to / "one" / "file").write_text("mine")

    context.at_safe_point = change
    desk.copy(*sources, to=to, context=context)
    assert (to / "one" / "file").read_text() == "mine"
    assert (to / "other" / "file").read_text() == "x"


def test_an_interrupted_copy_goes_on_and_repeats_nothing(desk: Desk, tree: Path, to: Path) -> None:
    for number in range(300):
        (tree / f"{number}").write_text(f"{number}")
    os.link(tree / "7", tree / "299 too")
    context = desk.context()
    context.at_safe_point = lambda number: interrupt(number) if number == 12 else None
    with pytest.raises(JobInterrupted):
        desk.copy(tree, to=to, context=context)
    assert list(to.iterdir()) == [to / temporaries(to)[0]]
    written = {
        entry.name: (entry.inode(), entry.stat().st_ctime_ns)
        for entry in os.scandir(to / temporaries(to)[0])
    }
    assert len(written) > 50
    desk.copy(tree, to=to, context=context)
    assert differences(tree, to / "tree") == ""
    for name, known in written.items():
        found = os.stat(to / "tree" / name)
        if found.st_nlink == 1 and name not in sorted(written)[-1:]:
            assert (found.st_ino, found.st_ctime_ns) == known, f"{name} was copied again"


def test_what_is_something_else_when_it_goes_on(desk: Desk, tree: Path, to: Path) -> None:
    """Folders that are files and links by then, files that are folders, and what is gone."""
    for number in range(60):
        (tree / f"{number}" / "inner").mkdir(parents=True)
        (tree / f"{number}" / "inner" / "file").write_text("inner")
        (tree / f"file {number}").write_text("file")
    context, again = desk.context(), desk.context()

    def stop(_number: int) -> None:
        if len(list(to.glob(".spacedrive-*/*/inner/file"))) > 30:
            interrupt(0)

    context.at_safe_point = stop
    with pytest.raises(JobInterrupted):
        desk.copy(tree, to=to, context=context)
    for number in range(60):
        folder, file = tree / f"{number}", tree / f"file {number}"
        subprocess.run(["rm", "-r", folder, file], check=True)
        if number % 3 == 0:
            folder.write_text("file")
            file.mkdir()
            (file / "new").write_text("new")
        elif number % 3 == 1:
            folder.symlink_to("elsewhere")
    again.job_id = context.job_id
    out = desk.copy(tree, to=to, context=again)
    assert out["failures"] == []
    assert differences(tree, to / "tree") == ""
    assert temporaries(to) == []


def test_a_cancelled_copy_leaves_nothing(desk: Desk, tree: Path, to: Path) -> None:
    for number in range(100):
        (tree / f"{number}").write_text(f"{number}")
    context = desk.context()
    context.at_safe_point = lambda number: interrupt(number) if number == 5 else None
    with pytest.raises(JobInterrupted):
        desk.copy(tree, to=to, context=context)
    assert temporaries(to)
    desk.settle(context)
    assert list(to.iterdir()) == []


def test_after_a_power_cut_only_what_was_flushed_is_trusted(
    desk: Desk, tree: Path, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(300):
        (tree / f"{number}").write_text(f"{number}")
    context = desk.context()
    context.at_safe_point = lambda number: interrupt(number) if number == 12 else None
    with pytest.raises(JobInterrupted):
        desk.copy(tree, to=to, context=context)
    hidden = to / temporaries(to)[0]
    torn = hidden / next(iter(os.listdir(hidden)))
    found = torn.stat()
    torn.write_bytes(b"\0" * found.st_size)  # as a disk may leave it
    os.utime(torn, ns=(found.st_atime_ns, found.st_mtime_ns))
    monkeypatch.setattr("sd_daemon.core.fileops.copying.job.this_boot", lambda: "another")
    desk.copy(tree, to=to, context=context)
    assert differences(tree, to / "tree") == ""


def test_what_changes_while_it_is_copied_is_copied_again(desk: Desk, tree: Path, to: Path) -> None:
    large = tree / "large"
    large.write_bytes(os.urandom(20 * MIB))
    context = desk.context()

    def change(number: int) -> None:
        if number == 3:
            with open(large, "r+b") as file:
                file.write(b"changed")

    context.at_safe_point = change
    out = desk.copy(tree, to=to, context=context)
    assert out["failed_count"] == 0
    assert differences(tree, to / "tree") == ""


def test_what_changes_all_the_time_is_told(desk: Desk, tree: Path, to: Path) -> None:
    large = tree / "large"
    large.write_bytes(os.urandom(20 * MIB))
    (tree / "small").write_text("quiet")
    context = desk.context()

    def change(_number: int) -> None:
        with open(large, "ab") as file:
            file.write(b"more")

    context.at_safe_point = change
    out = desk.copy(tree, to=to, context=context)
    assert out["failed_count"] == 1
    assert "changed while it was copied" in out["failures"][0]["reason"]
    assert os.listdir(to / "tree") == ["small"]


def test_a_copy_that_cannot_share_blocks_says_so(desk: Desk, tree: Path, to: Path) -> None:
    (tree / "file").write_bytes(b"x" * 10)
    with open(to / "probe", "wb") as probe, open(tree / "file", "rb") as file:
        if kernel.share_blocks(file.fileno(), probe.fileno()):
            pytest.skip("here they can")
    with pytest.raises(SdError, match="cannot share"):
        desk.copy(tree / "file", to=to, method=CopyMethod.ATOMIC)
    assert temporaries(to) == []


def test_times_are_new_where_that_is_wanted(desk: Desk, tree: Path, to: Path) -> None:
    (tree / "old").write_text("x")
    os.utime(tree / "old", (1, 1))
    desk.copy(tree, to=to, keep_times=False)
    assert (to / "tree" / "old").stat().st_mtime > 1_000_000


def test_a_name_that_is_taken_meanwhile_stays(desk: Desk, tree: Path, to: Path) -> None:
    (tree / "file").write_bytes(b"x" * (9 * MIB))
    context = desk.context()

    def take(_number: int) -> None:
        (to / "file").write_text("first")

    context.at_safe_point = take
    with pytest.raises(FileConflict, match=f"{to}/file already exists"):
        desk.copy(tree / "file", to=to, context=context)
    assert (to / "file").read_text() == "first"
    assert temporaries(to) == []


def test_abort_does_nothing_at_all(desk: Desk, tree: Path, to: Path) -> None:
    (tree / "inner").mkdir()
    for name in ("a", "b", "inner/c"):
        (tree / name).write_text("new")
    (to / "tree" / "inner").mkdir(parents=True)
    (to / "tree" / "inner" / "c").write_text("old")
    with pytest.raises(FileConflict):
        desk.copy(tree, to=to)
    assert sorted(os.listdir(to / "tree")) == ["inner"]
    assert (to / "tree" / "inner" / "c").read_text() == "old"


@pytest.mark.parametrize("move", [False, True])
def test_each_name_as_it_was_decided(desk: Desk, tree: Path, to: Path, move: bool) -> None:  # noqa: FBT001
    names = ("overwritten", "skipped", "renamed.txt", "free")
    (to / "tree").mkdir()
    for name in names:
        (tree / name).write_text("new")
        if name != "free":
            (to / "tree" / name).write_text("old")
    decisions = {
        str(to / "tree" / "skipped"): ConflictResolution.SKIP,
        str(to / "tree" / "renamed.txt"): ConflictResolution.AUTO_MODIFY_NAME,
    }
    context = desk.context()
    desk.copy(
        tree,
        to=to,
        context=context,
        move=move,
        resolution=ConflictResolution.OVERWRITE,
        decisions=decisions,
    )
    found = {name: (to / "tree" / name).read_text() for name in os.listdir(to / "tree")}
    assert found == {
        "overwritten": "new",
        "skipped": "old",
        "renamed.txt": "old",
        "renamed (1).txt": "new",
        "free": "new",
    }
    left = {"skipped"} if move else set(names)
    assert set(os.listdir(tree)) == left
    desk.undo(context)
    assert {name: (tree / name).read_text() for name in os.listdir(tree)} == dict.fromkeys(
        names, "new"
    )
    found = {name: (to / "tree" / name).read_text() for name in os.listdir(to / "tree")}
    assert found == dict.fromkeys(("overwritten", "skipped", "renamed.txt"), "old")


def test_a_folder_that_a_move_emptied_comes_back_as_it_was(
    desk: Desk, tree: Path, to: Path
) -> None:
    (tree / "file").write_text("x")
    tree.chmod(0o2750)
    os.utime(tree, (5, 5))
    (to / "tree").mkdir()
    context = desk.context()
    desk.copy(tree, to=to, context=context, move=True)
    assert not tree.exists()
    assert desk.undo(context)["failures"] == []
    assert stat.S_IMODE(tree.stat().st_mode) == 0o2750
    assert (tree / "file").read_text() == "x"


def test_an_undo_says_how_much_there_is(desk: Desk, tree: Path, to: Path) -> None:
    (tree / "one").touch()
    (tree / "other").touch()
    context, own = desk.context(), desk.context()
    desk.copy(tree / "one", tree / "other", to=to, context=context)
    desk.undo(context, own)
    assert [more["message"] for *_, more in own.reports][-1] == "2 of 2 deleted"


def test_undo_leaves_alone_what_was_changed(desk: Desk, tree: Path, to: Path) -> None:
    for name in ("one", "two"):
        (tree / name).write_text(name)
    context = desk.context()
    desk.copy(tree / "one", tree / "two", to=to, context=context)
    (to / "one").write_text("worked on since")
    out = desk.undo(context)
    assert os.listdir(to) == ["one"]
    assert out["failed_count"] == 1
    assert "changed since" in out["failures"][0]["reason"]


@pytest.mark.parametrize("change", ["edited", "added", "moved in", "removed"])
def test_undo_leaves_a_folder_alone_that_something_was_changed_in(
    desk: Desk, tree: Path, to: Path, change: str
) -> None:
    (tree / "inner").mkdir()
    for name in ("one", "inner/two"):
        (tree / name).write_text(name)
    old = to / "old"
    old.write_text("old")
    context = desk.context()
    desk.copy(tree, to=to, context=context)
    desk.until_later()
    made = to / "tree"
    if change == "edited":
        times = (made / "inner" / "two").stat()
        (made / "inner" / "two").write_text("TWO")
        os.utime(made / "inner" / "two", ns=(times.st_atime_ns, times.st_mtime_ns))
    elif change == "added":
        (made / "new").write_text("new")
    elif change == "moved in":
        old.rename(made / "inner" / "old")
    else:
        (made / "one").unlink()
    was = {path: path.lstat().st_mtime_ns for path in made.rglob("*")}
    with pytest.raises(SdError, match="changed since"):
        desk.undo(context)
    assert {path: path.lstat().st_mtime_ns for path in made.rglob("*")} == was


def test_what_undo_takes_out_of_a_new_folder_is_no_change_in_it(
    desk: Desk, tree: Path, to: Path
) -> None:
    (tree / "file").write_text("x")
    (to / "new").mkdir()
    context = desk.context()
    desk.copy(tree / "file", to=to / "new", context=context, move=True, made=str(to / "new"))
    desk.until_later()
    (to / "new" / "file").write_text("worked on since")
    desk.undo(context)
    assert os.listdir(to) == []
    assert (tree / "file").read_text() == "worked on since"


def test_a_folder_that_came_back_from_the_trash_can_be_undone_again(
    desk: Desk, tree: Path, to: Path
) -> None:
    (tree / "file").write_text("x")
    first, second, third = desk.context(), desk.context(), desk.context()
    desk.copy(tree, to=to, context=first)
    desk.until_later()
    desk.undo(first, second)
    assert os.listdir(to) == []
    desk.undo(second, third)
    assert os.listdir(to) == ["tree"]
    desk.undo(first)
    assert os.listdir(to) == []


def test_without_a_trash_undo_removes_only_what_is_untouched(
    desk: Desk, tree: Path, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "file").write_text("x")
    first, second = desk.context(), desk.context()
    desk.copy(tree, to=to, context=first)
    (to / "more").mkdir()
    desk.copy(tree, to=to / "more", context=second)
    desk.until_later()
    (to / "more" / "tree" / "mine").write_text("x")

    def none(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("sd_daemon.core.fileops.trashes.Trashes.expect", none)
    desk.undo(first)
    assert os.listdir(to) == ["more"]
    with pytest.raises(SdError, match="changed since"):
        desk.undo(second)
    assert (to / "more" / "tree" / "mine").exists()


def test_a_limit_holds_it_back(
    desk: Desk, tree: Path, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "large").write_bytes(b"x" * (20 * MIB))
    now = [0.0]
    monkeypatch.setattr("sd_daemon.core.fileops.copying.tally.time.monotonic", lambda: now[0])

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr("sd_daemon.core.fileops.copying.tally.time.sleep", sleep)
    context = desk.context()
    context.limits = JobLimits(bandwidth=2 * MIB)
    desk.copy(tree, to=to, context=context)
    assert 9.5 < now[0] < 12
