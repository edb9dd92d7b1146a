"""The second half of a move between two filesystems: the source goes, when its copy is whole.

It gets a hidden name first, so that it is gone at once. Under that name it is compared with its
copy once more, thing by thing: what was changed or added meanwhile brings it back.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from sd_daemon.core.fileops.copying.planning import Extent, look
from sd_daemon.core.fileops.copying.tally import why
from sd_daemon.core.fileops.erasing import Eraser, hidden_name
from sd_daemon.core.fileops.rename import flush_folder, rename_new
from sd_daemon.core.paths import shown

if TYPE_CHECKING:
    from sd_daemon.core.fileops.copying.metadata import Metadata
    from sd_daemon.core.fileops.copying.work import Work
    from sd_daemon.core.fileops.journal import Operation
    from sd_daemon.core.jobs.context import JobContext

CHANGED = "it was copied, but the source stays: it was changed meanwhile"
STUCK = "it was copied, but the source stays: nothing may be removed from {path}"
PARTLY = "it was copied, but not all of the source could be removed: "
INCOMPLETE = "it was copied, but the source stays: not all of it could be copied"


class SourceRemoval:
    """Removes sources."""

    def __init__(self, operation: Operation, context: JobContext, metadata: Metadata) -> None:
        self._operation = operation
        self._context = context
        self._metadata = metadata

    def remove(self, work: Work) -> str | None:
        """Remove the source of what has arrived; None, or why it stays. Raises OSError,
        JobInterrupted: then some of it may be left under its hidden name.

        Where something in it cannot be removed all of it stays, if that is known before; if not,
        it is left without what has gone, and the detail of the step says so."""
        folder = os.path.dirname(work.source)
        hidden = f"{folder}/{hidden_name(self._operation.id, work.step.number)}"
        self._context.safe_point()
        if look(hidden) is None:
            if look(work.source) is None:
                return None
            if work.incomplete:
                return INCOMPLETE
            work.detail.removing = True
            work.note()
            self._operation.intend([work.step])
            rename_new(work.source, hidden)
            flush_folder(folder)
        reason = self._reason_to_stay(hidden, work)
        if reason is not None:
            rename_new(hidden, work.source)
            return reason
        eraser = Eraser(self._context, unlock=True)
        eraser.erase(hidden)
        if eraser.error is not None:  # what cannot be removed must not stay hidden
            rename_new(hidden, work.source)
            work.detail.partly = True
            return PARTLY + why(eraser.error)
        flush_folder(folder)
        return None

    def _reason_to_stay(self, source: str, work: Work) -> str | None:
        """Why a source is not to be removed from where it is now; None where all that is left of
        it is in its copy, too, and can go."""
        found = look(source)
        if found is None:
            return None
        extent = Extent()
        for path, one in extent.walk(source, found):
            inner = path[len(source) :]
            other = look(work.target + inner)
            if other is None or not self._is_copy(one, other):
                return CHANGED
            if not _lets_go(path, one):
                return STUCK.format(path=shown(work.source + inner))
        return CHANGED if extent.problems else None

    def _is_copy(self, one: os.stat_result, other: os.stat_result) -> bool:
        if stat.S_IFMT(one.st_mode) != stat.S_IFMT(other.st_mode):
            return False
        if not stat.S_ISREG(one.st_mode):
            return True
        if self._metadata.moment is not None and one.st_mtime_ns > self._metadata.moment:
            return False
        return (one.st_size, self._metadata.mark(one)) == (other.st_size, other.st_mtime_ns)


def _lets_go(path: str, found: os.stat_result) -> bool:
    """Whether what is in a folder can be removed. Those of this user are unlocked for that."""
    return (
        not stat.S_ISDIR(found.st_mode)
        or found.st_uid == os.geteuid()
        or os.access(path, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids)
    )
