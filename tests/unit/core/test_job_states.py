"""What a job may become, how far it is, and how it is kept."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as some

from sd_daemon.core.db.connection import DatabaseDamaged
from sd_daemon.core.db.migrate import known_migrations, migrate
from sd_daemon.core.jobs.job import ACTIVE, FINAL, FOLLOWS, Job
from sd_daemon.core.jobs.progress import ProgressMeter
from sd_daemon.core.jobs.reports import Progress
from sd_daemon.core.jobs.store import JobStore, from_nanoseconds, to_nanoseconds
from sd_wire.errors import JobStateConflict, LibraryNotFound
from sd_wire.types.jobs import JobOutput, JobStatus

if TYPE_CHECKING:
    from pathlib import Path

ALL = list(JobStatus)
NOW = datetime(2026, 3, 4, 5, 6, 7, 891, tzinfo=UTC)


def job(status: JobStatus = JobStatus.QUEUED, age: int = 0) -> Job:
    return Job(uuid4(), "indexer", {"n": age}, NOW - timedelta(seconds=age), status)


# --- states --------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ALL)
def test_every_state_is_either_over_or_on_its_way(status: JobStatus) -> None:
    assert status in FOLLOWS
    assert (status in FINAL) != (status in ACTIVE)


def test_what_is_done_or_cancelled_stays_so() -> None:
    assert not FOLLOWS[JobStatus.COMPLETED]
    assert not FOLLOWS[JobStatus.CANCELLED]


def test_from_every_other_state_a_job_can_be_cancelled() -> None:
    for status in {*ALL} - {JobStatus.COMPLETED, JobStatus.CANCELLED}:
        job(status).require(JobStatus.CANCELLED)


@pytest.mark.parametrize(
    ("status", "wanted", "sentence"),
    [
        (JobStatus.COMPLETED, JobStatus.PAUSED, "is completed and cannot be paused"),
        (JobStatus.CANCELLED, JobStatus.QUEUED, "is cancelled and cannot be resumed"),
        (JobStatus.PAUSED, JobStatus.PAUSED, "is paused and cannot be paused"),
        (JobStatus.QUEUED, JobStatus.QUEUED, "is queued and cannot be resumed"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(
    status: JobStatus, wanted: JobStatus, sentence: str
) -> None:
    with pytest.raises(JobStateConflict, match=sentence):
        job(status).require(wanted)


# --- progress ------------------------------------------------------------------------------------

REPORTS = some.builds(
    Progress,
    phase=some.sampled_from(
        ["Discovery", "Processing", "Content Identification", "Finalizing", "Exporting"]
    ),
    completed=some.integers(0, 1 << 40),
    total=some.none() | some.integers(0, 1 << 40),
)


@given(some.lists(REPORTS, max_size=20), some.floats(0, 1))
def test_progress_never_goes_back_whatever_is_reported(
    reports: list[Progress], reached: float
) -> None:
    meter = ProgressMeter("here", reached)
    fractions = [reached, *(meter.take(report).percentage for report in reports)]
    assert all(before <= after for before, after in pairwise(fractions))
    assert 0 <= fractions[-1] <= 1


def test_a_report_becomes_what_clients_show() -> None:
    meter = ProgressMeter("here")
    shown = meter.take(
        Progress("Processing", 50, 100, message="50 files", path=b"/a\xff", errors=2)
    )
    assert shown.percentage == pytest.approx(0.35)
    assert (shown.completion.completed, shown.completion.total) == (50, 100)
    assert shown.performance.error_count == 2
    assert shown.current_path is not None
    assert shown.current_path.Physical is not None
    assert shown.current_path.Physical.path_bytes == b"/a\xff"


# --- the store -----------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> str:
    migrate(str(tmp_path / "jobs.db"), "jobs")
    return str(tmp_path / "jobs.db")


async def test_a_job_comes_back_as_it_was(path: str) -> None:
    store = JobStore(path)
    kept = job()
    kept.output = JobOutput("Indexed", {"files": 3})
    kept.progress = ProgressMeter("here").take(Progress("Processing", 5, 10))
    kept.error, kept.error_code, kept.attempts = "it was dark", "darkness", 3
    kept.error_fields = {"path": "/cellar"}
    kept.started_at = kept.completed_at = NOW
    await store.save(kept)
    store.close()
    again = JobStore(path)
    assert await again.get(kept.id) == kept
    again.close()


async def test_a_restart_goes_on_with_what_ran_and_what_waited_oldest_first(path: str) -> None:
    store = JobStore(path)
    jobs = {status: job(status, age) for age, status in enumerate(ALL)}
    for one in jobs.values():
        await store.save(one)
    store.close()
    again = JobStore(path)
    going_on = again.recover()
    assert [one.id for one in going_on] == [
        jobs[JobStatus.RUNNING].id,
        jobs[JobStatus.QUEUED].id,
    ]
    paused = await again.get(jobs[JobStatus.PAUSED].id)
    assert paused is not None
    assert paused.status is JobStatus.PAUSED  # a person paused it; only a person resumes it
    again.close()


async def test_jobs_that_were_stored_before_errors_had_fields_are_kept(tmp_path: Path) -> None:
    path = str(tmp_path / "jobs.db")
    first = known_migrations("jobs")[0]
    with sqlite3.connect(path) as db:
        db.executescript(f"{first.sql}; PRAGMA user_version = 1;")
        sql = (
            "INSERT INTO jobs (id, name, status, params, error, error_code, created_at)"
            " VALUES (?, 'x', 'failed', '{}', 'it was dark', 'darkness', 0)"
        )
        db.execute(sql, (str(UUID(int=1)),))
    db.close()
    migrate(path, "jobs")
    store = JobStore(path)
    known = await store.get(UUID(int=1))
    assert known is not None
    assert (known.error, known.error_code, known.error_fields) == ("it was dark", "darkness", {})
    store.close()


async def test_a_limit_is_for_what_is_over(path: str) -> None:
    store = JobStore(path)
    over = [job(JobStatus.COMPLETED, age) for age in (1, 2, 4)]
    waiting = [job(JobStatus.PAUSED, 3), job(JobStatus.QUEUED, 5)]
    for one in (*over, *waiting):
        await store.save(one)
    assert [one.params["n"] for one in await store.listed(limit=2)] == [1, 2, 3, 5]
    assert [one.params["n"] for one in await store.listed(JobStatus.COMPLETED, 1)] == [1]
    assert (await store.count(), await store.count(JobStatus.COMPLETED)) == (5, 3)
    store.close()


async def test_lists_are_newest_first(path: str) -> None:
    store = JobStore(path)
    jobs = [job(age=age) for age in (5, 1, 3)]
    for one in jobs:
        await store.save(one)
    assert [one.params["n"] for one in await store.listed()] == [1, 3, 5]
    assert await store.listed(JobStatus.PAUSED) == []
    store.close()


async def test_finished_jobs_are_forgotten_in_the_end_and_others_never(path: str) -> None:
    store = JobStore(path)
    waiting = job(JobStatus.PAUSED, age=10_000)
    await store.save(waiting)
    store.close()
    with sqlite3.connect(path) as db:
        db.executemany(
            "INSERT INTO jobs (id, name, status, params, created_at)"
            " VALUES (?, 'indexer', 'completed', '{}', ?)",
            [(str(uuid4()), to_nanoseconds(NOW - timedelta(seconds=age))) for age in range(1100)],
        )
    db.close()
    again = JobStore(path)
    again.recover()
    assert len(await again.listed(JobStatus.COMPLETED)) == 1000
    assert await again.get(waiting.id) == waiting
    again.close()


def test_a_job_that_cannot_be_read_is_a_damaged_file(path: str) -> None:
    with sqlite3.connect(path) as db:
        db.execute(
            "INSERT INTO jobs (id, name, status, params, created_at)"
            " VALUES ('no uuid', 'indexer', 'queued', '{}', 0)"
        )
    db.close()
    store = JobStore(path)
    with pytest.raises(DatabaseDamaged, match=r"jobs\.db: a job in it cannot be read"):
        store.recover()
    store.close()


async def test_a_closed_store_says_so(path: str) -> None:
    store = JobStore(path)
    store.close()
    with pytest.raises(LibraryNotFound):
        await store.save(job())
    with pytest.raises(LibraryNotFound):
        await store.active()


@given(some.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1), timezones=some.just(UTC)))  # noqa: DTZ001
def test_times_are_exact_to_the_microsecond(time: datetime) -> None:
    stored = to_nanoseconds(time)
    assert stored is not None
    assert from_nanoseconds(stored) == time
