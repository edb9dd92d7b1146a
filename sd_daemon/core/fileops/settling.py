"""The job that brings to an end what a cancelled job was in the middle of.

params:
  operation  the id of the cancelled job
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sd_daemon.core.fileops.deleting import settle_cancelled
from sd_daemon.core.fileops.journal import Journal, OperationState

if TYPE_CHECKING:
    from sd_daemon.core.jobs.context import JobContext

SETTLE = "settle_files"


def run_settle(params: dict[str, Any], context: JobContext) -> dict[str, Any]:
    """Leave nothing half done. May be interrupted, and called again."""
    with Journal(context.library_dir) as journal:
        operation = journal.known(str(params["operation"]))
        if operation is not None:
            settle_cancelled(operation, context)
            operation.finish(OperationState.CANCELLED)
    return {}
