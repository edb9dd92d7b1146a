"""What the watchdog makes of answers, silence and late timers."""

from __future__ import annotations

import asyncio
import faulthandler
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from sd_daemon.core.db.access import Database
from sd_daemon.core.db.migrate import migrate
from sd_daemon.host.notify import Supervisor
from sd_daemon.host.vital import ping, read_from_disk
from sd_daemon.host.watchdog import PARTS, Question, Watchdog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable
    from pathlib import Path

PERIOD = 0.4


class Manager:
    """Hears what the watchdog has the supervisor say."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._ours.settimeout(0)
        theirs.settimeout(0)
        self.supervisor = Supervisor(theirs, PERIOD)
        self._theirs = theirs

    def heard(self) -> list[str]:
        """Everything since the last time."""
        found = []
        try:
            while True:
                found.append(self._ours.recv(4096).decode())
        except BlockingIOError:
            return found

    def close(self) -> None:
        """Hear nothing more."""
        self._ours.close()
        self._theirs.close()


@pytest.fixture
async def manager() -> AsyncIterator[Manager]:
    """A service manager with a short watchdog."""
    made = Manager()
    yield made
    made.close()
    faulthandler.enable(sys.__stderr__)  # the watchdog has ended it where it gave up


def watched(manager: Manager, *questions: Question) -> Watchdog:
    """A watchdog that has begun to ask these."""
    made = Watchdog(asyncio.get_running_loop(), manager.supervisor, lambda: questions)
    made.start()
    return made


async def at_once() -> None:
    """An answer."""


async def never() -> None:
    """No answer."""
    await asyncio.Event().wait()


async def refused() -> None:
    """An answer, too."""
    raise ConnectionRefusedError


async def test_it_pings_every_half_period(manager: Manager) -> None:
    watchdog = watched(manager, Question("a", at_once), Question("b", refused))
    await asyncio.sleep(PERIOD * 2.6)
    watchdog.close()
    heard = manager.heard()
    assert set(heard) == {"WATCHDOG=1"}
    assert 2 <= len(heard) <= 5


async def test_silence_is_named_within_the_period(
    manager: Manager, capfd: pytest.CaptureFixture[str]
) -> None:
    watchdog = watched(manager, Question("the cellar", never), Question("the roof", at_once))
    await asyncio.sleep(PERIOD * 0.9)
    (said,) = manager.heard()
    assert said.startswith("WATCHDOG=trigger\nSTATUS=the cellar did not answer for 0.2 s")
    assert "in _give_up" in capfd.readouterr().err
    watchdog.close()


@pytest.mark.parametrize(("moves", "told"), [(True, False), (False, True)])
async def test_who_is_busy_is_not_silent(manager: Manager, *, moves: bool, told: bool) -> None:
    count = iter(range(1000))
    question = Question("work", never, (lambda: next(count)) if moves else (lambda: 7))
    watchdog = watched(manager, question)
    await asyncio.sleep(PERIOD * 1.5)
    assert any("trigger" in one for one in manager.heard()) == told
    watchdog.close()


async def test_a_loop_that_was_held_up_condemns_nobody(manager: Manager) -> None:
    """And is not said to be well in that round either."""
    slow = asyncio.Event()

    async def after_the_stop() -> None:
        await slow.wait()

    watchdog = watched(manager, Question("a", after_the_stop))
    await asyncio.sleep(0)
    time.sleep(PERIOD)  # noqa: ASYNC251 - that is the point
    await asyncio.sleep(0)
    assert manager.heard() == []
    slow.set()
    await asyncio.sleep(PERIOD * 3 / PARTS)
    assert set(manager.heard()) == {"WATCHDOG=1"}
    watchdog.close()


async def test_a_hung_thread_of_a_database_is_found(tmp_path: Path) -> None:
    path = str(tmp_path / "jobs.db")
    migrate(path, "jobs")
    database = Database(path)
    await asyncio.wait_for(database.answer(), 5)
    gate = threading.Event()
    database._writing.submit(gate.wait)
    answer = asyncio.ensure_future(database.answer())
    await asyncio.sleep(0.1)
    before = database.busy_time()
    await asyncio.sleep(0.1)
    assert not answer.done()
    assert database.busy_time() == before, "it hangs and looks busy"
    gate.set()
    await asyncio.wait_for(answer, 5)
    busy = database.read(_compute)
    began = database.busy_time()
    await busy
    assert database.busy_time() > began + 10_000_000
    database.close()


def _compute(_: object) -> None:
    until = time.thread_time() + 0.05
    while time.thread_time() < until:
        pass


@pytest.mark.parametrize("answers", [b"Pong\n", b""])
async def test_a_question_to_the_socket_needs_an_answer(tmp_path: Path, answers: bytes) -> None:
    path = str(tmp_path / "socket")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(answers)
        writer.close()

    server = await asyncio.start_unix_server(serve, path)
    asked: Awaitable[None] = asyncio.wait_for(ping(path), 0.5)
    if answers:
        await asked
    else:
        with pytest.raises(TimeoutError):
            await asked
    server.close()


async def test_a_full_backlog_is_no_answer(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(0)
        with socket.socket(socket.AF_UNIX) as first:
            first.connect(path)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ping(path), 0.5)


async def test_a_path_that_is_gone_is_told_by_an_exception(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await ping(str(tmp_path / "socket"))


def test_a_file_is_read_from_the_disk(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    read_from_disk(str(tmp_path / "file"))
    with pytest.raises(FileNotFoundError):
        read_from_disk(str(tmp_path / "other"))
