"""Work in a process of its own whose result somebody waits for.

It is no job: it changes nothing, nobody can pause it, and when it is over nobody looks at it again.
It is not done here because it may take long, and what takes long must not make others wait.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sd_daemon.core.jobs.process import WorkerProcess
from sd_daemon.core.jobs.reports import Broken, Completed, Order
from sd_wire.errors import ErrorDetails, JobFailed, ShuttingDown, UnknownFailure, from_wire

if TYPE_CHECKING:
    from sd_daemon.core.library import Library


async def done_apart(library: Library, name: str, params: dict[str, Any]) -> Any:
    """The result of the work `name`, a row of `sd_daemon.core.jobs.worker.WORK`. It ends with the
    task that waits for it. Raises what it failed with, or JobFailed; ShuttingDown if somebody ends
    all processes of this service."""
    try:
        worker = await WorkerProcess.start(Order(str(uuid4()), name, library.path, params))
    except OSError as error:
        raise JobFailed(job_name=name, reason=error, job="") from error
    async with aclosing(worker.reports()) as reports:
        said = [report async for report in reports]
    last = said[-1]  # how far it was before does not matter to anybody
    if isinstance(last, Completed):
        return last.output["data"]
    if not isinstance(last, Broken):
        raise ShuttingDown
    known = from_wire("", last.message, ErrorDetails(last.code, fields=last.fields))
    if isinstance(known, UnknownFailure):
        raise JobFailed(job_name=name, reason=last.message, job="")
    raise known
