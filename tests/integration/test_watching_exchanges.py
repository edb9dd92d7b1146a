"""Two names that are exchanged in one step, as renameat2(2) does it, keep their ids crosswise."""

from __future__ import annotations

import ctypes
import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from person import plant
from watched import Watched

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from running import Daemon

_AT_FDCWD, _EXCHANGE = -100, 2


def exchange(one: Path, two: Path) -> None:
    """Let two names change places."""
    libc = ctypes.CDLL(None, use_errno=True)
    names = (os.fsencode(one), os.fsencode(two))
    if libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _EXCHANGE) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@pytest.fixture
def watched(watching: Daemon, tmp_path: Path) -> Watched:
    return Watched(watching, plant(tmp_path / "tree", folders=6, files=3))


@contextmanager
def told_at_once(watched: Watched) -> Iterator[None]:
    """All that happens meanwhile is seen afterwards, in one round."""
    (follower,) = watched.followers()
    os.kill(follower, signal.SIGSTOP)
    yield
    os.kill(follower, signal.SIGCONT)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("0001", "0002"),
        ("0001/0001.txt", "0001/0002.txt"),
        ("0001/0001.txt", "0002/0000.txt"),
        ("0001", "0002/0001.txt"),
        ("0001", "0002/inner"),
    ],
)
def test_both_keep_their_ids(watched: Watched, one: str, two: str) -> None:
    tree = watched.tree
    (tree / "0002" / "inner" / "deep").mkdir(parents=True)
    (tree / "0002" / "inner" / "deep" / "file").write_text("x")
    watched.agrees()
    before = watched.ids()
    exchange(tree / one, tree / two)
    watched.agrees()
    now = watched.ids()
    here, there = f"{tree}/{one}", f"{tree}/{two}"
    assert (now[here], now[there]) == (before[there], before[here])
    assert len(now) == len(before)
    for path, entry in before.items():
        for old, new in ((here, there), (there, here)):
            if path.startswith(old + "/"):
                assert now[new + path[len(old) :]] == entry
    watched.counts()
    (tree / "0003" / "later").write_text("all is watched as what it is")
    for place in (tree / one, tree / two):
        if place.is_dir():
            (place / "new").write_text("in either")
    watched.agrees()


def test_what_is_renamed_right_after_it(watched: Watched) -> None:
    tree, before = watched.tree, watched.ids()
    with told_at_once(watched):
        exchange(tree / "0001", tree / "0002")
        (tree / "0001").rename(tree / "0003" / "was two")
        (tree / "0002").rename(tree / "was one")
        exchange(tree / "0004" / "0001.txt", tree / "0004" / "0002.txt")
        (tree / "0004" / "0001.txt").rename(tree / "0005" / "was two.txt")
    watched.agrees()
    now = watched.ids()
    for old, new in {
        "0001": "was one",
        "0001/0001.txt": "was one/0001.txt",
        "0002": "0003/was two",
        "0002/0001.txt": "0003/was two/0001.txt",
        "0004/0001.txt": "0004/0002.txt",
        "0004/0002.txt": "0005/was two.txt",
    }.items():
        assert now[f"{tree}/{new}"] == before[f"{tree}/{old}"], old


def test_what_is_exchanged_again_and_again(watched: Watched) -> None:
    tree, before = watched.tree, watched.ids()
    with told_at_once(watched):
        exchange(tree / "0001", tree / "0002")
        exchange(tree / "0002", tree / "0003")
        exchange(tree / "0001", tree / "0003")
    watched.agrees()
    now = watched.ids()
    found = {name: now[f"{tree}/{name}"] for name in ("0001", "0002", "0003")}
    assert found == {
        "0001": before[f"{tree}/0001"],
        "0002": before[f"{tree}/0003"],
        "0003": before[f"{tree}/0002"],
    }


def test_one_file_over_the_other_and_back_is_no_exchange(watched: Watched) -> None:
    one, two = (watched.tree / "0001" / name for name in ("0001.txt", "0002.txt"))
    before = watched.ids()
    with told_at_once(watched):
        one.rename(two)
        two.rename(one)
    watched.agrees()
    assert watched.ids()[str(one)] == before[str(one)]
    assert before[str(two)] not in watched.ids().values()
