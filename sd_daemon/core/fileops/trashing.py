"""Taking the steps that put something into the trash."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from sd_daemon.core.fileops import trash, trash_sizes
from sd_daemon.core.fileops.journal import Operation, Proof, Step, StepKind, StepState
from sd_daemon.core.fileops.rename import flush_filesystem, flush_folder
from sd_daemon.core.fileops.taking import Taking, detail_of, is_folder, source_of, target_of
from sd_daemon.core.fileops.trash import State
from sd_daemon.core.fileops.trashes import Trashes
from sd_daemon.core.index.walk import stat_in
from sd_daemon.core.paths import shown
from sd_wire.errors import SdError, TrashUnavailable

if TYPE_CHECKING:
    from sd_daemon.core.fileops.failures import Failures
    from sd_daemon.core.jobs.context import JobContext

BATCH = 100  # steps that are taken together
_FEW = 4  # info files that are flushed one by one; to flush the filesystem may take long


class Trashing(Taking):
    """Takes steps that put something into the trash."""

    batch = BATCH

    def __init__(self, operation: Operation, context: JobContext, failures: Failures) -> None:
        super().__init__(operation, context, failures)
        self._trashes = Trashes(context.home_trash)

    def run(self) -> list[str]:
        """Take all that are open; they come before any others."""
        while steps := self._open():
            self._context.safe_point()
            filled = [step for step in steps if self._is_filled(step)]
            reserved = self._reserve([step for step in steps if step not in filled])
            filled += [step for step in reserved if self._fill(step)]
            self._settle(filled)
            self._report(steps[-1])
            self._measure(filled)
        return []

    def _open(self) -> list[Step]:
        steps = self._operation.open_steps(self.batch)
        return [step for step in steps if step.kind is StepKind.TRASH]

    def _token(self, step: Step) -> str:
        return f"{self._operation.id}-{step.number}"

    def _is_filled(self, step: Step) -> bool:
        """Whether a step that was begun has come to its end on the disk."""
        if step.state is not StepState.DOING:
            return False
        state = trash.state_of(target_of(step), self._token(step))
        if state is State.RESERVED:  # it begins again, with a name that may be another
            trash.release(target_of(step))
        return state is State.FILLED

    def _spares(self, step: Step) -> bool:
        """Whether there is a reason to leave this thing where it is; then the step is over."""
        return False

    def _reserve(self, steps: list[Step]) -> list[Step]:
        chosen: dict[str, Step] = {}
        for step in steps:
            if self._spares(step):
                continue
            try:
                found = stat_in(*os.path.split(source_of(step)))
                held = self._trashes.holding(source_of(step))
                step.target = trash.choose(held, source_of(step), chosen)
            except (OSError, SdError) as error:
                self._fail(step, error)
            else:
                step.proof = Proof.of(found)
                chosen[step.target] = step
        self._operation.intend(chosen.values())
        few = len(chosen) <= _FEW
        reserved = [step for step in chosen.values() if self._write_info(step, flush=few)]
        if not few:
            for folder in {os.path.dirname(trash.info_of(target_of(step))) for step in reserved}:
                fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    flush_filesystem(fd)
                finally:
                    os.close(fd)
        return reserved

    def _write_info(self, step: Step, *, flush: bool) -> bool:
        source = source_of(step)
        held = self._trashes.holding(source)
        try:
            trash.reserve(held, target_of(step), source, self._token(step), flush=flush)
        except FileExistsError:  # someone else was faster: another name in the next round
            return False
        except OSError as error:
            self._fail(step, error)
            return False
        return True

    def _fill(self, step: Step) -> bool:
        try:
            trash.fill(target_of(step), source_of(step))
        except FileExistsError:
            trash.release(target_of(step))
            return False
        except OSError as error:
            trash.release(target_of(step))
            known: Exception = error
            if trash.is_border(error):
                reason = "its filesystem cannot rename it"
                known = TrashUnavailable(path=shown(source_of(step)), reason=reason)
            self._fail(step, known)
            return False
        return True

    def _settle(self, steps: list[Step]) -> None:
        """Make the renames durable, then note that the steps are done."""
        folders = {os.path.dirname(target_of(step)) for step in steps}
        folders |= {os.path.dirname(source_of(step)) for step in steps}
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
                content, on_disk = trash_sizes.measure(target_of(step))
                step.detail = detail_of(content)
                self._size += content
                if is_folder(target_of(step)):
                    folder, name = os.path.split(target_of(step))
                    sizes.setdefault(os.path.dirname(folder), {})[name] = on_disk
        self._operation.save(steps, StepState.DONE)
        for folder, known in sizes.items():
            trash_sizes.note(folder, known)
