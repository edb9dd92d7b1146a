"""Which things an emptying takes, and what a tree is destroyed through."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from sd_daemon.core.db.migrate import migrate
from sd_daemon.core.fileops import erasing, trash, trashes
from sd_daemon.core.fileops.emptying import run_empty
from sd_daemon.core.fileops.erasing import Eraser
from sd_daemon.core.fileops.trashes import Trashes
from sd_daemon.core.jobs.context import JobInterrupted
from sd_wire.types.jobs import JobLimits

if TYPE_CHECKING:
    from pathlib import Path


class Context:
    """A job of its own, which may be told to stop after so many safe points."""

    job_id = "11112222-0000-0000-0000-000000000000"

    def __init__(self, folder: Path, home: str | None, stop_after: int = 1 << 30) -> None:
        self.library_dir = str(folder)
        self.limits = JobLimits()
        self.home_trash = home
        self.left = stop_after

    def progress(self, *_: object, **__: object) -> None:
        pass

    def safe_point(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise JobInterrupted

    def announce(self) -> None:
        pass

    def log(self, *_: object, **__: object) -> None:
        pass


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The only trash there is: those of other filesystems are whose tests these are not."""
    monkeypatch.setattr(trashes, "linux_mounts", list)
    migrate(f"{tmp_path}/operations.db", "operations")
    return f"{tmp_path}/share/Trash"


def put(folder: Path, home: str, *names: str) -> list[str]:
    for name in names:
        (folder / name).mkdir()
        (folder / name / "inside").write_text("x")
    return [trash.put(str(folder / name), Trashes(home)) for name in names]


def test_everything_or_what_is_older(tmp_path: Path, home: str) -> None:
    old, _, unknown = put(tmp_path, home, "old", "new", "unknown")
    before = datetime.now(UTC) - timedelta(days=10)
    for item, date in ((old, f"{before:%Y-%m-%dT%H:%M:%S}"), (unknown, "long ago")):
        with open(trash.info_of(item), "w") as file:
            file.write(f"[Trash Info]\nPath=/somewhere\nDeletionDate={date}\n")
    wanted = {"title": "t", "items": None, "older_than_days": 9}
    done = run_empty(wanted, Context(tmp_path, home))
    assert done["deleted_count"] == 1
    assert sorted(os.listdir(f"{home}/files")) == ["new", "unknown"]
    everything = {**wanted, "older_than_days": None}
    context = Context(tmp_path, home)
    context.job_id = "another"
    assert run_empty(everything, context)["deleted_count"] == 2
    assert sorted(os.listdir(home)) in (["files", "info"], ["directorysizes", "files", "info"])
    assert os.listdir(f"{home}/files") == os.listdir(f"{home}/info") == []


@pytest.mark.parametrize("after", range(8))
def test_stopped_anywhere_it_goes_on(tmp_path: Path, home: str, after: int) -> None:
    put(tmp_path, home, "a", "b", "c")
    wanted = {"title": "t", "items": None, "older_than_days": None}
    try:
        run_empty(wanted, Context(tmp_path, home, stop_after=after))
    except JobInterrupted:
        assert run_empty(wanted, Context(tmp_path, home))["deleted_count"] == 3
    assert os.listdir(f"{home}/files") == os.listdir(f"{home}/info") == []
    assert "expunged" not in os.listdir(home)


def test_a_tree_as_deep_as_it_likes(tmp_path: Path) -> None:
    depth = 3000  # far more than there are descriptors, or than a path may be long
    here = os.open(tmp_path, os.O_RDONLY)
    os.mkdir("deep", dir_fd=here)
    name = "deep"
    for _ in range(depth):
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here, name = below, "x" * 20
        os.mkdir(name, dir_fd=here)
        os.close(os.open("file", os.O_CREAT, dir_fd=here))
    os.close(here)
    eraser = Eraser(Context(tmp_path, None))
    eraser.erase(str(tmp_path / "deep"))
    assert (eraser.files, eraser.failed, os.listdir(tmp_path)) == (depth, 0, [])


def test_what_is_swapped_for_a_link_leads_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept").write_text("x")
    (tmp_path / "tree" / "folder").mkdir(parents=True)
    scan = os.scandir

    def swap(fd: int) -> object:
        found = scan(fd)
        entries = list(found)
        if (tmp_path / "tree" / "folder").is_dir() and not (
            tmp_path / "tree" / "folder"
        ).is_symlink():
            (tmp_path / "tree" / "folder").rmdir()
            (tmp_path / "tree" / "folder").symlink_to(tmp_path / "elsewhere")
        found.close()
        return _Entries(entries)

    monkeypatch.setattr(erasing.os, "scandir", swap)
    Eraser(Context(tmp_path, None)).erase(str(tmp_path / "tree"))
    assert not (tmp_path / "tree").exists()
    assert (tmp_path / "elsewhere" / "kept").read_text() == "x"


class _Entries(list[object]):
    def __enter__(self) -> _Entries:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def test_overwriting_spares_what_has_another_name(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"secret")
    os.link(tmp_path / "one", tmp_path / "other")
    eraser = Eraser(Context(tmp_path, None), secure=True)
    eraser.erase(str(tmp_path / "one"))
    assert (eraser.linked, (tmp_path / "other").read_bytes()) == (1, b"secret")
    held = os.open(tmp_path / "other", os.O_RDONLY)
    eraser.erase(str(tmp_path / "other"))
    assert os.pread(held, 6, 0) != b"secret"
    os.close(held)
