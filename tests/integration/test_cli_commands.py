"""The `sd` command with a daemon: what people type, and what scripts read."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cli_command import LAUNCHER, Sd, Terminal

from sd_client.cli.quick import DEFAULT_LIMIT
from sd_client.cli.search import LARGEST_PAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from running import Daemon

ODD = b"caf\xe9.txt"


def make_folder(parent: Path) -> Path:
    """A folder of a person's files, two of them with difficult names."""
    made = parent / "Pictures"
    (made / "2024").mkdir(parents=True)
    (made / "2024" / "sunset beach.jpg").write_bytes(b"1" * 2048)
    (made / "2024" / "sunrise.jpg").write_bytes(b"2")
    (made / "two\nlines.txt").write_text("x")
    with open(os.fsencode(made) + b"/" + ODD, "wb") as file:
        file.write(b"y")
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that is indexed."""
    return make_folder(tmp_path_factory.mktemp("cli"))


@pytest.fixture(scope="module")
def sd(folder: Path) -> Iterator[Sd]:
    """The command beside a daemon that has indexed the folder. Nothing here changes either."""
    made = Sd(folder.parent / "data")
    made.good("start")
    made.good("library", "create", "Home")
    made.good("location", "add", str(folder), "--wait")
    yield made
    made.good("stop")


# --- finding -------------------------------------------------------------------------------------


def test_a_search_prints_paths(sd: Sd, folder: Path) -> None:
    assert sd.good("search", "beach", "sun").lines == [f"{folder}/2024/sunset beach.jpg"]
    assert sd.good("search", "no such file").out == b""


def test_a_search_for_everything_goes_on_page_by_page(tmp_path: Path) -> None:
    made, sd = tmp_path / "many", Sd(tmp_path / "data")
    made.mkdir()
    paths = {str(made / f"page {number}.txt") for number in range(LARGEST_PAGE * 2 + 5)}
    for path in paths:
        Path(path).touch()
    sd.good("start")
    try:
        sd.good("library", "create", "Home")
        sd.good("location", "add", str(made), "--wait")
        found = sd.good("search", "page", "--all").lines
        assert (len(found), set(found)) == (len(paths), paths)
        rest = sd.good("search", "page", "--all", "--offset", "5", "-0").out
        assert rest == b"".join(os.fsencode(path) + b"\0" for path in found[5:])
        documents = sd.good("search", "page", "--all", "--json").lines
        assert [len(json.loads(one)["results"]) for one in documents] == [1000, 1000, 5]
        assert len(sd.good("search", "page").lines) == DEFAULT_LIMIT
    finally:
        sd.good("stop")


def test_a_search_can_be_narrowed(sd: Sd, folder: Path) -> None:
    assert len(sd.good("search", "sun", "--ext", "jpg", "--in", str(folder)).lines) == 2
    assert sd.good("search", "sun", "--min-size", "2K").lines == [f"{folder}/2024/sunset beach.jpg"]
    assert sd.good("search", "--kind", "image", "--sort", "size", "-n", "1").lines == [
        f"{folder}/2024/sunset beach.jpg"
    ]
    assert sd.good("search", "sun", "--older", "1y").out == b""
    assert len(sd.good("search", "sun", "--location", "Pictures").lines) == 2


def test_a_name_that_is_not_utf8_keeps_its_bytes_in_a_pipe(sd: Sd, folder: Path) -> None:
    found = sd.good("search", "caf", "-0").out
    assert found == os.fsencode(folder) + b"/" + ODD + b"\0"
    assert os.path.exists(found[:-1])
    quick = sd.good("search", "caf").out
    assert quick == found[:-1] + b"\n"
    assert ODD in sd.good("info", found[:-1]).out
    assert b'"path_bytes"' in sd.good("info", found[:-1], "--json").out
    assert sd.good("search", ODD).out == quick
    assert sd("library", "create", ODD).err.startswith("sd: only paths may have bytes that are not")


def test_a_folder_is_known_by_a_link_to_it(sd: Sd, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    for words in (["ls"], ["index", "verify"], ["search", "sun", "--in"]):
        through = sd.good(*words, str(tmp_path / "link"))
        assert "read from the disk" not in through.err
        assert len(through.out.split(b"\n")) == len(sd.good(*words, str(folder)).out.split(b"\n"))
    assert '"id"' in sd.good("info", f"{tmp_path}/link/2024/sunrise.jpg", "--json").out.decode()


def test_nothing_that_a_terminal_obeys_reaches_it(
    folder: Path, terminal: Callable[..., Terminal]
) -> None:
    status, shown = terminal("search", "lines").read_all()
    assert status == 0
    assert b"\\n" in shown
    status, shown = terminal("ls", str(folder)).read_all()
    assert status == 0
    assert b"caf\\xe9.txt" in shown
    assert b"two\\nlines.txt" in shown


def test_colour_is_for_terminals_that_want_it(terminal: Callable[..., Terminal]) -> None:
    assert b"\x1b[" in terminal("search", "sunset").read_all()[1]
    assert b"\x1b[" not in terminal("search", "sunset", NO_COLOR="1").read_all()[1]
    assert b"\x1b[" not in terminal("search", "sunset", TERM="dumb").read_all()[1]


def test_a_reader_that_has_seen_enough_ends_it_in_silence(sd: Sd) -> None:
    for words in (["search", "s"], ["describe"], ["events"]):
        command = sd.command(*words)
        read, write = os.pipe()
        os.close(read)
        ran = subprocess.run(
            command, stdout=write, stderr=subprocess.PIPE, env=sd.environment(), check=False
        )
        os.close(write)
        assert (ran.returncode, ran.stderr) == (0, b"")


# --- folders and files ---------------------------------------------------------------------------


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full disk to write to")
def test_a_result_that_cannot_be_written_is_a_failure(sd: Sd) -> None:
    answers = (["status"], ["search", "sun"], ["library", "list"], ["describe", "--json"])
    helps = (["--help"], ["--version"], ["help", "search"], ["cp", "--help"])
    for words in (*answers, *helps):
        with open("/dev/full", "wb") as full:
            ran = subprocess.run(
                sd.command(*words),
                stdout=full,
                stderr=subprocess.PIPE,
                env=sd.environment(),
                check=False,
            )
        assert ran.returncode == 1
        assert b"the result could not be written: No space left on device" in ran.stderr
        assert b"Traceback" not in ran.stderr


def test_closed_streams_are_not_taken_by_the_socket(sd: Sd) -> None:
    """The next file that is opened gets the number of one that is closed: what was printed went to
    the daemon, as a request."""
    for words in (["status"], ["search", "sun"], ["library", "list"], ["--help"], ["--version"]):
        ran = _with_closed(sd, ">&-", *words)
        assert ran.returncode == 1
        assert ran.stderr == b"sd: the result could not be written: Bad file descriptor\n"
        assert _with_closed(sd, "<&-", *words).returncode == 0
        assert _with_closed(sd, "<&- >&- 2>&-", *words).returncode == 1
    for way in ("2>&-", "2>/dev/full"):
        assert _with_closed(sd, way, "no-such-command").returncode == 2


def _with_closed(sd: Sd, way: str, *words: str) -> subprocess.CompletedProcess[bytes]:
    script = f'exec "$@" {way}'
    return subprocess.run(
        ["/bin/sh", "-c", script, "sh", *sd.command(*words)],
        capture_output=True,
        env=sd.environment(),
        check=False,
    )


def test_a_folder_is_listed_folders_first(sd: Sd, folder: Path) -> None:
    listed = sd.good("ls", str(folder)).out
    assert listed.startswith(b"2024/\n")
    assert sd.good("ls", str(folder)).err == ""
    assert sd.good("ls", cwd=folder / "2024").lines == ["sunrise.jpg", "sunset beach.jpg"]


def test_without_a_daemon_the_disk_is_read(tmp_path: Path, folder: Path) -> None:
    sd = Sd(tmp_path / "none")
    ran = sd.good("ls", str(folder / "2024"))
    assert ran.lines == ["sunrise.jpg", "sunset beach.jpg"]
    assert ran.err.startswith("sd: read from the disk: no daemon is running")
    found = json.loads(sd.good("info", str(folder / "2024" / "sunrise.jpg"), "--json").out)
    assert (found["kind"], found["extension"], found["size"]) == ("File", "jpg", 1)
    listed = json.loads(sd.good("ls", str(folder), "--json").out)["files"]
    odd = json.loads(sd.good("info", os.fsencode(folder) + b"/" + ODD, "--json").out)
    assert odd == next(one for one in listed if one["name"] == "caf\ufffd")
    assert base64.b64decode(odd["sd_path"]["Physical"]["path_bytes"]).endswith(b"/" + ODD)
    missing = sd("info", str(folder / "gone"))
    assert (missing.status, missing.out) == (5, b"")
    assert "does not exist" in missing.err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("job", "info"), "job-not-found"),
        (("file", "by-id"), "path-not-indexed"),
    ],
)
def test_an_id_that_nobody_has_is_not_found(sd: Sd, words: tuple[str, ...], code: str) -> None:
    """The daemon answers null, which is no failure on the wire."""
    nobody = "00000000-0000-4000-8000-000000000000"
    ran = sd(*words, nobody)
    assert (ran.status, ran.out) == (5, b"")
    assert nobody in ran.err
    ran = sd(*words, nobody, "--json")
    assert (ran.status, ran.out) == (5, b"")
    assert json.loads(ran.err)["error"]["code"] == code


def test_what_is_not_indexed_is_read_from_the_disk(sd: Sd, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.txt").write_text("a")
    ran = sd.good("ls", str(tmp_path / "other"))
    assert ran.lines == ["a.txt"]
    assert ran.err == "sd: read from the disk: it is not in the index\n"


# --- things by their names -----------------------------------------------------------------------


def test_a_location_is_called_what_a_person_calls_it(sd: Sd, folder: Path) -> None:
    (location,) = json.loads(sd.good("location", "list", "--json").out)["locations"]
    for name in ("Pictures", "pictures", str(folder), location["id"], location["id"][:6]):
        sd.good("location", "rescan", name, "--wait")
    ran = sd("location", "rescan", "Nothing")
    assert ran.status == 5
    assert "there is no location Nothing" in ran.err


def test_a_wrong_value_is_a_wrong_command_line(sd: Sd) -> None:
    assert sd("location", "update", "Pictures", "--job-policies", "{").status == 2
    assert sd("volume", "list", "--filter", "bogus").status == 2
    assert sd("search", "x", "--limit", "many").status == 2
    assert "not in the range 1<=x<=1000" in sd("search", "x", "--limit", "1001").err
    assert sd("nonsense").status == 2
    assert "'sd search nonsense' would look for files" in sd("nonsense").err


def test_deleting_asks_a_person_and_never_a_script(
    sd: Sd, terminal: Callable[..., Terminal]
) -> None:
    sd.good("library", "create", "Spare")
    ran = sd("library", "delete", "Spare")
    assert ran.status == 2
    assert "--yes" in ran.err
    asked = terminal("library", "delete", "Spare")
    asked.read_until(b"[y/N]")
    asked.type(b"n\n")
    assert asked.read_all()[0] == 1
    sd.good("library", "delete", "Spare", "--delete-data", "--yes")
    assert [one["name"] for one in json.loads(sd.good("library", "list", "--json").out)] == ["Home"]


# --- raw calls -----------------------------------------------------------------------------------


def test_any_operation_can_be_called(sd: Sd) -> None:
    answer = {"echo": "hi", "count": 1, "extension_works": True}
    payload = '{"message": "hi"}'
    assert json.loads(sd.good("call", "query:test.ping", payload).out) == answer
    assert json.loads(sd.good("call", "query:test.ping", "-", stdin=payload.encode()).out) == answer
    unknown = sd("call", "query:nope")
    assert unknown.status == 5
    assert unknown.err == (
        "sd: Unknown method: query:nope\n"
        "hint: a method begins with query: or action:; 'sd describe' lists them all\n"
    )
    assert json.loads(sd.good("call", "test.ping", payload).out) == answer
    assert "Unknown method: ping" in sd("call", "ping").err


def test_a_wrong_payload_is_a_wrong_command_line_and_says_where(sd: Sd) -> None:
    malformed = sd("call", "query:test.ping", "{")
    assert malformed.status == 2
    assert "the payload is not valid JSON" in malformed.err
    wrong = sd("call", "query:search.files", '{"query": "a", "pagination": {"limit": -1}}')
    assert wrong.status == 2
    said = "sd: query:search.files: payload.pagination.limit: expected int >= 1\n"
    assert wrong.err.startswith(said)


def test_operations_explain_themselves(sd: Sd) -> None:
    assert any(line.startswith("query:search.files\t") for line in sd.good("describe").lines)
    text = sd.good("describe", "query:search.files").out.decode()
    assert "Find files by any parts of their names" in text
    assert "\n  pagination" in text
    assert "\nresult: SearchResult\n" in text
    assert re.search(r"\n  total_found +integer +required", text)
    assert re.search(r"\n  limit +integer \(1 to \d+\) += \d+", text)
    assert "\nSdPath\n" in text
    assert sd.good("describe", "search.files").out.decode() == text
    whole = json.loads(sd.good("--json", "describe").out)
    assert whole["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    summary = "Find files by any parts of their names, in any order."
    assert f"query:search.files\tread\t{summary}" in sd.good("describe").lines
    assert "\n    " not in text.partition("permission:")[0]


def test_without_a_command_there_is_help(sd: Sd) -> None:
    help_text = sd.good("--help").out.decode()
    assert sd.good("help").out.decode() == help_text
    assert sd.good("help", "job", "pause").out == sd.good("job", "pause", "--help").out
    for words in ([], ["job"]):
        ran = sd(*words)
        assert (ran.out.decode() + ran.err).startswith("Usage: sd")
        assert "shows how it is meant" not in ran.err


# --- watching ------------------------------------------------------------------------------------


def test_events_are_followed_until_ctrl_c(sd: Sd, terminal: Callable[..., Terminal]) -> None:
    watching = terminal("events", "--follow", "--type", "JobCompleted", "--json")
    probe = terminal("events", "--follow", "--type", "JobStarted,JobCompleted")
    while json.loads(sd.good("status", "--json").out)["clients"]["subscriptions"] < 2:
        pass
    sd.good("location", "rescan", "Pictures", "--wait")
    line = watching.read_until(b"}\r\n").decode()
    assert json.loads(line)["Event"]["JobCompleted"]["job_type"] == "indexer"
    assert b"JobStarted" in probe.read_until(b"JobCompleted")
    watching.type(b"\x03")
    assert watching.read_all()[0] == 130
    probe.type(b"\x03")
    status, shown = probe.read_all()
    assert status == 130
    assert b"stopped watching" in shown


def test_the_log_is_read_with_and_without_a_daemon(daemon: Daemon) -> None:
    sd = Sd(daemon.data_dir)
    sd.good("library", "create", "Home")
    lines = sd.good("logs", "-n", "5").lines
    assert 0 < len(lines) <= 5
    assert all(" sd_daemon." in line for line in lines)
    assert sd.good("logs", "--level", "error").out == b""
    daemon.stop()
    assert sd.good("logs", "-n", "1").out != b""


def test_a_job_is_watched_to_its_end(sd: Sd) -> None:
    job = json.loads(sd.good("location", "rescan", "Pictures", "--json").out)["job_id"]
    ran = sd.good("job", "watch", job)
    assert ran.lines[-1].startswith("indexer completed in ")
    steps = [json.loads(line) for line in sd.good("job", "watch", job, "--json").lines]
    assert steps[-1]["id"] == job
    assert steps[-1]["status"] == "completed"


def test_watching_nothing_ends_at_once(sd: Sd) -> None:
    assert sd.good("job", "watch").err == "no job is under way\n"
    assert sd("job", "watch", "ffffffff").status == 5


# --- the index -----------------------------------------------------------------------------------


def test_verify_ends_as_index_and_disk_agree(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    data = tmp_path / "data of its own"
    data.mkdir(mode=0o700)
    watch_nothing = '{"services": {"fs_watcher_enabled": false}}'  # or there is no difference
    (data / "spacedrive.json").write_text(watch_nothing, "utf-8")
    sd = Sd(data)
    sd.good("start")
    sd.good("library", "create", "Home")
    sd.good("location", "add", str(folder), "--name", "Verified", "--wait")
    try:
        assert sd.good("index", "verify", str(folder)).lines[0].endswith(" s)")
        (folder / "new.txt").write_text("new")
        ran = sd("index", "verify", str(folder))
        assert ran.status == 1
        assert "new.txt" in ran.out.decode()
        assert ran.lines[-1] == "--fix brings it up to date"
        sd.good("index", "verify", str(folder), "--fix")
        sd.good("index", "verify", str(folder))
        assert sd("index", "verify", "/nowhere/at/all").status == 2
    finally:
        sd.good("stop")


# --- everything at once --------------------------------------------------------------------------


def test_run_goes_from_nothing_to_a_search(tmp_path: Path) -> None:
    (tmp_path / "my files").mkdir()
    sd, folder = Sd(tmp_path / "fresh"), make_folder(tmp_path / "my files")
    found = {"PATH": f"{LAUNCHER.parent}:{os.environ['PATH']}"}
    try:
        first = sd.good("run", str(folder), environment=sd.environment(**found))
        assert "started the daemon" in first.err
        assert "What to type next:" in first.err
        assert f"\n  sd ls '{folder}'\n" in first.err
        assert "export" not in first.err
        assert any(line.startswith("$ sd search ") for line in first.lines)
        assert any(line.startswith(str(folder)) for line in first.lines)
        second = sd.good("run", str(folder))
        assert "the daemon runs" in second.err
        assert "is a location already" in second.err
        assert len(json.loads(sd.good("library", "list", "--json").out)) == 1
        assert len(json.loads(sd.good("location", "list", "--json").out)["locations"]) == 1
    finally:
        sd("stop")


def test_what_run_says_can_be_typed(tmp_path: Path) -> None:
    sd, folder = Sd(tmp_path / "fresh"), make_folder(tmp_path)
    nowhere = sd.environment(PATH="/usr/bin:/bin")
    del nowhere["SD_DATA_DIR"]
    try:
        said = sd.good("--data-dir", str(sd.data_dir), "run", str(folder), environment=nowhere).err
    finally:
        sd("stop")
    beside = Path(sys.executable).parent
    if (beside / "sd").exists():
        assert f"\n  export PATH={beside}:$PATH\n" in said
    assert f"\n  export SD_DATA_DIR={sd.data_dir}\n" in said


def test_run_needs_a_folder(tmp_path: Path) -> None:
    sd = Sd(tmp_path / "fresh")
    assert sd("run", str(tmp_path / "gone")).status == 5
    assert sd("status").status == 3
