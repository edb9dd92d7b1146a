"""How much of the machine a job may have, before it begins and while it runs."""

from __future__ import annotations

import ctypes
import fcntl
import os
import sys
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from work import add, run

from sd_daemon.core.core import Core
from sd_daemon.core.index.job_names import INDEXER
from sd_daemon.core.indexing import index_params
from sd_daemon.core.jobs.process import WorkerProcess
from sd_daemon.core.jobs.reports import Completed, Limited, Order, Progress, Report
from sd_wire.errors import JobNotFound, JobStateConflict
from sd_wire.types.jobs import DiskShare, JobLimits, JobPriority

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sd_daemon.core.library import Library

IDLE, BEST_EFFORT = 3, 2  # linux/ioprio.h
IOPRIO_GET = {"x86_64": 252, "aarch64": 31}.get(os.uname().machine)


def disk_class(pid: int) -> int:
    """The class in which a process stands at the disk, as the kernel says."""
    value: int = ctypes.CDLL(None).syscall(IOPRIO_GET, 1, pid)
    return value >> 13


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[Core]:
    core = await Core.open(str(tmp_path / "data"))
    yield core
    await core.close()


@pytest.fixture
async def library(core: Core) -> Library:
    return await core.libraries.create("Home", None, None)


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or IOPRIO_GET is None, reason="the kernel has no ioprio"
)
async def test_a_worker_stands_behind_others_at_the_disk_and_may_come_back(
    core: Core, library: Library, tmp_path: Path
) -> None:
    """Another one works on the index, until the kernel says that both was heeded."""
    (tmp_path / "tree").mkdir()
    location = await add(core, library, str(tmp_path / "tree"))
    params = index_params(location, library.config.settings)
    limits = JobLimits(disk=DiskShare.IDLE)
    seen: list[int] = []
    last: Report | None = None
    lock = os.open(f"{library.path}/index.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    worker = await WorkerProcess.start(Order(str(uuid4()), INDEXER, library.path, params, limits))
    async for last in worker.reports():
        if not isinstance(last, Progress):
            continue
        seen.append(disk_class(worker.pid))
        if seen[0] == seen[-1]:
            worker.tell(Limited(JobLimits()))
        else:
            fcntl.flock(lock, fcntl.LOCK_UN)
    os.close(lock)
    assert isinstance(last, Completed)
    assert (seen[0], seen[-1]) == (IDLE, BEST_EFFORT)


async def test_limits_are_kept_with_the_job(core: Core, library: Library, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    location = await add(core, library, str(tmp_path / "tree"))
    params = index_params(location, library.config.settings)
    shelf = core.libraries.shelf(library)
    limits = JobLimits(priority=JobPriority.LOW, bandwidth=1000)
    blocking = await core.runner.submit(shelf, INDEXER, params)
    job = await core.runner.submit(shelf, INDEXER, params, limits=limits)
    stored = await library.jobs.get(job.id)
    assert stored is not None
    assert stored.limits == limits
    await core.runner.limit(shelf, job.id, {"priority": JobPriority.HIGH})
    stored = await library.jobs.get(job.id)
    assert stored is not None
    assert stored.limits == JobLimits(priority=JobPriority.HIGH, bandwidth=1000)
    await core.runner.wait(blocking)
    await core.runner.wait(job)


async def test_what_is_over_cannot_be_limited(core: Core, library: Library, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    location = await add(core, library, str(tmp_path / "tree"))
    params = index_params(location, library.config.settings)
    job = await run(core, library, INDEXER, params)
    shelf = core.libraries.shelf(library)
    with pytest.raises(JobStateConflict, match="is completed and cannot be limited"):
        await core.runner.limit(shelf, job.id, {"bandwidth": 1})
    with pytest.raises(JobNotFound):
        await core.runner.limit(shelf, uuid4(), {"bandwidth": 1})
