"""A verified copy is what the disk gives back, and what is not is removed and told."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from doing import Desk, differences, interrupt, temporaries

from sd_daemon.core.fileops.copying import verify
from sd_daemon.core.fileops.copying.content import SMALL, STEP
from sd_daemon.core.jobs.context import JobInterrupted
from sd_wire.errors import SdError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LARGE = 3 * STEP + 17
ROTTEN = "what the disk gives back is not what was written"


@pytest.fixture
def rot(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Lets the disk spoil one byte, at an offset, of every file that begins with `bad`."""

    def begin(place: int) -> None:
        forget = verify.forget_cached

        def forget_and_spoil(fd: int, offset: int = 0, length: int = 0) -> None:
            forget(fd, offset, length)
            if os.pread(fd, 3, 0) == b"bad" and offset <= place < offset + (length or place + 1):
                os.pwrite(fd, bytes((os.pread(fd, 1, place)[0] ^ 1,)), place)

        monkeypatch.setattr(verify, "forget_cached", forget_and_spoil)

    return begin


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("place", [3, STEP - 1, STEP, LARGE - 1])
def test_a_spoilt_byte_of_a_large_file_is_seen(
    desk: Desk, tree: Path, to: Path, rot: Callable[[int], None], place: int
) -> None:
    for name in ("good", "bad"):
        (tree / name).write_bytes(name.encode() + os.urandom(LARGE - len(name)))
    rot(place)
    before = open_files()
    out = desk.copy(tree, to=to, verify=True)
    assert [one["reason"] for one in out["failures"]] == [ROTTEN]
    assert os.listdir(to / "tree") == ["good"]
    assert open_files() == before
    (tree / "bad").unlink()
    assert (to / "tree" / "good").read_bytes() == (tree / "good").read_bytes()


def test_a_spoilt_hole_is_seen(
    desk: Desk, tree: Path, to: Path, rot: Callable[[int], None]
) -> None:
    with open(tree / "holes", "wb") as file:
        file.write(b"bad")
        file.truncate(LARGE)
    rot(2 * STEP)
    out = desk.copy(tree, to=to, verify=True)
    assert [one["reason"] for one in out["failures"]] == [ROTTEN]
    assert os.listdir(to / "tree") == []


@pytest.mark.parametrize("size", [1000, LARGE])
def test_what_is_spoilt_goes_under_all_its_names(
    desk: Desk, tree: Path, to: Path, rot: Callable[[int], None], size: int
) -> None:
    (tree / "folder").mkdir()
    (tree / "one").write_bytes(b"bad" + os.urandom(size))
    for name in ("two", "folder/three"):
        os.link(tree / "one", tree / name)
    rot(500)
    out = desk.copy(tree, to=to, verify=True)
    assert {one["path"] for one in out["failures"]} == {
        str(tree / name) for name in ("one", "two", "folder/three")
    }
    assert os.listdir(to / "tree") == ["folder"]
    assert os.listdir(to / "tree" / "folder") == []


def test_the_second_process_sees_it_too(
    desk: Desk, tree: Path, to: Path, rot: Callable[[int], None]
) -> None:
    bad = set()
    for number in range(600):
        folder = tree / f"{number % 40}"
        folder.mkdir(exist_ok=True)
        path = folder / f"{number}"
        path.write_bytes((b"bad" if number % 3 else b"good") + os.urandom(400))
        if number % 3:
            bad.add(str(path))
    rot(100)
    out = desk.copy(tree, to=to, verify=True)
    assert out["failed_count"] == len(bad)
    assert {one["path"] for one in out["failures"]} <= bad
    good = {path.relative_to(tree) for path in tree.rglob("*") if str(path) not in bad}
    assert {path.relative_to(to / "tree") for path in (to / "tree").rglob("*")} == good


@pytest.mark.parametrize("size", [1000, LARGE])
def test_it_is_read_from_the_disk(
    desk: Desk, tree: Path, to: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    kind = subprocess.run(
        ["stat", "-f", "-c", "%T", to], check=True, capture_output=True, text=True
    ).stdout.strip()
    if kind == "tmpfs":
        pytest.skip("there is no disk")
    (tree / "file").write_bytes(os.urandom(size))
    looked = []

    def look(fd: int, offset: int = 0, _length: int = 0) -> None:
        """Read without waiting for the disk, which cannot be where memory has forgotten it."""
        try:
            os.preadv(fd, [bytearray(100)], offset, os.RWF_NOWAIT)
        except BlockingIOError:
            looked.append("forgotten")
        else:
            looked.append("remembered")

    monkeypatch.setattr(verify, "read_ahead", look)
    assert desk.copy(tree, to=to, verify=True)["failed_count"] == 0
    assert set(looked) == {"forgotten"}


def test_a_source_that_is_changed_while_it_is_compared_is_not_called_spoilt(
    desk: Desk, tree: Path, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "file").write_bytes(os.urandom(LARGE))

    def change(_fd: int, offset: int = 0, _length: int = 0) -> None:
        with open(tree / "file", "r+b") as file:
            file.seek(offset)
            file.write(b"changed")

    monkeypatch.setattr(verify, "read_ahead", change)
    out = desk.copy(tree, to=to, verify=True)
    assert [one["reason"] for one in out["failures"]] == ["it was changed while it was copied"]
    assert os.listdir(to / "tree") == []


@pytest.mark.parametrize("points", [1, 3, 8, 20])
def test_an_interrupted_copy_goes_on(desk: Desk, tree: Path, to: Path, points: int) -> None:
    (tree / "large").write_bytes(os.urandom(4 * LARGE))
    for number in range(300):
        (tree / f"{number}").write_bytes(os.urandom(number * 10))
        (tree / f"medium {number % 20}").write_bytes(os.urandom(SMALL + 1))
    context = desk.context()
    context.at_safe_point = lambda number: interrupt(0) if number == points else None
    before = open_files()
    with pytest.raises(JobInterrupted):
        desk.copy(tree, to=to, context=context, verify=True)
    assert open_files() == before
    context.at_safe_point = lambda _: None
    assert desk.copy(tree, to=to, context=context, verify=True)["failed_count"] == 0
    assert differences(tree, to / "tree") == ""
    assert open_files() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_a_full_disk_is_told_as_such(desk: Desk, tree: Path, to: Path) -> None:
    for number in range(400):
        (tree / f"{number}").write_bytes(os.urandom(3000))
    options = "size=8m,nr_inodes=350"  # there is room for the bytes, which is all that is counted
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", to], check=True)
    try:
        with pytest.raises(SdError, match=f"holds {to}"):
            desk.copy(tree, to=to, verify=True)
        assert os.listdir(to) == []
    finally:
        subprocess.run(["umount", to], check=True)
    assert temporaries(tree.parent) == []
