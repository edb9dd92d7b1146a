"""Steps by which things go: folders that a move has emptied, and in an undo what was made."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from sd_daemon.core.fileops.copying.planning import look
from sd_daemon.core.fileops.copying.tally import why
from sd_daemon.core.fileops.copying.work import Detail
from sd_daemon.core.fileops.erasing import Eraser, hidden_name
from sd_daemon.core.fileops.failures import Failures
from sd_daemon.core.fileops.journal import Proof, Step, StepKind, StepState
from sd_daemon.core.fileops.rename import flush_folder, rename_new
from sd_daemon.core.fileops.trashing import BATCH, Trashing

if TYPE_CHECKING:
    from sd_daemon.core.fileops.copying.tally import Tally
    from sd_daemon.core.fileops.journal import Operation
    from sd_daemon.core.jobs.context import JobContext
    from sd_wire.errors import SdError


class Leavings:
    """Takes the steps that remove."""

    def __init__(self, operation: Operation, context: JobContext) -> None:
        self._operation = operation
        self._context = context

    def take(self, steps: list[Step]) -> None:
        """Remove what these name. A folder that is not empty stays, unless all of it is meant."""
        there = []
        for step in steps:
            found = look(step.source or "")
            if found is None:
                continue
            there.append(step)
            step.proof = Proof.of(found)
            detail = Detail.of(step)
            detail.folder = [found.st_mode & 0o7777, found.st_uid, found.st_gid, found.st_mtime_ns]
            step.detail = detail.text()
        self._operation.intend(there)
        stayed = [step for step in steps if not self._remove(step)]
        for folder in {os.path.dirname(step.source or "") for step in steps}:
            if os.path.isdir(folder):
                flush_folder(folder)
        self._operation.save([step for step in steps if step not in stayed], StepState.DONE)
        self._operation.save(stayed, StepState.SKIPPED)

    def _remove(self, step: Step) -> bool:
        source = step.source or ""
        hidden = f"{os.path.dirname(source)}/{hidden_name(self._operation.id, step.number)}"
        try:
            if Detail.of(step).erase:
                if look(hidden) is None and look(source) is not None:
                    rename_new(source, hidden)
                self._erase(hidden, source)
            elif (found := look(source)) is not None and stat.S_ISDIR(found.st_mode):
                os.rmdir(source)
        except OSError as error:
            step.detail = why(error)
            return False
        return True

    def _erase(self, hidden: str, source: str) -> None:
        eraser = Eraser(self._context, unlock=True)
        eraser.erase(hidden)
        if eraser.error is not None:  # what cannot be removed must not stay hidden
            rename_new(hidden, source)
            raise eraser.error


class TrashingInOrder(Trashing):
    """Puts into the trash what the next steps name, as far as they do that."""

    def __init__(self, operation: Operation, context: JobContext, tally: Tally) -> None:
        super().__init__(operation, context, _Told(tally))
        self._tally = tally

    def _open(self) -> list[Step]:
        steps = self._operation.open_steps(BATCH)
        other = (n for n, step in enumerate(steps) if step.kind is not StepKind.TRASH)
        return steps[: next(other, len(steps))]


class _Told(Failures):
    """Failures that a tally counts."""

    def __init__(self, tally: Tally) -> None:
        super().__init__()
        self._tally = tally

    def add(self, path: str, error: SdError, reason: str | None = None) -> None:
        """One more."""
        super().add(path, error, reason)
        self._tally.fail_as(path, error)
