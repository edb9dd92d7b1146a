"""The job that takes things out of the trash.

params:
  title        what it is called in the history
  items        {"item": path in the trash, "target": where it is to go}, paths as encoded_path
  on_conflict  Overwrite, AutoModifyName, Skip, or null

What is overwritten goes into the trash first. A thing comes out with one rename; its info file goes
after that.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

from sd_daemon.core.fileops import trash
from sd_daemon.core.fileops.failures import Failures
from sd_daemon.core.fileops.journal import (
    Journal,
    Operation,
    OperationKind,
    OperationState,
    Proof,
    Step,
    StepKind,
    StepState,
)
from sd_daemon.core.fileops.taking import Taking, is_the_same, prepare, source_of, target_of
from sd_daemon.core.fileops.trashing import Trashing
from sd_daemon.core.index.walk import stat_in
from sd_daemon.core.jobs.params import path_of
from sd_daemon.core.paths import shown
from sd_wire.errors import FileConflict, PathUnusable, SdError
from sd_wire.operations.files import ConflictResolution

if TYPE_CHECKING:
    from sd_daemon.core.jobs.context import JobContext


def run_restore(params: dict[str, Any], context: JobContext) -> dict[str, Any]:
    """Restore. Raises JobInterrupted, DatabaseFailure, and where nothing at all could be restored
    what was in the way of the first."""
    resolution = params.get("on_conflict")
    with Journal(context.library_dir) as journal:
        operation = journal.begin_or_continue(
            context.job_id, OperationKind.RESTORE, str(params["title"])
        )
        prepare(operation, _steps(params["items"], resolution))
        failures = Failures()
        Trashing(operation, context, failures).run()
        work = Restoring(operation, context, failures, resolution)
        work.run()
        return work.concluded()


def _steps(items: list[dict[str, Any]], resolution: str | None) -> list[Step]:
    steps = []
    for one in items:
        item, target = path_of(one["item"]), path_of(one["target"])
        steps.append(Step(StepKind.CREATE, source=item, target=target))
    if resolution == ConflictResolution.OVERWRITE:
        taken = dict.fromkeys(target_of(step) for step in steps if os.path.lexists(target_of(step)))
        return [*(Step(StepKind.TRASH, source=path) for path in taken), *steps]
    return steps


class Restoring(Taking):
    """Takes the steps that bring something back."""

    phase = "Restoring"
    word = "restored"

    def __init__(
        self,
        operation: Operation,
        context: JobContext,
        failures: Failures,
        resolution: str | None,
    ) -> None:
        super().__init__(operation, context, failures)
        self._renames = resolution == ConflictResolution.AUTO_MODIFY_NAME
        self._skips = resolution == ConflictResolution.SKIP

    def run(self) -> None:
        """Take all that are open."""
        while steps := self._operation.open_steps():
            for step in steps:
                self._context.safe_point()
                wanted = target_of(step)
                try:
                    self._take(step)
                except (OSError, SdError) as error:
                    self._fail(step, self._known(step, error))
                    step.target = wanted
                    self._operation.save([step], StepState.FAILED)
                self._report(step)

    def _known(self, step: Step, error: Exception) -> Exception:
        if isinstance(error, FileExistsError):
            return FileConflict(path=shown(target_of(step)), count=1)
        if isinstance(error, OSError) and error.errno == errno.EXDEV:
            reason = "its trash is on another filesystem; restore it there, and move it then"
            return PathUnusable(path=shown(target_of(step)), reason=reason)
        return error

    def _take(self, step: Step) -> None:
        item = source_of(step)
        if step.state is StepState.DOING and is_the_same(step, target_of(step)):
            trash.forget(item)  # it was back before that could be noted
            self._finish(step, 0)
            return
        found = stat_in(*os.path.split(item))
        step.proof = Proof.of(found)
        if os.path.lexists(target_of(step)):
            if self._skips:
                self._operation.save([step], StepState.SKIPPED)
                return
            if not self._renames:
                raise FileExistsError
            step.target = free_name(target_of(step))
        self._operation.intend([step])
        os.makedirs(os.path.dirname(target_of(step)), exist_ok=True)
        trash.restore(item, target_of(step))
        self._finish(step, found.st_size)

    def concluded(self) -> dict[str, Any]:
        """The end of it: noted, and as the job's output."""
        restored = sum(
            step.state is StepState.DONE and step.kind is StepKind.CREATE
            for step in self._operation.steps()
        )
        skipped = self._operation.count(StepState.SKIPPED)
        failed = self._failures.count
        state = OperationState.FAILED if failed and not restored else OperationState.DONE
        self._operation.finish(state)
        self._failures.raise_if_nothing_else(restored + skipped)
        return {
            "restored_count": restored,
            "skipped_count": skipped,
            **self._failures.as_output(),
            "warnings": self._failures.warnings(),
        }


def free_name(path: str) -> str:
    """The first of `name (1).ext`, `name (2).ext`, ... that nothing has."""
    stem, extension = os.path.splitext(path)
    number = 1
    while os.path.lexists(f"{stem} ({number}){extension}"):
        number += 1
    return f"{stem} ({number}){extension}"
