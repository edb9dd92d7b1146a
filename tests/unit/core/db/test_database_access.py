"""Reads and writes of a library's database from the event loop."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING

import pytest

from sd_daemon.core.db.access import READERS, Database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    path = tmp_path / "library.db"
    sqlite3.connect(path).close()
    opened = Database(str(path))
    yield opened
    opened.close()


class Begun:
    """Tells the loop that a thread is at work."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    def say(self) -> None:
        self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self) -> None:
        await self._event.wait()


def count_for_ever(connection: sqlite3.Connection, begun: Begun) -> None:
    begun.say()
    connection.execute(ENDLESS).fetchall()


def insert(connection: sqlite3.Connection, begun: Begun) -> None:
    begun.say()
    connection.execute("CREATE TABLE t AS SELECT 1")


def count(connection: sqlite3.Connection) -> int:
    (found,) = connection.execute("SELECT count(*) FROM t").fetchone()
    assert isinstance(found, int)
    return found


def one(connection: sqlite3.Connection) -> int:
    (found,) = connection.execute("SELECT 1").fetchone()
    assert isinstance(found, int)
    return found


async def test_a_read_that_nobody_waits_for_any_more_stops(database: Database) -> None:
    """Otherwise as many endless questions as there are readers would be the end of all reading."""
    begun = Begun()
    asked = [
        asyncio.ensure_future(database.read(count_for_ever, begun)) for _ in range(2 * READERS)
    ]
    await begun.wait()
    for task in asked:
        task.cancel()
    assert all(
        isinstance(ended, asyncio.CancelledError)
        for ended in await asyncio.gather(*asked, return_exceptions=True)
    )
    answers = await asyncio.gather(*(database.read(one) for _ in range(2 * READERS)))
    assert answers == [1] * (2 * READERS)


async def test_a_write_that_nobody_waits_for_any_more_is_carried_to_its_end(
    database: Database,
) -> None:
    begun = Begun()
    writing = asyncio.ensure_future(database.write(insert, begun))
    await begun.wait()
    writing.cancel()
    assert isinstance(
        (await asyncio.gather(writing, return_exceptions=True))[0], asyncio.CancelledError
    )
    # Writes come one after the other, so the next one sees what became of it.
    assert await database.write(count) == 1
