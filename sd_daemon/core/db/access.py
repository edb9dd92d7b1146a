"""One library's database as the daemon uses it: from the event loop, without ever holding it up.

Reads run in a few reader threads, each with a connection of its own; writes run one after the
other in one writer thread. SQLite gives up the interpreter lock while it works, so threads are
right here, other than for jobs. A job's worker process has its own connection and may hold the
write lock for the fraction of a second that a batch takes; a write from here waits for it.

A read whose task is cancelled stops: SQLite asks every few thousand steps whether it is still
wanted. A write is carried to its end, whoever waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple, Unpack

from sd_daemon.core.db.connection import failures, open_reader, open_writer, transaction
from sd_wire.errors import LibraryNotFound

if TYPE_CHECKING:
    from collections.abc import Callable

STEPS = 5000  # of SQLite's machine between two questions whether to go on: about 0.2 ms
READERS = 2  # threads: one slow question must not make a quick one wait

R = TypeVar("R")
A = TypeVarTuple("A")


def _nothing() -> None:
    """What a thread that has time can do."""


class _Reading:
    """One read, as its thread and the task that waits for it both see it."""

    __slots__ = ("unwanted",)

    def __init__(self) -> None:
        self.unwanted = False


class Database:
    """An open, migrated database. Opening and closing block; use them in a thread."""

    def __init__(self, path: str, *, durable: bool = False, readers: int = READERS) -> None:
        """`durable` makes every commit survive a power cut, not only the end of the process."""
        self.path = path
        self._writer = open_writer(path, any_thread=True, cache_kib=4096)
        if durable:
            self._writer.execute("PRAGMA synchronous=FULL")
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._clocks: list[int] = []  # of the processor time of each thread
        started = self._thread_started
        self._reading = ThreadPoolExecutor(readers, "read", initializer=started)
        self._writing = ThreadPoolExecutor(1, "write", initializer=started)
        self._closed = False

    async def read(self, function: Callable[[sqlite3.Connection, Unpack[A]], R], *args: *A) -> R:
        """`function(connection, *args)` in a reader thread, within one read transaction.

        Raises the failures of `sd_daemon.core.db.connection`, LibraryNotFound when it is closed.
        """
        self._require_open()
        loop = asyncio.get_running_loop()
        reading = _Reading()
        result = loop.run_in_executor(self._reading, self._read, reading, function, *args)
        try:
            return await result
        except asyncio.CancelledError:
            reading.unwanted = True
            if not result.cancel() and not result.cancelled():
                result.exception()  # it failed in the same moment, and nobody wants to know
            raise

    async def write(self, function: Callable[[sqlite3.Connection, Unpack[A]], R], *args: *A) -> R:
        """`function(connection, *args)` in the writer thread, committed when this returns.

        Raises the failures of `sd_daemon.core.db.connection`, LibraryNotFound when it is closed;
        nothing is written then.
        """
        self._require_open()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._writing, self._write, function, *args)

    async def answer(self) -> None:
        """Return when a reader and the writer had time for us, which costs them nothing."""
        loop = asyncio.get_running_loop()
        if not self._closed:
            readers = loop.run_in_executor(self._reading, _nothing)
            await asyncio.gather(readers, loop.run_in_executor(self._writing, _nothing))

    async def forget_pages(self) -> None:
        """Give back the memory of what can be read from the disk again."""
        if not self._closed:
            await asyncio.to_thread(self._forget_pages)

    def _forget_pages(self) -> None:
        for connection in (self._writer, *self._readers):
            with contextlib.suppress(sqlite3.Error):  # it is being closed
                connection.execute("PRAGMA shrink_memory")

    def busy_time(self) -> int:
        """Nanoseconds that the threads have computed. A thread that hangs adds nothing to them, one
        with a long query does, and so does one that waits for another's lock."""
        total = 0
        for clock in tuple(self._clocks):
            with contextlib.suppress(OSError):  # a thread that has ended
                total += time.clock_gettime_ns(clock)
        return total

    def write_now(self, function: Callable[[sqlite3.Connection, Unpack[A]], R], *args: *A) -> R:
        """The same from a thread that may block: for opening and closing."""
        self._require_open()
        return self._writing.submit(lambda: self._write(function, *args)).result()

    def read_now(self, function: Callable[[sqlite3.Connection, Unpack[A]], R], *args: *A) -> R:
        """A read from a thread that may block."""
        return self._reading.submit(lambda: self._read(_Reading(), function, *args)).result()

    def close(self) -> None:
        """Finish the writes that were begun, write everything into the main file, close.

        Reads are broken off: whoever asked is told that the library is closed.
        """
        self._closed = True
        self._reading.shutdown(wait=False)
        for connection in list(self._readers):
            connection.interrupt()
        self._reading.shutdown()
        self._writing.shutdown()
        for connection in self._readers:
            connection.close()
        try:
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error:
            pass  # the log stays and is read at the next opening: nothing is lost
        finally:
            self._writer.close()

    def _thread_started(self) -> None:
        if sys.platform == "linux":
            self._clocks.append(time.pthread_getcpuclockid(threading.get_ident()))

    def _require_open(self) -> None:
        if self._closed:
            raise LibraryNotFound(library=os.path.dirname(self.path))

    def _reader(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = open_reader(self.path, any_thread=True)
            self._local.connection = connection
            self._readers.append(connection)
        return connection

    def _read(
        self,
        reading: _Reading,
        function: Callable[[sqlite3.Connection, Unpack[A]], R],
        *args: *A,
    ) -> R:
        self._require_open()
        with failures(self.path):
            connection = self._reader()
            connection.set_progress_handler(lambda: reading.unwanted, STEPS)
            connection.execute("BEGIN")
            try:
                return function(connection, *args)
            except sqlite3.OperationalError as error:
                if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT:
                    self._require_open()
                raise
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def _write(self, function: Callable[[sqlite3.Connection, Unpack[A]], R], *args: *A) -> R:
        with failures(self.path), transaction(self._writer) as connection:
            return function(connection, *args)
