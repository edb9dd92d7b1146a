"""One record, one line, whatever is in it; and no record breaks the daemon."""

from __future__ import annotations

import logging
import os
import stat
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sd_daemon.core.log import CORRELATION, TRACE, Log
from sd_daemon.host.logs import (
    LONGEST,
    Levels,
    LogFile,
    Recorder,
    Terminal,
    message_of,
    parse_filter,
)
from sd_wire.log_line import line_of, record_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def log(request: pytest.FixtureRequest) -> Iterator[Log]:
    """A logger that no handler of the test runner hears."""
    logger = logging.getLogger(f"tests.{request.node.name}")
    logger.propagate = False
    logger.setLevel(TRACE)
    yield Log(logger.name)
    for handler in logger.handlers:
        handler.close()


def recording(log: Log, path: Path, **settings: int) -> Recorder:
    """A recorder that hears this log."""
    recorder = Recorder(LogFile(str(path), **settings), Levels("trace"))
    log._logger.addHandler(recorder)
    return recorder


def lines_of(path: Path) -> list[str]:
    return path.read_text("utf-8").split("\n")[:-1]


# --- lines ---------------------------------------------------------------------------------------


def made(message: str, fields: dict[str, object], name: str = "a.b") -> logging.LogRecord:
    record = logging.LogRecord(name, logging.INFO, "", 0, message, None, None)
    record.fields = fields
    return record


HARD = st.sampled_from(
    [
        *('a="b"', "a=b c=d", ' "', "\\", '\\"', "\n", "\r\n", "\x1b[31m", "\x85", "\u2028"),
        *("\u202e", "%s", "é", "\U0001f4f7", "\udcff", "\ud800", "", " ", "  x=1", "job_id=7"),
        *("\x00", "=", "a "),
    ]
)
TEXT = st.text(st.characters(), max_size=20) | HARD | st.lists(HARD).map("".join)


@given(
    message=TEXT,
    fields=st.dictionaries(TEXT, TEXT | st.binary(max_size=8) | st.integers(), max_size=5),
    target=TEXT,
    level=st.integers(0, 60),
    created=st.floats(0, 4e9),
)
def test_a_record_is_read_as_it_was_written(
    message: str, fields: dict[str, object], target: str, level: int, created: float
) -> None:
    record = made(message, fields, target)
    record.levelno, record.created = level, created
    written = message_of(record)
    line = line_of(written)
    assert line.isprintable()
    assert record_of(line.encode().decode()) == written


@given(st.uuids(), TEXT, TEXT)
def test_ids_have_a_place_of_their_own(library: UUID, job: str, other: str) -> None:
    for given_id in (library, str(library).upper(), library.hex):
        written = message_of(made("x", {"library_id": given_id, "job_id": job, "other": other}))
        assert written.library_id == library
        assert list(written.fields) == ["other"]
        assert record_of(line_of(written)) == written


@given(st.text())
def test_a_line_that_was_not_made_like_this_is_no_record(line: str) -> None:
    assert record_of(line) is None


@given(st.data())
def test_a_damaged_line_is_no_record_or_one_that_can_be_written(data: st.DataObject) -> None:
    line = line_of(message_of(made('say "no"', {"a": "b c", "d=": "e", "f": "g"})))
    place, length = data.draw(st.integers(0, len(line))), data.draw(st.integers(0, 9))
    found = record_of(line[:place] + data.draw(TEXT) + line[place + length :])
    if found is not None:
        line_of(found)


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"job_id": "6f1d", "path": "/a b", "nothing": None}, 'job ended job_id=6f1d path="/a b"'),
        ({"value": "a\nb"}, r'job ended value="a\nb"'),
        ({"value": 'say "no"'}, r'job ended value="say \"no\""'),
        ({"value": ""}, 'job ended value=""'),
        ({"value": "é"}, "job ended value=é"),
        ({"value": os.fsdecode(b"\xff.jpg")}, r"job ended value=\xff.jpg"),
        ({"value": b"\xff"}, r"job ended value=\xff"),
        ({"value": "50%d%s"}, "job ended value=50%d%s"),
        ({"value": "\x1b[31m"}, r'job ended value="\u001b[31m"'),
        ({"value": "a=b"}, "job ended value=a=b"),
    ],
)
def test_a_line_is_one_that_a_person_likes_to_read(fields: dict[str, object], shown: str) -> None:
    record = made("job ended", fields, "sd_daemon.core.jobs")
    record.created = 1_795_395_723.123456
    when, level, target, rest = line_of(message_of(record)).split(maxsplit=3)
    assert when == "2026-11-23T01:02:03.123456Z"
    assert (level, target, rest) == ("INFO", "sd_daemon.core.jobs", shown)


def test_a_traceback_stays_on_the_line(log: Log, tmp_path: Path) -> None:
    recording(log, tmp_path / "daemon.log")
    try:
        raise ValueError("two\nlines")
    except ValueError as error:
        log.error("it failed", error=error)
    (line,) = lines_of(tmp_path / "daemon.log")
    assert line.rstrip().endswith(r'\nValueError"')


def test_a_text_without_end_is_shortened_in_the_middle(log: Log) -> None:
    written = message_of(made("x", {"request": "a" * LONGEST + "b" * LONGEST}))
    text = written.fields["request"]
    assert len(text) < LONGEST + 50
    assert text.startswith("aaa")
    assert text.endswith("bbb")


def test_a_record_says_on_whose_behalf_it_was_made(log: Log, tmp_path: Path) -> None:
    recording(log, tmp_path / "daemon.log")
    token = CORRELATION.set("order 7")
    log.info("done")
    CORRELATION.reset(token)
    assert lines_of(tmp_path / "daemon.log")[0].endswith('done correlation_id="order 7"')


# --- the file ------------------------------------------------------------------------------------


def test_only_the_owner_may_read_the_log(log: Log, tmp_path: Path) -> None:
    recording(log, tmp_path / "logs" / "daemon.log")
    log.info("private")
    assert stat.S_IMODE((tmp_path / "logs" / "daemon.log").stat().st_mode) == 0o600


def test_a_full_file_makes_room_for_a_new_one(log: Log, tmp_path: Path) -> None:
    path = tmp_path / "daemon.log"
    recording(log, path, size=1000)
    for number in range(200):
        log.info("a record of some length", number=number)
    names = {one.name for one in tmp_path.iterdir()}
    assert names == {"daemon.log", *(f"daemon.log.{number}" for number in range(1, 6))}
    assert all(one.stat().st_size <= 1000 for one in tmp_path.iterdir())
    assert lines_of(path)[-1].endswith("number=199")


def test_a_log_that_cannot_be_written_is_only_lost(log: Log, tmp_path: Path) -> None:
    recorder = recording(log, tmp_path)
    recorder.file.path = "/dev/full" if os.path.exists("/dev/full") else str(tmp_path)
    log.info("nobody will read this")
    assert recorder.file.lost == 1
    recorder.file.path = str(tmp_path / "daemon.log")
    log.info("there is room again")
    assert lines_of(tmp_path / "daemon.log")[0].endswith("there is room again")


def test_a_value_that_cannot_be_shown_costs_its_record(log: Log, tmp_path: Path) -> None:
    class Odd:
        def __str__(self) -> str:
            raise RuntimeError

    recorder = recording(log, tmp_path / "daemon.log")
    log.info("odd", value=Odd())
    log.info("next")
    assert recorder.file.lost == 1
    assert len(lines_of(tmp_path / "daemon.log")) == 1


def test_half_a_line_of_a_killed_daemon_spoils_no_other(log: Log, tmp_path: Path) -> None:
    path = tmp_path / "daemon.log"
    path.write_text("2026-11-23T01:02:03.1")
    recording(log, path)
    log.info("whole")
    assert [record_of(line) is None for line in lines_of(path)] == [True, False]


def test_a_file_that_somebody_else_rotated_is_read_once(log: Log, tmp_path: Path) -> None:
    path = tmp_path / "daemon.log"
    recorder = recording(log, path)
    log.info("before")
    path.rename(f"{path}.1")
    for file in recorder.file.opened():
        file.close()
    log.info("after")
    assert lines_of(path)[0].endswith("after")
    first, second = recorder.file.opened()
    with first as old, second as new:
        assert (b"before" in old.read(), b"after" in new.read()) == (True, True)


# --- levels --------------------------------------------------------------------------------------


def test_colour_is_only_in_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    record = made("text", {})
    assert "\x1b" not in Terminal(Levels()).format(record)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    record.levelno = logging.ERROR
    assert "\x1b[31m" in Terminal(Levels()).format(record)


def test_a_filter_names_levels_by_target() -> None:
    assert parse_filter("warn,sd_daemon.server=debug") == {
        "": logging.WARNING,
        "sd_daemon.server": logging.DEBUG,
    }
    assert parse_filter("nonsense,also=wrong,") == {"": logging.INFO}


@pytest.fixture
def root_level() -> Iterator[None]:
    """The root logger as it was."""
    level = logging.root.level
    yield
    logging.root.setLevel(level)


@pytest.mark.usefixtures("root_level")
def test_a_filter_replaces_the_one_before() -> None:
    levels = Levels()
    levels.set("error,tests.filtered=trace")
    assert logging.getLogger("tests.filtered").isEnabledFor(TRACE)
    levels.set("error")
    assert not logging.getLogger("tests.filtered").isEnabledFor(logging.WARNING)


@pytest.mark.usefixtures("root_level")
def test_who_wants_more_gets_it_and_the_file_does_not(log: Log, tmp_path: Path) -> None:
    recorder = recording(log, tmp_path / "daemon.log")
    log._logger.setLevel(logging.NOTSET)
    recorder.levels.set(f"warn,{log._logger.name}=info,tests.quiet=error")
    assert not log._logger.isEnabledFor(logging.DEBUG)
    restore, other = recorder.lower("DEBUG"), recorder.lower("TRACE")
    recorder.levels.set(f"error,{log._logger.name}=info")
    for _ in range(2):
        assert log._logger.isEnabledFor(logging.DEBUG)
        log.debug("for who watches")
        other()
    log.info("for everybody")
    restore()
    assert not log._logger.isEnabledFor(logging.DEBUG)
    assert [line.split()[1] for line in lines_of(tmp_path / "daemon.log")] == ["INFO"]
    assert recorder.keeps("ERROR")
    assert not recorder.keeps("INFO")


def test_records_of_libraries_that_are_gone_are_records(log: Log) -> None:
    written = message_of(made("x", {"library_id": "not a uuid", "job_id": uuid4()}))
    assert written.library_id is None
    assert written.fields == {"library_id": "not a uuid"}
    assert record_of(line_of(written)) == written
