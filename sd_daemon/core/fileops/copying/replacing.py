"""Giving a name that something has to something else.

At every instant the name leads to one of the two, whole: they change places with one rename, and
then the old one goes from there into the trash. Where there is no trash it is kept beside its place
until the operation is done.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from sd_daemon.core.fileops import trash
from sd_daemon.core.fileops.copying.kernel import exchange
from sd_daemon.core.fileops.copying.planning import look
from sd_daemon.core.fileops.copying.work import Detail, Work
from sd_daemon.core.fileops.erasing import hidden_name
from sd_daemon.core.fileops.journal import Proof, Step, StepState
from sd_daemon.core.fileops.rename import flush_folder, rename_new
from sd_daemon.core.fileops.trashes import Trashes
from sd_wire.errors import TrashUnavailable

if TYPE_CHECKING:
    from sd_daemon.core.fileops.journal import Operation


class Replacer:
    """Replaces what the works of one operation are to replace."""

    def __init__(self, operation: Operation, home_trash: str | None) -> None:
        self._operation = operation
        self._home = home_trash
        self._known: Trashes | None = None

    def replace(self, work: Work) -> None:
        """Let what has come take its name, and what was there go. Raises OSError."""
        step = work.replaced
        assert step is not None
        if self._was_cleared(work, step):  # by an earlier run, on a filesystem that cannot exchange
            rename_new(work.comes_from, work.target)
            return
        old = look(work.target)
        if old is None:  # somebody has removed it meanwhile
            step.state = StepState.SKIPPED
            rename_new(work.comes_from, work.target)
            return
        self._choose(step, work, old)
        if exchange(work.comes_from, work.target):
            flush_folder(os.path.dirname(work.target))
            self._put_away(step, work.comes_from)
        else:
            self._put_away(step, work.target)
            rename_new(work.comes_from, work.target)

    def finish(self, work: Work) -> None:
        """What is left to do where an earlier run has let it appear."""
        step = work.replaced
        if step is None or step.proof is None or step.target is None:
            return
        there = look(work.comes_from)
        if there is not None and (there.st_dev, there.st_ino) == step.proof[:2]:
            self._put_away(step, work.comes_from)

    def undo_choice(self, work: Work) -> None:
        """Nothing is replaced after all."""
        step = work.replaced
        if step is not None and step.target is not None:
            if trash.state_of(step.target, self._token(step)) is trash.State.RESERVED:
                trash.release(step.target)
            step.target = None

    def discard(self, step: Step) -> str | None:
        """Where something lies that was kept until the end of the operation, or None."""
        if Detail.of(step).kept and step.target is not None and look(step.target) is not None:
            return step.target
        return None

    def _was_cleared(self, work: Work, step: Step) -> bool:
        if step.state is not StepState.DOING or step.target is None or step.proof is None:
            return False
        there = look(step.target)
        gone = there is not None and there.st_ino == step.proof.inode
        return gone and look(work.target) is None

    def _choose(self, step: Step, work: Work, old: os.stat_result) -> None:
        """Find a place for the old one, and note it."""
        self.undo_choice(work)
        detail = Detail(replaces=True, bytes=old.st_size)
        step.proof = Proof.of(old)
        while True:
            try:
                held = self._trashes.holding(work.target)
                step.target = trash.choose(held, work.target)
                step.detail = detail.text()
                self._operation.intend([step])
                trash.reserve(held, step.target, work.target, self._token(step))
                return
            except FileExistsError:
                continue
            except (TrashUnavailable, OSError):
                break
        detail.kept = True
        folder = os.path.dirname(work.target)
        step.target = f"{folder}/{hidden_name(self._operation.id, step.number)}"
        step.detail = detail.text()
        self._operation.intend([step])

    def _put_away(self, step: Step, path: str) -> None:
        """Move the old one to the place that was chosen for it."""
        assert step.target is not None
        rename_new(path, step.target)
        with suppress(FileNotFoundError):
            flush_folder(os.path.dirname(step.target))

    def _token(self, step: Step) -> str:
        return f"{self._operation.id}-{step.number}"

    @property
    def _trashes(self) -> Trashes:
        if self._known is None:
            self._known = Trashes(self._home)
        return self._known
