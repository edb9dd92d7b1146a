"""The jobs of all open libraries: which runs when, and what the world is told of it.

At most one job of a library runs at a time, since its database has one writer, and at most
`limit` jobs altogether. The others wait in the order in which they came. Every change of a state is
first stored, then published.

A worker is told to stop and given until its next safe point. One that does not come to it in time
is killed, which loses nothing but time: what it had committed is where it goes on.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import msgspec

from sd_daemon.core.jobs.job import FINAL, Job
from sd_daemon.core.jobs.process import WorkerProcess
from sd_daemon.core.jobs.progress import ProgressMeter
from sd_daemon.core.jobs.reports import (
    Broken,
    Completed,
    Happened,
    Interrupted,
    Logged,
    Order,
    Progress,
    Report,
)
from sd_daemon.core.jobs.store import JobStore
from sd_daemon.core.log import get_log
from sd_wire.errors import JobNotFound, ShuttingDown
from sd_wire.events import (
    EVENTS,
    Event,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobPaused,
    JobProgress,
    JobQueued,
    JobResumed,
    JobStarted,
    JobUpdate,
)
from sd_wire.types.jobs import ActionContext, JobOutput, JobStatus

if TYPE_CHECKING:
    from sd_daemon.core.bus import Bus

log = get_log(__name__)

STORE_INTERVAL_S = 2.0  # progress is stored this often; states are stored at once
STOP_PATIENCE_S = 10.0  # from being told to stop to being killed, while the daemon lives on
CLOSE_PATIENCE_S = 1.2  # the same when the daemon ends, within its two seconds

_LEVELS = {"debug": log.debug, "info": log.info, "warning": log.warning, "error": log.error}

AfterJob = Callable[[Job], Awaitable[None]]


class Shelf(msgspec.Struct):
    """A library as the runner sees it."""

    library_id: UUID
    library_dir: str
    device_id: UUID
    device_slug: str
    store: JobStore
    after: AfterJob


class Running(msgspec.Struct):
    """A job that has a worker."""

    job: Job
    shelf: Shelf
    meter: ProgressMeter
    worker: WorkerProcess | None = None
    wanted: JobStatus | None = None  # what it is to become when it has stopped
    task: asyncio.Task[None] | None = None

    def told_to_stop(self) -> bool:
        """Whether it is on its way to another state."""
        return self.wanted is not None


class JobRunner:
    """Runs the jobs of one core."""

    def __init__(self, bus: Bus, limit: int | None = None) -> None:
        """`limit` jobs run at the same time; half the processors by default, at least one."""
        self._bus = bus
        self._limit = limit or max(1, (os.cpu_count() or 1) // 2)
        self._queue: list[tuple[Job, Shelf]] = []
        self._running: dict[UUID, Running] = {}
        self._waiters: dict[UUID, list[asyncio.Future[Job]]] = {}
        self._correlations: dict[UUID, str | None] = {}
        self._closing = False

    # --- what a library or a handler asks ------------------------------------------------------

    async def submit(
        self,
        shelf: Shelf,
        name: str,
        params: dict[str, Any],
        *,
        action: ActionContext | None = None,
        correlation_id: str | None = None,
    ) -> Job:
        """Store a new job and let it run as soon as it may. Raises ShuttingDown."""
        if self._closing:
            raise ShuttingDown
        job = Job(
            id=uuid4(),
            name=name,
            params=params,
            created_at=datetime.now(UTC),
            action_type=action.action_type if action else None,
            action_context=action,
        )
        await shelf.store.save(job)
        self._correlations[job.id] = correlation_id
        log.info("job queued", job_id=job.id, library_id=shelf.library_id, job=job.name)
        self._publish(JobQueued(job.id, job.name, shelf.device_id, shelf.library_id), job)
        self._update(job, shelf)
        self._queue.append((job, shelf))
        self._fill()
        return job

    def adopt(self, shelf: Shelf, jobs: list[Job]) -> None:
        """Let the jobs of a library that was just opened go on."""
        for job in jobs:
            log.info("job continues", job_id=job.id, library_id=shelf.library_id, job=job.name)
        self._queue.extend((job, shelf) for job in jobs)
        self._fill()

    def live(self, job_id: UUID) -> Job | None:
        """A queued or running job as it is this instant, which is newer than what is stored."""
        running = self._running.get(job_id)
        if running is not None:
            return running.job
        return next((job for job, _ in self._queue if job.id == job_id), None)

    async def wait(self, job: Job) -> Job:
        """The job when it is over, or when it is paused."""
        live = self.live(job.id)
        if live is None:
            return job
        future: asyncio.Future[Job] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(job.id, []).append(future)
        return await future

    async def pause(self, shelf: Shelf, job_id: UUID) -> None:
        """Stop a job and keep its place; returns when it has stopped."""
        await self._stop(shelf, job_id, JobStatus.PAUSED)

    async def cancel(self, shelf: Shelf, job_id: UUID) -> None:
        """Stop a job for good; returns when it has stopped."""
        await self._stop(shelf, job_id, JobStatus.CANCELLED)

    async def resume(self, shelf: Shelf, job_id: UUID) -> None:
        """Let a paused or failed job go on."""
        job = self.live(job_id) or await shelf.store.get(job_id)
        if job is None:
            raise JobNotFound(job=job_id)
        job.require(JobStatus.QUEUED)
        job.error = job.error_code = job.completed_at = None
        await self._become(job, shelf, JobStatus.QUEUED)
        self._publish(JobResumed(job.id, shelf.device_id, shelf.library_id), job)
        self._queue.append((job, shelf))
        self._fill()

    async def withdraw(self, library_id: UUID, patience: float = STOP_PATIENCE_S) -> None:
        """Stop the jobs of a library that closes. They are queued for when it is opened again."""
        self._queue = [item for item in self._queue if item[1].library_id != library_id]
        tasks = []
        for running in self._running.values():
            if running.shelf.library_id == library_id:
                self._tell_to_stop(running, JobStatus.QUEUED, patience)
                tasks.append(running.task)
        await asyncio.gather(*(task for task in tasks if task), return_exceptions=True)

    async def close(self) -> None:
        """Start nothing more; stop what runs, killing what does not stop in time."""
        self._closing = True
        libraries = {running.shelf.library_id for running in self._running.values()}
        await asyncio.gather(*(self.withdraw(one, CLOSE_PATIENCE_S) for one in libraries))
        self._queue.clear()

    def counts(self) -> tuple[int, int]:
        """How many jobs are queued, and how many run."""
        return len(self._queue), len(self._running)

    # --- running ---------------------------------------------------------------------------------

    def _fill(self) -> None:
        """Start what may start."""
        busy = {running.shelf.library_id for running in self._running.values()}
        for item in list(self._queue):
            job, shelf = item
            if self._closing or len(self._running) >= self._limit:
                return
            if shelf.library_id in busy:
                continue
            busy.add(shelf.library_id)
            self._queue.remove(item)
            running = Running(job, shelf, ProgressMeter(shelf.device_slug))
            self._running[job.id] = running
            running.task = asyncio.create_task(self._run(running))

    async def _run(self, running: Running) -> None:
        job, shelf = running.job, running.shelf
        try:
            last = await self._work(running)
            await self._conclude(running, last)
        except Exception as error:
            # The store refuses, most likely because its disk is full. The job is still stored as
            # running, so the next start of the daemon goes on with it.
            log.error("job lost its store", error=error, job_id=job.id, library_id=shelf.library_id)
            job.status, job.error = JobStatus.FAILED, "its state could not be stored"
        finally:
            self._running.pop(job.id, None)
            self._answer_waiters(job)
            self._fill()

    async def _work(self, running: Running) -> Report:
        """Start a worker and follow it to its end; its last report."""
        job, shelf = running.job, running.shelf
        job.attempts += 1
        job.started_at = job.started_at or datetime.now(UTC)
        await self._become(job, shelf, JobStatus.RUNNING)
        self._publish(JobStarted(job.id, job.name, shelf.device_id, shelf.library_id), job)
        if running.told_to_stop():  # before there was a worker
            return Interrupted()
        order = Order(str(job.id), job.name, shelf.library_dir, job.params)
        try:
            running.worker = await WorkerProcess.start(order)
        except OSError as error:
            return Broken(f"no worker could be started: {error}", type(error).__name__)
        if running.told_to_stop():
            running.worker.stop()
        last: Report = Broken("its worker said nothing", "worker-lost")
        async for report in running.worker.reports():
            last = report
            await self._heed(running, report)
        return last

    async def _heed(self, running: Running, report: Report) -> None:
        job, shelf = running.job, running.shelf
        if isinstance(report, Progress):
            job.progress = running.meter.take(report)
            self._publish(
                JobProgress(
                    job.id,
                    job.name,
                    shelf.device_id,
                    job.fraction,
                    job.message,
                    job.progress,
                    shelf.library_id,
                ),
                job,
            )
            self._update(job, shelf)
            if running.meter.due(time.monotonic(), STORE_INTERVAL_S):
                await shelf.store.save(job)
        elif isinstance(report, Happened):
            event = msgspec.convert(report.fields, EVENTS[report.name])
            self._publish(event, job)
        elif isinstance(report, Logged):
            write = _LEVELS.get(report.level, log.info)
            ids: dict[str, Any] = {"job_id": job.id, "library_id": shelf.library_id}
            write(report.message, **{**report.fields, **ids})

    async def _conclude(self, running: Running, last: Report) -> None:
        """Store and publish how the job ended."""
        job, shelf = running.job, running.shelf
        now = datetime.now(UTC)
        if isinstance(last, Completed):
            job.output = msgspec.convert(last.output, JobOutput)
            job.completed_at = now
            await self._become(job, shelf, JobStatus.COMPLETED)
            self._publish(
                JobCompleted(job.id, job.name, shelf.device_id, job.output, shelf.library_id), job
            )
        elif running.wanted is not None and not (
            isinstance(last, Broken) and last.code != "worker-lost"
        ):
            await self._conclude_stop(running, running.wanted, now)
        else:
            await self._conclude_failure(running, last, now)
        await shelf.after(job)

    async def _conclude_stop(self, running: Running, wanted: JobStatus, now: datetime) -> None:
        job, shelf = running.job, running.shelf
        if wanted is JobStatus.CANCELLED:
            job.completed_at = now
        await self._become(job, shelf, wanted)
        if wanted is JobStatus.PAUSED:
            self._publish(JobPaused(job.id, shelf.device_id, shelf.library_id), job)
        elif wanted is JobStatus.CANCELLED:
            self._publish(JobCancelled(job.id, job.name, shelf.device_id, shelf.library_id), job)

    async def _conclude_failure(self, running: Running, last: Report, now: datetime) -> None:
        job, shelf = running.job, running.shelf
        broken = last if isinstance(last, Broken) else Broken("its worker stopped", "worker-lost")
        job.error, job.error_code, job.completed_at = broken.message, broken.code, now
        await self._become(job, shelf, JobStatus.FAILED)
        log.error(
            "job failed",
            job_id=job.id,
            library_id=shelf.library_id,
            job=job.name,
            reason=broken.message,
            trace=broken.trace or "-",
        )
        self._publish(
            JobFailed(job.id, job.name, shelf.device_id, broken.message, shelf.library_id), job
        )

    # --- states ----------------------------------------------------------------------------------

    async def _stop(self, shelf: Shelf, job_id: UUID, wanted: JobStatus) -> None:
        running = self._running.get(job_id)
        if running is not None:
            running.job.require(wanted)
            self._tell_to_stop(running, wanted, STOP_PATIENCE_S)
            await self.wait(running.job)
            return
        job = self.live(job_id) or await shelf.store.get(job_id)
        if job is None:
            raise JobNotFound(job=job_id)
        job.require(wanted)
        self._queue = [item for item in self._queue if item[0].id != job_id]
        await self._conclude_stop(
            Running(job, shelf, ProgressMeter(shelf.device_slug)), wanted, datetime.now(UTC)
        )
        self._answer_waiters(job)

    def _tell_to_stop(self, running: Running, wanted: JobStatus, patience: float) -> None:
        if running.wanted is None or wanted is JobStatus.CANCELLED:
            running.wanted = wanted
        if running.worker is not None:
            running.worker.stop()
            asyncio.get_running_loop().call_later(patience, running.worker.kill)

    async def _become(self, job: Job, shelf: Shelf, status: JobStatus) -> None:
        """Change the state: on the disk first, then for everybody who watches."""
        job.status = status
        await shelf.store.save(job)
        if status in FINAL or status is JobStatus.PAUSED:
            log.info(
                "job stopped",
                job_id=job.id,
                library_id=shelf.library_id,
                job=job.name,
                status=status,
            )
        self._update(job, shelf)

    def _update(self, job: Job, shelf: Shelf) -> None:
        if self._bus.wanted(JobUpdate):
            self._publish(
                JobUpdate(
                    job.id,
                    job.name,
                    job.status,
                    job.fraction,
                    job.message,
                    shelf.library_id,
                    shelf.device_id,
                ),
                job,
            )

    def _publish(self, event: Event, job: Job) -> None:
        self._bus.publish(event, self._correlations.get(job.id))

    def _answer_waiters(self, job: Job) -> None:
        if job.status in FINAL:
            self._correlations.pop(job.id, None)
        for waiter in self._waiters.pop(job.id, ()):
            if not waiter.done():
                waiter.set_result(job)
