"""`sd --trace` and `sd events`: what the daemon did, as seen from the command line."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from cli_command import Sd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from running import Daemon

STEP = re.compile(r"^ +\+(\d+\.\d{4}) s  (info |warn |error|event)  (\S+) ?(.*)$")


@pytest.fixture
def sd(daemon: Daemon) -> Sd:
    """The command beside a daemon with a library."""
    made = Sd(daemon.data_dir)
    made.good("library", "create", "Home")
    return made


def steps(err: str) -> list[tuple[str, str, str]]:
    """Kind, name and the rest of every step, in a trace whose times grow."""
    first, *lines = [line for line in err.splitlines() if not line.startswith("indexer")]
    assert re.fullmatch(r"trace [0-9a-f-]{36}", first)
    found = [STEP.match(line) for line in lines]
    assert all(found), lines
    times = [float(match[1]) for match in found if match]
    assert times == sorted(times)
    return [(match[2].strip(), match[3], match[4]) for match in found if match]


# --- trace ---------------------------------------------------------------------------------------


def test_a_command_is_followed_through_the_daemon(sd: Sd) -> None:
    ran = sd.good("--trace", "library", "create", "Second")
    assert ran.out.startswith(b"created the library Second")
    seen = steps(ran.err)
    assert ("event", "LibraryCreated") in [step[:2] for step in seen]
    kinds = [step[0] for step in seen]
    assert kinds[0] == kinds[-1] == "info"
    assert "call begins method=action:libraries.create.input" in seen[0][2]
    assert "call ended method=action:libraries.create.input" in seen[-1][2]
    assert "Home" not in ran.err


def test_a_job_is_followed_as_far_as_the_command_has_waited(sd: Sd, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    ran = sd.good("location", "add", str(tmp_path / "files"), "--wait", "--trace")
    names = [name for kind, name, _ in steps(ran.err) if kind == "event"]
    wanted = ("LocationAdded", "JobQueued", "JobStarted", "JobCompleted")
    assert [name for name in names if name in wanted] == list(wanted)
    assert any("job stopped" in rest for _, _, rest in steps(ran.err))


@pytest.mark.parametrize("words", [["call", "query:nothing.here"], ["search", "x"], ["status"]])
def test_every_command_can_be_followed_also_one_that_fails(sd: Sd, words: list[str]) -> None:
    ran = sd("--trace", *words)
    assert ran.status == (0 if words[0] != "call" else sd("call", "query:nothing.here").status)
    assert "call begins" in ran.err
    assert "call ended" in ran.err


def test_for_a_program_a_trace_is_objects(sd: Sd) -> None:
    ran = sd.good("--json", "--trace", "library", "create", "Second")
    assert json.loads(ran.out)["name"] == "Second"
    first, *rest = [json.loads(line) for line in ran.err.splitlines()]
    records = [one["LogMessage"] for one in rest if "LogMessage" in one]
    events = [one for one in rest if "Event" in one]
    assert {one["correlation_id"] for one in events} == {first["trace"]}
    assert {one["fields"]["correlation_id"] for one in records} == {first["trace"]}
    assert all(one["seconds"] >= 0 for one in rest)


def test_a_daemon_that_was_stopped_cannot_tell(sd: Sd) -> None:
    ran = sd.good("--trace", "stop")
    assert ran.err.splitlines()[-1].startswith("note: the trace cannot be shown: no daemon is runn")


# --- events --------------------------------------------------------------------------------------


def lines(ran: Any) -> list[dict[str, Any]]:
    """The documents of --json."""
    return [json.loads(line) for line in ran.lines]


def test_history_is_read_from_a_number_on(sd: Sd) -> None:
    everything = lines(sd.good("events", "--after", "0", "--json"))
    assert [next(iter(one)) for one in everything[-2:]] == ["Event", "CaughtUp"]
    numbers = [one["sequence"] for one in everything if "Event" in one]
    assert numbers == sorted(set(numbers))
    later = lines(sd.good("events", "--after", str(numbers[0]), "--json"))
    assert later == everything[1:]
    opened = lines(sd.good("events", "--after", "0", "--type", "LibraryOpened", "--json"))
    assert [one["Event"]["LibraryOpened"]["name"] for one in opened[:-1]] == ["Home"]
    assert opened[0]["device_id"]


def test_the_state_is_shown_as_events(sd: Sd) -> None:
    *state, caught_up = lines(sd.good("events", "--initial", "--json"))
    assert all(one["initial"] for one in state)
    assert "Home" in json.dumps(state)
    assert "CaughtUp" in caught_up


def test_events_of_a_path_and_of_all_below_it(sd: Sd, tmp_path: Path) -> None:
    inner = tmp_path / "files" / "inner"
    inner.mkdir(parents=True)
    (inner / "deep.txt").write_text("x")
    sd.good("location", "add", str(tmp_path / "files"), "--wait")
    asked = ("events", "--after", "0", "--json", "--path", str(tmp_path.parent))
    flat, deep = (json.dumps(lines(sd.good(*asked, *more))) for more in ([], ["--recursive"]))
    assert "deep.txt" in deep
    assert "deep.txt" not in flat
    assert sd("events", "--follow", "--recursive").status == 2
    assert sd("events", "--type", "JobQueued").status == 2


def test_what_can_never_come_is_said(sd: Sd) -> None:
    ran = sd.good("events", "--after", "0", "--type", "Jub")
    assert ran.out == b""
    assert ran.err == "note: there is no event 'Jub'\n"
    ran = sd.good("events", "--after", "0", "--type", "Jub", "--json")
    assert json.loads(ran.err) == {"warning": "there is no event 'Jub'"}


def test_what_is_not_kept_is_said(sd: Sd) -> None:
    ran = sd.good("events", "--after", "123456789", "--json")
    gap, caught_up = lines(ran)
    assert gap["Gap"]["first"] == 1
    assert caught_up["CaughtUp"]["sequence"] == gap["Gap"]["last"]


@pytest.fixture
def follower(sd: Sd) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start `sd events --follow` in the background; it stands when this returns."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*words: str) -> subprocess.Popen[bytes]:
        made = subprocess.Popen(
            sd.command("events", "--follow", "--json", *words),
            stdout=subprocess.PIPE,
            env=sd.environment(),
        )
        started.append(made)
        return made

    yield start
    for one in started:
        one.kill()
        one.communicate()


def test_following_loses_nothing_to_a_restart(
    sd: Sd, daemon: Daemon, follower: Callable[..., subprocess.Popen[bytes]]
) -> None:
    following = follower("--after", "0", "--type", "LibraryCreated,LibraryOpened,CoreStarted")
    assert following.stdout is not None
    assert b"CoreStarted" in following.stdout.readline()
    daemon.kill()
    daemon.start()
    sd.good("library", "create", "Later")
    seen: list[dict[str, Any]] = []
    while not any("Later" in json.dumps(one) for one in seen):
        seen.append(json.loads(following.stdout.readline()))
    names = [next(iter(one["Event"])) if isinstance(one["Event"], dict) else one["Event"]
             for one in seen if "Event" in one]  # fmt: skip
    assert names.count("CoreStarted") == 1
    assert names.index("CoreStarted") > names.index("LibraryCreated")
    numbers = [one["sequence"] for one in seen if "Event" in one]
    assert numbers == sorted(set(numbers))
    assert not any("Gap" in one for one in seen)


def test_following_ends_with_its_reader_also_while_nothing_happens(
    sd: Sd, follower: Callable[..., subprocess.Popen[bytes]]
) -> None:
    following = follower("--after", "0", "--type", "CoreStarted")
    assert following.stdout is not None
    assert b"CoreStarted" in following.stdout.readline()
    assert b"CaughtUp" in following.stdout.readline()
    following.stdout.close()
    assert following.wait(timeout=20) == 0
    following.stdout = None  # there is nothing left to read
