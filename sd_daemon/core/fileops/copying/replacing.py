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
from sd_daemon.core.fileops.rename import flush_filesystem, flush_folder, rename_new
from sd_daemon.core.fileops.trashes import Trashes
from sd_wire.errors import TrashUnavailable

if TYPE_CHECKING:
    from sd_daemon.core.fileops.journal import Operation


_FEW = 4  # files that are flushed one by one; to flush the filesystem may take long


class Replacer:
    """Replaces what the works of one operation are to replace."""

    def __init__(self, operation: Operation, home_trash: str | None) -> None:
        self._operation = operation
        self._home = home_trash
        self._known: Trashes | None = None
        self._touched: set[str] = set()  # folders that things were put away in

    def prepare(self, works: list[Work]) -> None:
        """Find places for what these replace, note them, and have them ready on the disk."""
        chosen: dict[str, Step] = {}
        for work in works:
            step = work.replaced
            if step is not None and not work.published and not self._was_cleared(work, step):
                old = look(work.target)
                if old is not None:
                    self._choose(step, work, old, chosen)
        self._operation.intend(chosen.values())
        few = len(chosen) <= _FEW
        for item, step in chosen.items():
            self._reserve(item, step, flush=few)
        if chosen and not few:
            for folder in {os.path.dirname(trash.info_of(item)) for item in chosen}:
                if os.path.isdir(folder):
                    _flush_filesystem_of(folder)

    def replace(self, work: Work) -> None:
        """Let what has come take its name; what was there is where it came from then, or in its
        place already. Raises OSError."""
        step = work.replaced
        assert step is not None
        if self._was_cleared(work, step):  # by an earlier run, on a filesystem that cannot exchange
            rename_new(work.comes_from, work.target)
        elif step.proof is None or step.target is None or look(work.target) is None:
            step.state = StepState.SKIPPED  # somebody has removed it meanwhile
            self.undo_choice(work)
            rename_new(work.comes_from, work.target)
        elif not exchange(work.comes_from, work.target):
            rename_new(work.target, step.target)
            rename_new(work.comes_from, work.target)

    def put_away(self, work: Work) -> None:
        """Move what was replaced to the place that was chosen for it, unless it is there."""
        step = work.replaced
        if step is None or step.proof is None or step.target is None:
            return
        there = look(work.comes_from)
        if there is not None and (there.st_dev, there.st_ino) == step.proof[:2]:
            rename_new(work.comes_from, step.target)
        self._touched.add(os.path.dirname(step.target))

    def flush(self) -> None:
        """Have on the disk what was put away."""
        for folder in self._touched:
            with suppress(FileNotFoundError):
                flush_folder(folder)
        self._touched.clear()

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

    def _choose(self, step: Step, work: Work, old: os.stat_result, chosen: dict[str, Step]) -> None:
        self.undo_choice(work)
        step.proof = Proof.of(old)
        detail = Detail(replaces=True, bytes=old.st_size)
        try:
            held = self._trashes.holding(work.target)
            step.target = trash.choose(held, work.target, chosen)
        except (TrashUnavailable, OSError):
            detail.kept = True
            folder = os.path.dirname(work.target)
            step.target = f"{folder}/{hidden_name(self._operation.id, step.number)}"
        step.detail = detail.text()
        chosen[step.target] = step

    def _reserve(self, item: str, step: Step, *, flush: bool) -> None:
        """Write what the trash says about one; another place where someone was faster."""
        original = step.source or ""
        while not Detail.of(step).kept:
            held = self._trashes.holding(original)
            try:
                trash.reserve(held, item, original, self._token(step), flush=flush)
            except FileExistsError:
                step.target = item = trash.choose(held, original)
                self._operation.intend([step])
            else:
                return

    def _token(self, step: Step) -> str:
        return f"{self._operation.id}-{step.number}"

    @property
    def _trashes(self) -> Trashes:
        if self._known is None:
            self._known = Trashes(self._home)
        return self._known


def _flush_filesystem_of(folder: str) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        flush_filesystem(fd)
    finally:
        os.close(fd)
