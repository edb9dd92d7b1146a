"""A tree of many small files is copied by two processes, and nobody can tell."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from doing import Context, Desk, differences, interrupt, temporaries

from sd_daemon.core.fileops.copying.beside import WORTH
from sd_daemon.core.fileops.copying.content import SMALL
from sd_daemon.core.jobs.context import JobInterrupted
from sd_wire.errors import SdError
from sd_wire.types.jobs import JobLimits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FOLDERS, FILES = 40, 30

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="there is one processor, or no kernel that ends a process with its parent",
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Many small files, and among them what is not for the second process."""
    tree = tmp_path / "tree"
    for number in range(FOLDERS):
        folder = tree / f"{number % 7}" / f"{number}"
        folder.mkdir(parents=True)
        for file in range(FILES):
            (folder / f"{file}").write_bytes(os.urandom(number * file))
        (folder / "large").write_bytes(os.urandom(SMALL + number))
        os.link(tree / "0" / "0" / "large", folder / "linked")
        os.link(folder / "3", folder / "three")
        os.setxattr(folder / "5", "user.note", b"kept")
        (folder / "link").symlink_to("3")
        os.rename(os.fsencode(folder / "4"), os.fsencode(folder) + b"/odd \xff\n")
        os.mkfifo(folder / "pipe")
        os.utime(folder, ns=(1, 987_654_321_000_000_000 + number))
    return tree


def children() -> set[int]:
    """The processes of this one."""
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
        return {int(one) for one in file.read().split()}


OTHERS: set[int] = set()  # that were there before: those of other tests


@pytest.fixture(autouse=True)
def others() -> None:
    OTHERS.clear()
    OTHERS.update(children())


def second() -> set[int]:
    """The processes that a copy has begun."""
    return children() - OTHERS


class Seen:
    """Looks at each safe point for the second process, and does something where it is there."""

    def __init__(self, context: Context, do: Callable[[int], None] = lambda _pid: None) -> None:
        self.pids: set[int] = set()
        self._do = do
        context.at_safe_point = self._look

    def _look(self, _number: int) -> None:
        for pid in second():
            self.pids.add(pid)
            self._do(pid)


@pytest.mark.parametrize("verify", [False, True])
def test_the_copy_is_the_same(desk: Desk, tree: Path, to: Path, *, verify: bool) -> None:
    context = desk.context()
    seen = Seen(context)
    out = desk.copy(tree, to=to, context=context, verify=verify)
    assert len(seen.pids) == 1
    assert second() == set()
    assert out["failures"] == []
    assert differences(tree, to / "tree") == ""
    files = sum(len(names) for _folder, _dirs, names in os.walk(tree))
    assert (out["copied_count"], out["failed_count"]) == (files, 0)
    # what has several names counts once
    sizes = {one.stat().st_ino: one.stat().st_size for one in tree.rglob("*") if one.is_file()}
    assert out["total_bytes"] == sum(sizes.values())
    assert temporaries(to) == []


def test_a_few_files_are_not_worth_it(desk: Desk, tree: Path, to: Path) -> None:
    context = desk.context()
    seen = Seen(context)
    out = desk.copy(tree / "6", to=to, context=context)
    assert out["copied_count"] <= WORTH
    assert seen.pids == set()


def test_what_the_second_does_not_bring_back_the_first_does(
    desk: Desk, tree: Path, to: Path
) -> None:
    context = desk.context()
    seen = Seen(context, lambda pid: os.kill(pid, signal.SIGKILL))
    out = desk.copy(tree, to=to, context=context)
    assert len(seen.pids) == 1
    assert out["failed_count"] == 0
    assert differences(tree, to / "tree") == ""


@pytest.mark.parametrize("points", [1, 5, 20])
def test_an_interruption_ends_both_and_loses_nothing(
    desk: Desk, tree: Path, to: Path, points: int
) -> None:
    context = desk.context()
    left = iter(range(points, -1, -1))
    seen = Seen(context, lambda _pid: interrupt(0) if next(left, 0) == 0 else None)
    with pytest.raises(JobInterrupted):
        desk.copy(tree, to=to, context=context)
    assert len(seen.pids) == 1
    assert second() == set()
    assert not (to / "tree").exists()
    context.at_safe_point = lambda _: None
    assert desk.copy(tree, to=to, context=context)["failed_count"] == 0
    assert differences(tree, to / "tree") == ""


def test_a_second_process_that_stands_still_does_not_keep_the_job(
    desk: Desk, tree: Path, to: Path
) -> None:
    """It may wait for a disk: meanwhile the job can be stopped, and is seen to be alive."""
    context = desk.context()
    points: list[int] = []

    def stop(pid: int) -> None:
        os.kill(pid, signal.SIGSTOP)
        points.append(pid)
        if len(points) > 300:
            interrupt(0)

    Seen(context, stop)
    with pytest.raises(JobInterrupted):
        desk.copy(tree, to=to, context=context)
    assert second() == set()


def test_failures_and_warnings_name_the_file(desk: Desk, tree: Path, to: Path) -> None:
    too_large = [tree / f"{n % 7}" / f"{n}" / "too large" for n in range(20, FOLDERS)]
    for path in too_large:
        path.write_bytes(b"x" * (SMALL - 1))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for path in [*tree.rglob("large"), *tree.rglob("linked")]:
        path.unlink()
    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL - 2, before[1]))
    context = desk.context()
    seen = Seen(context)
    try:
        out = desk.copy(tree, to=to, context=context)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(seen.pids) == 1
    assert out["failed_count"] == len(too_large)
    assert {one["path"] for one in out["failures"]} == {str(path) for path in too_large}
    assert {one["reason"] for one in out["failures"]} == {os.strerror(errno.EFBIG)}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_a_full_disk_ends_both(desk: Desk, tree: Path, to: Path) -> None:
    options = "size=100m,nr_inodes=900"  # there is room for the bytes, which is all that is counted
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", to], check=True)
    try:
        context = desk.context()
        seen = Seen(context)
        with pytest.raises(SdError, match=f"holds {to}"):
            desk.copy(tree, to=to, context=context)
        assert len(seen.pids) == 1
        assert second() == set()
        assert os.listdir(to) == []
    finally:
        subprocess.run(["umount", to], check=True)


def test_a_limit_of_the_bandwidth_needs_one_process(desk: Desk, tree: Path, to: Path) -> None:
    context = desk.context()
    context.limits = JobLimits(bandwidth=10**9)
    seen = Seen(context)
    desk.copy(tree, to=to, context=context)
    assert seen.pids == set()
    assert differences(tree, to / "tree") == ""


def test_other_limits_begin_with_another_process(desk: Desk, tree: Path, to: Path) -> None:
    context = desk.context()

    def change(pid: int) -> None:
        if seen.pids == {pid}:
            context.limits = JobLimits()

    seen = Seen(context, change)
    desk.copy(tree, to=to, context=context)
    assert len(seen.pids) > 1
    assert differences(tree, to / "tree") == ""
