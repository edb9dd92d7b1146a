"""The commands that change files: what a person types, what a script reads."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from trash_bin import Bin, require_no_other

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cli_command import Sd, Terminal

ODD = b"caf\xe9.txt"


@pytest.fixture
def bin_(sd: Sd) -> Bin:
    return Bin(sd.data_dir.parent / "share" / "Trash")


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


# --- cp and mv -----------------------------------------------------------------------------------


def test_many_sources_into_a_folder_and_silent(sd: Sd, folder: Path) -> None:
    ran = sd.good("cp", "a.txt", "b.txt", "sub", cwd=folder)  # sub is the destination
    assert (ran.out, ran.err) == (b"", "")
    assert names(folder / "sub") == {"a.txt", "b.txt", "d.txt"}
    assert sd.good("cp", "-r", "sub", "copy", cwd=folder).out == b""
    assert names(folder / "copy") == {"a.txt", "b.txt", "d.txt"}


def test_the_destination_first_or_as_a_name(sd: Sd, folder: Path) -> None:
    sd.good("cp", "-t", "sub", "a.txt", "b.txt", cwd=folder)
    assert names(folder / "sub") == {"a.txt", "b.txt", "d.txt"}
    assert sd("cp", "-T", "a.txt", "sub", cwd=folder).status != 0
    assert sd("cp", "-T", "a.txt", "b.txt", "sub", cwd=folder).status == 2
    assert sd("cp", "a.txt", cwd=folder).status == 2
    assert (folder / "sub" / "d.txt").exists()
    sd.good("cp", "-T", "a.txt", "new", cwd=folder)
    assert (folder / "new").read_text() == "a.txt"


def test_patterns_are_expanded_where_no_shell_did(sd: Sd, folder: Path) -> None:
    (folder / "[x].txt").write_text("literal")
    sd.good("cp", "*.txt", "sub", cwd=folder)
    assert names(folder / "sub") == {"a.txt", "b.txt", "d.txt", "[x].txt"}
    (folder / "other").mkdir()
    sd.good("cp", "[x].txt", "other", cwd=folder)
    assert names(folder / "other") == {"[x].txt"}
    ran = sd("cp", "*.none", "sub", cwd=folder)
    assert (ran.status, ran.err.splitlines()[0]) == (5, "sd: *.none does not exist")


def test_a_name_that_is_taken_in_a_script(sd: Sd, folder: Path, bin_: Bin) -> None:
    (folder / "sub" / "a.txt").write_text("old")
    ran = sd("cp", "a.txt", "sub", cwd=folder)
    assert ran.status == 6
    assert (folder / "sub" / "a.txt").read_text() == "old"
    assert sd("cp", "-i", "a.txt", "sub", cwd=folder).status == 2
    assert sd("cp", "-n", "-f", "a.txt", "sub", cwd=folder).status == 2
    sd.good("cp", "-n", "a.txt", "sub", cwd=folder)
    assert (folder / "sub" / "a.txt").read_text() == "old"
    sd.good("cp", "--keep-both", "a.txt", "sub", cwd=folder)
    assert (folder / "sub" / "a (1).txt").read_text() == "a.txt"
    sd.good("cp", "-f", "a.txt", "sub", cwd=folder)
    assert (folder / "sub" / "a.txt").read_text() == "a.txt"
    assert str(folder / "sub" / "a.txt") in bin_.originals()


def test_a_person_is_asked_about_each_name(folder: Path, terminal: Callable[..., Terminal]) -> None:
    for name in ("a.txt", "b.txt"):
        (folder / "sub" / name).write_text("old")
    shown = terminal("cp", str(folder / "a.txt"), str(folder / "b.txt"), str(folder / "sub"))
    shown.read_until(b"a.txt")
    shown.read_until(b"[y/N]")
    shown.type(b"y\n")
    shown.read_until(b"sub/b.txt")
    shown.type(b"n\n")
    assert shown.read_all()[0] == 0
    assert (folder / "sub" / "a.txt").read_text() == "a.txt"
    assert (folder / "sub" / "b.txt").read_text() == "old"


def test_a_dry_run_is_what_is_done(sd: Sd, folder: Path) -> None:
    before = names(folder)
    dry = sd.good("mv", "--dry-run", "a.txt", "c.log", "sub", cwd=folder)
    assert names(folder) == before
    done = sd.good("mv", "-v", "a.txt", "c.log", "sub", cwd=folder)
    assert dry.lines == done.lines
    assert done.lines == [
        f"move {folder}/{name} -> {folder}/sub/{name}" for name in ("a.txt", "c.log")
    ]
    assert names(folder) == before - {"a.txt", "c.log"} | {"sub/a.txt", "sub/c.log"}
    as_json = json.loads(sd.good("cp", "--dry-run", "--json", "b.txt", "sub", cwd=folder).out)
    assert as_json["file_count"] == 1


def test_a_dry_run_tells_which_names_are_taken(sd: Sd, folder: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (folder / "sub" / name).write_text("old")
    ran = sd("cp", "--dry-run", "a.txt", "b.txt", "c.log", "sub", cwd=folder)
    assert ran.status == sd("cp", "a.txt", "b.txt", "c.log", "sub", cwd=folder).status == 6
    for name in ("a.txt", "b.txt"):
        assert f"sd: {folder}/sub/{name} already exists" in ran.err.splitlines()
    assert sd.good("cp", "--dry-run", "-f", "a.txt", "sub", cwd=folder).lines
    assert (folder / "sub" / "a.txt").read_text() == "old"


def test_names_that_are_not_utf8(sd: Sd, folder: Path, bin_: Bin) -> None:
    path = os.fsencode(folder) + b"/" + ODD
    with open(path, "wb") as file:
        file.write(b"x")
    sd.good("cp", path, str(folder / "sub"))
    copied = os.fsencode(folder / "sub") + b"/" + ODD
    assert os.path.exists(copied)
    sd.good("mv", copied, os.fsencode(folder) + b"/n\xe9w")
    sd.good("rename", os.fsencode(folder) + b"/n\xe9w", b"again\xe9")
    sd.good("mkdir", os.fsencode(folder) + b"/d\xe9")
    assert os.path.isdir(os.fsencode(folder) + b"/d\xe9")
    sd.good("rm", os.fsencode(folder) + b"/again\xe9")
    assert os.fsdecode(os.fsencode(folder) + b"/again\xe9") in bin_.originals()
    sd.good("file", "copy", path, os.fsencode(folder) + b"/derived\xe9", "--wait")
    assert os.path.exists(os.fsencode(folder) + b"/derived\xe9")


def test_nobody_waits_with_detach(sd: Sd, folder: Path) -> None:
    job = sd.good("cp", "--detach", "a.txt", "sub", cwd=folder).lines[0]
    sd.good("job", "watch", job)
    assert (folder / "sub" / "a.txt").exists()
    told = json.loads(sd.good("mv", "--no-wait", "--json", "b.txt", "sub", cwd=folder).out)
    sd.good("job", "watch", told["job_id"])
    done = json.loads(
        sd.good("cp", "--json", "--idle", "--bandwidth", "10M", "c.log", "sub", cwd=folder).out
    )
    assert done["limits"] == {"disk": "idle", "bandwidth": 10 << 20}


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 4 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a filesystem cannot be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_job_that_fails_ends_the_command_as_its_error_does(
    sd: Sd, folder: Path, small: Path
) -> None:
    (folder / "sub" / "large").write_bytes(b"x" * (5 << 20))  # a folder is measured by the job
    ran = sd("mv", "sub", str(small), cwd=folder)
    assert (ran.status, ran.err.splitlines()[1]) == (7, "hint: free some space and try again")
    assert f"sd: {small} has room for 4.0 MiB, and 5.0 MiB are needed" in ran.err
    job = json.loads(sd("cp", "--json", "sub", str(small), cwd=folder).out)
    assert job["error_code"] == "not-enough-space"
    watched = sd("job", "watch", job["id"])
    assert (watched.status, watched.err.splitlines()[-1]) == (7, ran.err.splitlines()[1])
    (small / "kept").write_text("kept")
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    assert sd("rm", "--permanent", "--yes", str(small / "kept")).status == 4


# --- rm, trash, undo -----------------------------------------------------------------------------


def test_rm_is_the_trash_and_says_how_to_undo(sd: Sd, folder: Path, bin_: Bin) -> None:
    ran = sd.good("rm", "a.txt", "sub", cwd=folder)
    assert ran.out == b""
    assert ran.err == "2 things went into the trash; 'sd undo' brings them back\n"
    assert {str(folder / "a.txt"), str(folder / "sub")} <= bin_.originals()
    assert sd.good("rm", "-q", "b.txt", cwd=folder).err == ""
    sd.good("undo")
    assert names(folder) == {"b.txt", "c.log"}
    titles = [line.split("\t")[-1] for line in sd.good("history", "-n", "2").lines]
    assert titles[1] == "Deletion of b.txt"
    operation = sd.good("history", "list", "-n", "3").lines[2].split("\t")[0]
    sd.good("undo", operation)
    assert names(folder) == {"a.txt", "b.txt", "c.log", "sub", "sub/d.txt"}


def test_undo_says_what_it_undid_and_takes_nothing_older(sd: Sd, folder: Path) -> None:
    sd.good("mv", "sub/d.txt", "moved", cwd=folder)
    older = sd.good("history", "list", "-n", "1").lines[0].split("\t")[0]
    sd.good("rm", "--permanent", "--yes", "b.txt", cwd=folder)
    ran = sd("undo")
    assert (ran.status, ran.out) == (6, b"")
    assert ran.err.startswith("sd: Deletion of b.txt cannot be undone: ")
    assert (folder / "moved").exists()
    title = sd.good("history", "list", "-n", "2").lines[1].split("\t")[-1]
    assert sd.good("undo", older).lines == [f"undone: {title}"]
    assert (folder / "sub" / "d.txt").exists()
    assert sd("undo").status == 6


def test_an_undo_that_fails_names_what_is_not_undone(sd: Sd, folder: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (folder / "sub" / name).write_text("old")
    sd.good("mv", "-f", "a.txt", "b.txt", "sub", cwd=folder)
    title = sd.good("history", "list", "-n", "1").lines[0].split("\t")[-1]
    (folder / "sub" / "a.txt").unlink()
    ran = sd("undo")
    assert ran.status == 1
    assert ran.lines == [f"undone in part: {title}"]
    (folder / "c.log").rename(folder / "gone")
    sd.good("mv", "gone", "away", cwd=folder)
    title = sd.good("history", "list", "-n", "1").lines[0].split("\t")[-1]
    (folder / "away").unlink()
    ran = sd("undo")
    assert (ran.status != 0, ran.err.splitlines()[0]) == (True, f"not undone: {title}")


def test_what_is_not_there(sd: Sd, folder: Path) -> None:
    assert sd("rm", "nothing", cwd=folder).status == 5
    assert sd("rm", "-f", "nothing", cwd=folder).status == 0
    sd.good("rm", "-f", "nothing", "*.none", "c.log", cwd=folder)
    assert not (folder / "c.log").exists()
    assert sd("rm", "/").status == 4


def test_for_good_needs_a_word(sd: Sd, folder: Path, terminal: Callable[..., Terminal]) -> None:
    ran = sd("rm", "--permanent", "a.txt", cwd=folder)
    assert (ran.status, (folder / "a.txt").exists()) == (2, True)
    assert "needs --yes" in ran.err
    assert sd("rm", "--permanent", "--yes", "sub", cwd=folder).status == 6
    sd.good("rm", "--permanent", "--yes", "-r", "sub", cwd=folder)
    sd.good("rm", "--secure", "-f", "a.txt", cwd=folder)
    assert names(folder) == {"b.txt", "c.log"}
    for answer, left in ((b"n\n", {"b.txt", "c.log"}), (b"y\n", {"c.log"})):
        asked = terminal("rm", "--permanent", str(folder / "b.txt"))
        assert b"Delete 1 file (5 B) for good?" in asked.read_until(b"[y/N]")
        asked.type(answer)
        status, said = asked.read_all()
        assert (status, b"nothing was done" in said) == (
            (0, False) if answer == b"y\n" else (1, True)
        )
        assert names(folder) == left


def test_rm_asks_for_each_and_lists(
    sd: Sd, folder: Path, terminal: Callable[..., Terminal]
) -> None:
    asked = terminal("rm", "-i", str(folder / "a.txt"), str(folder / "b.txt"))
    asked.read_until(b"a.txt? [y/N]")
    asked.type(b"n\n")
    asked.read_until(b"b.txt? [y/N]")
    asked.type(b"y\n")
    assert asked.read_all()[0] == 0
    assert (folder / "a.txt").exists()
    assert not (folder / "b.txt").exists()
    dry = sd.good("rm", "--dry-run", "--permanent", "-r", "sub", cwd=folder)
    assert dry.lines == [f"delete {folder}/sub", f"delete {folder}/sub/d.txt"]
    assert (folder / "sub").exists()
    assert sd.good("rm", "-v", "sub", cwd=folder).lines[0].startswith(f"trash {folder}/sub -> ")


def test_the_trash_by_name(sd: Sd, folder: Path, bin_: Bin) -> None:
    require_no_other()
    sd.good("trash", "empty", "--yes")
    assert sd.good("trash").out == b""
    sd.good("rm", "a.txt", "b.txt", "c.log", cwd=folder)
    rows = [line.split("\t") for line in sd.good("trash").lines]
    assert {row[3] for row in rows} == {f"{folder}/{name}" for name in ("a.txt", "b.txt", "c.log")}
    ids = {row[3]: row[0] for row in rows}
    sd.good("trash", "restore", "a.txt", cwd=folder)
    sd.good("trash", "restore", ids[f"{folder}/b.txt"])
    assert names(folder) == {"a.txt", "b.txt", "sub", "sub/d.txt"}
    (folder / "c.log").write_text("new")
    assert sd("trash", "restore", "c.log").status == 6
    sd.good("trash", "restore", "c.log", "--to", str(folder / "sub"))
    assert (folder / "sub" / "c.log").read_text() == "c.log"
    assert sd("trash", "restore", "c.log").status == 5
    assert json.loads(sd.good("trash", "--json").out)["items"] == []


def test_emptying_needs_a_word(
    sd: Sd, folder: Path, bin_: Bin, terminal: Callable[..., Terminal]
) -> None:
    require_no_other()
    sd.good("rm", "a.txt", "b.txt", cwd=folder)
    assert sd("trash", "empty").status == 2
    assert str(folder / "a.txt") in bin_.originals()
    asked = terminal("trash", "empty", str(folder / "a.txt"))
    assert b"Destroy 1 thing" in asked.read_until(b"[y/N]")
    asked.type(b"y\n")
    assert asked.read_all()[0] == 0
    assert str(folder / "a.txt") not in bin_.originals()
    sd.good("trash", "empty", "--older", "1", "--yes")
    assert str(folder / "b.txt") in bin_.originals()
    sd.good("trash", "empty", "--yes")
    assert bin_.originals() == set()


# --- the others ----------------------------------------------------------------------------------


def test_folders_and_names(sd: Sd, folder: Path) -> None:
    assert sd.good("mkdir", "-v", "new", cwd=folder).lines == [str(folder / "new")]
    assert sd("mkdir", "new", cwd=folder).status == 6
    assert sd("mkdir", "x/y/z", cwd=folder).status == 5
    sd.good("mkdir", "-p", "x/y/z", "new", cwd=folder)
    assert (folder / "x/y/z").is_dir()
    sd.good("rename", "a.txt", "renamed", cwd=folder)
    assert (folder / "renamed").read_text() == "a.txt"
    assert sd("rename", "renamed", "b.txt", cwd=folder).status == 6
    sd.good("rename", "-f", "renamed", "b.txt", cwd=folder)
    assert (folder / "b.txt").read_text() == "a.txt"
    assert sd("rename", "b.txt", "a/b", cwd=folder).status == 2


def test_duplicates_usage_and_validation(sd: Sd, folder: Path, bin_: Bin) -> None:
    (folder / "sub" / "copy").write_text("a.txt")
    os.utime(folder / "a.txt", (1000, 1000))
    sd.good("location", "add", str(folder), "--name", folder.parent.name, "--wait")
    rows = [line.split("\t") for line in sd.good("dupes").lines]
    assert [row[2] for row in rows] == [f"{folder}/a.txt", f"{folder}/sub/copy"]
    sizes = dict(line.split("\t")[::-1] for line in sd.good("du", "-a", str(folder)).lines)
    assert (sizes[str(folder)], sizes[f"{folder}/sub"], sizes[f"{folder}/c.log"]) == (
        "29",
        "14",
        "5",
    )
    dry = sd.good("dupes", "resolve", str(folder), "--dry-run")
    assert dry.lines == [f"{folder}/sub/copy = {folder}/a.txt"]
    assert sd("dupes", "resolve", str(folder), "--action", "hardlink").status == 2
    sd.good("dupes", "resolve", str(folder), "--group", rows[0][0][:8])
    assert str(folder / "sub" / "copy") in bin_.originals()
    sd.good("index", "catch-up")
    assert len(sd.good("du", "-s", "sub", cwd=folder).lines) == 1
    found = sd.good("verify", str(folder), "--level", "complete")
    assert found.out == b""
    before = (folder / "b.txt").stat()
    (folder / "b.txt").write_text("B.txt")
    os.utime(folder / "b.txt", ns=(before.st_atime_ns, before.st_mtime_ns))
    found = sd("verify", str(folder), "--level", "complete")
    assert found.status == 1
    assert found.lines[0].startswith(f"critical: {folder}/b.txt: its content is not what it was")
    as_json = json.loads(sd("verify", str(folder), "--json").out)
    assert as_json["critical_count"] == 1


def test_ctrl_c_ends_the_watching_and_says_how_to_cancel(
    sd: Sd, tmp_path: Path, terminal: Callable[..., Terminal]
) -> None:
    (tmp_path / "large").write_bytes(b"x" * (8 << 20))
    watched = terminal("cp", "--bandwidth", "1M", str(tmp_path / "large"), str(tmp_path / "copy"))
    watched.read_until(b"Copying")
    watched.type(b"\x03")
    status, shown = watched.read_all()
    assert status == 130
    assert b"the job goes on" in shown
    assert b"sd job cancel" in shown
    (job,) = json.loads(sd.good("job", "active", "--json").out)["jobs"]
    sd.good("job", "cancel", job["id"])
    assert not (tmp_path / "copy").exists()
