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
from sd_daemon.core.fileops.failures import Failures, refusal
from sd_daemon.core.fileops.journal import (
    Journal,
    OperationKind,
    Proof,
    Step,
    StepKind,
    StepState,
    used_trashes,
)
from sd_daemon.core.fileops.rename import rename_new
from sd_daemon.core.fileops.taking import (
    Taking,
    concluded,
    detail_of,
    is_the_same,
    prepare,
    source_of,
    target_of,
)
from sd_daemon.core.fileops.trashes import Trash, Trashes
from sd_daemon.core.index.walk import stat_in
from sd_daemon.core.jobs.params import path_of
from sd_wire.errors import SdError

if TYPE_CHECKING:
    from sd_daemon.core.jobs.context import JobContext


BATCH = 100  # steps that are marked together


def run_empty(params: dict[str, Any], context: JobContext) -> dict[str, Any]:
    """Destroy. Raises JobInterrupted, DatabaseFailure, and where nothing at all could be destroyed
    what was in the way of the first."""
    with Journal(context.library_dir) as journal:
        trashes = Trashes(context.home_trash).all(used_trashes(journal.db))
        operation = journal.begin_or_continue(
            context.job_id, OperationKind.EMPTY, str(params["title"]), lasting=FOR_GOOD
        )
        chosen = _chosen(params, trashes)
        prepare(operation, [Step(StepKind.REMOVE, source=path) for path in chosen])
        failures = Failures()
        Emptying(operation, context, failures).run()
        for each in trashes:
            trash.tidy(each)
        return concluded(operation, failures, [])


def _chosen(params: dict[str, Any], trashes: list[Trash]) -> list[str]:
    if params["items"] is not None:
        return [path_of(one) for one in params["items"]]
    days = params["older_than_days"]
    latest = None if days is None else datetime.now(UTC) - timedelta(days=int(days))
    return [
        item.path
        for each in trashes
        for item in trash.items(each)
        if latest is None or (item.deleted_at is not None and item.deleted_at < latest)
    ]


class Emptying(Taking):
    """Takes the steps that destroy something in a trash."""

    def run(self) -> None:
        """Take all that are open."""
        while steps := self._operation.open_steps(BATCH):
            begun = [step for step in steps if self._is_begun(step)]
            self._operation.intend(begun)
            over: list[Step] = []
            try:
                for step in begun:
                    self._context.safe_point()
                    if self._is_taken(step):
                        over.append(step)
                    self._report(step)
            finally:
                self._operation.save(over, StepState.DONE)

    def _is_begun(self, step: Step) -> bool:
        if step.state is not StepState.PLANNED:
            return True
        item = source_of(step)
        try:
            step.proof = Proof.of(stat_in(*os.path.split(item)))
        except OSError as error:
            self._fail(step, error)
            return False
        step.target = trash.expunged(item, hidden_name(self._operation.id, step.number))
        return True

    def _is_taken(self, step: Step) -> bool:
        """Destroy one; False where it failed. Whatever is done here is seen on the disk, so that
        one which was not noted as done is known again."""
        try:
            size = self._take(step, source_of(step))
        except (OSError, SdError) as error:
            self._fail(step, error)
            return False
        step.detail = detail_of(size)
        self._done += 1
        self._size += size
        return True

    def _take(self, step: Step, item: str) -> int:
        eraser = Eraser(self._context, tell=partial(self._tell, step))
        hidden = target_of(step)
        if not os.path.lexists(hidden) and is_the_same(step, item):
            trash.expunge(item, os.path.basename(hidden))
        if os.path.lexists(hidden):
            eraser.erase(hidden)
        if eraser.error is not None:  # what is left of it must not stay hidden
            rename_new(hidden, item)
            reason = f"{eraser.error.strerror} ({eraser.failed} in it could not be deleted)"
            raise refusal(item, OSError(eraser.error.errno or 0, reason))
        if not os.path.lexists(item):
            trash.forget(item)
        return eraser.bytes
