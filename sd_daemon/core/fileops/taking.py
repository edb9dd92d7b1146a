"""Taking the steps of an operation: what every job that does so has in common."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec

from sd_daemon.core.fileops.failures import Failures, refusal
from sd_daemon.core.fileops.journal import Operation, OperationState, Proof, Step, StepState
from sd_daemon.core.index.walk import stat_in
from sd_daemon.core.paths import shown
from sd_wire.errors import SdError

if TYPE_CHECKING:
    from sd_daemon.core.fileops.erasing import Eraser
    from sd_daemon.core.jobs.context import JobContext


def prepare(operation: Operation, steps: list[Step]) -> None:
    """Plan the steps of a new operation; let one that is resumed try again what failed."""
    known = list(operation.steps())
    if known:
        again = [step for step in known if step.state is StepState.FAILED]
        for step in again:
            step.detail = None
        operation.save(again, StepState.PLANNED)
    else:
        operation.plan(steps)


def concluded(
    operation: Operation, failures: Failures, warnings: list[str], **more: Any
) -> dict[str, Any]:
    """The end of an operation that deletes: noted, and as the job's output."""
    done = operation.count(StepState.DONE)
    total = sum(bytes_of(step) for step in operation.steps())
    operation.finish(OperationState.FAILED if failures.count and not done else OperationState.DONE)
    failures.raise_if_nothing_else(done)
    return {
        "deleted_count": done,
        "total_bytes": total,
        **failures.as_output(),
        "warnings": [*warnings, *failures.warnings()],
        **more,
    }


def bytes_of(step: Step) -> int:
    """How much content a step that is done was about."""
    if step.state is not StepState.DONE or not step.detail:
        return 0
    return int(msgspec.json.decode(step.detail)["bytes"])


def detail_of(size: int) -> str:
    """What is kept with a step that is done: how much content it was about."""
    return msgspec.json.encode({"bytes": size}).decode()


def is_folder(path: str) -> bool:
    """Whether a folder is there, and no link to one."""
    return os.path.isdir(path) and not os.path.islink(path)


def is_the_same(step: Step, path: str) -> bool:
    """Whether what is at `path` is what the step was about when it was begun."""
    try:
        return Proof.of(stat_in(*os.path.split(path))) == step.proof
    except (FileNotFoundError, NotADirectoryError):
        return False


def source_of(step: Step) -> str:
    """Where the thing is, or was."""
    assert step.source is not None
    return step.source


def target_of(step: Step) -> str:
    """Where the thing goes, or went."""
    assert step.target is not None
    return step.target


class Taking:
    """Takes steps and tells how far it is."""

    phase = "Deleting"
    word = "deleted"

    def __init__(self, operation: Operation, context: JobContext, failures: Failures) -> None:
        self._operation = operation
        self._context = context
        self._failures = failures
        self._total = sum(1 for _ in operation.steps())
        self._done = operation.count(StepState.DONE)
        self._size = 0

    def _fail(self, step: Step, error: Exception) -> None:
        known = refusal(source_of(step), error) if isinstance(error, OSError) else error
        assert isinstance(known, SdError)
        step.detail = known.text
        step.target = None
        self._failures.add(source_of(step), known)
        self._operation.save([step], StepState.FAILED)

    def _finish(self, step: Step, size: int) -> None:
        step.detail = detail_of(size)
        self._operation.save([step], StepState.DONE)
        self._done += 1
        self._size += size

    def _tell(self, step: Step, eraser: Eraser) -> None:
        """Report from the middle of a step that destroys something."""
        self._context.progress(
            self.phase,
            self._done,
            self._total,
            size=self._size + max(eraser.bytes, eraser.written),
            message=f"{eraser.files:,} files of {shown(os.path.basename(source_of(step)))}",
            path=os.fsencode(source_of(step)),
            errors=self._failures.count + eraser.failed,
        )

    def _report(self, step: Step) -> None:
        self._context.progress(
            self.phase,
            self._done,
            self._total,
            size=self._size,
            message=f"{self._done:,} of {self._total:,} {self.word}",
            path=os.fsencode(source_of(step)),
            errors=self._failures.count,
        )
