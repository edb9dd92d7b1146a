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
from typing import TYPE_CHECKING, Any

import msgspec

from sd_daemon.core.fileops import trash, trash_sizes
from sd_daemon.core.fileops.erasing import Eraser, caveats, hidden_name
from sd_daemon.core.fileops.failures import Failures, refusal
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
from sd_daemon.core.fileops.rename import flush_filesystem, flush_folder, rename_new
from sd_daemon.core.fileops.trash import State
from sd_daemon.core.fileops.trashes import Trashes
from sd_daemon.core.index.job import path_of
from sd_daemon.core.index.walk import stat_in
from sd_daemon.core.paths import shown
from sd_wire.errors import PathNotWritable, SdError, TrashUnavailable

if TYPE_CHECKING:
    from sd_daemon.core.jobs.context import JobContext

DELETE = "delete_files"

_BATCH = 100  # steps that go into the trash together
_FEW = 4  # info files that are flushed one by one; to flush the filesystem may take long
_FOR_GOOD = "what it deleted is gone for good"


def run_delete(params: dict[str, Any], context: JobContext) -> dict[str, Any]:
    """Delete; what was done, in the form that existing clients read.

    Raises JobInterrupted, DatabaseFailure, and where nothing at all could be deleted what was in
    the way of the first target.
    """
    permanent = bool(params["permanent"])
    with Journal(context.library_dir) as journal:
        lasting = _FOR_GOOD if permanent else None
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
    if failures.count:
        warnings = [*warnings, f"{failures.count} could not be deleted"]
    return {
        "deleted_count": done,
        "failed_count": failures.count,
        "total_bytes": total,
        "failures": failures.listed(),
        "warnings": warnings,
        **more,
    }


def bytes_of(step: Step) -> int:
    """How much content a step that is done was about."""
    if step.state is not StepState.DONE or not step.detail:
        return 0
    return int(msgspec.json.decode(step.detail)["bytes"])


def _detail(size: int) -> str:
    return msgspec.json.encode({"bytes": size}).decode()


def _is_folder(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def _source(step: Step) -> str:
    assert step.source is not None
    return step.source


def _target(step: Step) -> str:
    assert step.target is not None
    return step.target


class _Taking:
    """What both ways to delete have in common."""

    def __init__(self, operation: Operation, context: JobContext, failures: Failures) -> None:
        self._operation = operation
        self._context = context
        self._failures = failures
        self._total = sum(1 for _ in operation.steps())
        self._done = operation.count(StepState.DONE)
        self._size = 0

    def _fail(self, step: Step, error: Exception) -> None:
        known = refusal(_source(step), error) if isinstance(error, OSError) else error
        assert isinstance(known, SdError)
        step.detail = known.text
        step.target = None
        self._failures.add(_source(step), known)
        self._operation.save([step], StepState.FAILED)

    def _report(self, step: Step, phase: str) -> None:
        self._context.progress(
            phase,
            self._done,
            self._total,
            size=self._size,
            message=f"{self._done:,} of {self._total:,} deleted",
            path=os.fsencode(_source(step)),
            errors=self._failures.count,
        )


class Trashing(_Taking):
    """Takes steps that put something into the trash."""

    def __init__(self, operation: Operation, context: JobContext, failures: Failures) -> None:
        super().__init__(operation, context, failures)
        self._trashes = Trashes(context.home_trash)

    def run(self) -> list[str]:
        """Take all that are open."""
        while steps := self._operation.open_steps(_BATCH):
            self._context.safe_point()
            filled = [step for step in steps if self._is_filled(step)]
            reserved = self._reserve([step for step in steps if step not in filled])
            filled += [step for step in reserved if self._fill(step)]
            self._settle(filled)
            self._report(steps[-1], "Deleting")
            self._measure(filled)
        return []

    def _token(self, step: Step) -> str:
        return f"{self._operation.id}-{step.number}"

    def _is_filled(self, step: Step) -> bool:
        """Whether a step that was begun has come to its end on the disk."""
        if step.state is not StepState.DOING:
            return False
        state = trash.state_of(_target(step), self._token(step))
        if state is State.RESERVED:  # it begins again, with a name that may be another
            trash.release(_target(step))
        return state is State.FILLED

    def _reserve(self, steps: list[Step]) -> list[Step]:
        chosen: dict[str, Step] = {}
        for step in steps:
            try:
                found = stat_in(*os.path.split(_source(step)))
                held = self._trashes.holding(_source(step))
                step.target = trash.choose(held, _source(step), chosen)
            except (OSError, SdError) as error:
                self._fail(step, error)
            else:
                step.proof = Proof.of(found)
                chosen[step.target] = step
        self._operation.intend(chosen.values())
        few = len(chosen) <= _FEW
        reserved = [step for step in chosen.values() if self._write_info(step, flush=few)]
        if not few:
            for folder in {os.path.dirname(trash.info_of(_target(step))) for step in reserved}:
                fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    flush_filesystem(fd)
                finally:
                    os.close(fd)
        return reserved

    def _write_info(self, step: Step, *, flush: bool) -> bool:
        source = _source(step)
        held = self._trashes.holding(source)
        try:
            trash.reserve(held, _target(step), source, self._token(step), flush=flush)
        except FileExistsError:  # someone else was faster: another name in the next round
            return False
        except OSError as error:
            self._fail(step, error)
            return False
        return True

    def _fill(self, step: Step) -> bool:
        try:
            trash.fill(_target(step), _source(step))
        except FileExistsError:
            trash.release(_target(step))
            return False
        except OSError as error:
            trash.release(_target(step))
            known: Exception = error
            if trash.is_border(error):
                reason = "its filesystem cannot rename it"
                known = TrashUnavailable(path=shown(_source(step)), reason=reason)
            self._fail(step, known)
            return False
        return True

    def _settle(self, steps: list[Step]) -> None:
        """Make the renames durable, then note that the steps are done."""
        folders = {os.path.dirname(_target(step)) for step in steps}
        folders |= {os.path.dirname(_source(step)) for step in steps}
        for folder in folders:
            with suppress(FileNotFoundError):
                flush_folder(folder)
        self._operation.save(steps, StepState.DONE)
        self._done += len(steps)

    def _measure(self, steps: list[Step]) -> None:
        """Find out how much went into the trash, when it is there."""
        sizes: dict[str, dict[str, int]] = {}
        for step in steps:
            with suppress(OSError):
                content, on_disk = trash_sizes.measure(_target(step))
                step.detail = _detail(content)
                self._size += content
                if _is_folder(_target(step)):
                    folder, name = os.path.split(_target(step))
                    sizes.setdefault(os.path.dirname(folder), {})[name] = on_disk
        self._operation.save(steps, StepState.DONE)
        for folder, known in sizes.items():
            trash_sizes.note(folder, known)


class Removal(_Taking):
    """Takes steps that destroy something."""

    def __init__(
        self, operation: Operation, context: JobContext, failures: Failures, *, secure: bool
    ) -> None:
        super().__init__(operation, context, failures)
        self._secure = secure
        self._warnings: dict[str, None] = {}  # a set that keeps the order

    def run(self) -> list[str]:
        """Take all that are open; what could not be promised of it, in sentences."""
        while steps := self._operation.open_steps(_BATCH):
            self._context.safe_point()
            files = [step for step in steps if not self._secure and not _is_folder(_source(step))]
            self._unlink(files)
            for step in steps:
                if step in files:
                    continue
                self._context.safe_point()
                try:
                    self._take(step)
                except (OSError, SdError) as error:
                    self._fail(step, error)
                self._report(step, "Overwriting" if self._secure else "Deleting")
            self._report(steps[-1], "Deleting")
        return list(self._warnings)

    def _unlink(self, steps: list[Step]) -> None:
        """Delete what needs no hidden name, since it is gone at once."""
        open_steps = []
        for step in steps:
            if step.state is StepState.DOING:
                open_steps.append(step)
                continue
            try:
                step.proof = Proof.of(stat_in(*os.path.split(_source(step))))
            except OSError as error:
                self._fail(step, error)
            else:
                open_steps.append(step)
        self._operation.intend(open_steps)
        gone = [step for step in open_steps if self._unlink_one(step)]
        for folder in {os.path.dirname(_source(step)) for step in gone}:
            with suppress(FileNotFoundError):
                flush_folder(folder)
        self._operation.save(gone, StepState.DONE)
        self._done += len(gone)

    def _unlink_one(self, step: Step) -> bool:
        eraser = Eraser(self._context)
        if step.target is None and self._is_the_same(step):  # or it was gone before it was noted
            try:
                eraser.unlink(_source(step))
            except OSError as error:
                self._fail(step, error)
                return False
        step.detail = _detail(eraser.bytes)
        self._size += eraser.bytes
        return True

    def _take(self, step: Step) -> None:
        source = _source(step)
        folder, name = os.path.split(source)
        hidden = f"{folder}/{hidden_name(self._operation.id, step.number)}"
        if step.state is StepState.DOING and not os.path.lexists(hidden):
            if not self._is_the_same(step):
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

    def _is_the_same(self, step: Step) -> bool:
        """Whether what is at the source is what was to be destroyed, and not something new."""
        try:
            return Proof.of(stat_in(*os.path.split(_source(step)))) == step.proof
        except FileNotFoundError:
            return False

    def _erase(self, step: Step, hidden: str) -> None:
        eraser = Eraser(self._context, secure=self._secure)
        eraser.erase(hidden)
        if eraser.linked:
            self._warnings["files with another name were not overwritten, since it has them"] = None
        if eraser.error is not None:
            # What cannot be destroyed must not stay hidden.
            rename_new(hidden, _source(step))
            reason = f"{eraser.error.strerror} ({eraser.failed} in it could not be deleted)"
            raise PathNotWritable(path=shown(_source(step)), reason=reason, user=os.geteuid())
        flush_folder(os.path.dirname(hidden))
        self._finish(step, eraser.bytes)

    def _finish(self, step: Step, size: int) -> None:
        step.detail = _detail(size)
        self._operation.save([step], StepState.DONE)
        self._done += 1
        self._size += size


def settle_cancelled(operation: Operation, context: JobContext) -> None:
    """Bring the steps that a cancelled deletion was at to an end, so that nothing half done stays:
    what is hidden goes, what is in the trash is there, what is not stays where it is."""
    for step in operation.open_steps():
        if step.state is not StepState.DOING:
            continue
        over = StepState.SKIPPED
        if step.kind is StepKind.TRASH and step.target is not None:
            state = trash.state_of(step.target, f"{operation.id}-{step.number}")
            over = StepState.DONE if state is State.FILLED else StepState.SKIPPED
            if state is State.RESERVED:
                trash.release(step.target)
        elif step.kind is StepKind.REMOVE and step.target is not None:
            if os.path.lexists(step.target):
                Eraser(context).erase(step.target)
                over = StepState.DONE
            elif not os.path.lexists(_source(step)):
                over = StepState.DONE
        operation.save([step], over)
