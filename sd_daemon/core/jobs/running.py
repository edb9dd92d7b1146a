"""A job that runs: what the runner has to remember of it."""

from __future__ import annotations

import asyncio

import msgspec

from sd_daemon.core.jobs.job import Job
from sd_daemon.core.jobs.process import WorkerProcess
from sd_daemon.core.jobs.progress import ProgressMeter
from sd_daemon.core.jobs.shelf import Shelf
from sd_wire.types.jobs import JobStatus


class Running(msgspec.Struct):
    """A job that has a worker."""

    job: Job
    shelf: Shelf
    meter: ProgressMeter
    worker: WorkerProcess | None = None
    heard: int = 0  # reports of the worker
    held_up: bool = False  # we do not read them now
    replaced: bool = False  # the worker was killed, and the job is to have another
    wanted: JobStatus | None = None  # what it is to become when it has stopped
    task: asyncio.Task[None] | None = None
    deadline: asyncio.TimerHandle | None = None  # when it is killed if it has not stopped

    def told_to_stop(self) -> bool:
        """Whether it is on its way to another state."""
        return self.wanted is not None

    def may_end_so(self) -> bool:
        """Whether its worker may end without a word: somebody here has killed it."""
        return self.wanted is not None or self.replaced
