"""Taking the steps that something arrives by: copies, moves, new folders.

Some steps are taken together. What is copied is built under hidden names, and flushed to the disk
as one; then it is noted by what each is known again, and everything appears, name by name. So an
end at any instant finds each step in one of three states, and the disk tells which: not begun or
hidden, appeared (the name leads to what was noted), or done.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from sd_daemon.core.fileops import trash
from sd_daemon.core.fileops.copying.file import Copier, How
from sd_daemon.core.fileops.copying.kernel import FULL
from sd_daemon.core.fileops.copying.planning import look
from sd_daemon.core.fileops.copying.removing import SourceRemoval
from sd_daemon.core.fileops.copying.replacing import Replacer
from sd_daemon.core.fileops.copying.tally import why
from sd_daemon.core.fileops.copying.tree import TreeCopier, copy_thing
from sd_daemon.core.fileops.copying.work import Detail, Work
from sd_daemon.core.fileops.erasing import Eraser
from sd_daemon.core.fileops.journal import AT_ONCE, Proof, Step, StepKind, StepState
from sd_daemon.core.fileops.rename import flush_filesystem, flush_folder, rename_new
from sd_daemon.core.fileops.trash import is_border
from sd_daemon.core.index.walk import open_folder
from sd_daemon.core.jobs.context import JobInterrupted
from sd_daemon.core.paths import shown
from sd_wire.errors import FileConflict

if TYPE_CHECKING:
    from collections.abc import Callable

    from sd_daemon.core.fileops.copying.tally import Tally
    from sd_daemon.core.fileops.journal import Operation
    from sd_daemon.core.jobs.context import JobContext

_BYTES_AT_ONCE = 256 * 1024 * 1024  # of files that appear together
_FEW = 4  # files that are flushed one by one; to flush the filesystem may take long


class Carrier:
    """Takes the steps of one operation."""

    def __init__(self, operation: Operation, context: JobContext, tally: Tally, how: How) -> None:
        self._operation = operation
        self._context = context
        self._tally = tally
        self.copier = Copier(tally, how)
        self._tree = TreeCopier(self.copier, context)
        self._replacer = Replacer(operation, context.home_trash)
        self._unstoppable = Unstoppable(context)
        self._removal = SourceRemoval(operation, context, self.copier.metadata)

    def carry(self, steps: list[Step]) -> int:
        """Take the first of these open steps, as many as go together; how many that were.

        What goes wrong with one of them is counted. Raises OSError for what ends the job, with
        nothing of the steps left on the disk; JobInterrupted, and then it goes on where it was.
        """
        works = self._together(steps)
        self._intend(works)
        try:
            self._build(works)
            self._operation.intend(step for work in works for step in work.steps)
            self._replacer.prepare([work for work in works if work.failed is None])
            for work in works:
                self._publish(work)
            self._flush_folders(works)
            for work in works:
                self._follow(work)
            self._replacer.flush()
        except JobInterrupted:
            raise
        except BaseException:
            self._abandon(works)
            raise
        self._conclude(works)
        return sum(len(work.steps) for work in works)

    def settle(self, work: Work) -> bool:
        """Bring a step to an end that a cancelled job was at: what has appeared stays, what is
        hidden goes. Whether it was taken."""
        if work.published:
            if work.detail.removing:
                self._removal.remove(work)
            elif work.is_copy and work.step.kind is StepKind.MOVE:
                work.detail.stays = True
                work.note()
            self._replacer.put_away(work)
            self._replacer.flush()
            self._forget_item(work)
            return True
        self._replacer.undo_choice(work)
        self._erase(work.hidden)
        return False

    def end(self) -> None:
        """Be done: nothing is written any more."""
        self._tree.end()
        self.copier.end()

    def has_kept(self) -> bool:
        """Whether something was replaced that had no trash to go to."""
        return any(Detail.of(step).kept for step in self._operation.steps())

    def discard_kept(self) -> None:
        """Remove what was replaced and had no trash to go to."""
        for step in self._operation.steps():
            place = self._replacer.discard(step)
            if place is not None:
                self._erase(place)

    def _together(self, steps: list[Step]) -> list[Work]:
        works: list[Work] = []
        size = 0
        replaced: Step | None = None
        for step in steps:
            if step.kind is StepKind.REMOVE:
                break
            if step.kind is StepKind.TRASH:
                if not Detail.of(step).replaces:
                    break
                replaced = step
                continue
            work = Work(self._operation, step, replaced)
            replaced = None
            works.append(work)
            found = look(work.source) if work.is_copy and not work.published else None
            size += 0 if found is None else found.st_size
            # what follows may be for the folder
            is_folder = not work.source or (found is not None and stat.S_ISDIR(found.st_mode))
            if is_folder or size > _BYTES_AT_ONCE or len(works) >= AT_ONCE // 2:
                break
        return works

    def _intend(self, works: list[Work]) -> None:
        new: list[Step] = []
        for work in works:
            if work.published:
                continue
            try:
                self._look_ahead(work)
            except OSError as error:
                work.failed = why(error)
                self._tally.fail(work.source or work.target, work.failed)
            else:
                work.note()
                new += work.steps
        self._operation.intend(new)

    def _look_ahead(self, work: Work) -> None:
        """Note what the source is, and whether it can be renamed."""
        folder = os.stat(os.path.dirname(work.target))
        work.base.device = folder.st_dev
        if not work.source:
            return
        found = look(work.source)
        if found is None:
            raise FileNotFoundError(2, os.strerror(2), work.source)
        if work.step.kind is StepKind.MOVE and found.st_dev != folder.st_dev:
            work.detail.across = True
        work.step.proof = None if work.is_copy else Proof.of(found)

    # --- building --------------------------------------------------------------------------------

    def _build(self, works: list[Work]) -> None:
        built = []
        for work in works:
            if work.failed is None and not work.published and work.is_copy:
                self._guard(work, self._build_one)
                if work.failed is None:
                    built.append(work)
        self.copier.flush()
        if built:
            self._flush(built)
        for work in built:
            made = look(work.hidden)
            if made is None:  # it was rejected when it was verified
                work.failed = self._tally.last_reason
            else:
                work.step.proof = Proof.of(made)

    def _build_one(self, work: Work) -> None:
        failed = self._tally.failed
        files, size = self._tally.files, self._tally.size
        found = look(work.source) if work.source else None
        if found is None:
            if work.source:
                raise FileNotFoundError(2, os.strerror(2), work.source)
            _make_folder(work)
        else:
            copy_thing(self.copier, self._tree, work.source, found, work.base)
        work.incomplete = self._tally.failed > failed
        work.detail.files = self._tally.files - files
        work.detail.bytes = self._tally.size - size
        if look(work.hidden) is None:
            work.failed = self._tally.last_reason

    def _flush(self, built: list[Work]) -> None:
        """Have all that was built on the disk."""
        devices: dict[int, list[Work]] = {}
        for work in built:
            devices.setdefault(work.base.device, []).append(work)
        for of_device in devices.values():
            paths = [work.hidden for work in of_device]
            files = [path for path in paths if os.path.isfile(path) and not os.path.islink(path)]
            if len(paths) <= _FEW and len(files) == len(paths):
                for path in paths:
                    _with_open(path, os.fsync)
            else:
                _with_open(os.path.dirname(paths[0]), flush_filesystem)

    # --- appearing -------------------------------------------------------------------------------

    def _publish(self, work: Work) -> None:
        if work.failed is None and not work.published:
            self._guard(work, self._publish_one)

    def _publish_one(self, work: Work) -> None:
        try:
            if work.replaced is not None:
                self._replacer.replace(work)
            else:
                rename_new(work.comes_from, work.target)
        except FileExistsError:  # somebody was faster
            taken = FileConflict(path=shown(work.target), count=1)
            work.failed = taken.text
            self._tally.fail_as(work.target, taken)
            return
        except OSError as error:
            if not is_border(error) or work.is_copy:
                raise
            work.detail.across = True  # a border that nobody can see: it is copied then
            work.again = True
            return
        work.published = True
        work.base.appear(work.target)
        if not work.is_copy:
            self._tally.done(os.path.dirname(work.source), os.path.basename(work.source), 0)

    def _flush_folders(self, works: list[Work]) -> None:
        folders = {os.path.dirname(work.target) for work in works if work.published}
        folders |= {
            os.path.dirname(work.source) for work in works if work.published and not work.is_copy
        }
        for folder in folders:
            with suppress(FileNotFoundError):
                flush_folder(folder)

    def _follow(self, work: Work) -> None:
        if not work.published:
            return
        self._replacer.put_away(work)
        self._forget_item(work)
        if work.is_copy and work.step.kind is StepKind.MOVE and not work.detail.stays:
            try:
                stays = self._removal.remove(work)
            except OSError as error:
                stays = f"it was copied, but the source stays: {why(error)}"
            if stays is not None:
                work.detail.stays = True
                self._tally.fail(work.source, stays)

    def _forget_item(self, work: Work) -> None:
        """What was in the trash and is not any more leaves nothing there."""
        if trash.is_item(work.source) and look(work.source) is None:
            trash.forget(work.source)

    # --- ends ------------------------------------------------------------------------------------

    def _conclude(self, works: list[Work]) -> None:
        done, failed, again = [], [], []
        for work in works:
            if work.again:
                work.note()
                work.step.proof = None
                self._replacer.undo_choice(work)
                again += work.steps
            elif work.failed is not None:
                self._replacer.undo_choice(work)
                self._erase(work.hidden)
                work.detail.reason = str(work.failed)
                work.note()
                failed += work.steps
            else:
                work.note()
                if work.replaced is not None and work.replaced.state is StepState.SKIPPED:
                    self._operation.save([work.replaced], StepState.SKIPPED)
                    done.append(work.step)
                else:
                    done += work.steps
        self._operation.save(done, StepState.DONE)
        self._operation.save(failed, StepState.FAILED)
        self._operation.save(again, StepState.PLANNED)

    def _abandon(self, works: list[Work]) -> None:
        """Leave nothing of what has not appeared."""
        for work in works:
            if not work.published:
                with suppress(OSError):
                    self._replacer.undo_choice(work)
                    self._erase(work.hidden)
                work.step.proof = None
        self._operation.save(
            [step for work in works if not work.published for step in work.steps],
            StepState.PLANNED,
        )

    def _guard(self, work: Work, function: Callable[[Work], None]) -> None:
        """Let what goes wrong with one work be its own affair."""
        try:
            function(work)
        except OSError as error:
            if error.errno in FULL:
                raise
            work.failed = why(error)
            self._tally.fail(work.source or work.target, work.failed)

    def _erase(self, path: str) -> None:
        if look(path) is not None:
            Eraser(self._unstoppable, unlock=True).erase(path)


class Unstoppable:
    """A context for what has to be done to its end."""

    def __init__(self, context: JobContext) -> None:
        self.job_id = context.job_id
        self.library_dir = context.library_dir
        self.home_trash = context.home_trash
        self.fork = context.fork
        self.limits = context.limits
        self.progress = context.progress
        self.announce = context.announce
        self.log = context.log

    def safe_point(self) -> None:
        """Go on in any case."""


def _make_folder(work: Work) -> None:
    """Make a folder anew that was there before."""
    mode, owner, group, mtime = work.detail.folder or [0o777, -1, -1, 0]
    os.mkdir(work.hidden, 0o700)
    if work.detail.folder is not None:
        with suppress(PermissionError):
            os.chown(work.hidden, owner, group)
        os.chmod(work.hidden, mode)
        os.utime(work.hidden, ns=(mtime, mtime))
    else:
        os.chmod(work.hidden, mode)


def _with_open(path: str, function: Callable[[int], None]) -> None:
    if os.path.isdir(path):
        fd = open_folder(path)
    else:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        function(fd)
    finally:
        os.close(fd)
