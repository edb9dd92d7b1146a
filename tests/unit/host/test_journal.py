"""What reaches journald is what was recorded, and what does not is counted."""

from __future__ import annotations

import ast
import asyncio
import logging
import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fake_journald import FakeJournald, parse
from hypothesis import given
from hypothesis import strategies as st

import sd_daemon
from sd_daemon.core.log import TRACE, Log
from sd_daemon.host.journal import Journal, datagram, fields_of
from sd_daemon.host.logs import Levels, LogFile, Recorder, journal_of, message_of
from sd_daemon.host.message_ids import DROPPED, MESSAGE_IDS
from sd_wire.log_entry import entry_of, name_of, record_from
from sd_wire.log_line import record_of

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
CATALOG = ROOT / "contrib/systemd/catalog/spacedrive.catalog"


@pytest.fixture
def journald(tmp_path: Path) -> Iterator[FakeJournald]:
    made = FakeJournald(tmp_path / "socket")
    yield made
    made.close()


@pytest.fixture
def log(request: pytest.FixtureRequest) -> Iterator[Log]:
    """A logger that no handler of the test runner hears."""
    logger = logging.getLogger(f"tests.{request.node.name}")
    logger.propagate = False
    logger.setLevel(TRACE)
    yield Log(logger.name)
    for handler in logger.handlers:
        handler.close()


def recording(log: Log, journald: FakeJournald, **settings: int) -> Journal:
    """A way to this journald for what the log hears."""
    journal = Journal(str(journald.path), **settings)
    file = LogFile(str(journald.path.with_name("daemon.log")))
    log._logger.addHandler(Recorder(file, Levels("trace"), journal))
    return journal


def filed(journald: FakeJournald) -> list[str]:
    return journald.path.with_name("daemon.log").read_text().splitlines()


def numbers(entries: list[dict[str, bytes]]) -> list[int]:
    return [int(entry["NUMBER"]) for entry in entries if "NUMBER" in entry]


def told(entries: list[dict[str, bytes]]) -> list[int]:
    """The counts of the records that say how many are missing."""
    return [int(one["COUNT"]) for one in entries if one["MESSAGE"].decode() == DROPPED]


# --- records -------------------------------------------------------------------------------------


def test_a_record_has_the_fields_that_an_administrator_types(
    log: Log, journald: FakeJournald
) -> None:
    recording(log, journald)
    library = "6f1d3f7e-3f3b-4c0f-9d5c-0a1b2c3d4e5f"
    log.info("job queued", job_id="7", library_id=library, peer_uid=1000, event="A", nothing=None)
    (entry,) = journald.read()
    time = entry.pop("TIMESTAMP").decode()
    assert filed(journald)[0].startswith(time)
    assert int(entry.pop("CODE_LINE")) > 0
    assert {name: value.decode() for name, value in entry.items()} == {
        "MESSAGE": "job queued",
        "MESSAGE_ID": MESSAGE_IDS["job queued"],
        "PRIORITY": "6",
        "LEVEL": "INFO",
        "TARGET": log._logger.name,
        "SYSLOG_IDENTIFIER": "sd-daemon",
        "CODE_FILE": __file__,
        "CODE_FUNC": "test_a_record_has_the_fields_that_an_administrator_types",
        "JOB_ID": "7",
        "LIBRARY_ID": library,
        "PEER_UID": "1000",
        "EVENT": "A",
        "FIELDS": "peer_uid event",
    }


@pytest.mark.parametrize(
    ("level", "priority"),
    [(60, "2"), (50, "2"), (40, "3"), (30, "4"), (20, "6"), (10, "7"), (5, "7"), (1, "7")],
)
def test_no_level_is_an_emergency(level: int, priority: str) -> None:
    record = logging.LogRecord("a", level, "", 0, "x", None, None)
    assert fields_of(message_of(record), record)["PRIORITY"] == priority


def test_a_person_sees_the_reason_and_the_traceback(log: Log, journald: FakeJournald) -> None:
    recording(log, journald)
    try:
        raise AttributeError("nothing there")
    except AttributeError as error:
        log.error("it failed", error=error, reason="two\nlines")
    (entry,) = journald.read()
    lines = entry["MESSAGE"].decode().splitlines()
    assert lines[:3] == ["it failed: two", "lines", "Traceback (most recent call last):"]
    assert lines[-1] == "AttributeError: nothing there"
    assert entry["TRACEBACK"].decode().splitlines() == lines[2:]


TEXT = st.text(st.characters(), max_size=20) | st.sampled_from(
    ["\n", "a\nb", "=", "\udcff", "\ud800", "\x00", "", "a=b", "é", "\U0001f4f7", "\n" * 9]
)
WORD = st.from_regex(r"[a-z_][a-z0-9_]{0,50}", fullmatch=True)
VALUE = TEXT | st.binary(max_size=8) | st.integers()


def made(name: str, message: str, fields: dict[str, object], level: int) -> logging.LogRecord:
    record = logging.LogRecord(name, level, "/a.py", 7, message, None, None)
    record.fields = fields
    return record


@given(TEXT, TEXT, st.dictionaries(TEXT, VALUE, max_size=5), st.integers(0, 60))
def test_whatever_is_recorded_journald_takes(
    target: str, message: str, fields: dict[str, object], level: int
) -> None:
    record = made(target, message, fields, level)
    given_fields = fields_of(message_of(record), record)
    assert parse(datagram(given_fields)) == {
        name: value.encode() for name, value in given_fields.items()
    }


@given(TEXT, TEXT, st.dictionaries(WORD, VALUE, max_size=5), st.integers(0, 60))
def test_an_entry_is_read_as_it_was_recorded(
    target: str, message: str, fields: dict[str, object], level: int
) -> None:
    recorded = message_of(made(target, message, fields, level))
    entry = parse(datagram(entry_of(recorded)))
    read = record_from({name: value.decode() for name, value in entry.items()})
    assert read == recorded
    assert read is not None
    assert list(read.fields) == list(recorded.fields)


@given(st.dictionaries(TEXT, TEXT | st.sampled_from(["INFO", "2026-11-23T01:02:03.5Z"])))
def test_an_entry_of_somebody_else_is_no_record(entry: dict[str, str]) -> None:
    assert record_from(entry) is None
    assert record_from({"MESSAGE": "x", "PRIORITY": "6", **entry}) is None


@given(TEXT | st.text(min_size=60))
def test_any_name_becomes_one_that_journald_keeps(name: str) -> None:
    assert re.fullmatch(r"[A-Z][A-Z0-9_]{0,63}", name_of(name))


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("peer_uid", "PEER_UID"),
        ("a.b-c d", "A_B_C_D"),
        ("_uid", "FIELD__UID"),
        ("1st", "FIELD_1ST"),
        ("", "FIELD_"),
        ("message", "FIELD_MESSAGE"),
        ("priority", "FIELD_PRIORITY"),
        ("x" * 99, "X" * 64),
        ("9" * 99, "FIELD_" + "9" * 58),
    ],
)
def test_no_field_poses_as_another(field: str, name: str) -> None:
    assert name_of(field) == name


@given(st.dictionaries(WORD.map(name_of), st.binary(max_size=40) | st.just(b"\n"), max_size=5))
def test_a_value_may_have_any_bytes(fields: dict[str, bytes]) -> None:
    assert parse(datagram(fields)) == fields


# --- the way -------------------------------------------------------------------------------------


def test_what_is_too_large_for_a_datagram_arrives(log: Log, journald: FakeJournald) -> None:
    recording(log, journald, limit=1 << 24)
    fields = {f"field{number}": "é" * 16_000 for number in range(16)}
    log.info("large", **fields)
    log.info("small")
    large, small = journald.read()
    assert large["FIELD15"].decode() == fields["field15"]
    assert small["MESSAGE"] == b"small"
    assert journald.files == 1


def test_records_of_many_threads_arrive(log: Log, journald: FakeJournald) -> None:
    recording(log, journald)
    threads = [
        threading.Thread(target=lambda n=n: [log.info("x", number=n * 100 + i) for i in range(9)])
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    entries = []
    while any(thread.is_alive() for thread in threads):
        entries += journald.read()
    log.info("x", number=9999)
    while 9999 not in numbers(entries):
        entries += journald.read()
        log.info("y")  # without a loop the next record sends those that wait
    assert sorted(numbers(entries)) == [n * 100 + i for n in range(8) for i in range(9)] + [9999]


def test_a_stalled_journald_costs_the_count_of_what_it_missed(
    log: Log, journald: FakeJournald
) -> None:
    journal = recording(log, journald, limit=20_000)
    for number in range(2000):
        log.info("x", number=number)
    assert journal._size <= 20_000
    assert journal.dropped > 1000
    entries = journald.read()
    while not told(entries):
        log.info("x", number=2000)  # without a loop the next record sends those that wait
        entries += journald.read()
    assert told(entries) == [journal.dropped]
    texts = [one["MESSAGE"].decode() for one in entries]
    assert len(texts) - 1 + journal.dropped == len(filed(journald))
    before = texts.index(DROPPED)  # it stands where the missing ones would
    assert numbers(entries)[:before] == list(range(before))
    assert set(numbers(entries)[before:]) <= {2000}


async def test_the_loop_sends_what_waited_and_rests(log: Log, journald: FakeJournald) -> None:
    journal = recording(log, journald)
    loop = asyncio.get_running_loop()
    journal.attach(loop)
    for number in range(1000):
        log.info("x", number=number)
    await asyncio.sleep(0)
    assert journal._watched is not None
    entries: list[dict[str, bytes]] = []
    async with asyncio.timeout(10):
        while len(numbers(entries)) < 1000 or journal._due:
            entries += journald.read()
            await asyncio.sleep(0)
    assert numbers(entries) == list(range(1000))
    assert journal._watched is None
    assert journal.dropped == 0
    log.info("x", number=1000)
    assert not journal._due
    assert numbers(journald.read()) == [1000]


async def test_a_journald_that_does_not_read_wakes_nobody(
    log: Log, journald: FakeJournald, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = recording(log, journald)
    journal.attach(asyncio.get_running_loop())
    for number in range(1000):
        log.info("x", number=number)
    for _ in range(10):
        await asyncio.sleep(0)
    turns = []
    monkeypatch.setattr(journal, "_go_on", lambda: turns.append(1))
    for _ in range(100):
        await asyncio.sleep(0)
    assert not turns


@pytest.mark.parametrize("leaves_path", [True, False])
async def test_a_journald_that_comes_back_gets_what_it_missed(
    log: Log,
    journald: FakeJournald,
    monkeypatch: pytest.MonkeyPatch,
    *,
    leaves_path: bool,
) -> None:
    monkeypatch.setattr("sd_daemon.host.journal.RETRY", 0.01)
    journal = recording(log, journald)
    journal.attach(asyncio.get_running_loop())
    log.info("x", number=0)
    assert numbers(journald.read()) == [0]
    if leaves_path:
        journald.die()
    else:
        journald.vanish()
    for number in range(1, 10):
        log.info("x", number=number)
    await asyncio.sleep(0)
    journald.come_back()
    entries: list[dict[str, bytes]] = []
    async with asyncio.timeout(10):
        while len(entries) < 9:
            entries += journald.read()
            await asyncio.sleep(0)
    assert numbers(entries) == list(range(1, 10))
    assert journal.dropped == 0


async def test_a_journald_that_is_replaced_while_records_wait(
    log: Log, journald: FakeJournald
) -> None:
    journal = recording(log, journald)
    journal.attach(asyncio.get_running_loop())
    for number in range(1000):
        log.info("x", number=number)
    await asyncio.sleep(0)
    before = numbers(journald.read())
    journald.vanish()
    journald.come_back()
    after: list[dict[str, bytes]] = []
    async with asyncio.timeout(10):
        while journal._due:
            after += journald.read()
            await asyncio.sleep(0)
    after += journald.read()
    assert before + numbers(after) == list(range(1000))


def test_what_can_be_sent_is_sent_at_the_end(log: Log, journald: FakeJournald) -> None:
    journal = recording(log, journald)
    for number in range(1000):
        log.info("x", number=number)
    before = journald.read()
    journal.close()
    after = journald.read()
    assert len(after) >= len(before)
    assert numbers(before + after) == list(range(len(before + after)))


# --- when ----------------------------------------------------------------------------------------


def test_the_journal_is_used_where_standard_error_leads_there(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    found = os.fstat(ours.fileno())
    stream = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
    assert isinstance(journal_of(stream, ours.fileno()), Journal)
    assert journal_of(stream, theirs.fileno()) is None
    assert journal_of({}, ours.fileno()) is None
    assert journal_of({"JOURNAL_STREAM": "nonsense"}, ours.fileno()) is None
    ours.close()
    assert journal_of(stream, 9999) is None
    theirs.close()


def test_a_daemon_without_a_journal_does_not_load_it() -> None:
    code = "import sys, sd_daemon.host.main; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
    ).stdout.split()
    assert "sd_daemon.host.logs" in loaded
    assert not {"sd_daemon.host.journal", "sd_daemon.host.message_ids", "cysystemd"} & {*loaded}


def test_the_file_and_the_journal_have_the_same_records(log: Log, journald: FakeJournald) -> None:
    recording(log, journald)
    log.info("a", path=os.fsdecode(b"/\xff"), other="x\ny", job_id="7")
    log.warning("b", reason="because")
    entries = [{name: text.decode() for name, text in one.items()} for one in journald.read()]
    assert [record_from(entry) for entry in entries] == [
        record_of(line) for line in filed(journald)
    ]


# --- kinds ---------------------------------------------------------------------------------------


def sentences() -> set[str]:
    """Every constant that something is logged with."""
    found = {DROPPED}
    for file in Path(*sd_daemon.__path__).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and node.args:
                called, first = ast.unparse(node.func), node.args[0]
                logs = re.fullmatch(r"log\.(trace|debug|info|warning|error)|Tally", called)
                if logs and isinstance(first, ast.Constant):
                    found.add(str(first.value))
    return found


def test_every_kind_of_record_is_one_that_is_made() -> None:
    assert set(MESSAGE_IDS) - sentences() == set()
    assert len({*MESSAGE_IDS.values()}) == len(MESSAGE_IDS)
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in MESSAGE_IDS.values())


def test_the_catalog_explains_every_kind() -> None:
    entries = re.split(r"(?m)^-- ([0-9a-f]{32})$", CATALOG.read_text())[1:]
    ids, texts = entries[::2], entries[1::2]
    assert ids == list(MESSAGE_IDS.values())
    for text in texts:
        head, _, body = text.strip().partition("\n\n")
        named = [line.partition(": ")[0] for line in head.splitlines()]
        assert named == ["Subject", "Defined-By", "Documentation"]
        assert body.strip()
        assert all(len(line) <= 80 for line in body.splitlines())
