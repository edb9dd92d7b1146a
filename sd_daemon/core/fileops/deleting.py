"""The job that deletes: into the trash, or for good.

params:
  title      what it is called in the history
  targets    real paths, {"path", "path_bytes"} each, none inside another
  permanent  for good
  secure     for good, and overwrite each file first

Each target is one step of the journal. One that goes into the trash is there with one rename. One
that goes for good gets a hidden name beside the old one first: so a folder is gone at once, and
what an interruption leaves is known.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from sd_daemon.core.fileops.erasing import Eraser, caveats, hidden_name
from sd_daemon.core.fileops.failures import Failures, refusal
from sd_daemon.core.fileops.journal import (
    Journal,
    Operation,
    OperationKind,
    Proof,
    Step,
    StepKind,
    StepState,
)
from sd_daemon.core.fileops.rename import flush_folder, rename_new
from sd_daemon.core.fileops.taking import (
    Taking,
    concluded,
    detail_of,
    is_folder,
    is_the_same,
    prepare,
    source_of,
)
from sd_daemon.core.fileops.trashing import BATCH, Trashing
from sd_daemon.core.index.walk import stat_in
from sd_daemon.core.jobs.params import path_of
from sd_wire.errors import SdError

if TYPE_CHECKING:
    from sd_daemon.core.jobs.context import JobContext


FOR_GOOD = "what it deleted is gone for good"


def run_delete(params: dict[str, Any], context: JobContext) -> dict[str, Any]:
    """Delete; what was done, in the form that existing clients read.

    Raises JobInterrupted, DatabaseFailure, and where nothing at all could be deleted what was in
    the way of the first target.
    """
    permanent = bool(params["permanent"])
    with Journal(context.library_dir) as journal:
        lasting = FOR_GOOD if permanent else None
        operation = journal.begin_or_continue(
            context.job_id, OperationKind.DELETE, str(params["title"]), lasting=lasting
        )
        kind = StepKind.REMOVE if permanent else StepKind.TRASH
        prepare(operation, [Step(kind, source=path_of(one)) for one in params["targets"]])
        failures = Failures()
        if permanent:
            secure = bool(params.get("secure"))
            warnings = Removal(operation, context, failures, secure=secure).run()
        else:
            warnings = Trashing(operation, context, failures).run()
        return concluded(operation, failures, warnings)


class Removal(Taking):
    """Takes steps that destroy something."""

    def __init__(
        self, operation: Operation, context: JobContext, failures: Failures, *, secure: bool
    ) -> None:
        super().__init__(operation, context, failures)
        self._secure = secure
        self.phase = "Overwriting" if secure else "Deleting"
        self._warnings: dict[str, None] = {}  # a set that keeps the order

    def run(self) -> list[str]:
        """Take all that are open; what could not be promised of it, in sentences."""
        while steps := self._operation.open_steps(BATCH):
            self._context.safe_point()
            files = [step for step in steps if self._goes_at_once(step)]
            self._unlink(files)
            for step in steps:
                if step in files:
                    continue
                self._context.safe_point()
                try:
                    self._take(step)
                except (OSError, SdError) as error:
                    self._fail(step, error)
                self._report(step)
            self._report(steps[-1])
        return list(self._warnings)

    def _goes_at_once(self, step: Step) -> bool:
        """Whether a step needs no hidden name, and has none from an earlier attempt."""
        return step.target is None and not self._secure and not is_folder(source_of(step))

    def _unlink(self, steps: list[Step]) -> None:
        """Delete what needs no hidden name, since it is gone at once."""
        open_steps = []
        for step in steps:
            if step.state is StepState.DOING:
                open_steps.append(step)
                continue
            try:
                step.proof = Proof.of(stat_in(*os.path.split(source_of(step))))
            except OSError as error:
                self._fail(step, error)
            else:
                open_steps.append(step)
        self._operation.intend(open_steps)
        gone = [step for step in open_steps if self._unlink_one(step)]
        for folder in {os.path.dirname(source_of(step)) for step in gone}:
            with suppress(FileNotFoundError):
                flush_folder(folder)
        self._operation.save(gone, StepState.DONE)
        self._done += len(gone)

    def _unlink_one(self, step: Step) -> bool:
        eraser = Eraser(self._context)
        # What is not the same is new: the thing was gone before that could be noted.
        if is_the_same(step, source_of(step)):
            try:
                eraser.unlink(source_of(step))
            except OSError as error:
                self._fail(step, error)
                return False
        step.detail = detail_of(eraser.bytes)
        self._size += eraser.bytes
        return True

    def _take(self, step: Step) -> None:
        source = source_of(step)
        folder, name = os.path.split(source)
        hidden = f"{folder}/{hidden_name(self._operation.id, step.number)}"
        if step.state is StepState.DOING and not os.path.lexists(hidden):
            if not is_the_same(step, source_of(step)):
                self._finish(step, 0)  # it was gone before this could be noted
                return
        elif step.state is StepState.PLANNED:
            step.proof = Proof.of(stat_in(folder, name))
            step.target = hidden
            self._operation.intend([step])
        if not os.path.lexists(hidden):
            rename_new(source, hidden)
            flush_folder(folder)
        if self._secure:
            self._warnings.update(dict.fromkeys(caveats(source)))
        self._erase(step, hidden)

    def _erase(self, step: Step, hidden: str) -> None:
        eraser = Eraser(self._context, secure=self._secure, tell=partial(self._tell, step))
        eraser.erase(hidden)
        if eraser.linked:
            self._warnings["files with another name were not overwritten, since it has them"] = None
        if eraser.error is not None:
            # What cannot be destroyed must not stay hidden.
            rename_new(hidden, source_of(step))
            reason = f"{eraser.error.strerror} ({eraser.failed} in it could not be deleted)"
            raise refusal(source_of(step), OSError(eraser.error.errno or 0, reason))
        flush_folder(os.path.dirname(hidden))
        self._finish(step, eraser.bytes)
