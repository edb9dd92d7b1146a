"""The jobs of all open libraries: which runs when, and what the world is told of it.

What waits, and which of it is next, is said in line.py. Every change of a state is first stored,
then published. The exception is a job that ends while its store refuses, usually
because the disk is full: the end is published all the same, and stored as soon as that works.

A worker is told to stop and given until its next safe point. One that does not come to it in time
is killed, which loses nothing but time: what it had committed is where it goes on.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import msgspec

from sd_daemon.core.db.connection import DatabaseFailure
from sd_daemon.core.jobs.job import FINAL, Job
from sd_daemon.core.jobs.line import Lane, Line, Waiting, lane_of
from sd_daemon.core.jobs.news import JobNews
from sd_daemon.core.jobs.process import WORKER_LOST, WorkerProcess
from sd_daemon.core.jobs.progress import ProgressMeter
from sd_daemon.core.jobs.reports import (
    Broken,
    Changed,
    Completed,
    Interrupted,
    Limited,
    Logged,
    Order,
    Progress,
    Report,
)
from sd_daemon.core.jobs.running import Running
from sd_daemon.core.jobs.shelf import Shelf, Unstored
from sd_daemon.core.log import get_log
from sd_daemon.core.storage import library_error
from sd_wire.errors import JobNotFound, LibraryNotFound, SdError, ShuttingDown
from sd_wire.types.jobs import ActionContext, JobLimits, JobOutput, JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from sd_daemon.core.bus import Bus

log = get_log(__name__)

STORE_INTERVAL_S = 2.0  # progress is stored this often; states are stored at once
STOP_PATIENCE_S = 10.0  # from being told to stop to being killed, while the daemon lives on
CLOSE_PATIENCE_S = 0.8  # the same when the daemon ends, within its two seconds
_BEGUN = (JobStatus.QUEUED, JobStatus.RUNNING)


class JobRunner:
    """Runs the jobs of one core."""

    def __init__(
        self,
        bus: Bus,
        *,
        indexing: int | None = None,
        patience: float | None = None,
        file_operations: Callable[[], int] = lambda: 1,
    ) -> None:
        """So many jobs of each lane run at the same time; of the indexing ones half as many as
        there are processors by default, at least one. What indexes may stand still for
        `patience` seconds: see WorkerProcess."""
        self._bus = bus
        self._news = JobNews(bus)
        indexing = indexing or max(1, (os.cpu_count() or 1) // 2)
        self._line = Line(indexing, file_operations)
        self._patience = {Lane.INDEX: patience}
        self._running: dict[UUID, Running] = {}
        self._waiters: dict[UUID, list[asyncio.Future[Job]]] = {}
        self._at_rest = asyncio.Lock()  # held to change a job that neither waits nor runs
        self._unstored = Unstored(self._at_rest)
        self._withdrawn: set[UUID] = set()  # libraries that were closed
        self._closing = False

    # --- what a library or a handler asks ------------------------------------------------------

    async def submit(
        self,
        shelf: Shelf,
        name: str,
        params: dict[str, Any],
        *,
        action: ActionContext | None = None,
        limits: JobLimits | None = None,
        correlation_id: str | None = None,
    ) -> Job:
        """Store a new job and let it run as soon as it may. Raises ShuttingDown, LibraryNotFound
        for one that is being closed, DiskFull."""
        self._require_open(shelf)
        job = Job(
            id=uuid4(),
            name=name,
            params=params,
            created_at=datetime.now(UTC),
            action_type=action.action_type if action else None,
            action_context=action,
            limits=limits or JobLimits(),
        )
        await shelf.store.save(job)
        log.info("job queued", job_id=job.id, library_id=shelf.library_id, job=job.name)
        self._news.queued(job, shelf, correlation_id)
        self._line_up(job, shelf)
        return job

    def adopt(self, shelf: Shelf, jobs: list[Job]) -> None:
        """Let the jobs of a library that was just opened go on."""
        self._withdrawn.discard(shelf.library_id)
        for job in jobs:
            log.info("job continues", job_id=job.id, library_id=shelf.library_id, job=job.name)
        for job in jobs:
            self._line.add(Waiting(job, shelf))
        self._fill()

    def live(self, job_id: UUID) -> Job | None:
        """A job as it is this instant, where that is newer than what is stored."""
        return self._in_line(job_id) or self._unstored.get(job_id)

    async def wait(self, job: Job) -> Job:
        """The job when it is over, when it is paused, or when its library is closed."""
        live = self._in_line(job.id)
        if live is None:
            return self._unstored.get(job.id) or job
        future: asyncio.Future[Job] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(job.id, []).append(future)
        return await future

    async def pause(self, shelf: Shelf, job_id: UUID) -> None:
        """Stop a job and keep its place; returns when it has stopped. Raises JobNotFound,
        JobStateConflict, also where the job ended before it could stop."""
        await self._stop(shelf, job_id, JobStatus.PAUSED)

    async def cancel(self, shelf: Shelf, job_id: UUID) -> None:
        """Stop a job for good; returns when it has stopped. Raises JobNotFound,
        JobStateConflict."""
        await self._stop(shelf, job_id, JobStatus.CANCELLED)

    async def resume(self, shelf: Shelf, job_id: UUID) -> None:
        """Let a paused or failed job go on. Raises JobNotFound, JobStateConflict."""
        ending = self._running.get(job_id)
        if ending is not None and ending.job.status not in _BEGUN:  # its end is told already
            await self.wait(ending.job)
        async with self._at_rest:
            waiting = self._in_line(job_id)
            if waiting is not None:
                waiting.refuse(JobStatus.QUEUED)
            stored = self._unstored.get(job_id) or await shelf.store.get(job_id)
            if stored is None:
                raise JobNotFound(job=job_id)
            stored.require(JobStatus.QUEUED)
            self._require_open(shelf)
            job = msgspec.structs.replace(
                stored, error=None, error_code=None, error_fields={}, completed_at=None
            )
            await self._become(job, shelf, JobStatus.QUEUED)
            self._news.resumed(job, shelf)
            self._line_up(job, shelf)

    async def limit(self, shelf: Shelf, job_id: UUID, changes: dict[str, Any]) -> None:
        """Change some of the limits of a job, from now on. Raises JobNotFound,
        JobStateConflict for one that is over."""
        async with self._at_rest:
            job = self.live(job_id) or await shelf.store.get(job_id)
            if job is None:
                raise JobNotFound(job=job_id)
            if job.status in FINAL:
                job.refuse(job.status, "limited")
            before = job.limits
            job.limits = msgspec.structs.replace(before, **changes)
            try:
                await shelf.store.save(job)
            except BaseException:
                job.limits = before
                raise
            running = self._running.get(job_id)
            if running is not None and running.worker is not None:
                running.worker.tell(Limited(job.limits))
            self._fill()

    async def withdraw(self, library_id: UUID, patience: float = STOP_PATIENCE_S) -> None:
        """Stop the jobs of a library that closes. They are queued for when it is opened again."""
        self._withdrawn.add(library_id)
        for job in self._line.take_all(library_id):
            self._answer_waiters(job)
        tasks = []
        for running in self._running.values():
            if running.shelf.library_id == library_id:
                self._tell_to_stop(running, JobStatus.QUEUED, patience)
                tasks.append(running.task)
        await asyncio.gather(*(task for task in tasks if task), return_exceptions=True)
        self._unstored.forget(library_id)

    async def close(self) -> None:
        """Start nothing more; stop what runs, killing what does not stop in time."""
        self._closing = True
        libraries = self._line.libraries()
        libraries |= {running.shelf.library_id for running in self._running.values()}
        await asyncio.gather(*(self.withdraw(one, CLOSE_PATIENCE_S) for one in libraries))
        self._unstored.close()

    def counts(self) -> tuple[int, int]:
        """How many jobs are queued, and how many run."""
        # One whose end is told already still has to be tidied up after.
        running = sum(one.job.status in _BEGUN for one in self._running.values())
        return len(self._line), running

    def ending(self, library_id: UUID) -> list[Job]:
        """Jobs of a library whose end is told, and still being followed up."""
        over = [one for one in self._running.values() if one.job.status not in _BEGUN]
        return [one.job for one in over if one.shelf.library_id == library_id]

    def workers(self) -> list[tuple[UUID, int, int]]:
        """The job, process and number of reports of each worker that could report now."""
        return [
            (running.job.id, running.worker.pid, running.heard)
            for running in self._running.values()
            if running.worker is not None and not running.held_up
        ]

    def replace_worker(self, job_id: UUID, *, again: bool) -> None:
        """Kill a worker that does nothing any more. Its job goes on with another, or has failed."""
        running = self._running.get(job_id)
        if running is not None:
            running.replaced = again
            self._kill(running)

    def _require_open(self, shelf: Shelf) -> None:
        if self._closing:
            raise ShuttingDown
        if shelf.library_id in self._withdrawn:
            raise LibraryNotFound(library=shelf.library_id)

    def _in_line(self, job_id: UUID) -> Job | None:
        """A job that waits for its turn or runs."""
        running = self._running.get(job_id)
        if running is not None:
            return running.job
        return self._line.find(job_id)

    def _line_up(self, job: Job, shelf: Shelf, *, first: bool = False) -> None:
        """Let a job that is stored as queued wait for its turn."""
        if self._closing or shelf.library_id in self._withdrawn:
            self._answer_waiters(job)  # its turn comes when the library is opened again
            return
        self._line.add(Waiting(job, shelf), first=first)
        self._fill()

    # --- running ---------------------------------------------------------------------------------

    def _fill(self) -> None:
        """Start what may start."""
        while not self._closing:
            one = self._line.next(Waiting(run.job, run.shelf) for run in self._running.values())
            if one is None:
                return
            job, shelf = one
            running = Running(job, shelf, ProgressMeter(shelf.device_slug, job.fraction))
            self._running[job.id] = running
            running.task = asyncio.create_task(self._run(running))

    async def _run(self, running: Running) -> None:
        job, shelf = running.job, running.shelf
        again = False
        try:
            try:
                last = await self._work(running)
            except Exception as error:
                last = self._mishap(running, error)
            again = await self._conclude(running, last)
            await shelf.after(job, self._news.cause_of(job))
        except Exception as error:  # whoever waits must be answered whatever happens
            log.error("a job's end was not followed up", error=error, job_id=job.id)
        finally:
            if running.deadline is not None:
                running.deadline.cancel()
            self._running.pop(job.id, None)
            if again and not running.told_to_stop():
                self._line_up(job, shelf, first=True)
            else:
                self._answer_waiters(job)
            self._fill()

    def _mishap(self, running: Running, error: Exception) -> Broken:
        """What went wrong here, and not in the worker."""
        job, shelf = running.job, running.shelf
        known: Exception = error
        if isinstance(error, DatabaseFailure):
            known = library_error(shelf.library_dir, error)
        if isinstance(known, SdError):
            return Broken(known.text, known.code, fields=known.fields)
        log.error("a job could not be followed", error=error, job_id=job.id)
        return Broken(f"{type(error).__name__}: {error}", "defect")

    async def _work(self, running: Running) -> Report:
        """Start a worker and follow it to its end; its last report."""
        job, shelf = running.job, running.shelf
        job.attempts += 1
        job.started_at = job.started_at or datetime.now(UTC)
        await self._become(job, shelf, JobStatus.RUNNING)
        self._news.started(job, shelf)
        if running.told_to_stop():  # before there was a worker
            return Interrupted()
        order = Order(str(job.id), job.name, shelf.library_dir, job.params, job.limits)
        try:
            patience = self._patience.get(lane_of(job))
            running.worker = await WorkerProcess.start(order, patience=patience)
        except OSError as error:
            return Broken(f"no worker could be started: {error}", "no-worker")
        if running.told_to_stop():
            running.worker.stop()
        last: Report = Interrupted()
        async with aclosing(running.worker.reports()) as reports:
            async for report in reports:
                last = report
                running.heard += 1
                running.held_up = True
                await self._heed(running, report)
                await self._bus.room()
                running.held_up = False
        return last

    async def _heed(self, running: Running, report: Report) -> None:
        job, shelf = running.job, running.shelf
        if isinstance(report, Progress):
            job.progress = running.meter.take(report)
            self._news.moved_on(job, shelf)
            if running.meter.due(time.monotonic(), STORE_INTERVAL_S):
                await self._store_progress(running)
        elif isinstance(report, Changed):
            await shelf.announce(self._news.cause_of(job))
        elif isinstance(report, Logged):
            ids: dict[str, Any] = {"job_id": job.id, "library_id": shelf.library_id}
            log.at(report.level, report.message, **{**report.fields, **ids})

    async def _store_progress(self, running: Running) -> None:
        """Note how far the job is. Where that cannot be stored now, the job is not the worse."""
        try:
            await running.shelf.store.save(running.job)
        except (DatabaseFailure, sqlite3.Error) as error:
            log.warning("a job's progress was not stored", job_id=running.job.id, reason=error)

    async def _conclude(self, running: Running, last: Report) -> bool:
        """Store and publish how the job ended; whether it goes on as soon as it may."""
        now = datetime.now(UTC)
        lost = isinstance(last, Broken) and last.code == WORKER_LOST
        if isinstance(last, Completed):
            await self._conclude_success(running, last, now)
        elif running.wanted is JobStatus.CANCELLED:
            await self._conclude_stop(running, JobStatus.CANCELLED, now)
        elif isinstance(last, Interrupted) or (lost and running.may_end_so()):
            # Where nobody here asked for it, somebody ends all processes of this service.
            await self._conclude_stop(running, running.wanted or JobStatus.QUEUED, now)
            return running.wanted is None
        else:
            await self._conclude_failure(running, last, now)
        return False

    async def _conclude_success(self, running: Running, last: Completed, now: datetime) -> None:
        job = running.job
        job.output = msgspec.convert(last.output, JobOutput)
        if isinstance(job.output.data, dict):
            job.warnings = job.output.data.pop("warnings", [])
        job.completed_at = now
        await self._end(job, running.shelf, JobStatus.COMPLETED)

    async def _conclude_stop(self, running: Running, wanted: JobStatus, now: datetime) -> None:
        if wanted is JobStatus.CANCELLED:
            running.job.completed_at = now
        await self._end(running.job, running.shelf, wanted)

    async def _conclude_failure(self, running: Running, last: Report, now: datetime) -> None:
        job, shelf = running.job, running.shelf
        broken = last if isinstance(last, Broken) else Broken("its worker stopped", WORKER_LOST)
        job.error, job.error_code, job.completed_at = broken.message, broken.code, now
        job.error_fields = broken.fields
        log.error(
            "job failed",
            job_id=job.id,
            library_id=shelf.library_id,
            job=job.name,
            reason=broken.message,
            trace=broken.trace or None,
        )
        await self._end(job, shelf, JobStatus.FAILED)

    # --- states ----------------------------------------------------------------------------------

    async def _stop(self, shelf: Shelf, job_id: UUID, wanted: JobStatus) -> None:
        while (running := self._running.get(job_id)) is not None:
            running.job.require(wanted)
            self._tell_to_stop(running, wanted, STOP_PATIENCE_S)
            ended = await self.wait(running.job)
            if ended.status is wanted:
                self._unstored.raise_for(job_id)
                return
            # It ended by itself, or on the way to another state: see what can be done now.
        async with self._at_rest:
            if job_id not in self._running:
                await self._stop_at_rest(shelf, job_id, wanted)
                return
        await self._stop(shelf, job_id, wanted)  # it began to run while this waited

    async def _stop_at_rest(self, shelf: Shelf, job_id: UUID, wanted: JobStatus) -> None:
        """Change a job that has no worker."""
        job = self.live(job_id) or await shelf.store.get(job_id)
        if job is None:
            raise JobNotFound(job=job_id)
        job.require(wanted)
        changed = msgspec.structs.replace(job)
        if wanted is JobStatus.CANCELLED:
            changed.completed_at = datetime.now(UTC)
        waiting = self._line.take(job_id)  # it must not start meanwhile
        try:
            await self._become(changed, shelf, wanted)
        except BaseException:
            if waiting is not None:
                self._line.add(waiting, first=True)
            raise
        cause = self._news.cause_of(changed)
        self._answer_waiters(changed)
        await shelf.after(changed, cause)

    def _tell_to_stop(self, running: Running, wanted: JobStatus, patience: float) -> None:
        if running.wanted is None or wanted is JobStatus.CANCELLED:
            running.wanted = wanted
        if running.worker is not None:
            running.worker.stop()
        if running.deadline is not None:
            running.deadline.cancel()
        running.deadline = asyncio.get_running_loop().call_later(patience, self._kill, running)

    def _kill(self, running: Running) -> None:
        if running.worker is not None:
            running.worker.kill()

    async def _become(self, job: Job, shelf: Shelf, status: JobStatus) -> None:
        """Change the state: on the disk first, then for everybody who watches."""
        before, job.status = job.status, status
        try:
            await shelf.store.save(job)
        except BaseException:
            job.status = before
            raise
        self._unstored.discard(job.id)
        self._changed(job, shelf)

    async def _end(self, job: Job, shelf: Shelf, status: JobStatus) -> None:
        """The same for a job that has stopped already, whether that can be stored or not."""
        job.status = status
        try:
            await shelf.store.save(job)
        except (DatabaseFailure, sqlite3.Error) as error:
            self._unstored.keep(job, shelf, error)
        self._changed(job, shelf)

    def _changed(self, job: Job, shelf: Shelf) -> None:
        if job.status in FINAL or job.status is JobStatus.PAUSED:
            ids: dict[str, Any] = {"job_id": job.id, "library_id": shelf.library_id}
            log.info("job stopped", **ids, job=job.name, status=job.status)
        self._news.updated(job, shelf)
        self._news.stopped(job, shelf)

    def _answer_waiters(self, job: Job) -> None:
        if job.status in FINAL:
            self._news.forget(job)
        for waiter in self._waiters.pop(job.id, ()):
            if not waiter.done():
                waiter.set_result(job)
