"""Jobs in real worker processes: how they stop, fail, go on and wait for each other."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from work import add, run

from sd_daemon.core import locations
from sd_daemon.core.core import Core
from sd_daemon.core.index.job_names import INDEXER, PURGE
from sd_daemon.core.indexing import index_params, purge_params
from sd_wire.errors import JobNotFound, JobStateConflict, LibraryNotFound, ShuttingDown
from sd_wire.events import JobFailed, JobProgress
from sd_wire.types.jobs import JobStatus
from sd_wire.types.locations import IndexMode, JobPolicies

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from sd_daemon.core.bus import Published
    from sd_daemon.core.jobs.job import Job
    from sd_daemon.core.library import Library
    from sd_daemon.core.locations import StoredLocation

FOLDERS, FILES = 60, 50


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[Core]:
    core = await Core.open(str(tmp_path / "data"))
    yield core
    await core.close()


@pytest.fixture
async def library(core: Core) -> Library:
    return await core.libraries.create("Home", None, None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Enough files that a job takes a moment."""
    for number in range(FOLDERS):
        (tmp_path / "tree" / str(number)).mkdir(parents=True)
        for file in range(FILES):
            (tmp_path / "tree" / str(number) / f"{file}.txt").write_text(f"{number} {file}")
    return tmp_path / "tree"


@pytest.fixture
async def location(library: Library, folder: Path) -> StoredLocation:
    def write(db: Any) -> StoredLocation:
        return locations.add(db, str(folder), None, IndexMode.CONTENT, JobPolicies())

    return await library.database.write(write)


class News:
    """The events of jobs, to wait for."""

    def __init__(self, core: Core) -> None:
        self.heard: list[Published] = []
        self._more = asyncio.Event()
        core.bus.subscribe([], self._take)

    def _take(self, published: Published) -> None:
        self.heard.append(published)
        self._more.set()

    def names(self) -> list[str]:
        kinds = [type(one.event).__name__ for one in self.heard]
        return [kind for kind in kinds if kind.startswith("Job") and kind != "JobProgress"]

    async def until(self, kind: str, times: int = 1) -> None:
        async with asyncio.timeout(20):
            while sum(type(one.event).__name__ == kind for one in self.heard) < times:
                self._more.clear()
                await self._more.wait()


async def submit(core: Core, library: Library, location: StoredLocation) -> Job:
    params = index_params(location, library.config.settings, full=True)
    return await core.runner.submit(
        core.libraries.shelf(library), INDEXER, params, correlation_id="r1"
    )


def worker_of(core: Core, job: Job) -> int:
    """The process id of a running job's worker."""
    worker = core.runner._running[job.id].worker
    assert worker is not None
    return worker.pid


async def test_a_job_tells_its_story_in_order(
    core: Core, library: Library, location: StoredLocation
) -> None:
    news = News(core)
    job = await core.runner.wait(await submit(core, library, location))
    assert job.status is JobStatus.COMPLETED
    assert news.names() == ["JobQueued", "JobStarted", "JobCompleted"]
    told = [one for one in news.heard if type(one.event).__name__.startswith("Job")]
    assert {one.correlation_id for one in told} == {"r1"}
    assert {one.scope.library_id for one in told} == {library.id}
    assert {one.scope.device_id for one in told} == {core.device.id}
    fractions = [one.event.progress for one in told if isinstance(one.event, JobProgress)]
    assert fractions == sorted(fractions)
    assert job.output is not None
    assert job.output.data["stats"]["files"] == FOLDERS * FILES
    stored = await library.jobs.get(job.id)
    assert stored == job


async def test_a_paused_job_goes_on_where_it_was(
    core: Core, library: Library, location: StoredLocation
) -> None:
    news = News(core)
    job = await submit(core, library, location)
    await news.until("JobStarted")
    shelf = core.libraries.shelf(library)
    await core.runner.pause(shelf, job.id)
    paused = await library.jobs.get(job.id)
    assert paused is not None
    assert paused.status is JobStatus.PAUSED
    with pytest.raises(JobStateConflict, match="is paused and cannot be paused"):
        await core.runner.pause(shelf, job.id)
    await core.runner.resume(shelf, job.id)
    ended = await core.runner.wait(job)
    assert ended.status is JobStatus.COMPLETED
    assert news.names() == [
        *("JobQueued", "JobStarted", "JobPaused", "JobResumed", "JobStarted", "JobCompleted")
    ]


async def test_a_job_goes_on_as_soon_as_it_is_said_to_have_failed(
    core: Core, library: Library, location: StoredLocation, folder: Path
) -> None:
    """Its worker's end is still being followed up then."""
    away = folder.with_name("away")
    folder.rename(away)
    shelf = core.libraries.shelf(library)
    resuming: asyncio.Future[asyncio.Task[None]] = asyncio.get_running_loop().create_future()

    def hear(published: Published) -> None:
        if isinstance(published.event, JobFailed):
            away.rename(folder)
            resume = core.runner.resume(shelf, published.event.job_id)
            resuming.set_result(asyncio.create_task(resume))

    core.bus.subscribe([], hear)
    job = await submit(core, library, location)
    async with asyncio.timeout(20):
        await (await resuming)
        ended = core.runner.live(job.id)
        assert ended is not None
        assert (await core.runner.wait(ended)).status is JobStatus.COMPLETED


async def test_a_job_that_runs_cannot_be_resumed(
    core: Core, library: Library, location: StoredLocation
) -> None:
    news = News(core)
    job = await submit(core, library, location)
    shelf = core.libraries.shelf(library)
    with pytest.raises(JobStateConflict, match="is queued and cannot be resumed"):
        await core.runner.resume(shelf, job.id)
    await news.until("JobStarted")
    with pytest.raises(JobStateConflict, match="is running and cannot be resumed"):
        await core.runner.resume(shelf, job.id)
    assert (await core.runner.wait(job)).attempts == 1


async def test_a_job_that_waits_can_be_paused_and_cancelled(
    core: Core, library: Library, location: StoredLocation
) -> None:
    first = await submit(core, library, location)
    second = await submit(core, library, location)
    third = await submit(core, library, location)
    shelf = core.libraries.shelf(library)
    await core.runner.pause(shelf, second.id)
    await core.runner.cancel(shelf, third.id)
    await core.runner.wait(first)
    assert core.runner.counts() == (0, 0)
    for job, status in ((second, JobStatus.PAUSED), (third, JobStatus.CANCELLED)):
        stored = await library.jobs.get(job.id)
        assert stored is not None
        assert stored.status is status
        assert stored.attempts == 0


async def test_many_who_pause_and_resume_at_once_leave_one_state(
    core: Core, library: Library, location: StoredLocation
) -> None:
    job = await submit(core, library, location)
    shelf = core.libraries.shelf(library)
    calls = [core.runner.pause(shelf, job.id), core.runner.resume(shelf, job.id)] * 1
    for _ in range(5):
        calls += [core.runner.pause(shelf, job.id), core.runner.resume(shelf, job.id)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert all(one is None or isinstance(one, JobStateConflict) for one in outcomes)
    queued, running = core.runner.counts()
    assert queued + running <= 1
    live = core.runner.live(job.id) or await library.jobs.get(job.id)
    assert live is not None
    if live.status is JobStatus.PAUSED:
        await core.runner.resume(shelf, job.id)
    assert (await core.runner.wait(live)).status is JobStatus.COMPLETED


async def test_a_cancelled_job_is_over(
    core: Core, library: Library, location: StoredLocation
) -> None:
    news = News(core)
    job = await submit(core, library, location)
    await news.until("JobStarted")
    shelf = core.libraries.shelf(library)
    await core.runner.cancel(shelf, job.id)
    assert news.names()[-1] == "JobCancelled"
    with pytest.raises(JobStateConflict, match="is cancelled and cannot be resumed"):
        await core.runner.resume(shelf, job.id)
    scans = await library.database.read(
        lambda db: db.execute("SELECT count(*) FROM scans").fetchone()
    )
    assert scans == (0,)  # nobody will continue that pass
    with pytest.raises(JobNotFound):
        await core.runner.cancel(shelf, uuid4())


async def test_a_worker_that_is_killed_fails_its_job_with_a_sentence(
    core: Core, library: Library, location: StoredLocation
) -> None:
    news = News(core)
    job = await submit(core, library, location)
    await news.until("JobProgress")
    os.kill(worker_of(core, job), signal.SIGKILL)
    failed = await core.runner.wait(job)
    assert failed.status is JobStatus.FAILED
    assert failed.error_code == "worker-lost"
    assert failed.error is not None
    assert failed.error.startswith("its worker was ended by SIGKILL")
    assert "IndexingFailed" in [type(one.event).__name__ for one in news.heard]
    shown = await library.database.read(locations.get, location.uuid)
    assert (shown.scan_state, shown.error) == ("Failed", failed.error)
    await core.runner.resume(core.libraries.shelf(library), job.id)
    ended = await core.runner.wait(job)
    assert (ended.status, ended.error, ended.attempts) == (JobStatus.COMPLETED, None, 2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_to_the_whole_service_costs_no_job(
    core: Core, library: Library, location: StoredLocation, number: signal.Signals
) -> None:
    """Service managers and terminals send these to every process; the job goes on by itself."""
    news = News(core)
    job = await submit(core, library, location)
    await news.until("JobProgress")
    os.kill(worker_of(core, job), number)
    assert (await core.runner.wait(job)).status is JobStatus.COMPLETED
    assert "JobFailed" not in news.names()


@pytest.fixture
def slow_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first worker never gets as far as Python: what reaches it, reaches it while it starts."""
    program, begun = tmp_path / "slow-python", tmp_path / "begun"
    program.write_text(
        f"#!/bin/sh\n[ -e '{begun}' ] && exec '{sys.executable}' \"$@\"\n"
        f": > '{begun}'\nexec sleep 60\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))


@pytest.fixture
def usual(number: signal.Signals) -> Iterator[None]:
    """The signal does what it usually does; under nohup, whatever is started ignores SIGHUP."""
    before = signal.signal(number, signal.SIG_DFL)
    yield
    signal.signal(number, before)


@pytest.mark.usefixtures("usual", "slow_start")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_nor_does_it_while_the_worker_is_only_starting(
    core: Core, library: Library, location: StoredLocation, tmp_path: Path, number: signal.Signals
) -> None:
    news = News(core)
    job = await submit(core, library, location)
    await news.until("JobStarted")
    while not (core.runner.workers() and (tmp_path / "begun").exists()):  # noqa: ASYNC110 (nobody tells)
        await asyncio.sleep(0)
    os.kill(worker_of(core, job), number)
    ended = await core.runner.wait(job)
    assert (ended.status, ended.attempts) == (JobStatus.COMPLETED, 2)
    assert "JobFailed" not in news.names()


async def test_one_job_of_a_library_runs_at_a_time(
    core: Core, library: Library, location: StoredLocation
) -> None:
    jobs = [await submit(core, library, location) for _ in range(3)]
    assert core.runner.counts() == (2, 1)
    for job in jobs:
        assert (await core.runner.wait(job)).status is JobStatus.COMPLETED
    started = [(await library.jobs.get(job.id)) for job in jobs]
    times = [job.started_at for job in started if job and job.started_at]
    assert times == sorted(times)


async def test_a_library_that_closes_takes_its_jobs_with_it(
    core: Core, library: Library, location: StoredLocation
) -> None:
    running = await submit(core, library, location)
    waiting = await submit(core, library, location)
    answers = [asyncio.create_task(core.runner.wait(job)) for job in (running, waiting)]
    await asyncio.sleep(0)  # let them begin to wait
    shelf = core.libraries.shelf(library)
    await core.libraries.close(library.id)
    async with asyncio.timeout(5):
        for answer in answers:
            assert (await answer).status is JobStatus.QUEUED
    with pytest.raises(LibraryNotFound):
        await core.runner.submit(shelf, INDEXER, {})
    again = await core.libraries.open(library.path)
    for job in (running, waiting):
        live = core.runner.live(job.id)
        assert live is not None
        await core.runner.wait(live)
        stored = await again.jobs.get(job.id)
        assert stored is not None
        assert stored.status is JobStatus.COMPLETED


async def test_nothing_is_started_once_the_end_has_begun(
    core: Core, library: Library, location: StoredLocation
) -> None:
    shelf = core.libraries.shelf(library)
    await core.runner.close()
    with pytest.raises(ShuttingDown):
        await core.runner.submit(shelf, INDEXER, {})


async def test_a_job_of_another_version_fails_with_a_sentence(core: Core, library: Library) -> None:
    job = await run(core, library, "job_of_the_future", {})
    assert job.status is JobStatus.FAILED
    assert job.error == "this version does not know jobs of the kind 'job_of_the_future'"


async def test_a_removal_that_was_interrupted_is_completed(tmp_path: Path, folder: Path) -> None:
    """The daemon died between taking the location away and starting to remove its rows."""
    core = await Core.open(str(tmp_path / "data"))
    library = await core.libraries.create("Home", None, None)
    location = await add(core, library, str(folder))
    await library.database.write(locations.forget, location.uuid)
    await core.close()
    again = await Core.open(str(tmp_path / "data"))
    library = again.libraries.open_libraries[library.id]
    (purge,) = [job for job in await library.jobs.listed() if job.name == PURGE]
    assert purge.params == purge_params(location)
    live = again.runner.live(purge.id)
    if live is not None:
        await again.runner.wait(live)
    left = await library.database.read(
        lambda db: db.execute("SELECT count(*) FROM entries").fetchone()
    )
    assert left == (0,)
    await again.close()
