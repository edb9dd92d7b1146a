"""What a file operation has done so far: counted, told, and held to its limits."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, NamedTuple

from sd_daemon.core.fileops.failures import Failures, refusal
from sd_daemon.core.paths import shown
from sd_wire.errors import PathUnusable, SdError
from sd_wire.types.jobs import JobLimits

if TYPE_CHECKING:
    from sd_daemon.core.jobs.context import JobContext

NONE = JobLimits()
WARNINGS_KEPT = 100  # the first; the others are counted
_NAP_S = 0.05  # the longest time without a question whether to go on, while a limit holds us back
_SHORTEST_S = 0.01
_PATIENCE = 16  # small things between two reports


class Warned(NamedTuple):
    """One thing that was done, but not all of it."""

    path: str
    reason: str


class Why(str):
    """What the system said, which remembers its number for it."""

    __slots__ = ("errno",)
    errno: int

    def __new__(cls, number: int) -> Why:
        made = super().__new__(cls, os.strerror(number))
        made.errno = number
        return made


def why(error: OSError) -> str:
    """What the system said."""
    return Why(error.errno) if error.errno else str(error)


class Counts:
    """What was done. Whoever counts says what becomes of what was not."""

    def __init__(self) -> None:
        self.files = 0
        self.folders = 0
        self.size = 0

    @property
    def limits(self) -> JobLimits:
        """What the work is held to."""
        return NONE

    def done(self, folder: str, name: str, size: int, *, told: bool = False) -> None:
        """A thing of `size` bytes is done; `told`: they were reported as they were moved."""
        self.files += 1
        self.size += size

    def tell(self, path: str, size: int = 0) -> None:
        """Something is being done to what is at a path; `size` bytes were just moved."""

    def fail(self, path: str, reason: str) -> None:
        """Something could not be done."""
        raise NotImplementedError

    def warn(self, path: str, reason: str) -> None:
        """Something was done, but not all of it."""
        raise NotImplementedError


class Tally(Counts):
    """The counts of one job, reported as they grow, within the job's limits."""

    def __init__(self, context: JobContext, phase: str, verb: str, *, moves: bool = False) -> None:
        """`phase` is what the job is in, `verb` what a person reads: `Copying`. What only copies
        is refused at reading, what `moves` may also be at changing."""
        super().__init__()
        self.failures = Failures()
        self.warned = 0
        self.last_reason = ""
        self.total: int | None = None
        self.total_size: int | None = None
        self.warnings: list[Warned] = []
        self._context = context
        self._phase = phase
        self._verb = verb
        self._moves = moves
        self._untold = 0
        self._owed = 0.0  # bytes that were moved sooner than the limit allows

    @property
    def limits(self) -> JobLimits:
        """What the job is held to, as it is now."""
        return self._context.limits

    @property
    def failed(self) -> int:
        """How many things could not be done."""
        return self.failures.count

    def done(self, folder: str, name: str, size: int, *, told: bool = False) -> None:
        """One more. A safe point now and then."""
        super().done(folder, name, size)
        self._untold += 1
        if self._untold >= _PATIENCE or self._context.limits.bandwidth:
            self.tell(f"{folder}/{name}", 0 if told else size)

    def tell(self, path: str, size: int = 0) -> None:
        """Report; `size` bytes were just moved. Raises JobInterrupted: this is a safe point."""
        self._untold = 0
        self._context.safe_point()
        self._context.progress(
            self._phase,
            self.files,
            self.total,
            size=self.size,
            total_size=self.total_size,
            message=f"{self._verb} {shown(os.path.basename(path))}",
            path=os.fsencode(path),
            errors=self.failed,
            warnings=self.warned,
        )
        if self._context.limits.bandwidth:
            self._hold_back(size)

    def _hold_back(self, size: int) -> None:
        """Wait as long as `size` bytes take under the limit, which may change meanwhile. What is
        too short for a nap is owed until later."""
        self._owed += size
        while (limit := self._context.limits.bandwidth) and self._owed > limit * _SHORTEST_S:
            self._context.safe_point()
            began = time.monotonic()
            time.sleep(min(_NAP_S, self._owed / limit))
            self._owed -= (time.monotonic() - began) * limit

    def fail(self, path: str, reason: str) -> None:
        """Something could not be done."""
        self.last_reason = reason
        self.failures.add(path, self._meaning(path, reason), str(reason))

    def fail_as(self, path: str, error: SdError) -> None:
        """Something could not be done, and it is known what that is called."""
        self.last_reason = error.text
        self.failures.add(path, error)

    def _meaning(self, path: str, reason: str) -> SdError:
        if not isinstance(reason, Why):
            return PathUnusable(path=shown(path), reason=reason)
        reading = not (self._moves and os.access(path, os.R_OK, follow_symlinks=False))
        return refusal(path, OSError(reason.errno, str(reason)), reading=reading)

    def warn(self, path: str, reason: str) -> None:
        """Something was done, but not all of it."""
        self.warned += 1
        if len(self.warnings) < WARNINGS_KEPT:
            self.warnings.append(Warned(path, reason))
