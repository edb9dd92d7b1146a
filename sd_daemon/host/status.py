"""What `systemctl status` shows of the daemon: one sentence that a person wants to read.

It is put together anew when something of it may have changed, at most once a second, and told if it
is another than before. While nothing happens, nothing here wakes the daemon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sd_wire.events import (
    ConfigChanged,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobPaused,
    JobQueued,
    JobResumed,
    JobStarted,
    LibraryClosed,
    LibraryLoadFailed,
    LibraryOpened,
)

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from sd_daemon.host.notify import Supervisor
    from sd_daemon.server.instances import CoreInstanceManager

INTERVAL = 1.0  # seconds between two sentences

TELLING = tuple(
    event.__name__
    for event in (
        *(JobQueued, JobStarted, JobCompleted, JobFailed, JobCancelled, JobPaused, JobResumed),
        *(LibraryOpened, LibraryClosed, LibraryLoadFailed, ConfigChanged),
    )
)
"""The events after which the sentence may be another one."""


def describe(instances: CoreInstanceManager, lacks: Sequence[str] = ()) -> str:
    """What is served, to whom, what is being done, and what is wrong; `lacks`: with the log."""
    cores = [one.core for one in instances.instances.values() if one.ready]
    counts = [core.runner.counts() for core in cores]
    queued, running = sum(waiting for waiting, _ in counts), sum(active for _, active in counts)
    libraries = sum(len(core.libraries.open_libraries) for core in cores)
    places = sorted(core.data_dir for core in cores)
    parts = [_many(libraries, "library", "libraries"), _many(instances.capacity.used, "client")]
    parts.append(_many(running, "job") + (f" running, {queued} waiting" if queued else " running"))
    troubles = [one.listener.trouble for one in instances.instances.values()]
    problems = [*lacks, *(one for one in troubles if one is not None)]
    problems += [one for core in cores for one in core.problems if one not in problems]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    wrong = f"; problem: {problems[0]}{more}" if problems else ""
    return f"serving {', '.join(places) or instances.data_dir}: {', '.join(parts)}{wrong}"


def _many(count: int, one: str, more: str = "") -> str:
    return f"{count or 'no'} {one if count == 1 else more or one + 's'}"


class Status:
    """Tells the sentence when it has become another one."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, supervisor: Supervisor, sentence: Callable[[], str]
    ) -> None:
        self._loop = loop
        self._supervisor = supervisor
        self._sentence = sentence
        self._told = ""
        self._told_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def changed(self, *_: object) -> None:
        """Something has happened that may be in the sentence."""
        if self._timer is None:
            due = max(self._loop.time(), self._told_at + INTERVAL)
            self._timer = self._loop.call_at(due, self._tell)

    def now(self) -> str:
        """The sentence, for whoever tells it together with something else."""
        self._told, self._told_at = self._sentence(), self._loop.time()
        return self._told

    def close(self) -> None:
        """Tell nothing more."""
        if self._timer is not None:
            self._timer.cancel()

    def _tell(self) -> None:
        self._timer = None
        before = self._told
        if self.now() != before:
            self._supervisor.status(self._told)
