"""The job that destroys what is in the trash.

params:
  title            what it is called in the history
  items            paths in the trash, as encoded_path; or null for everything
  older_than_days  of everything only what went there before so many days; or null
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from sd_daemon.core.fileops import trash
from sd_daemon.core.fileops.deleting import FOR_GOOD
from sd_daemon.core.fileops.erasing import Eraser, hidden_name
from sd_daemon.core.fileops.failures import Failures
from sd_daemon.core.fileops.journal import (
    Journal,
    OperationKind,
    Proof,
    Step,
    StepKind,
    StepState,
)
from sd_daemon.core.fileops.rename import rename_new
from sd_daemon.core.fileops.taking import (
    Taking,
    concluded,
    is_the_same,
    prepare,
    source_of,
    target_of,
)
from sd_daemon.core.fileops.trashes import Trashes
from sd_daemon.core.index.job import path_of
from sd_daemon.core.index.walk import stat_in
from sd_daemon.core.paths import shown
from sd_wire.errors import PathNotWritable, SdError

if TYPE_CHECKING:
    from sd_daemon.core.jobs.context import JobContext

EMPTY = "empty_trash"


def run_empty(params: dict[str, Any], context: JobContext) -> dict[str, Any]:
    """Destroy. Raises JobInterrupted, DatabaseFailure, and where nothing at all could be destroyed
    what was in the way of the first."""
    trashes = Trashes(context.home_trash)
    with Journal(context.library_dir) as journal:
        operation = journal.begin_or_continue(
            context.job_id, OperationKind.EMPTY, str(params["title"]), lasting=FOR_GOOD
        )
        chosen = _chosen(params, trashes)
        prepare(operation, [Step(StepKind.REMOVE, source=path) for path in chosen])
        failures = Failures()
        Emptying(operation, context, failures).run()
        for each in trashes.all():
            trash.tidy(each)
        return concluded(operation, failures, [])


def _chosen(params: dict[str, Any], trashes: Trashes) -> list[str]:
    if params["items"] is not None:
        return [path_of(one) for one in params["items"]]
    days = params["older_than_days"]
    latest = None if days is None else datetime.now(UTC) - timedelta(days=int(days))
    return [
        item.path
        for each in trashes.all()
        for item in trash.items(each)
        if latest is None or (item.deleted_at is not None and item.deleted_at < latest)
    ]


class Emptying(Taking):
    """Takes the steps that destroy something in a trash."""

    def run(self) -> None:
        """Take all that are open."""
        while steps := self._operation.open_steps():
            for step in steps:
                self._context.safe_point()
                try:
                    self._take(step)
                except (OSError, SdError) as error:
                    self._fail(step, error)
                self._report(step)

    def _take(self, step: Step) -> None:
        item = source_of(step)
        name = hidden_name(self._operation.id, step.number)
        if step.state is StepState.PLANNED:
            step.proof = Proof.of(stat_in(*os.path.split(item)))
            step.target = trash.expunged(item, name)
            self._operation.intend([step])
        if not os.path.lexists(target_of(step)):
            if not is_the_same(step, item):
                if not os.path.lexists(item):  # it was gone before this could be noted
                    trash.forget(item)
                self._finish(step, 0)
                return
            trash.expunge(item, name)
        eraser = Eraser(self._context, tell=partial(self._tell, step))
        eraser.erase(target_of(step))
        if eraser.error is not None:  # what is left of it must not stay hidden
            rename_new(target_of(step), item)
            reason = f"{eraser.error.strerror} ({eraser.failed} in it could not be deleted)"
            raise PathNotWritable(path=shown(item), reason=reason, user=os.geteuid())
        if not os.path.lexists(item):
            trash.forget(item)
        self._finish(step, eraser.bytes)
