"""cp and mv of the coreutils beside ours, on the same tree: what is there afterwards, and whether
it went well."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from cli_command import Ran, Sd


@pytest.fixture
def trees(tmp_path: Path) -> tuple[Path, Path]:
    """Two trees that are the same, for the peer and for us."""
    made = (tmp_path / "peer", tmp_path / "ours")
    for tree in made:
        (tree / "a").mkdir(parents=True)
        (tree / "dir").mkdir()
        (tree / "file").write_text("file")
        (tree / "existing").write_text("existing")
        (tree / "a" / "x").write_text("x")
        (tree / "dir" / "y").write_text("y")
        (tree / "link").symlink_to("a")
        (tree / "dangling").symlink_to("nowhere")
        (tree / "to").mkdir()
        (tree / "to" / "a").write_text("of the same name")
    return made


def found(tree: Path) -> dict[str, str]:
    """What is there: folders, links and where they lead, contents."""
    return {
        str(path.relative_to(tree)): f"-> {os.readlink(path)}"
        if path.is_symlink()
        else ("folder" if path.is_dir() else path.read_text())
        for path in tree.rglob("*")
    }


def both(sd: Sd, trees: tuple[Path, Path], command: str, *words: str) -> Ran:
    """Let both do the same; how ours ended."""
    peer, ours = trees
    flags = {"cp": ["-r", "-p"], "mv": []}[command]
    known = subprocess.run([command, *flags, *words], cwd=peer, capture_output=True, check=False)
    ran = sd(command, *words, cwd=ours)
    assert found(ours) == found(peer), (known, ran)
    assert (ran.status == 0) == (known.returncode == 0), (known, ran)
    return ran


@pytest.mark.parametrize(
    ("command", "words", "status"),
    [
        # a slash at the end of a destination that is not there yet
        ("mv", "a/ new/", 0),
        ("mv", "a new/", 0),
        ("cp", "a new/", 0),
        ("cp", "-T a new/", 0),
        ("mv", "file new/", 5),
        ("cp", "file new/", 5),
        ("cp", "file dangling/", 5),
        ("cp", "a dangling/", 5),
        # of one that is no folder
        ("cp", "file existing/", 2),
        ("mv", "a file/", 2),
        ("cp", "-T file existing/", 2),
        # of a source
        ("mv", "a/ dir/", 0),
        ("cp", "file/ new", 2),
        ("mv", "file/ new", 2),
        ("cp", "link/ new", 0),
        ("cp", "link/ dir", 0),
        ("cp", "link/ file dir", 0),
        ("cp", "link dir", 0),
        ("mv", "link/ new", 2),
        ("cp", "missing/ new", 5),
        # what is in a folder, and not the folder
        ("cp", "a/. dir", 0),
        ("cp", "a/. dir/.", 0),
        ("cp", "a/. file dir", 0),
        ("cp", "a/. new", 0),
        ("mv", "a/. new", 2),
        # a folder and what is none
        ("cp", "-T -f file dir", 6),
        ("cp", "-T -f a file", 6),
        ("mv", "-T -f file dir", 6),
        ("mv", "-f a to", 6),
        # onto itself
        ("cp", "file file", 2),
        ("cp", "file ./", 2),
    ],
)
def test_the_same_is_there_afterwards(
    sd: Sd, trees: tuple[Path, Path], command: str, words: str, status: int
) -> None:
    assert both(sd, trees, command, *words.split()).status == status


def test_what_is_refused_is_said(sd: Sd, trees: tuple[Path, Path]) -> None:
    ours = trees[1]
    ran = sd("cp", "-T", "-f", "file", "dir", cwd=ours)
    text = f"sd: the folder {ours}/dir cannot be overwritten by the file {ours}/file"
    assert ran.err.splitlines()[0] == text
    dry = sd("cp", "--dry-run", "-T", "-f", "file", "dir", cwd=ours)
    assert (dry.status, dry.err, dry.out) == (ran.status, ran.err, b"")
    assert sd("rm", "link/", cwd=ours).err.splitlines()[0] == f"sd: {ours}/link/ is not a folder"
    assert sd("rm", "file/", cwd=ours).status == 2
    assert sd("rm", ".", cwd=ours / "a").status == 2
    assert sd("rename", "file/", "new", cwd=ours).status == 2
    (ours / "b").mkdir()
    (ours / "b" / "x").write_text("other")
    twice = sd("cp", "-f", "a/x", "b/x", "dir", cwd=ours)
    text = f"sd: {ours}/b/x would become {ours}/dir/x, and so would something else that is named"
    assert (twice.status, twice.err.splitlines()[0]) == (6, text)
    assert sd("cp", "--dry-run", "-f", "a/x", "b/x", "dir", cwd=ours).err == twice.err
    sd.good("cp", "--keep-both", "a/x", "b/x", "dir", cwd=ours)
    assert (ours / "dir" / "x (1)").read_text() == "other"
    sd.good("cp", "--keep-both", "a/.", "dir", cwd=ours)
    assert (ours / "dir" / "x (2)").read_text() == "x"


def test_a_folder_deep_inside_is_not_overwritten_by_a_file(
    sd: Sd, trees: tuple[Path, Path]
) -> None:
    ours = trees[1]
    (ours / "to" / "a").unlink()
    (ours / "to" / "a" / "x").mkdir(parents=True)
    before = found(ours)
    for words in (["cp"], ["mv"], ["cp", "--dry-run"]):
        ran = sd(*words, "-f", "a", "to", cwd=ours)
        assert (ran.status, f"the folder {ours}/to/a/x cannot be" in ran.err) == (6, True), ran
    assert found(ours) == before


@pytest.mark.parametrize("path", ["/proc/version", "/sys/kernel/mm/transparent_hugepage/enabled"])
def test_a_file_that_hides_its_size_is_read_to_its_end(sd: Sd, tmp_path: Path, path: str) -> None:
    for options in ([], ["--verify"], ["--method", "streaming"]):
        sd.good("cp", "-f", *options, path, str(tmp_path / "copy"))
        with open(path, "rb") as file:
            assert (tmp_path / "copy").read_bytes() == file.read()


def test_a_device_is_copied_in_its_folder_only(sd: Sd, tmp_path: Path) -> None:
    ran = sd("cp", "/dev/null", str(tmp_path / "copy"))
    assert (ran.status, ran.err.splitlines()[0]) == (
        2,
        "sd: /dev/null is a device, and not copied: it holds no content of its own",
    )
    assert not (tmp_path / "copy").exists()
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "folder" / "pipe")
    assert "is a pipe" in sd("cp", str(tmp_path / "folder" / "pipe"), str(tmp_path / "copy")).err
    sd.good("cp", str(tmp_path / "folder"), str(tmp_path / "copy"))
    assert (tmp_path / "copy" / "pipe").is_fifo()
    sd.good("mv", str(tmp_path / "folder" / "pipe"), str(tmp_path / "moved"))
    assert (tmp_path / "moved").is_fifo()
