"""`sd logs`: the same records in the same form, whether a daemon runs or not."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from cli_command import Sd, Terminal

from sd_client.cli.moments import moment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from running import Daemon


def ask(daemon: Daemon, correlation: str) -> None:
    with daemon.connect() as wire:
        call = {"method": "query:libraries.list"}
        wire.ask({"Query": call, "id": 1, "correlation_id": correlation})


@pytest.fixture
def watching(daemon: Daemon) -> Iterator[Terminal]:
    """`sd logs --follow` on a terminal."""
    terminal = Terminal(Sd(daemon.data_dir), "logs", "--follow", "-n", "1")
    yield terminal
    terminal.close()


def test_the_same_is_printed_with_and_without_a_daemon(daemon: Daemon) -> None:
    sd = Sd(daemon.data_dir)
    library = json.loads(sd.good("library", "create", "Home", "--json").out)["library_id"]
    ask(daemon, "order 7")
    wishes = [
        ("--correlation", "order 7"),
        ("--correlation", "order 7", "--json"),
        ("--level", "warn"),
        ("--target", "core.libraries", "--since", "10 min ago"),
        ("--library", library, "-n", "3"),
        ("--job", library),
        ("-n", "0"),
    ]
    ran = {wish: sd.good("logs", *wish) for wish in wishes}
    assert len(ran[wishes[0]].lines) == 2
    first = json.loads(ran[wishes[1]].lines[0])
    assert (first["message"], first["fields"]["correlation_id"]) == ("call begins", "order 7")
    assert ran[wishes[3]].lines
    assert ran[wishes[4]].lines
    assert ran[wishes[5]].lines == ran[wishes[6]].lines == []
    assert daemon.stop() == 0
    for wish, before in ran.items():
        after = sd.good("logs", *wish)
        assert "no daemon runs" in after.err
        if "--correlation" in wish:
            assert after.out == before.out
        else:
            assert after.out[: len(before.out)] == before.out or "-n" in wish
    written = (daemon.data_dir / "logs" / "daemon.log").read_bytes()
    assert sd.good("logs", "-n", "100000").out == written


def test_records_are_followed_over_a_restart(daemon: Daemon, watching: Terminal) -> None:
    watching.read_until(b"\r\n")
    ask(daemon, "first")
    watching.read_until(b"correlation_id=first")
    assert daemon.stop() == 0
    daemon.kill()
    daemon.start()
    ask(daemon, "second")
    shown = watching.read_until(b"correlation_id=second")
    for sentence in (b"daemon stopped", b"daemon starts"):
        assert shown.count(sentence) == 1
    watching.type(b"\x03")
    assert watching.read_all()[0] == 130


def test_a_terminal_has_local_times_and_tracebacks_in_lines(daemon: Daemon) -> None:
    assert daemon.stop() == 0
    path = daemon.data_dir / "logs" / "daemon.log"
    path.write_text(
        "2026-11-23T01:02:03.123456Z ERROR sd_daemon.core it failed"
        ' path="/a b" trace="Traceback:\\n  one\\nValueError: \\u001b[31m"\n'
        "no record\n"
    )
    terminal = Terminal(Sd(daemon.data_dir), "logs", TZ="UTC-2", NO_COLOR="1")
    status, shown = terminal.read_all()
    terminal.close()
    lines = shown.decode().split("\r\n")
    assert status == 0
    assert lines[-5:-1] == [
        '2026-11-23 03:02:03.123 ERROR sd_daemon.core it failed path="/a b"',
        "    Traceback:",
        "      one",
        "    ValueError: \\e[31m",
    ]


def test_following_needs_a_daemon_and_shows_the_past_before_it_says_so(daemon: Daemon) -> None:
    assert daemon.stop() == 0
    ran = Sd(daemon.data_dir)("logs", "--follow")
    assert ran.status == 3
    assert ran.lines


def test_a_level_below_the_daemons_own_is_followed(daemon: Daemon) -> None:
    ran = Sd(daemon.data_dir).good("logs", "--level", "debug", "-n", "1")
    assert "own level" in ran.err
    assert len(ran.lines) == 1


def test_without_a_daemon_names_are_not_known(daemon: Daemon) -> None:
    assert daemon.stop() == 0
    sd = Sd(daemon.data_dir)
    assert sd("logs", "--job", "indexer").status == 2
    assert "this is of all" in sd.good("logs", "--library", "Home").err


@pytest.mark.parametrize("word", ["never", "25:00", "10 parsecs ago", "", "9999999999999 d ago"])
def test_a_time_that_is_none_is_a_usage_error(daemon: Daemon, word: str) -> None:
    ran = Sd(daemon.data_dir)("logs", "--since", word)
    assert ran.status == 2
    assert "10 min ago" in ran.err


NOW = datetime(2026, 11, 23, 12, 0, tzinfo=timezone(timedelta(0)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW),
        ("10 min ago", NOW - timedelta(minutes=10)),
        ("2h", NOW - timedelta(hours=2)),
        ("1.5 hours ago", NOW - timedelta(minutes=90)),
        ("3 days ago", NOW - timedelta(days=3)),
        ("2026-11-23T01:02:03Z", NOW.replace(hour=1, minute=2, second=3)),
        ("2026-11-23 01:02+00:00", NOW.replace(hour=1, minute=2)),
    ],
)
def test_times(text: str, expected: datetime) -> None:
    assert moment(text, NOW) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("today", "2026-11-23T00:00:00"),
        ("Yesterday", "2026-11-22T00:00:00"),
        ("14:30", "2026-11-23T14:30:00"),
        ("2026-11-20", "2026-11-20T00:00:00"),
        ("2026-11-20 14:30", "2026-11-20T14:30:00"),
    ],
)
def test_local_times(text: str, expected: str) -> None:
    assert moment(text, NOW).replace(tzinfo=None).isoformat() == expected


def test_a_level_that_there_is_not_is_told_those_that_there_are(daemon: Daemon) -> None:
    ran = Sd(daemon.data_dir)("logs", "--level", "loud")
    assert ran.status == 2
    assert "'loud' is not one of error, warn, info, debug, trace" in ran.err


def test_the_help_shows_how_it_is_meant(daemon: Daemon) -> None:
    said = Sd(daemon.data_dir).good("logs", "--help").out.decode()
    for option in ("--lines", "--since", "--follow", "--level", "--target", "--job", "--json"):
        assert option in said
    assert re.search(r"sd logs --since '10 min ago'", said)


def test_a_log_that_cannot_be_read_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "logs" / "daemon.log").mkdir(parents=True)
    ran = Sd(tmp_path)("logs")
    assert ran.status != 0
    assert f"{tmp_path}/logs/daemon.log" in ran.err
    assert "Is a directory" in ran.err
