"""The quick path: what it reads, what it prints, and when it leaves to the full command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from cli_command import LAUNCHER, Sd

if TYPE_CHECKING:
    from pathlib import Path

    from running import Daemon

SHARED = {
    "launch",
    "sd_client.cli.answer",
    "sd_client.cli.quick",
    "sd_client.cli.text",
    "sd_wire.places",
}
OURS = {
    "status": SHARED | {"sd_client.cli.status_view"},
    "search": SHARED | {"sd_client.cli.search_view"},
}
NEEDED = {"_socket", "_json", "gc"}


def imported(*arguments: str) -> set[str]:
    """The modules that a Python without its usual preparations imports."""
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-X", "importtime", *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={"HOME": os.environ.get("HOME", "/")},
    )
    lines = [line for line in ran.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines} - {"imported package"}


@pytest.fixture
def sd(daemon: Daemon) -> Sd:
    """The command beside a daemon that runs, with a library."""
    made = Sd(daemon.data_dir)
    made.good("library", "create", "Home")
    return made


@pytest.mark.parametrize("word", ["status", "search"])
def test_it_imports_what_it_needs_and_nothing_else(sd: Sd, word: str) -> None:
    more = ["x"] if word == "search" else []
    socket = f"--socket={sd.data_dir}/daemon/daemon.sock"
    quick = imported(str(LAUNCHER), str(LAUNCHER.parent), word, *more, socket)
    assert quick - imported("-c", "pass") <= OURS[word] | NEEDED
    assert quick >= OURS[word]


def test_both_ways_print_the_same(sd: Sd) -> None:
    quick = sd.good("status").lines
    full = sd.good("--quiet", "status").lines  # an option before the command is not quick
    assert quick[1:] == full[1:]


def test_json_is_exactly_the_result(sd: Sd) -> None:
    quick = json.loads(sd.good("search", "nothing", "--json").out)
    full = json.loads(sd.good("--json", "search", "nothing").out)
    assert quick["total_found"] == full["total_found"] == 0
    assert sd.good("status", "--json").out.count(b"\n") == 1


@pytest.mark.parametrize("word", ["status", "search"])
def test_without_a_daemon_there_is_a_sentence_and_a_hint(tmp_path: Path, word: str) -> None:
    ran = Sd(tmp_path / "none")(word, "x") if word == "search" else Sd(tmp_path / "none")(word)
    assert ran.status == 3
    assert ran.out == b""
    assert ran.err.startswith("sd: no daemon is running: there is no socket at ")
    assert ran.err.endswith("hint: start it with 'sd start'\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
@pytest.mark.parametrize("words", [("status",), ("library", "list")])
def test_a_socket_of_somebody_else_is_asked_only_where_it_is_named(
    sd: Sd, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """A folder of a person who is not root, found in a home that root was sent to."""
    os.chown(sd.data_dir / "daemon" / "daemon.sock", 1234, -1)
    (tmp_path / "spacedrive").symlink_to(sd.data_dir)
    socket = tmp_path / "spacedrive" / "daemon" / "daemon.sock"
    found = {"XDG_DATA_HOME": str(tmp_path), "SD_DATA_DIR": ""}
    ran = sd(*words, environment=sd.environment(**found))
    assert ran.status == 4
    assert ran.err.splitlines() == [
        f"sd: the socket {socket} belongs to user 1234, and is not asked",
        f"hint: name it, if you mean it: --socket {socket}",
    ]
    named = sd(*words, "--socket", str(socket))
    assert named.status == 0


def test_an_error_of_the_daemon_is_told_by_the_full_command(daemon: Daemon) -> None:
    ran = Sd(daemon.data_dir)("search", "x")
    assert ran.status == 2
    assert "sd: no library is open" in ran.err
    assert "hint: 'sd library create NAME' makes one" in ran.err


def test_a_library_may_be_named(sd: Sd) -> None:
    sd.good("library", "create", "Second")
    assert sd("search", "x").status == 2
    sd.good("search", "x", "--library", "second")
    library = json.loads(sd.good("library", "list", "--json").out)[0]["id"]
    sd.good("search", "x", "--library", library)
    sd.good("search", "x", environment=sd.environment(SD_LIBRARY="Second"))


def test_an_unknown_option_is_a_wrong_command_line(sd: Sd) -> None:
    ran = sd("status", "--bogus")
    assert ran.status == 2
    assert "sd: no such option" in ran.err.lower()
    assert "hint: 'sd status --help'" in ran.err


def test_it_is_found_through_a_link(sd: Sd, tmp_path: Path) -> None:
    link = tmp_path / "bin"
    link.mkdir()
    (link / "sd").symlink_to(LAUNCHER)
    ran = subprocess.run(
        [link / "sd", "status"], env=sd.environment(), capture_output=True, check=True
    )
    assert ran.stdout.startswith(b"spacedrive ")


@pytest.mark.skipif(sys.platform != "linux", reason="makes a pipe small")
def test_ctrl_c_ends_it_in_silence_while_it_is_still_being_read(tmp_path: Path) -> None:
    """Python tells of each module on a pipe too small for all of them, so it waits to be read."""
    sd, python = Sd(tmp_path), tmp_path / "python"
    python.write_text(f"#!/bin/sh\nexec '{sys.executable}' -X importtime \"$@\"\n")
    python.chmod(0o755)
    with subprocess.Popen(
        sd.command("events", "--follow"),
        env=sd.environment(SD_PYTHON=str(python)),
        stderr=subprocess.PIPE,
        pipesize=4096,
        bufsize=0,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as starting:
        assert starting.stderr is not None
        assert any(line.endswith(b" site\n") for line in starting.stderr)
        starting.send_signal(signal.SIGINT)
        said = starting.stderr.read().splitlines()
    assert starting.returncode == 130
    assert [line for line in said if not line.startswith(b"import time:")] == []
