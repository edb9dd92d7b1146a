"""The job that brings to an end what a cancelled job was in the middle of.

params:
  operation  the id of the cancelled job
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sd_daemon.core.fileops import trash
from sd_daemon.core.fileops.copying.carrying import Carrier
from sd_daemon.core.fileops.copying.file import How
from sd_daemon.core.fileops.copying.tally import Tally
from sd_daemon.core.fileops.copying.work import Detail, Work
from sd_daemon.core.fileops.erasing import Eraser
from sd_daemon.core.fileops.journal import (
    Journal,
    Operation,
    OperationKind,
    OperationState,
    Step,
    StepKind,
    StepState,
)
from sd_daemon.core.fileops.linking import hidden_beside
from sd_daemon.core.fileops.taking import is_the_same, source_of

if TYPE_CHECKING:
    from sd_daemon.core.jobs.context import JobContext


# Kinds of operations whose steps make something, and that copy nothing.
_WITHOUT_COPIES = (OperationKind.RESTORE, OperationKind.RESOLVE)


def run_settle(params: dict[str, Any], context: JobContext) -> dict[str, Any]:
    """Leave nothing half done. May be interrupted, and called again."""
    with Journal(context.library_dir) as journal:
        operation = journal.known(str(params["operation"]))
        if operation is not None:
            settle(operation, context)
            operation.finish(OperationState.CANCELLED)
    return {}


def settle(operation: Operation, context: JobContext) -> None:
    """Bring the steps to an end that were begun: what is hidden goes, what has arrived is done,
    and what has not stays where it is."""
    replaced: Step | None = None
    for step in list(operation.steps()):
        if step.state is not StepState.DOING:
            continue
        if step.kind is StepKind.TRASH and Detail.of(step).replaces:
            replaced = step
            continue
        if step.kind in (StepKind.CREATE, StepKind.MOVE) and operation.kind not in _WITHOUT_COPIES:
            work = Work(operation, step, replaced)
            replaced = None
            done = Carrier(operation, context, Tally(context, "", ""), How()).settle(work)
            operation.save(work.steps, StepState.DONE if done else StepState.SKIPPED)
            continue
        done = step.target is not None and _has_happened(operation, step, step.target, context)
        operation.save([step], StepState.DONE if done else StepState.SKIPPED)


def _has_happened(operation: Operation, step: Step, target: str, context: JobContext) -> bool:
    if step.kind is StepKind.TRASH:
        state = trash.state_of(target, f"{operation.id}-{step.number}")
        if state is trash.State.RESERVED:
            trash.release(target)
        return state is trash.State.FILLED
    if step.kind is StepKind.REMOVE:
        if os.path.lexists(target):
            Eraser(context).erase(target)
        if trash.is_item(source_of(step)) and not os.path.lexists(source_of(step)):
            trash.forget(source_of(step))
        return not is_the_same(step, source_of(step))
    if operation.kind is OperationKind.RESTORE:
        if is_the_same(step, target):
            trash.forget(source_of(step))
            return True
        return False
    with suppress(FileNotFoundError):
        os.unlink(hidden_beside(operation.id, step))
    return not is_the_same(step, target)
