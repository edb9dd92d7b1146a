"""A library as the job runner sees it, and what its store would not take."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from uuid import UUID

import msgspec

from sd_daemon.core.db.connection import DatabaseFailure
from sd_daemon.core.jobs.job import Job
from sd_daemon.core.jobs.store import JobStore
from sd_daemon.core.log import get_log
from sd_daemon.core.storage import library_error

log = get_log(__name__)

STORE_AGAIN_S = 3.0  # after a store that refused

AfterJob = Callable[[Job, str | None], Awaitable[None]]  # with the id of the causing request
Announce = Callable[[str | None], Awaitable[None]]


class Shelf(msgspec.Struct):
    """A library as the runner sees it."""

    library_id: UUID
    library_dir: str
    device_id: UUID
    device_slug: str
    store: JobStore
    announce: Announce  # what a running job has changed
    after: AfterJob


class _Kept(msgspec.Struct):
    job: Job
    shelf: Shelf
    error: Exception


class Unstored:
    """Jobs whose last state could not be stored, mostly because the disk was full.

    It is tried again every few seconds. If the daemon ends before that works, its next start finds
    the job as it was stored last, which is on its way, and goes on with it.
    """

    def __init__(self, lock: asyncio.Lock) -> None:
        """`lock` is held to change a job that neither waits nor runs."""
        self._lock = lock
        self._kept: dict[UUID, _Kept] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def get(self, job_id: UUID) -> Job | None:
        """A job that is kept here."""
        kept = self._kept.get(job_id)
        return None if kept is None else kept.job

    def keep(self, job: Job, shelf: Shelf, error: Exception) -> None:
        """Remember a job in place of its store, which failed with `error`."""
        log.error("a job's state was not stored", job_id=job.id, status=job.status, reason=error)
        self._kept[job.id] = _Kept(job, shelf, error)
        self._wait()

    def discard(self, job_id: UUID) -> None:
        """The job is stored, or newer elsewhere."""
        self._kept.pop(job_id, None)

    def forget(self, library_id: UUID) -> None:
        """The library is closed."""
        for job_id, kept in list(self._kept.items()):
            if kept.shelf.library_id == library_id:
                del self._kept[job_id]

    def raise_for(self, job_id: UUID) -> None:
        """Raise what keeps a job's state from being stored, if something does."""
        kept = self._kept.get(job_id)
        if kept is None:
            return
        if isinstance(kept.error, DatabaseFailure):
            raise library_error(kept.shelf.library_dir, kept.error) from kept.error
        raise kept.error

    def close(self) -> None:
        """Try no more."""
        self._kept.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _wait(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(STORE_AGAIN_S, self._begin)

    def _begin(self) -> None:
        self._timer = None
        self._task = asyncio.get_running_loop().create_task(self._try_again())

    async def _try_again(self) -> None:
        async with self._lock:
            for job_id, kept in list(self._kept.items()):
                try:
                    await kept.shelf.store.save(kept.job)
                except (DatabaseFailure, sqlite3.Error) as error:
                    kept.error = error
                else:
                    self._kept.pop(job_id, None)
                    log.info("a job's state is stored now", job_id=job_id)
        if self._kept:
            self._wait()
