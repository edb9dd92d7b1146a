"""Taking the steps that let one file take the place of another with the same content."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from sd_daemon.core.fileops.comparing import compare, open_file
from sd_daemon.core.fileops.copying.kernel import share_blocks
from sd_daemon.core.fileops.copying.metadata import Metadata
from sd_daemon.core.fileops.copying.tally import Tally
from sd_daemon.core.fileops.erasing import hidden_name
from sd_daemon.core.fileops.journal import Operation, Proof, Step, StepState
from sd_daemon.core.fileops.rename import flush_folder
from sd_daemon.core.fileops.taking import Taking, is_the_same, source_of, target_of
from sd_daemon.core.paths import shown
from sd_wire.errors import PathUnusable, SdError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sd_daemon.core.fileops.failures import Failures
    from sd_daemon.core.jobs.context import JobContext

_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Linking(Taking):
    """The source of a step stays; what is at its target becomes a link to it, hard or by blocks."""

    phase = "Linking"
    word = "looked at"

    def __init__(
        self,
        operation: Operation,
        context: JobContext,
        failures: Failures,
        spare: Callable[[str, str], None],
        *,
        shares: bool,
    ) -> None:
        """`spare` hears of each file that is left as it is, and why; `shares`: by blocks."""
        super().__init__(operation, context, failures)
        self._spare = spare
        self._shares = shares

    def run(self) -> None:
        """Take all that are open."""
        while steps := self._operation.open_steps():
            for step in steps:
                self._context.safe_point()
                try:
                    self._take(step)
                except (OSError, SdError) as error:
                    keeper, other = source_of(step), target_of(step)
                    step.source = other  # which is what could not be dealt with
                    self._fail(step, self._known(other, error))
                    step.source, step.target = keeper, other
                    self._operation.save([step], StepState.FAILED)
                self._report(step)

    def _known(self, path: str, error: Exception) -> Exception:
        if isinstance(error, OSError) and error.errno == errno.EXDEV:
            reason = "it is on another filesystem than the file that stays"
            return PathUnusable(path=shown(path), reason=reason)
        if isinstance(error, OSError) and error.errno == errno.EOPNOTSUPP:
            reason = "its filesystem cannot share blocks with the file that stays"
            return PathUnusable(path=shown(path), reason=reason)
        return error

    def _take(self, step: Step) -> None:
        keeper, other = source_of(step), target_of(step)
        hidden = hidden_beside(self._operation.id, step)
        if step.state is StepState.DOING:
            with suppress(FileNotFoundError):
                os.unlink(hidden)
            if not is_the_same(step, other) and os.path.lexists(other):
                self._finish(step, 0)  # it was replaced before that could be noted
                return
        found = compare(keeper, other, lambda _: self._context.safe_point())
        if found.reason is not None:
            self._leave(step, found.reason)
            return
        step.proof = Proof.of(found.other)
        self._operation.intend([step])
        try:
            self._make(keeper, other, hidden)
            if not is_the_same(step, other):
                self._leave(step, "it was changed meanwhile")
                return
            os.rename(hidden, other)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(hidden)
        flush_folder(os.path.dirname(other))
        self._finish(step, found.other.st_size)

    def _leave(self, step: Step, reason: str) -> None:
        self._spare(target_of(step), reason)
        step.detail = reason
        self._operation.save([step], StepState.SKIPPED)

    def _make(self, keeper: str, other: str, hidden: str) -> None:
        if not self._shares:
            os.link(keeper, hidden, follow_symlinks=False)
            return
        source, old = open_file(keeper), open_file(other)
        try:
            new = os.open(hidden, _NEW, 0o600)
            try:
                if not share_blocks(source, new):
                    raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP), other)
                # It stays the file that it was, but for the place of its bytes.
                metadata = Metadata(Tally(self._context, self.phase, self.phase), None)
                metadata.give_all(new, old, os.fstat(old), other)
                metadata.give_times(new, os.fstat(old))
                os.fsync(new)
            finally:
                os.close(new)
        finally:
            os.close(source)
            os.close(old)


def hidden_beside(job: str, step: Step) -> str:
    """The name that a link has before it takes that of the old file."""
    return os.path.join(os.path.dirname(target_of(step)), hidden_name(job, step.number))
