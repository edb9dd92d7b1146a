"""What the system refuses to do with a person's files, as errors that a client can understand."""

from __future__ import annotations

import errno
import os
from typing import Any

from sd_daemon.core.fileops.trashes import user_name
from sd_daemon.core.jobs.params import encoded_path
from sd_daemon.core.paths import shown
from sd_wire.errors import (
    DiskFull,
    PathDenied,
    PathNotFound,
    PathNotWritable,
    PathUnusable,
    SdError,
)

LISTED = 100  # of the things that could not be dealt with, by name

_GONE = (errno.ENOENT, errno.ENOTDIR)
_FULL = (errno.ENOSPC, errno.EDQUOT)
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)


def refusal(path: str, error: OSError, *, reading: bool = False) -> SdError:
    """What it means that the system would not change, or read, what is at `path`."""
    if error.errno in _GONE:
        return PathNotFound(path=shown(path))
    if error.errno in _FULL:
        return DiskFull(path=shown(path))
    reason = error.strerror or str(error)
    if error.errno not in _DENIED:
        return PathUnusable(path=shown(path), reason=reason)
    denied = PathDenied if reading else PathNotWritable
    return denied(path=shown(path), reason=reason, user=user_name(os.geteuid()))


class Failures:
    """What a job could not deal with. The first of them are listed in its output."""

    def __init__(self) -> None:
        self.count = 0
        self.first: SdError | None = None
        self._listed: list[dict[str, Any]] = []
        self._codes: set[str] = set()

    def add(self, path: str, error: SdError, reason: str | None = None) -> None:
        """One more; `reason` is the error's sentence where nothing shorter says it."""
        self.count += 1
        self.first = self.first or error
        self._codes.add(error.code)
        if len(self._listed) < LISTED:
            told = error.text if reason is None else reason
            self._listed.append({**encoded_path(path), "reason": told, "code": error.code})

    def listed(self) -> list[dict[str, Any]]:
        """The first of them, each with its path and a sentence."""
        return self._listed

    @property
    def code(self) -> str | None:
        """The code that all of them share, or None."""
        return next(iter(self._codes)) if len(self._codes) == 1 else None

    def as_output(self) -> dict[str, Any]:
        """What a job's output says of them."""
        return {
            "failed_count": self.count,
            "failures": self.listed(),
            "failure_code": self.code,
        }

    def warnings(self) -> list[str]:
        """What is to be said where not all of them are listed."""
        if self.count <= LISTED:
            return []
        return [f"{self.count:,} could not be dealt with; the first {LISTED} are listed"]

    def raise_if_nothing_else(self, succeeded: int) -> None:
        """Raise the first of them where nothing at all succeeded."""
        if self.first is not None and not succeeded:
            raise self.first
