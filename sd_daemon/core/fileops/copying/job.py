"""The job that copies, moves, renames; and what an undo has in common with it.

Its params are those of `order.CopyOrder`.
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sd_daemon.core.boot import this_boot
from sd_daemon.core.fileops.copying.carrying import Carrier
from sd_daemon.core.fileops.copying.file import Base, How
from sd_daemon.core.fileops.copying.leaving import Leavings, TrashingInOrder
from sd_daemon.core.fileops.copying.order import CopyOrder
from sd_daemon.core.fileops.copying.planning import (
    Action,
    Extent,
    Planner,
    Task,
    conflict_of,
    look,
)
from sd_daemon.core.fileops.copying.resuming import distrust, recall
from sd_daemon.core.fileops.copying.room import require_room
from sd_daemon.core.fileops.copying.tally import Tally
from sd_daemon.core.fileops.copying.work import Detail, Work
from sd_daemon.core.fileops.failures import refusal
from sd_daemon.core.fileops.journal import (
    Journal,
    Operation,
    OperationState,
    Proof,
    Step,
    StepKind,
    StepState,
)
from sd_daemon.core.paths import shown
from sd_wire.errors import SdError
from sd_wire.operations.files import CopyMethod

if TYPE_CHECKING:
    from collections.abc import Callable

    from sd_daemon.core.jobs.context import JobContext

_COPYING = "Copying"
_NO_TRASH = "what it replaced had no trash to go to"


def run_copy(params: dict[str, Any], context: JobContext) -> dict[str, Any]:
    """Copy or move; what was done, in the form that existing clients read.

    Raises JobInterrupted, DatabaseFailure, DiskFull, what `planned` raises; and where
    nothing at all could be done, what was in the way of the first thing.
    """
    order = CopyOrder.of(params)
    verb = "Moving" if order.move else _COPYING
    with Journal(context.library_dir) as journal:
        operation = journal.begin_or_continue(
            context.job_id, order.kind, order.title(), boot=this_boot()
        )
        how = How(
            verify=order.verify,
            moment=None if order.keep_times else operation.created_at(),
            streaming=order.method is CopyMethod.STREAMING,
            atomic=order.method is CopyMethod.ATOMIC,
        )
        run = Run(operation, context, how, verb)
        try:
            run.prepare(lambda: planned(order, context, run.tally))
            run.take()
        except SdError:
            operation.finish(OperationState.FAILED)
            raise
        return run.concluded("moved_count" if order.move else "copied_count")


def planned(order: CopyOrder, context: JobContext, tally: Tally) -> list[Step]:
    """The steps of a new order; `tally` learns how much that is.

    Raises KindConflict, DoubledTarget, FileConflict, NotEnoughSpace.
    """
    planner = Planner(order)
    tasks: list[Task] = []
    for task in planner.tasks():
        tasks.append(task)
        if len(tasks) % 500 == 0:
            context.safe_point()
            context.progress("Preparation", len(tasks), message="Looking what is where")
    conflicts = [task for task in tasks if task.action is Action.ABORT]
    if conflicts:
        raise conflict_of(conflicts)
    if planner.problems and not tasks:
        path, error = planner.problems[0]
        raise refusal(path, error)
    tally.total, size = require_room(tasks, context)
    tally.total_size = size or None
    steps = [] if order.made is None else [_made(order.made)]
    for task in tasks:
        steps += _steps(task, order)
    return steps


def _made(folder: str) -> Step:
    found = look(folder)
    proof = None if found is None else Proof.of(found)
    return Step(StepKind.CREATE, target=folder, state=StepState.DONE, proof=proof)


def _steps(task: Task, order: CopyOrder) -> list[Step]:
    kind = StepKind.MOVE if order.move else StepKind.CREATE
    if task.action is Action.LEAVE:
        return [Step(StepKind.REMOVE, source=task.source)]
    if task.action is Action.SKIP:
        reason = "its name is taken"
        skipped = StepState.SKIPPED
        return [Step(kind, task.source, task.target, state=skipped, detail=reason)]
    if not task.is_transfer:
        return []
    steps = [Step(kind, task.source, task.target)]
    if task.action is Action.OVERWRITE:
        detail = Detail(replaces=True).text()
        steps.insert(0, Step(StepKind.TRASH, source=task.target, detail=detail))
    return steps


class Run:
    """One run of a job that takes steps by which things arrive or go."""

    def __init__(self, operation: Operation, context: JobContext, how: How, verb: str) -> None:
        self._operation = operation
        self._context = context
        self.tally = Tally(context, verb, verb, moves=verb != _COPYING)
        self._carrier = Carrier(operation, context, self.tally, how)
        self._leavings = Leavings(operation, context)
        self._carrier.copier.note_flush = self._note_flush
        os.umask(0)  # modes are given as they are meant

    @cached_property
    def _trashing(self) -> TrashingInOrder:
        """Made when it is known how many steps there are."""
        return TrashingInOrder(self._operation, self._context, self.tally)

    def prepare(self, plan: Callable[[], list[Step]]) -> None:
        """Plan a new operation, or find out where one stands that was interrupted."""
        steps = list(self._operation.steps())
        if steps:
            self._recover(steps)
        else:
            self._operation.plan(plan())

    def take(self) -> None:
        """Take all steps that are open. Raises JobInterrupted, DiskFull."""
        try:
            while steps := self._operation.open_steps():
                self._context.safe_point()
                self._take_or_refuse(steps)
        finally:
            self._carrier.end()
        if self._carrier.has_kept():
            self._operation.make_lasting(_NO_TRASH)
            self._carrier.discard_kept()

    def concluded(self, counted: str) -> dict[str, Any]:
        """The end: noted, and as the job's output. `counted` is what its count is called."""
        done = self._operation.count(StepState.DONE)
        tally = self.tally
        state = OperationState.FAILED if tally.failed and not done else OperationState.DONE
        self._operation.finish(state)
        if state is OperationState.FAILED:
            tally.failures.raise_if_nothing_else(done)
        warnings = [f"{shown(path)}: {reason}" for path, reason in tally.warnings]
        return {
            counted: tally.files,
            "skipped_count": self._operation.count(StepState.SKIPPED),
            "total_bytes": tally.size,
            **tally.failures.as_output(),
            "warnings": [*warnings, *tally.failures.warnings()],
        }

    def _take_or_refuse(self, steps: list[Step]) -> None:
        try:
            self._take_some(steps)
        except OSError as error:
            path = os.fsdecode(error.filename or "")
            if not os.path.isabs(path):  # a name in a folder that was open
                path = steps[0].target or ""
            raise refusal(path, error) from error

    def _take_some(self, steps: list[Step]) -> None:
        first = steps[0]
        if first.kind is StepKind.REMOVE:
            self._leavings.take(steps[: _same(steps)])
        elif first.kind is StepKind.TRASH and not Detail.of(first).replaces:
            self._trashing.run()
        else:
            self._carrier.carry(steps)

    def _recover(self, steps: list[Step]) -> None:
        again = [step for step in steps if step.state is StepState.FAILED]
        for step in again:
            known = Detail.of(step)
            step.detail = Detail(replaces=known.replaces, folder=known.folder).text()
        self._operation.save(again, StepState.PLANNED)
        boot, flushed_at = self._operation.flushed()
        for step in steps:
            detail = Detail.of(step)
            if step.state is StepState.DONE:
                self.tally.files += detail.files
                self.tally.size += detail.bytes if step.kind is not StepKind.TRASH else 0
                if step.kind is StepKind.CREATE and step.target is not None:
                    device = step.proof.device if step.proof else 0
                    recall(self._carrier.copier, Base(step.target, device, has_appeared=True), step)
            elif boot != this_boot() and step.target is not None:
                distrust(Work(self._operation, step, None).hidden, flushed_at)
        if boot != this_boot():
            self._operation.note_flush(this_boot(), 0)
        self._expect()

    def _expect(self) -> None:
        """Find out how much there is to do."""
        extent = Extent()
        names = 0
        for step in self._operation.steps():
            if step.state not in (StepState.PLANNED, StepState.DOING) or step.source is None:
                continue
            if step.kind is StepKind.TRASH or step.target is None:
                continue
            found = look(step.source)
            if found is None:
                continue
            if step.kind is StepKind.CREATE or _is_across(step, found):
                for _ in extent.walk(step.source, found):
                    pass
            else:
                names += 1
        self.tally.total = self.tally.files + extent.files + names
        self.tally.total_size = (self.tally.size + extent.size) or None

    def _note_flush(self, moment: int) -> None:
        self._operation.note_flush(this_boot(), moment)


def _same(steps: list[Step]) -> int:
    """How many steps at the beginning are of one kind."""
    kind = steps[0].kind
    return next((n for n, step in enumerate(steps) if step.kind is not kind), len(steps))


def _is_across(step: Step, found: os.stat_result) -> bool:
    assert step.target is not None
    if Detail.of(step).across:
        return True
    folder = look(os.path.dirname(step.target))
    return folder is not None and folder.st_dev != found.st_dev
