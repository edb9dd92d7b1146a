"""One index job at a time per library.

Two passes over the same folders would each take the other's work for the disk's. The job runner
may well start them one after the other by itself; this makes sure of it.
"""

from __future__ import annotations

import fcntl
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    from sd_daemon.core.jobs.context import JobContext

_LOOK_EVERY_S = 0.1


def try_lock(library_dir: str) -> int | None:
    """A descriptor that holds the lock until it is closed; None while another process has it."""
    path = library_dir + "/index.lock"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


class Alone:
    """`with Alone(context):` waits until no other job works on the index of the library.

    While it waits the job may be paused. The lock ends with the process, however that ends.
    """

    def __init__(self, context: JobContext) -> None:
        self._context = context
        self._fd = -1

    def __enter__(self) -> None:
        while (fd := try_lock(self._context.library_dir)) is None:
            self._context.progress("Discovery", 0, message="waiting for another index job")
            self._context.safe_point()
            time.sleep(_LOOK_EVERY_S)
        self._fd = fd

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._fd)
