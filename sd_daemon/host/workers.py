"""Workers that do nothing any more: stopped by somebody, or stuck for good.

A worker lives while it reports, or while any of its threads gets the processor now and then: one
that reads a file of a terabyte does, and so does one that waits for a lock and looks whether it is
free. One that did neither for a whole watchdog period is killed, and its job goes on with another
worker from what was committed. A job to which that happens again and again has failed.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from sd_daemon.core.log import get_log

if TYPE_CHECKING:
    from uuid import UUID

    from sd_daemon.server.instances import CoreInstanceManager

log = get_log(__name__)

TRIES = 3  # workers that a job may lose before it has failed


class Sign(NamedTuple):
    """What differs from one look to the next while a worker lives."""

    pid: int
    reports: int
    ran: str


class Workers:
    """The workers of one process's instances."""

    def __init__(self, instances: CoreInstanceManager) -> None:
        self._instances = instances
        self._seen: dict[UUID, tuple[Sign, float]] = {}
        self._replaced: Counter[UUID] = Counter()

    def look(self, period: float) -> None:
        """Replace those that have done nothing for so long."""
        seen, self._seen = self._seen, {}
        for instance in self._instances.instances.values():
            if not instance.ready:
                continue
            now = instance.loop.time()
            for job_id, pid, reports in instance.core.runner.workers():
                sign = Sign(pid, reports, processor_time(pid))
                before, since = seen.get(job_id, (sign, now))
                if sign != before or not sign.ran:
                    since = now
                elif now - since >= period * 0.99:
                    again = self._may_try_again(job_id, pid, now - since)
                    instance.core.runner.replace_worker(job_id, again=again)
                self._seen[job_id] = sign, since

    def _may_try_again(self, job_id: UUID, pid: int, seconds: float) -> bool:
        self._replaced[job_id] += 1
        again = self._replaced[job_id] < TRIES
        log.error(
            "a worker does nothing and is killed",
            job_id=job_id,
            pid=pid,
            seconds=round(seconds),
            again=again,
        )
        return again


def processor_time(pid: int) -> str:
    """How long each thread of a process ran, and how often; nothing where that is not told."""
    told = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as file:
                told.append(file.read())
    except OSError:
        return ""
    return "".join(told)
