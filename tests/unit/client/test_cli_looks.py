"""What results look like: on a terminal safe and aligned, in a pipe exact and plain."""

from __future__ import annotations

import base64
import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from sd_client.cli.index import Verdict, verdict_of
from sd_client.cli.output import Output
from sd_client.cli.search_view import search_footer, search_lines
from sd_client.cli.status_view import status_lines
from sd_client.cli.tables import Column, fit, pad, table, width
from sd_client.cli.text import clock, encoded, epoch, moment, name_from, number, shown, size, span
from sd_client.cli.views import flat, show
from sd_wire.operations.indexing import IntegrityReport, Verification

if TYPE_CHECKING:
    from collections.abc import Iterator

Capture = pytest.CaptureFixture[bytes]


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The world in UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 KiB"), (1536, "1.5 KiB"), (10 << 20, "10 MiB"),
     (1023 << 10, "1.0 MiB"), (5 << 50, "5.0 PiB"), (5000 << 50, "5000 PiB")],
)  # fmt: skip
def test_sizes_are_short(count: int, text: str) -> None:
    assert size(count) == text


def test_counts_have_nouns() -> None:
    assert number(1, "file") == "1 file"
    assert number(12345, "file") == "12,345 files"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (0.25, "0.2 s"), (61, "1 min 1 s"), (3600, "1 h"), (90061, "1 d 1 h")],
)
def test_spans_have_two_units(seconds: float, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize("year", [1970, 1999, 2000, 2024, 2026, 2100])
def test_times_are_read_without_a_library(year: int) -> None:
    for month, day in ((1, 1), (2, 28), (3, 1), (12, 31)):
        known = datetime(year, month, day, 13, 14, 15, tzinfo=UTC)
        assert epoch(known.strftime("%Y-%m-%dT%H:%M:%SZ")) == known.timestamp()


@pytest.mark.usefixtures("utc")
def test_times_are_local() -> None:
    assert moment("2025-11-23T01:44:07.123456Z") == "2025-11-23 01:44"
    assert clock("2025-11-23T01:44:07.5Z") == "01:44:07.500"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("plain.txt", "plain.txt"),
        ("two\nlines", "two\\nlines"),
        ("\x1b[2Jboo", "\\e[2Jboo"),
        ("\x9b31m", "\\x9b31m"),
        (os.fsdecode(b"caf\xe9"), "caf\\xe9"),
        ("evil\u202etxt.exe", "evil\\u202etxt.exe"),
        ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"),
        ("wide\u3000space", "wide\u3000space"),
        ("日本語", "日本語"),
    ],
)
def test_nothing_that_a_terminal_obeys_reaches_it(name: str, text: str) -> None:
    assert shown(name) == text
    assert not any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in shown(name))


@pytest.mark.parametrize("raw", [b"caf\xe9", b"\xff\xfe", b"a", b"\xf0\x9f", b"\x80" * 7])
def test_a_name_that_is_not_utf8_keeps_its_bytes(raw: bytes) -> None:
    name = name_from(base64.b64encode(raw).decode())
    assert name == os.fsdecode(raw)
    assert encoded(name) == raw


def test_widths_are_those_of_a_terminal() -> None:
    assert width("abc") == 3
    assert width("日本") == 4
    assert width("e\u0301") == 1
    assert width(pad("日本", 6, right=False)) == 6


@pytest.mark.parametrize("room", range(2, 20))
def test_what_is_too_long_is_cut_in_the_middle(room: int) -> None:
    cut = fit("/home/me/日本語/sunset.jpg", room)
    assert width(cut) <= room
    assert "…" in cut


COLUMNS = [
    Column("NAME", lambda row: row[0], gives_way=True),
    Column("SIZE", lambda row: row[1], right=True),
    Column("EMPTY", lambda _row: ""),
]
ROWS = [("a\x07b", "1"), ("日本", "22")]


def test_a_table_is_aligned_on_a_terminal(capfdbinary: Capture) -> None:
    output = Output()
    output.terminal = True
    table(output, COLUMNS, ROWS)
    lines = capfdbinary.readouterr().out.decode().splitlines()
    assert lines[0].replace("\x1b[1m", "").replace("\x1b[0m", "") == "NAME    SIZE"
    assert lines[1] == "a\\x07b     1"
    assert lines[2] == "日本      22"


def test_a_table_in_a_pipe_is_tabs_and_exact_names(capfdbinary: Capture) -> None:
    output = Output()
    output.terminal = False
    table(output, COLUMNS, [*ROWS, (os.fsdecode(b"\xff"), "3")])
    assert capfdbinary.readouterr().out == "a\x07b\t1\t\n日本\t22\t\n".encode() + b"\xff\t3\t\n"


def hit(path: str, start: int, end: int, kind: str = "File") -> dict[str, Any]:
    """A search hit that was found by a part of its name."""
    name = path.rpartition("/")[2]
    highlight = {"field": "name", "text": name[start:end], "start": start, "end": end}
    file = {
        "sd_path": {"Physical": {"device_slug": "d", "path": path}},
        "kind": kind,
        "size": 2048,
        "modified_at": "2025-11-23T01:44:07Z",
    }
    return {"file": file, "highlights": [highlight]}


def test_a_search_is_one_path_per_line() -> None:
    found = {"results": [hit("/p/sunset.jpg", 0, 6), hit("/p/sun", 0, 3, "Directory")]}
    plain = search_lines(found, terminal=False, colour=False)
    assert plain == ["/p/sunset.jpg", "/p/sun/"]


def test_what_was_looked_for_is_marked() -> None:
    found = {"results": [hit("/p/my-sunset.jpg", 3, 9), hit("/p/sun", 0, 3, "Directory")]}
    marked = search_lines(found, terminal=True, colour=True)
    assert marked == ["/p/my-\x1b[1;32msunset\x1b[0m.jpg", "/p/\x1b[1;32msun\x1b[0m/"]


@pytest.mark.usefixtures("utc")
def test_a_long_search_has_sizes_and_times() -> None:
    (line,) = search_lines(
        {"results": [hit("/p/x", 0, 1)]}, terminal=False, colour=False, detailed=True
    )
    assert line == "  2.0 KiB  2025-11-23 01:44  /p/x"


def test_a_search_says_what_it_does_not_show() -> None:
    shown_all = {"results": [{}], "total_found": 1}
    assert search_footer(shown_all) == ""
    assert search_footer({"results": [], "total_found": 0}) == "nothing found"
    more = {"results": [{}], "total_found": 1000, "total_is_exact": False}
    assert search_footer(more) == "1 of more than 1,000 shown; --limit N or --all shows more"


def status(**changes: Any) -> dict[str, Any]:
    """The answer to core.status, as far as it is shown."""
    service = {"running": False, "details": "not built yet"}
    return {
        "version": "1.2",
        "libraries": [{"name": "Ho\x1bme", "stats": None}],
        "jobs": {"queued": 0, "running": 2, "paused": 1},
        "services": {"location_watcher": service, "networking": service},
        "clients": {"connections": 1},
        "system": {
            "uptime": 3661, "pid": 7, "memory_resident": 28 << 20, "instance_name": None,
            "data_directory": "/d", "socket": "/s", "log_file": "/l",
        },
        "problems": ["the disk is full"],
    } | changes  # fmt: skip


def test_status_is_what_a_person_wants_to_know() -> None:
    lines = status_lines(status(), terminal=True)
    assert lines[0] == "spacedrive 1.2 runs for 1 h 1 min (pid 7, 28 MiB)"
    assert "  libraries  Ho\\eme" in lines
    assert "  jobs       2 running, 1 paused" in lines
    assert lines[-1] == "  attention  the disk is full"


def test_a_result_nobody_has_thought_about_is_still_readable() -> None:
    result = {"a": {"b": 1, "c_bytes": 2048}, "on": True, "none": None, "many": ["x", "y"]}
    assert flat(result) == [("a.b", "1"), ("a.c_bytes", "2.0 KiB"), ("on", "yes"), ("many", "x, y")]
    volume = {"total_capacity": 1 << 38, "last_indexed": "2025-11-23T01:44:07.123456Z"}
    assert flat(volume) == [("total_capacity", "256 GiB"), ("last_indexed", "2025-11-23 01:44")]


@pytest.mark.parametrize(
    ("valid", "fixed", "unreadable", "verdict"),
    [
        (True, False, 0, Verdict.VALID),
        (True, False, 1, Verdict.ERROR),
        (False, False, 1, Verdict.DIVERGED),
        (False, True, 0, Verdict.VALID),
        (False, True, 1, Verdict.ERROR),
    ],
)
def test_what_could_not_be_read_is_not_called_right(
    *, valid: bool, fixed: bool, unreadable: int, verdict: Verdict
) -> None:
    report = IntegrityReport(*(1, 1, 1, 1), [], [], [], [], "", fixed=fixed, unreadable=unreadable)
    assert verdict_of(Verification(valid, report, "/home", 0.1)) is verdict


def test_an_empty_list_is_a_remark_and_no_output(capfdbinary: Capture) -> None:
    output = Output()
    show(output, "libraries.list", [])
    written = capfdbinary.readouterr()
    assert written.out == b""
    assert written.err == b"no library is open\n"


def test_json_is_the_result_and_nothing_else(capfdbinary: Capture) -> None:
    output = Output()
    output.json = True
    output.remark("nobody sees this")
    output.document({"name": "日本"})
    written = capfdbinary.readouterr()
    assert written.out == '{"name":"日本"}\n'.encode()
    assert written.err == b""
