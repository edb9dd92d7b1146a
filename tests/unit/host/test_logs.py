"""One record, one line, whatever is in it; and no record breaks the daemon."""

from __future__ import annotations

import asyncio
import logging
import os
import stat
import threading
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from sd_daemon.core.bus import Bus, Published
from sd_daemon.core.log import TRACE, Log
from sd_daemon.host.logs import LineFormatter, LogFile, Publisher, apply_filter, parse_filter
from sd_wire.events import LogMessage

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def log(request: pytest.FixtureRequest) -> Log:
    """A logger that no handler of the test runner hears."""
    logger = logging.getLogger(f"tests.{request.node.name}")
    logger.propagate = False
    logger.setLevel(TRACE)
    return Log(logger.name)


def attach(log: Log, handler: logging.Handler) -> None:
    log._logger.addHandler(handler)


def lines_of(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


def test_a_line_has_time_level_target_sentence_and_fields(log: Log, tmp_path: Path) -> None:
    file = LogFile(str(tmp_path / "logs" / "daemon.log"))
    attach(log, file)
    log.info("job ended", job_id="6f1d", path="/a b", nothing=None)
    file.close()
    (line,) = lines_of(tmp_path / "logs" / "daemon.log")
    when, level, target, rest = line.split(maxsplit=3)
    assert len(when) == len("2026-11-23T01:02:03.123456Z")
    assert (level, target) == ("INFO", log._logger.name)
    assert rest == 'job ended job_id=6f1d path="/a b"'
    assert stat.S_IMODE((tmp_path / "logs" / "daemon.log").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a\nb", r'"a\nb"'),
        ('say "no"', r'"say \"no\""'),
        ("", '""'),
        ("é", "é"),
        (os.fsdecode(b"\xff.jpg"), r'"\\xff.jpg"'),
        (b"\xff", r'"\\xff"'),
        ("50%d%s", "50%d%s"),
        ("\x1b[31m", r'"\u001b[31m"'),
    ],
)
def test_no_value_breaks_a_line(log: Log, tmp_path: Path, value: object, shown: str) -> None:
    file = LogFile(str(tmp_path / "daemon.log"))
    attach(log, file)
    log.warning("odd", value=value)
    sentence = f"in the sentence: {value!s}%s"
    log.warning(sentence)
    file.close()
    first, _ = lines_of(tmp_path / "daemon.log")
    assert first.endswith(f"odd value={shown}")


def test_a_traceback_stays_on_the_line(log: Log, tmp_path: Path) -> None:
    file = LogFile(str(tmp_path / "daemon.log"))
    attach(log, file)
    try:
        raise ValueError("two\nlines")
    except ValueError as error:
        log.error("it failed", error=error)
    file.close()
    (line,) = lines_of(tmp_path / "daemon.log")
    assert r"ValueError: two\nlines" in line


def test_a_full_file_makes_room_for_a_new_one(log: Log, tmp_path: Path) -> None:
    path = tmp_path / "daemon.log"
    file = LogFile(str(path), size=1000, files=2)
    attach(log, file)
    for number in range(100):
        log.info("a record of some length", number=number)
    file.close()
    assert sorted(one.name for one in tmp_path.iterdir()) == [
        "daemon.log",
        "daemon.log.1",
        "daemon.log.2",
    ]
    assert all(one.stat().st_size <= 1000 for one in tmp_path.iterdir())
    assert lines_of(path)[-1].endswith("number=99")


def test_a_log_that_cannot_be_written_is_only_lost(log: Log, tmp_path: Path) -> None:
    file = LogFile("/dev/full" if os.path.exists("/dev/full") else str(tmp_path))
    attach(log, file)
    log.info("nobody will read this")
    assert file.lost == 1
    file.path = str(tmp_path / "daemon.log")
    log.info("there is room again")
    file.close()
    assert lines_of(tmp_path / "daemon.log")[0].endswith("there is room again")


def test_colour_is_only_in_the_terminal() -> None:
    record = logging.LogRecord("x", logging.ERROR, "", 0, "text", (), None)
    assert "\x1b[31m" in LineFormatter(colour=True).format(record)
    assert "\x1b" not in LineFormatter().format(record)


def test_a_filter_names_levels_by_target() -> None:
    assert parse_filter("warn,sd_daemon.server=debug") == {
        "": logging.WARNING,
        "sd_daemon.server": logging.DEBUG,
    }
    assert parse_filter("nonsense,also=wrong,") == {"": logging.INFO}


def test_a_filter_replaces_the_one_before() -> None:
    root = logging.root.level
    try:
        apply_filter("error,tests.filtered=trace")
        assert logging.getLogger("tests.filtered").isEnabledFor(TRACE)
        apply_filter("error")
        assert not logging.getLogger("tests.filtered").isEnabledFor(logging.WARNING)
    finally:
        logging.root.setLevel(root)


async def test_records_of_any_thread_reach_who_watches_the_log(log: Log) -> None:
    bus = Bus()
    attach(log, Publisher(asyncio.get_running_loop(), bus))
    log.info("nobody watches yet")
    came = asyncio.Event()
    records: list[LogMessage] = []

    def receive(published: Published) -> None:
        assert isinstance(published.event, LogMessage)
        records.append(published.event)
        came.set()

    bus.subscribe(["LogMessage"], receive)
    library = uuid4()
    thread = threading.Thread(
        target=lambda: log.info("from a thread", library_id=library, job_id=7, path=b"/\xff")
    )
    thread.start()
    await came.wait()
    thread.join()
    (record,) = records
    assert record.message == "from a thread"
    assert record.library_id == library
    assert record.job_id == "7"
    assert record.fields["path"] == r"/\xff"


def test_a_record_after_the_loop_has_ended_is_only_not_published(log: Log) -> None:
    loop = asyncio.new_event_loop()
    bus = Bus()
    bus.subscribe(["LogMessage"], lambda published: None)
    attach(log, Publisher(loop, bus))
    loop.close()
    log.info("too late")
