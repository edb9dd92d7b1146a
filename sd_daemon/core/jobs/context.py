"""What a job sees of the world while it runs in its worker process.

A job is a function `run(params, context)`. It never talks to the daemon itself: it reports through
its context, and it asks its context at safe points whether it may go on. A safe point is one where
everything done so far is committed, so that being stopped there loses nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sd_wire.types.jobs import JobLimits


class JobInterrupted(Exception):
    """Raised by `JobContext.safe_point` when the job must stop now: to pause, or for good."""


class Link(Protocol):
    """What a second process and the job's own tell each other, on the second's side."""

    def receive(self) -> tuple[bytes, list[int]]:
        """The next message, and open files that came with it; no bytes at the end."""

    def has_more(self) -> bool:
        """Whether `receive` would not wait."""

    def send(self, text: bytes) -> None:
        """Tell the other."""


class SecondProcess(Protocol):
    """A process that works for a job, and ends with it at the latest."""

    def give(self, text: bytes, files: Sequence[int]) -> None:
        """Send it a message, and open files. Where it has ended `take` will tell."""

    def take(self, patience: float) -> bytes | None:
        """What it says next; None where it says nothing for so many seconds, no bytes where it has
        ended."""

    def end(self) -> None:
        """End it, whatever it is at, and wait until it has ended."""


class Fork(Protocol):
    """Lets a second process do something, with its end of a link; none where that cannot be."""

    def __call__(self, live: Callable[[Link], None], /) -> SecondProcess | None:
        """Start it."""


class JobContext(Protocol):
    """Reports of one running job, and the question whether it may go on."""

    job_id: str
    library_dir: str
    limits: JobLimits  # as they are now: they may change while the job runs
    home_trash: str | None  # of the user it runs as; see sd_daemon.core.fileops.trashes
    fork: Fork

    def progress(
        self,
        phase: str,
        completed: int,
        total: int | None = None,
        *,
        size: int = 0,
        total_size: int | None = None,
        message: str = "",
        path: bytes | None = None,
        errors: int = 0,
        warnings: int = 0,
    ) -> None:
        """Say how far the job is. Cheap: the context passes on at most ten reports a second.

        `completed` and `total` count items of this phase (total None: not known yet), `size` is
        the number of bytes handled in this phase, of `total_size`, where bytes are what takes the
        time; `path` is what is being worked on.
        """

    def safe_point(self) -> None:
        """Return if the job may go on, raise JobInterrupted if it must stop now."""

    def announce(self) -> None:
        """Have published what waits in the table `announcements`. Nothing may be uncommitted."""

    def log(self, level: str, message: str, **fields: object) -> None:
        """Write one record to the daemon's log, with the job's and the library's id on it."""
