"""The job that takes a file operation back.

params:
  operation  the id of the job that did it
  title      what this is called in the history

Its steps are the reverse of those that were taken, from the last to the first. Nothing is ever
destroyed that is not still exactly what was made: what was copied goes into the trash, what was
moved goes back, what was put into the trash comes out. What has been changed since is left alone,
and told.
"""

from __future__ import annotations

import os
import stat
import time
from typing import TYPE_CHECKING, Any

from sd_daemon.core.boot import this_boot
from sd_daemon.core.fileops import trash
from sd_daemon.core.fileops.copying.file import How
from sd_daemon.core.fileops.copying.job import Run
from sd_daemon.core.fileops.copying.planning import Extent, look
from sd_daemon.core.fileops.copying.work import Detail
from sd_daemon.core.fileops.journal import (
    AT_ONCE,
    Journal,
    Operation,
    OperationKind,
    OperationState,
    Step,
    StepKind,
    StepState,
)
from sd_daemon.core.fileops.trashes import Trashes
from sd_daemon.core.paths import shown
from sd_wire.errors import OperationNotFound, SdError, TrashUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sd_daemon.core.fileops.copying.tally import Tally
    from sd_daemon.core.fileops.journal import Proof
    from sd_daemon.core.jobs.context import JobContext

_GONE = "it is not there any more"
_ONLY = "some of what it was copied from is gone, and it is left alone"
_CHANGED = "it was changed since, and is left alone"
_TAKEN = "something else has its old name now"


def run_undo(params: dict[str, Any], context: JobContext) -> dict[str, Any]:
    """Undo; what was done. Raises JobInterrupted, DatabaseFailure, DiskFull, and where nothing at
    all could be undone why not."""
    with Journal(context.library_dir) as journal:
        undone = journal.known(str(params["operation"]))
        if undone is None:
            raise OperationNotFound(operation=params["operation"])
        operation = journal.begin_or_continue(
            context.job_id,
            OperationKind.UNDO,
            str(params["title"]),
            undoes=undone.id,
            boot=this_boot(),
        )
        umask = os.umask(0)  # for folders that are made anew; the run does without
        run = Run(operation, context, How(), "Undoing")
        reverse = Reverse(undone, run.tally, context, umask=umask)
        try:
            run.prepare(lambda: list(reverse.steps()))
            run.take()
        except SdError:
            operation.finish(OperationState.FAILED)
            raise
        return run.concluded("undone_count")


class Reverse:
    """Finds the steps that take an operation back."""

    def __init__(self, undone: Operation, tally: Tally, context: JobContext, *, umask: int) -> None:
        self._undone = undone
        self._tally = tally
        self._trashes = Trashes(context.home_trash)
        self._context = context
        self._umask = umask
        self._leaving: set[str] = set()  # what the steps so far take from its place
        self._made: set[str] = set()  # folders that the steps so far make

    def steps(self) -> Iterator[Step]:
        """The steps. What cannot be taken back is counted as failed."""
        total = 0
        for reverse in self._together():
            total += 1
            yield reverse
        self._tally.total = total

    def _together(self) -> Iterator[Step]:
        """What was replaced comes back after what replaced it is gone: of many that is done
        together, since each alone takes many times as long."""
        gone: list[Step] = []
        back: list[Step] = []
        for step in self._undone.steps(backwards=True):
            if step.state is not StepState.DONE:
                continue
            self._context.safe_point()
            is_pair = step.kind is StepKind.CREATE or Detail.of(step).replaces
            if not is_pair or len(back) >= AT_ONCE // 2:
                yield from (*gone, *back)
                gone, back = [], []
            for reverse in self._of(step):
                if reverse.source is not None:
                    self._leaving.add(reverse.source)
                elif reverse.target is not None:
                    self._made.add(reverse.target)
                (gone if reverse.kind is not StepKind.MOVE else back).append(reverse)
            if not is_pair:
                yield from (*gone, *back)
                gone, back = [], []
        yield from (*gone, *back)

    def _of(self, step: Step) -> Iterator[Step]:
        detail = Detail.of(step)
        if detail.partly:
            self._tally.fail(step.target or "", _ONLY)
        elif step.kind is StepKind.CREATE or (step.kind is StepKind.MOVE and detail.stays):
            yield from self._unmake(step)
        elif step.kind is StepKind.MOVE or (step.kind is StepKind.TRASH and not detail.kept):
            yield from self._back(step)
        elif step.kind is StepKind.REMOVE and detail.folder is not None:
            folder = Detail(folder=detail.folder).text()
            if look(step.source or "") is None:
                yield Step(StepKind.CREATE, target=step.source, detail=folder)

    def _unmake(self, step: Step) -> Iterator[Step]:
        """What was made goes into the trash."""
        target = step.target or ""
        found = look(target)
        if found is None:
            self._tally.fail(target, _GONE)
            return
        changed = self._change_of(step, target, found)
        if changed is not None:
            self._tally.fail(target, changed)
            return
        try:
            self._trashes.expect(target)
        except (TrashUnavailable, OSError):
            if self._is_untouched(target, found):
                yield Step(StepKind.REMOVE, source=target, detail=Detail(erase=True).text())
            else:
                self._tally.fail(target, f"there is no trash for it, and {_CHANGED}")
        else:
            yield Step(StepKind.TRASH, source=target)

    def _back(self, step: Step) -> Iterator[Step]:
        """What was moved, or put into the trash, goes back where it was."""
        source, target = step.source or "", step.target or ""
        found = look(target)
        if found is None:
            self._tally.fail(source, _GONE)
        elif not _is_it(step, found):
            self._tally.fail(target, _CHANGED)
        elif source not in self._leaving and look(source) is not None:
            self._tally.fail(source, _TAKEN)
        elif trash.is_item(source) and step.kind is StepKind.MOVE:
            yield Step(StepKind.TRASH, source=target)  # where it comes from it cannot stay
        else:
            yield from self._parents(os.path.dirname(source))
            yield Step(StepKind.MOVE, source=target, target=source)

    def _parents(self, folder: str) -> Iterator[Step]:
        """The folders on the way to one that are gone since, outermost first: made as new ones."""
        missing: list[str] = []
        while folder not in self._made and look(folder) is None:
            missing.append(folder)
            folder = os.path.dirname(folder)
        for one in reversed(missing):
            detail = Detail(folder=[0o777 & ~self._umask, -1, -1, time.time_ns()])
            yield Step(StepKind.CREATE, target=one, detail=detail.text())

    def _change_of(self, step: Step, target: str, found: os.stat_result) -> str | None:
        """Why something is not exactly what a step made any more, or None."""
        proof = step.proof
        if proof is None or not _is_it(step, found):
            return _CHANGED
        if not stat.S_ISDIR(found.st_mode):
            same = (found.st_size, found.st_mtime_ns) == (proof.size, proof.mtime)
            return None if same else _CHANGED
        return self._change_inside(target, found, proof)

    def _change_inside(self, folder: str, found: os.stat_result, proof: Proof) -> str | None:
        """What was changed, added or removed in a folder that was made, or None. What the undo
        takes out of it before that does not count.

        It is the times of status changes that tell: a program can set the others at will. The
        folder's own also changes when an undo is undone, so its time of modification does as well.
        """
        until = self._undone.finished_at()
        extent = Extent()
        empties = False
        inside = extent.walk(folder, found, self._leaving)
        next(inside)
        for path, one in inside:
            self._context.safe_point()
            if path in self._leaving:
                empties = True
            elif one.st_ctime_ns > until:
                return f"{shown(path)} in it was changed since, and all of it is left alone"
        if extent.problems:
            return f"{shown(extent.problems[0][0])} in it cannot be looked at, and it is left alone"
        if empties or found.st_mtime_ns == proof.mtime or found.st_ctime_ns <= until:
            return None
        return _CHANGED

    def _is_untouched(self, path: str, found: os.stat_result) -> bool:
        """Whether nothing at a path, or below it, was changed since the operation was done."""
        until = self._undone.finished_at()
        extent = Extent()
        return all(one.st_ctime_ns <= until for _, one in extent.walk(path, found)) and (
            not extent.problems
        )


def _is_it(step: Step, found: os.stat_result) -> bool:
    proof = step.proof
    return proof is not None and (found.st_dev, found.st_ino) == (proof.device, proof.inode)
