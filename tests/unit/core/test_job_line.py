"""Whose turn it is: lanes, priorities, and the order in which jobs came."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID, uuid4

from sd_daemon.core.index.job_names import INDEXER, PURGE
from sd_daemon.core.jobs.job import Job
from sd_daemon.core.jobs.line import Line, Waiting
from sd_wire.types.jobs import JobLimits, JobPriority

if TYPE_CHECKING:
    from sd_daemon.core.jobs.shelf import Shelf

HOME, WORK = uuid4(), uuid4()


class Library:
    """As much of a shelf as the line looks at."""

    def __init__(self, library_id: UUID) -> None:
        self.library_id = library_id


def waiting(name: str, library: UUID = HOME, priority: JobPriority = JobPriority.NORMAL) -> Waiting:
    job = Job(uuid4(), name, {}, datetime.now(UTC), limits=JobLimits(priority=priority))
    return Waiting(job, cast("Shelf", Library(library)))


def line(*jobs: Waiting, indexing: int = 1, files: int = 2) -> Line:
    made = Line(indexing, lambda: files)
    for one in jobs:
        made.add(one)
    return made


def begun(made: Line) -> list[Waiting]:
    """All that may begin, one beside the other."""
    running: list[Waiting] = []
    while (one := made.next(running)) is not None:
        running.append(one)
    return running


def test_a_library_is_indexed_by_one_job_at_a_time() -> None:
    first, second, other = waiting(INDEXER), waiting(PURGE), waiting(INDEXER, WORK)
    made = line(first, second, other, indexing=4)
    assert begun(made) == [first, other]
    assert made.find(second.job.id) is second.job


def test_indexing_everywhere_takes_no_more_processes_than_it_may() -> None:
    assert len(begun(line(*(waiting(INDEXER, uuid4()) for _ in range(5)), indexing=3))) == 3


def test_files_are_copied_while_the_index_is_written() -> None:
    index, copy = waiting(INDEXER), waiting("file_copy")
    assert begun(line(index, copy)) == [index, copy]


def test_a_slow_copy_keeps_neither_another_nor_the_index_from_going_on() -> None:
    copies = [waiting("file_copy") for _ in range(3)]
    index = waiting(INDEXER)
    assert begun(line(*copies, index)) == [copies[0], copies[1], index]


def test_how_many_files_are_copied_at_once_may_change_meanwhile() -> None:
    allowed: Any = [1]
    made = Line(1, lambda: allowed[0])
    first, second = waiting("file_copy"), waiting("file_copy")
    made.add(first)
    made.add(second)
    assert begun(made) == [first]
    allowed[0] = 2
    assert made.next([first]) == second


def test_what_is_urgent_goes_first_and_what_is_alike_in_the_order_it_came() -> None:
    jobs = [waiting("file_copy", priority=one) for one in JobPriority for _ in range(2)]
    assert begun(line(*jobs, files=8)) == [*jobs[6:8], *jobs[4:6], *jobs[2:4], *jobs[0:2]]


def test_a_job_that_goes_on_is_before_those_of_its_priority_only() -> None:
    urgent, old, back = waiting("a", priority=JobPriority.HIGH), waiting("b"), waiting("c")
    made = line(urgent, old, files=1)
    made.add(back, first=True)
    order = [made.next([]) for _ in range(3)]
    assert order == [urgent, back, old]


def test_a_job_is_taken_out_once() -> None:
    one = waiting("file_copy")
    made = line(one)
    assert made.take(one.job.id) == one
    assert made.take(one.job.id) is None
    assert made.next([]) is None


def test_a_library_that_closes_takes_its_jobs_with_it() -> None:
    here, there = waiting("file_copy"), waiting("file_copy", WORK)
    made = line(here, there)
    assert made.take_all(HOME) == [here.job]
    assert made.libraries() == {WORK}
    assert len(made) == 1
