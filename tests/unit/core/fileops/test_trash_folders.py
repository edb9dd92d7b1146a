"""The trash on real filesystems, and with the programs of others."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from sd_daemon.core.fileops import trash, trash_sizes
from sd_daemon.core.fileops.trash import State
from sd_daemon.core.fileops.trashes import Trashes, home_trash
from sd_wire.errors import TrashUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UID = os.geteuid()
AS_ROOT = pytest.mark.skipif(
    UID != 0 or not sys.platform.startswith("linux"), reason="only root mounts filesystems"
)
ODD = [
    "plain.txt",
    "with space",
    "ü ✓ %41.txt",
    "new\nline",
    b"not utf-8 \xff\xfe".decode("utf-8", "surrogateescape"),
]


@contextmanager
def mounted(at: Path, *arguments: str) -> Iterator[Path]:
    """A filesystem of its own at this folder."""
    at.mkdir(exist_ok=True)
    arguments = arguments or ("-t", "tmpfs", "-o", "size=1m", "none")
    done = subprocess.run(["mount", *arguments, str(at)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.decode()}")
    try:
        yield at
    finally:
        subprocess.run(["umount", "-l", str(at)], check=True)


@pytest.fixture
def home(tmp_path: Path) -> str:
    found = home_trash("linux", str(tmp_path / "share"), "/nonexistent")
    assert found is not None
    return found


def made(path: Path, text: str = "x") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def listed(home: str) -> dict[str | None, str]:
    """What the trashes of a test hold, by where it was. Whoever runs it has others."""
    return {item.original: item.path for item in in_all(home)}


def in_all(home: str) -> list[trash.Item]:
    place = os.path.dirname(os.path.dirname(home))
    found = [item for one in Trashes(home).all() for item in trash.items(one)]
    return [item for item in found if item.path.startswith(f"{place}/")]


@pytest.mark.parametrize("name", ODD)
def test_what_is_put_there_comes_back(tmp_path: Path, home: str, name: str) -> None:
    path = f"{tmp_path}/d/{name}"
    os.mkdir(tmp_path / "d")
    with open(path, "w") as file:
        file.write("content")
    item = trash.put(path, Trashes(home), "job-1")
    assert not os.path.lexists(path)
    assert listed(home) == {path: item}
    assert trash.state_of(item, "job-1") is State.FILLED
    assert trash.state_of(item, "job-2") is State.NOTHING
    trash.restore(item, path)
    with open(path) as file:
        assert file.read() == "content"
    assert listed(home) == {}
    assert os.listdir(f"{home}/info") == []


def test_names_that_collide_are_numbered(tmp_path: Path, home: str) -> None:
    found = [trash.put(made(tmp_path / d / "a.tar"), Trashes(home)) for d in "xyz"]
    assert [os.path.basename(item) for item in found] == ["a.tar", "a.2.tar", "a.3.tar"]
    assert set(listed(home)) == {str(tmp_path / d / "a.tar") for d in "xyz"}


def test_a_name_as_long_as_they_may_be_fits(tmp_path: Path, home: str) -> None:
    longest = made(tmp_path / ("ü" * 127 + "x"))
    item = trash.put(longest, Trashes(home))
    assert len(os.fsencode(os.path.basename(item))) <= 255 - len(".trashinfo")
    trash.restore(item, longest)
    assert os.path.exists(longest)


def test_a_link_goes_itself_and_the_folder_it_is_in_is_followed(tmp_path: Path, home: str) -> None:
    made(tmp_path / "real" / "file")
    (tmp_path / "way").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "link").symlink_to(tmp_path / "real" / "file")
    trash.put(f"{tmp_path}/way/link", Trashes(home))
    assert (tmp_path / "real" / "file").exists()
    assert list(listed(home)) == [f"{tmp_path}/real/link"]


def test_nothing_is_replaced_by_what_comes_back(tmp_path: Path, home: str) -> None:
    path = made(tmp_path / "a", "old")
    item = trash.put(path, Trashes(home))
    made(tmp_path / "a", "new")
    with pytest.raises(FileExistsError):
        trash.restore(item, path)
    assert (tmp_path / "a").read_text() == "new"
    assert listed(home) == {path: item}


def test_info_files_of_others_that_are_broken_hide_nothing(tmp_path: Path, home: str) -> None:
    trash.put(made(tmp_path / "good"), Trashes(home))
    broken = {
        "empty": b"",
        "binary": b"\xff\xfe\0" * 9000,
        "no-path": b"[Trash Info]\nDeletionDate=2026-01-01T00:00:00\n",
        "outside": b"[Trash Info]\nPath=../../etc/passwd\nDeletionDate=2026-01-01T00:00:00\n",
        "no-date": b"[Trash Info]\nPath=/somewhere/no-date\nDeletionDate=yesterday\n",
        "twice": b"[Trash Info]\nX=1\nPath=/first\nPath=/second\n",
    }
    for name, text in broken.items():
        with open(f"{home}/info/{name}.trashinfo", "wb") as file:
            file.write(text)
        made(tmp_path / "share" / "Trash" / "files" / name)
    os.mkdir(f"{home}/info/folder.trashinfo")
    made(tmp_path / "share" / "Trash" / "files" / "folder")
    os.mkfifo(f"{home}/info/pipe.trashinfo")
    made(tmp_path / "share" / "Trash" / "files" / "pipe")
    made(tmp_path / "share" / "Trash" / "files" / "without")
    found = {
        os.path.basename(item.path): (item.original, item.deleted_at is not None)
        for item in in_all(home)
    }
    assert found == {
        "good": (f"{tmp_path}/good", True),
        "empty": (None, False),
        "binary": (None, False),
        "no-path": (None, True),
        "outside": (None, True),
        "no-date": ("/somewhere/no-date", False),
        "twice": ("/first", False),
        "folder": (None, False),
        "pipe": (None, False),
        "without": (None, False),
    }


def test_what_is_destroyed_leaves_nothing(tmp_path: Path, home: str) -> None:
    made(tmp_path / "d" / "e" / "f")
    item = trash.put(f"{tmp_path}/d", Trashes(home))
    trash_sizes.note(home, {"d": 12})
    gone = trash.expunge(item, ".spacedrive-test-1")
    assert listed(home) == {}
    shutil.rmtree(gone)
    trash.forget(item)
    trash.tidy(Trashes(home).all()[0])
    assert trash_sizes.known(home) == {}
    assert os.listdir(f"{home}/info") == []
    assert sorted(os.listdir(home)) == ["directorysizes", "files", "info"]


def test_info_files_whose_things_are_gone_are_removed_when_old(tmp_path: Path, home: str) -> None:
    for name in ("old", "new"):
        os.unlink(trash.put(made(tmp_path / name), Trashes(home)))
    long_ago = time.time() - 2 * trash.STALE_S
    os.utime(f"{home}/info/old.trashinfo", (long_ago, long_ago))
    trash.tidy(Trashes(home).all()[0])
    assert os.listdir(f"{home}/info") == ["new.trashinfo"]


def test_the_sizes_of_folders_count_while_their_info_file_is_the_same(
    tmp_path: Path, home: str
) -> None:
    for name in ("a b", "c"):
        os.mkdir(tmp_path / name)
        trash.put(f"{tmp_path}/{name}", Trashes(home))
    trash_sizes.note(home, {"a b": 4096, "c": 8192})
    with open(f"{home}/directorysizes") as file:
        assert "a%20b\n" in file.read()
    os.utime(f"{home}/info/c.trashinfo", (1, 1))
    assert trash_sizes.known(home) == {"a b": 4096}


@AS_ROOT
def test_each_filesystem_has_its_own(tmp_path: Path, home: str) -> None:
    with mounted(tmp_path / "disk") as disk:
        path = made(disk / "sub" / "file")
        item = trash.put(path, Trashes(home))
        assert item == f"{disk}/.Trash-{UID}/files/file"
        with open(f"{disk}/.Trash-{UID}/info/file.trashinfo") as file:
            assert "\nPath=sub/file\n" in file.read()
        assert listed(home)[path] == item
        trash.restore(item, path)
        assert os.path.exists(path)


@AS_ROOT
@pytest.mark.parametrize(
    ("mode", "kind", "used"),
    [(0o1777, "folder", "shared"), (0o777, "folder", "own"), (0o1777, "link", "own")],
)
def test_a_shared_trash_is_used_only_if_it_can_be_trusted(
    tmp_path: Path, home: str, mode: int, kind: str, used: str
) -> None:
    with mounted(tmp_path / "disk") as disk:
        real = disk / ("elsewhere" if kind == "link" else ".Trash")
        real.mkdir()
        real.chmod(mode)
        if kind == "link":
            (disk / ".Trash").symlink_to(real)
        item = trash.put(made(disk / "file"), Trashes(home))
        own = f"{disk}/.Trash/{UID}" if used == "shared" else f"{disk}/.Trash-{UID}"
        assert item == f"{own}/files/file"


@AS_ROOT
def test_a_trash_that_someone_else_owns_is_not_used(tmp_path: Path, home: str) -> None:
    with mounted(tmp_path / "disk") as disk:
        (disk / f".Trash-{UID}").mkdir()
        os.chown(disk / f".Trash-{UID}", 65534, 65534)
        path = made(disk / "file")
        with pytest.raises(TrashUnavailable, match="belongs to nobody"):
            trash.put(path, Trashes(home))
        assert os.path.exists(path)
        assert listed(home) == {}


@AS_ROOT
def test_a_bind_mount_of_the_same_filesystem_has_its_own(tmp_path: Path, home: str) -> None:
    (tmp_path / "source").mkdir()
    with mounted(tmp_path / "bound", "--bind", str(tmp_path / "source")) as bound:
        assert os.stat(bound).st_dev == os.stat(tmp_path).st_dev
        item = trash.put(made(bound / "file"), Trashes(home))
        assert item == f"{bound}/.Trash-{UID}/files/file"


@AS_ROOT
def test_a_filesystem_that_is_read_only_or_full_says_so(tmp_path: Path, home: str) -> None:
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=64k,nr_inodes=12", "none") as disk:
        path = made(disk / "file")
        trash.put(made(disk / "first"), Trashes(home))
        with pytest.raises(OSError, match="No space left"):  # noqa: PT012
            for number in range(12):
                (disk / str(number)).touch()
        with pytest.raises(OSError, match="No space left"):
            trash.put(path, Trashes(home))
        assert os.path.exists(path)
        assert set(listed(home)) == {f"{disk}/first"}
        assert os.listdir(f"{disk}/.Trash-{UID}/info") == ["first.trashinfo"]
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises((TrashUnavailable, OSError), match="Read-only"):
            trash.put(path, Trashes(home))
        assert os.path.exists(path)


def test_a_user_without_a_home_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert home_trash("linux", None, "/nonexistent") is None
    path = made(tmp_path / "file")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "mkdir", refuse)
    with pytest.raises(TrashUnavailable, match="has no home folder"):
        trash.put(path, Trashes(None))
    assert os.path.exists(path)


# --- with others ---------------------------------------------------------------------------------


def ask(home: str, *command: str, **keywords: str) -> str:
    """What another program says that uses the same trash."""
    program = shutil.which(
        command[0], path=os.path.dirname(sys.executable) + ":" + os.environ["PATH"]
    )
    if program is None:
        pytest.skip(f"{command[0]} is not installed")
    environ = {**os.environ, "XDG_DATA_HOME": os.path.dirname(home), "TRASH_VOLUMES": ""}
    done = subprocess.run(
        [program, *command[1:]],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        **keywords,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["plain.txt", "ü ✓ %41.txt", "with space"])
def test_trash_cli_restores_what_was_put_here(tmp_path: Path, home: str, name: str) -> None:
    path = made(tmp_path / "d" / name, "content")
    trash.put(path, Trashes(home), "token")
    assert path in ask(home, "trash-list")
    ask(home, "trash-restore", path, input="0\n")
    with open(path) as file:
        assert file.read() == "content"
    assert listed(home) == {}


@pytest.mark.parametrize("name", ["plain.txt", "ü ✓ %41.txt", "with space"])
def test_what_trash_cli_put_there_is_restored_here(tmp_path: Path, home: str, name: str) -> None:
    path = made(tmp_path / "d" / name, "content")
    ask(home, "trash-put", path)
    item = listed(home)[path]
    trash.restore(item, path)
    with open(path) as file:
        assert file.read() == "content"
    assert ask(home, "trash-list") == ""


@pytest.mark.parametrize("name", ODD)
def test_what_gio_put_there_is_restored_here(tmp_path: Path, home: str, name: str) -> None:
    path = f"{tmp_path}/{name}"
    with open(path, "w") as file:
        file.write("content")
    ask(home, "gio", "trash", path)
    trash.restore(listed(home)[path], path)
    assert os.path.exists(path)
    assert listed(home) == {}
