"""The jobs that wait for their turn, and whose turn it is.

There are two lanes. What writes the index of a library goes one at a time there, since its database
has one writer, and all of it together takes at most `indexing` processes: it is the processor that
it needs. What changes files needs the disk, and goes beside that, `file_operations` at a time; one
that waits for a slow disk must not keep another, or the index, from going on.

Among those that may begin it is the one with the highest priority, and of these the one that came
first. A job that has begun is never stopped for the sake of another.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from sd_daemon.core.index.job_names import EXPORT, IMPORT, INDEXER, PURGE, VERIFY
from sd_wire.types.jobs import JobPriority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from uuid import UUID

    from sd_daemon.core.jobs.job import Job
    from sd_daemon.core.jobs.shelf import Shelf

_RANKS = {priority: rank for rank, priority in enumerate(JobPriority)}
_INDEX_JOBS = frozenset({INDEXER, VERIFY, PURGE, EXPORT, IMPORT})


class Lane(StrEnum):
    """What a job needs of the machine."""

    INDEX = "index"
    FILES = "files"


def lane_of(job: Job) -> Lane:
    """The lane of a job."""
    return Lane.INDEX if job.name in _INDEX_JOBS else Lane.FILES


class Waiting(NamedTuple):
    """A job that is stored as queued, and its library."""

    job: Job
    shelf: Shelf


class Line:
    """The waiting jobs of one core."""

    def __init__(self, indexing: int, file_operations: Callable[[], int]) -> None:
        """How many of a lane may run at once, all libraries together."""
        self._indexing = indexing
        self._file_operations = file_operations
        self._waiting: list[Waiting] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, one: Waiting, *, first: bool = False) -> None:
        """Let a job wait, before all others of its priority or behind them."""
        self._waiting.insert(0 if first else len(self._waiting), one)

    def find(self, job_id: UUID) -> Job | None:
        """A job that waits."""
        return next((job for job, _ in self._waiting if job.id == job_id), None)

    def libraries(self) -> set[UUID]:
        """The libraries that have a job here."""
        return {shelf.library_id for _, shelf in self._waiting}

    def take(self, job_id: UUID) -> Waiting | None:
        """Take a job out, if it is here."""
        found = next((one for one in self._waiting if one.job.id == job_id), None)
        if found is not None:
            self._waiting.remove(found)
        return found

    def take_all(self, library_id: UUID) -> list[Job]:
        """Take out all jobs of a library."""
        taken = [one for one in self._waiting if one.shelf.library_id == library_id]
        self._waiting = [one for one in self._waiting if one.shelf.library_id != library_id]
        return [job for job, _ in taken]

    def next(self, running: Iterable[Waiting]) -> Waiting | None:
        """Take out the job whose turn it is beside those that run, if one may begin."""
        begun = list(running)
        lanes = Counter(lane_of(job) for job, _ in begun)
        room = {
            Lane.INDEX: self._indexing - lanes[Lane.INDEX],
            Lane.FILES: self._file_operations() - lanes[Lane.FILES],
        }
        written = {shelf.library_id for job, shelf in begun if lane_of(job) is Lane.INDEX}
        for one in sorted(self._waiting, key=lambda one: -_RANKS[one.job.limits.priority]):
            lane = lane_of(one.job)
            if room[lane] < 1 or (lane is Lane.INDEX and one.shelf.library_id in written):
                continue
            self._waiting.remove(one)
            return one
        return None
