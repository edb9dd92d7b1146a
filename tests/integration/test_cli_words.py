"""What the file commands say when something is wrong: what, why, and what to type instead."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from typing import TYPE_CHECKING

import pytest
from cli_command import Sd
from running import obey_permissions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cli_command import Ran, Terminal

TAKEN = (
    "hint: -f overwrites (what was there goes to the trash), -n leaves it, --keep-both gives the"
    " newcomer another name"
)
LONG = "x" * 300
OF_THE_CONTRACT = ("on_conflict", "recursive", "permanent)", "library_id", "AutoModifyName")


@pytest.fixture(scope="module")
def humble(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sd]:
    """The command beside a daemon that permissions hold for, whoever runs the tests."""
    made = Sd(tmp_path_factory.mktemp("humble") / "data")
    made.good("start", preexec_fn=obey_permissions)
    made.good("library", "create", "Home")
    yield made
    made.good("stop")


# --- hints ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ("cp a.txt b.txt", 6, ["sd: {}/b.txt already exists", TAKEN]),
        ("mv a.txt b.txt", 6, ["sd: {}/b.txt already exists", TAKEN]),
        (
            "cp a.txt b.txt same",
            6,
            ["sd: {}/same/a.txt already exists", f"{TAKEN} (2 names are taken)"],
        ),
        (
            "cp -T a.txt sub",
            6,
            [
                "sd: the folder {}/sub cannot be overwritten by the file {}/a.txt",
                "hint: move it away first; or -n leaves it, --keep-both gives the newcomer another"
                " name",
            ],
        ),
        (
            "cp a.txt same/a.txt sub",
            6,
            [
                "sd: {}/same/a.txt would become {}/sub/a.txt, and so would something else that is"
                " named",
                "hint: do one after the other; or -n takes the first, --keep-both gives the second"
                " another name",
            ],
        ),
        (
            "rename a.txt b.txt",
            6,
            [
                "sd: {}/b.txt already exists",
                "hint: -f overwrites it; what was there goes to the trash",
            ],
        ),
        (
            "rename a.txt sub",
            6,
            [
                "sd: the folder {}/sub cannot be overwritten by the file {}/a.txt",
                "hint: move it away first, or choose another name",
            ],
        ),
        (
            "mkdir sub",
            6,
            ["sd: {}/sub already exists", "hint: -p is content with a folder that is there"],
        ),
        ("mkdir a.txt", 6, ["sd: {}/a.txt already exists"]),
        ("mkdir x/y", 5, ["sd: {}/x does not exist", "hint: -p makes the folders above it, too"]),
        (
            "rm a.txt typo.txt",
            5,
            [
                "sd: {}/typo.txt does not exist",
                "hint: nothing was deleted; -f passes over what is not there",
            ],
        ),
        ("cp typo.txt sub", 5, ["sd: {}/typo.txt does not exist"]),
        (
            f"cp a.txt {LONG}",
            2,
            [f"sd: '{LONG}' cannot be the name of a file: it is longer than 255 bytes"],
        ),
        (f"cp {LONG} new", 1, [f"sd: {{}}/{LONG}: File name too long"]),
        ("cp a.txt a.txt", 2, ["sd: {}/a.txt cannot become {}/a.txt: it is that already"]),
        ("cp sub sub/new", 2, ["sd: {}/sub cannot become {}/sub/new: that is in it"]),
        (
            "rm --permanent --yes sub",
            6,
            ["sd: {}/sub is not empty", "hint: -r deletes all that is in it, too"],
        ),
        (
            "rename *.txt new",
            2,
            ["sd: '*.txt' is 2 things, not one", "hint: 'sd rename --help' shows how it is meant"],
        ),
    ],
)
def test_what_and_why_and_what_to_do(
    sd: Sd, folder: Path, words: str, status: int, said: list[str]
) -> None:
    (folder / "same").mkdir()
    for name in ("a.txt", "b.txt"):
        (folder / "same" / name).write_text("old")
    ran = sd(*words.split(), cwd=folder)
    lines = [line.replace("{}", str(folder)) for line in said]
    assert (ran.status, ran.out, ran.err.splitlines()) == (status, b"", lines)
    assert not any(word in ran.err for word in OF_THE_CONTRACT)


def test_what_has_no_trash(sd: Sd) -> None:
    ran = sd("rm", "/proc/version")
    assert (ran.status, ran.err.splitlines()[-1]) == (4, "hint: --permanent deletes it for good")


def test_a_program_gets_the_same_hint(sd: Sd, folder: Path) -> None:
    ran = sd("cp", "--json", "a.txt", "b.txt", cwd=folder)
    error = json.loads(ran.err)["error"]
    assert (error["code"], f"hint: {error['hint']}") == ("file-conflict", TAKEN)


def test_several_libraries_or_none(sd: Sd, tmp_path: Path, folder: Path) -> None:
    bare = Sd(tmp_path / "bare")
    bare.good("start")
    try:
        for more in ([], ["--quiet"]):  # which the quick path leaves to the full command
            shown = bare.good("status", "--data-dir", str(tmp_path / "bare"), *more).out.decode()
            assert f"'sd --data-dir {tmp_path}/bare library create NAME' makes one" in shown
        ran = bare("cp", "a.txt", "new", cwd=folder)
        assert (ran.status, ran.err.splitlines()[-1]) == (
            2,
            "hint: 'sd library create NAME' makes one",
        )
        for name in ("One", "Two"):
            bare.good("library", "create", name)
        ran = bare("rm", "a.txt", cwd=folder)
        assert ran.status == 2
        assert ran.err.splitlines()[-1].startswith("hint: say which with --library: ")
        bare.good("rm", "--library", "Two", "a.txt", cwd=folder)
    finally:
        bare.good("stop")


def test_suggestions_are_for_the_daemon_that_is_meant(sd: Sd, tmp_path: Path, folder: Path) -> None:
    elsewhere = str(tmp_path / "not there")
    for words in (("--data-dir", elsewhere, "status"), ("job", "list", "--data-dir", elsewhere)):
        ran = sd(*words)
        hint = f"hint: start it with 'sd --data-dir \"{elsewhere}\" start'"
        assert (ran.status, ran.err.splitlines()[-1]) == (3, hint)
    as_json = json.loads(sd("--json", "--data-dir", elsewhere, "status").err)["error"]
    assert as_json["hint"] == f"start it with 'sd --data-dir \"{elsewhere}\" start'"
    given = f"--data-dir {sd.data_dir} --library Home"
    ran = sd.good("--library", "Home", "rm", "a.txt", "--data-dir", str(sd.data_dir), cwd=folder)
    undo = f"'sd --library Home --data-dir {sd.data_dir} undo' brings it back"
    assert ran.err.splitlines()[-1] == f"1 thing went into the trash; {undo}"
    sd.good(*given.split(), "undo")
    assert (folder / "a.txt").exists()


def test_a_daemon_is_started_on_the_socket_that_is_named(tmp_path: Path) -> None:
    sd = Sd(tmp_path / "data")
    socket = str(tmp_path / "own.sock")
    ran = sd("--socket", socket, "status")
    assert ran.err.splitlines()[-1] == f"hint: start it with 'sd --socket {socket} start'"
    sd.good("--socket", socket, "start")
    try:
        sd.good("--socket", socket, "status")
    finally:
        sd.good("--socket", socket, "stop")


def test_something_else_in_the_place_of_the_socket(tmp_path: Path) -> None:
    sd = Sd(tmp_path / "data")
    place = tmp_path / "data" / "daemon" / "daemon.sock"
    place.parent.mkdir(parents=True, mode=0o700)
    place.write_text("not a socket")
    for verb in ("stop", "status", "start", "restart"):
        ran = sd(verb)
        assert ran.status == 3, (verb, ran)
        assert ran.err.splitlines() == [
            f"sd: {place} is something else than a socket: whether a daemon runs cannot be told",
            "hint: move it away; 'sd start' makes a new socket",
        ]
    assert place.read_text() == "not a socket"


def test_events_that_have_not_come_yet(sd: Sd) -> None:
    ran = sd.good("events", "--after", "123456789")
    assert ran.err.startswith("note: there was no event 123456789 yet: the last one is ")


# --- statuses ------------------------------------------------------------------------------------


def test_what_all_failures_share_is_the_status(humble: Sd, folder: Path) -> None:
    (folder / "sub" / "secret").write_text("x")
    (folder / "sub" / "secret").chmod(0)
    ran = humble("cp", "sub", "copy", cwd=folder)
    assert ran.status == 4
    assert ran.err.splitlines()[0] == f"sd: {folder}/sub/secret: Permission denied"
    assert (folder / "copy" / "d.txt").exists()
    told = json.loads(humble("cp", "--json", "sub", "again", cwd=folder).out)["output"]["data"]
    assert (told["failure_code"], told["failures"][0]["code"]) == ("path-denied", "path-denied")
    assert humble("mkdir", "sub", "c.log", cwd=folder).status == 6
    mixed = humble("mkdir", "sub", "x/y", "made", cwd=folder)
    assert (mixed.status, len(mixed.err.splitlines())) == (1, 4)
    assert (folder / "made").is_dir()


def test_a_job_that_failed_is_known_again(humble: Sd, folder: Path) -> None:
    (folder / "sub").chmod(0o500)
    ran = humble("mv", "sub/d.txt", "moved", cwd=folder)
    (folder / "sub").chmod(0o700)
    text = f"sd: the daemon may not change {folder}/sub/d.txt: Permission denied"
    hint = (
        "hint: check the permissions and whether the disk is read-only; the daemon runs as user "
        "root"
    )
    assert (ran.status, ran.err.splitlines()) == (4, [text, hint])
    job = json.loads(humble("job", "list", "--json", "-n", "1").out)["jobs"][0]
    humble.good("restart", preexec_fn=obey_permissions)
    again = humble("job", "watch", job["id"])
    assert (again.status, again.err.splitlines()[-2:]) == (4, [text, hint])
    info = json.loads(humble.good("job", "info", job["id"], "--json").out)
    assert info["error_fields"]["path"] == f"{folder}/sub/d.txt"


def test_what_is_not_forbidden_is_not_called_so(sd: Sd, folder: Path) -> None:
    ran = sd("cp", "--method", "atomic", "a.txt", "/dev/shm/not-shared", cwd=folder)
    text = f"sd: {folder}/a.txt: the two places cannot share its blocks"
    assert (ran.status, ran.err.splitlines()) == (1, [text])
    (folder / "circle").symlink_to("circle")
    ran = sd("mkdir", "circle/new", cwd=folder)
    text = f"sd: {folder}/circle: Too many levels of symbolic links"
    assert (ran.status, ran.err.splitlines()[0]) == (1, text)


@pytest.mark.parametrize(
    ("keys", "status", "said"),
    [(b"n\n", 1, True), (b"\x04", 1, True), (b"what\n", 1, True), (b"\x03", 130, False)],
)
def test_no_is_an_answer(
    folder: Path,
    terminal: Callable[..., Terminal],
    keys: bytes,
    status: int,
    said: bool,  # noqa: FBT001
) -> None:
    asked = terminal("rm", "--permanent", str(folder / "a.txt"))
    asked.read_until(b"[y/N]: ")
    asked.type(keys)
    ended, shown = asked.read_all()
    assert (ended, b"nothing was done" in shown) == (status, said)
    assert (folder / "a.txt").exists()


def test_no_question_where_no_answer_would_help(
    folder: Path, terminal: Callable[..., Terminal]
) -> None:
    (folder / "into" / "a.txt").mkdir(parents=True)
    status, shown = terminal("cp", str(folder / "a.txt"), str(folder / "into")).read_all()
    assert (status, b"cannot be overwritten by the file" in shown) == (6, True)
    assert b"[y/N]" not in shown


# --- lists ---------------------------------------------------------------------------------------


def test_jobs_are_listed_as_far_as_anybody_reads(tmp_path: Path) -> None:
    sd = Sd(tmp_path / "data")
    sd.good("start")
    sd.good("library", "create", "Home")
    sd.good("stop")
    with sqlite3.connect(sd.data_dir / "libraries" / "Home.sdlibrary" / "jobs.db") as db:
        now = time.time_ns()
        rows = [
            (f"{number:08x}-0000-4000-8000-000000000000", status, now - number * 10**9)
            for number, status in enumerate(["completed"] * 30 + ["paused"] + ["failed"] * 3)
        ]
        sql = "INSERT INTO jobs (id, name, status, params, created_at) VALUES (?, 'x', ?, '{}', ?)"
        db.executemany(sql, rows)
    db.close()
    sd.good("start")
    try:
        usual = sd.good("job", "list")
        assert [line.split("\t")[0] for line in usual.lines] == [
            *(f"{number:08x}" for number in range(20)),
            f"{30:08x}",
        ]
        assert usual.err == "and 13 more: --all lists them, -n N so many\n"
        assert len(sd.good("job", "list", "--all").lines) == 34
        assert len(sd.good("job", "list", "--status", "failed").lines) == 3
        told = json.loads(sd.good("job", "list", "-n", "2", "--json").out)
        assert (len(told["jobs"]), told["total_count"]) == (3, 34)
        assert sd("job", "list", "--all", "-n", "2").status == 2
        which = sd("job", "info", "0000001")
        assert which.status == 2
        assert f"  {0x10:08x}  x, completed" in which.err.splitlines()
    finally:
        sd.good("stop")


def test_the_history_says_what_it_became(sd: Sd, folder: Path) -> None:
    def latest() -> str:
        return sd.good("history", "-n", "1").lines[0].split("\t")[-1]

    sd.good("mv", "a.txt", "new name", cwd=folder)
    assert latest() == f"Move of a.txt to {folder}/new name"
    sd.good("cp", "b.txt", "sub", cwd=folder)
    assert latest() == f"Copy of b.txt to {folder}/sub"


# --- folders and names ---------------------------------------------------------------------------


def test_folders_with_a_mode(sd: Sd, folder: Path) -> None:
    sd.good("mkdir", "-m", "700", "private", cwd=folder)
    sd.good("mkdir", "-p", "-m", "2775", "x/shared", cwd=folder)
    modes = [(folder / name).stat().st_mode & 0o7777 for name in ("private", "x/shared")]
    assert modes == [0o700, 0o2775]
    assert sd("mkdir", "-m", "8", "bad", cwd=folder).status == 2
    assert not (folder / "bad").exists()


def test_a_new_name_may_look_like_a_pattern(sd: Sd, folder: Path) -> None:
    sd.good("mv", "a.txt", "is it [1]?", cwd=folder)
    assert (folder / "is it [1]?").read_text() == "a.txt"
    sd.good("mkdir", "*", cwd=folder)
    assert (folder / "*").is_dir()
    ran: Ran = sd("cp", "b.txt", "s*", cwd=folder)
    assert (ran.status, os.path.exists(folder / "s*")) == (0, True)


# --- the trash and the index ---------------------------------------------------------------------


def test_what_is_in_the_trash_is_told_apart(sd: Sd, folder: Path) -> None:
    for name in ("one", "two", "three"):
        (folder / name).mkdir()
    for name in ("one", "two"):
        (folder / name / "same").write_text(name)
    sd.good("rm", "one/same", "two/same", cwd=folder)
    ran = sd("trash", "restore", "same")
    assert (ran.status, ran.err.splitlines()[0]) == (
        2,
        "sd: 'same' is 2 things in the trash, say which:",
    )
    told = [line.split("  ")[2] for line in ran.err.splitlines()[1:3]]
    assert {one.rpartition(",")[0] for one in told} == {
        f"{folder}/{n}/same" for n in ("one", "two")
    }
    (folder / "three" / "same").mkdir()
    ran = sd("trash", "restore", "-f", "one/same", "--to", "three", cwd=folder)
    text = f"the folder {folder}/three/same cannot be overwritten by the file {folder}/one/same"
    assert (ran.status, ran.err.splitlines()[0]) == (6, f"sd: {text}")
    assert (folder / "three" / "same").is_dir()
    ran = sd("trash", "restore", "nothing-like-it")
    assert (ran.status, ran.err.splitlines()[0]) == (5, "sd: nothing-like-it is not in the trash")
    (folder / "one" / "same").write_text("new")
    ran = sd("trash", "restore", "one/same", cwd=folder)
    assert (ran.status, ran.err.splitlines()[-1]) == (6, TAKEN)


def test_what_lost_its_place_has_to_be_given_one(sd: Sd, folder: Path) -> None:
    files = sd.data_dir.parent / "share" / "Trash" / "files"
    files.mkdir(parents=True, exist_ok=True)
    (files / "orphan").write_text("x")
    ran = sd("trash", "restore", "orphan")
    assert (ran.status, ran.err.splitlines()) == (
        2,
        [
            "sd: nothing says where orphan was: name a destination",
            "hint: --to DIR says where it goes",
        ],
    )
    sd.good("trash", "restore", "orphan", "--to", str(folder))


@pytest.mark.parametrize("words", [["du"], ["verify"], ["dupes", "resolve"]])
def test_a_slip_is_told_from_what_is_not_indexed(sd: Sd, folder: Path, words: list[str]) -> None:
    ran = sd(*words, "typo", cwd=folder)
    text = f"sd: {folder}/typo does not exist, and is not in the index"
    assert (ran.status, ran.err.splitlines()) == (5, [text])
    ran = sd(*words, "sub", cwd=folder)
    assert ran.err.splitlines()[0] == f"sd: {folder}/sub is not in the index"
    assert ran.err.splitlines()[1].startswith("hint: 'sd location add' adds a folder")
