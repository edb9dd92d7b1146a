"""The history of file operations."""

from __future__ import annotations

from sd_daemon.core.fileops import history
from sd_daemon.core.fileops.history import undo_title
from sd_daemon.core.fileops.names import UNDO
from sd_daemon.handlers.handler import Context, handles
from sd_daemon.handlers.indexing import submit
from sd_wire.operations.history import History, ListHistory, UndoOperation
from sd_wire.types.jobs import JobReceipt


@handles(ListHistory)
async def list_history(context: Context, request: ListHistory) -> History:
    """What was done to files."""
    library = context.library
    return await library.operations.read(history.page, library.id, request)


@handles(UndoOperation)
async def undo_operation(context: Context, request: UndoOperation) -> JobReceipt:
    """Take a file operation back."""
    library = context.library
    item = await library.operations.read(history.undoable, request.operation_id)
    params = {"operation": str(item.id), "title": undo_title(item.title)}
    job = await submit(context, library, UNDO, params, request, request.limits)
    return JobReceipt(job.id, UNDO)
