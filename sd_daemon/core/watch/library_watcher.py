"""Watching one open library.

While nothing happens, the daemon only holds a descriptor of inotify, which wakes it when something
does. Then a worker (index/follow/) reads what it was and brings the index up to date, and ends when
nothing has happened for a while. So the loop never works for a file that changes, and an idle
daemon has no process beside it.
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import aclosing
from typing import TYPE_CHECKING

import msgspec

from sd_daemon.core.files.announce import announce_rest
from sd_daemon.core.index.follow.messages import FOLLOW, Started, Told
from sd_daemon.core.jobs.process import WorkerProcess
from sd_daemon.core.jobs.pulse import STUCK
from sd_daemon.core.jobs.reports import (
    Broken,
    CaughtUp,
    Changed,
    Completed,
    Following,
    Logged,
    Order,
    Report,
)
from sd_daemon.core.log import get_log
from sd_wire.errors import LibraryNotFound

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from sd_daemon.core.bus import Bus
    from sd_daemon.core.library import Library

log = get_log(__name__)

PATIENCE_S = 60.0  # at most, from a follower that failed to the next
TROUBLE = 3  # followers that have failed one after the other, after which it is a problem


class LibraryWatcher:
    """Watches a library from `wake` on until `close`."""

    def __init__(
        self,
        library: Library,
        bus: Bus,
        changed: Callable[[Following], Awaitable[None]],
        *,
        stuck: Callable[[], None],
        enabled: bool,
        patience: float,
        own: Iterable[str] = (),
    ) -> None:
        """`own` are the folders in which the daemon writes. `changed` is told when locations are
        watched in another way, `stuck` when a follower has stood still for `patience` seconds and
        was ended. Where it is not `enabled`, nothing is watched, and only what somebody asks for is
        looked at."""
        self.trouble: str | None = None  # a sentence, when it does not work
        self._library = library
        self._bus = bus
        self._enabled = enabled
        self._own = [os.fsencode(path) for path in own]
        self._changed = changed
        self._stuck = stuck
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._descriptors: tuple[int, ...] = ()  # inotify, table of watches
        self._all = True  # nobody knows what has happened
        self._waiting: list[Told] = []  # what no follower has heeded yet
        self._marks: list[tuple[int, asyncio.Future[None]]] = []  # who waits for how many of those
        self._worker: WorkerProcess | None = None
        self._task: asyncio.Task[None] | None = None
        self._failures = 0
        self._started_at = 0.0
        self._reading = False
        self._closed = False

    def wake(self, told: Told | None = None) -> None:
        """Have a follower look what has happened, and at what it is `told`."""
        if self._closed:
            return
        if told is not None:
            self._waiting.append(told)
            if self._worker is not None:
                self._worker.tell(told)
        if self._task is None:
            self._rest(reading=False)
            self._task = self._loop.create_task(self._follow())

    @property
    def is_following(self) -> bool:
        """Whether a follower runs now."""
        return self._task is not None

    def look_at(self, paths: Iterable[str]) -> None:
        """Have folders looked at now, whoever has changed something in them: also where nothing is
        watched. The paths are absolute, as os.fsdecode gives them."""
        self.wake(Told(look=[os.fsencode(path) for path in paths]))

    async def catch_up(self) -> None:
        """Return when all that has happened until now is in the index. Raises LibraryNotFound if
        the library is closed before."""
        if self._closed:
            raise LibraryNotFound(library=self._library.id)
        future = self._loop.create_future()
        self.wake(Told(mark=True))
        self._marks.append((len(self._waiting), future))
        await future

    def _heed_marks(self, heard: int) -> None:
        """Let those go on that have waited for so many messages."""
        for number, future in self._marks:
            if number <= heard and not future.done():
                future.set_result(None)
        self._marks = [(number, one) for number, one in self._marks if not one.done()]

    async def close(self) -> None:
        """Watch no more. What the follower had not done yet is found when it is opened again."""
        self._closed = True
        for _, future in self._marks:
            if not future.done():
                future.set_exception(LibraryNotFound(library=self._library.id))
        self._rest(reading=False)
        if self._worker is not None:
            self._worker.kill()
        if self._task is not None:
            if self._worker is None:
                self._task.cancel()
            await asyncio.wait({self._task})
        self._drop()

    # --- one follower after the other ------------------------------------------------------------

    async def _follow(self) -> None:
        again = True
        while again and not self._closed:
            try:
                again = self._heed_end(await self._run())
            except OSError as error:
                again = self._heed_end(Broken(f"no follower could be started: {error}", "none"))
            except Exception as error:
                log.error("files are not followed", error=error, library_id=self._library.id)
                again = self._heed_end(Broken(str(error), "defect"))
            finally:
                self._worker = None
            if self._failures and not self._closed:
                await asyncio.sleep(min(PATIENCE_S, 2.0**self._failures))
        self._task = None
        if not self._closed:
            self._rest(reading=True)

    async def _run(self) -> Report:
        """One follower to its end; its last report."""
        self._started_at = self._loop.time()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            os.set_blocking(ours.fileno(), False)
            order, told = self._order(theirs), len(self._waiting)
            worker = await WorkerProcess.start(
                order, (*self._descriptors, theirs.fileno()), patience=self._patience
            )
            self._worker = worker
            for late in self._waiting[told:]:  # while it was being started
                worker.tell(late)
            theirs.close()
            if self._closed:
                worker.kill()
            last: Report = Broken("it said nothing", "none")
            async with aclosing(worker.reports()) as reports:
                async for last in reports:
                    await self._heed(last, ours)
                    await self._bus.room()
        return last

    def _order(self, channel: socket.socket) -> Order:
        rules: dict[str, bool] = msgspec.to_builtins(self._library.config.settings.indexer)
        started = Started(
            rules,
            pulse=self._patience / 3,
            channel=channel.fileno(),
            watch=self._enabled,
            all=self._all,
            own=self._own,
            told=self._waiting,
        )
        if self._descriptors:
            started.inotify, started.table = self._descriptors
        return Order(FOLLOW, FOLLOW, self._library.path, msgspec.to_builtins(started))

    async def _heed(self, report: Report, channel: socket.socket) -> None:
        if isinstance(report, Changed):
            await announce_rest(self._library, self._bus, None, whole=True)
        elif isinstance(report, Logged):
            ids = {**report.fields, "library_id": self._library.id}
            log.at(report.level, report.message, **ids)
        elif isinstance(report, CaughtUp):
            self._heed_marks(report.heard)
        elif isinstance(report, Following):
            if report.opened and not self._closed:
                _, received, _, _ = socket.recv_fds(channel, 1, 2)
                self._drop()
                self._descriptors = tuple(received)
            await self._changed(report)

    def _heed_end(self, last: Report) -> bool:
        """Take note of how a follower has ended; whether there has to be another one."""
        if isinstance(last, Completed):
            self._failures = 0
            self.trouble = None
            heard, worn = int(last.output["data"]["heard"]), bool(last.output["data"]["worn"])
            del self._waiting[:heard]
            self._marks = [(number - heard, future) for number, future in self._marks]
            self._all = worn
            if worn:
                self._drop()
            return worn or bool(self._waiting)
        self._all = True
        if self._closed:
            return False
        if isinstance(last, Broken) and last.code == STUCK:
            self._forget_where()
            self._stuck()
        lived = self._loop.time() - self._started_at
        self._failures = 1 if lived > PATIENCE_S else self._failures + 1
        reason = last.message if isinstance(last, Broken) else "it was ended"
        log.error(
            "what follows the files of a library has ended; it is started anew",
            library_id=self._library.id,
            reason=reason,
            failures=self._failures,
            trace=(last.trace if isinstance(last, Broken) else "") or None,
        )
        if self._failures >= TROUBLE:
            self.trouble = f"changes of files in {self._library.name} are not noticed: {reason}"
        return True

    def _forget_where(self) -> None:
        """Let no other follower go at once where one has been stuck. What is to be found there, and
        anywhere else, is found by looking at everything."""
        for told in self._waiting:
            told.look = told.mounts = []

    # --- descriptors -----------------------------------------------------------------------------

    def _rest(self, *, reading: bool) -> None:
        """Be woken by inotify, or not."""
        if self._descriptors and reading != self._reading:
            if reading:
                self._loop.add_reader(self._descriptors[0], self.wake)
            else:
                self._loop.remove_reader(self._descriptors[0])
            self._reading = reading

    def _drop(self) -> None:
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors = ()
