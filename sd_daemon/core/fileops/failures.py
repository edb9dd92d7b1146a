"""What the system refuses to do with a person's files, as errors that a client can understand."""

from __future__ import annotations

import errno
import os
from typing import Any

from sd_daemon.core.fileops.trashes import user_name
from sd_daemon.core.jobs.params import encoded_path
from sd_daemon.core.paths import shown
from sd_wire.errors import DiskFull, PathNotFound, PathNotWritable, SdError

LISTED = 100  # of the things that could not be dealt with, by name

_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_FULL = (errno.ENOSPC, errno.EDQUOT)


def refusal(path: str, error: OSError) -> SdError:
    """What it means that the system would not change what is at `path`."""
    if error.errno in _GONE:
        return PathNotFound(path=shown(path))
    if error.errno in _FULL:
        return DiskFull(path=shown(path))
    reason = error.strerror or str(error)
    return PathNotWritable(path=shown(path), reason=reason, user=user_name(os.geteuid()))


class Failures:
    """What a job could not deal with. The first of them are listed in its output."""

    def __init__(self) -> None:
        self.count = 0
        self.first: SdError | None = None
        self._listed: list[dict[str, Any]] = []

    def add(self, path: str, error: SdError) -> None:
        """One more."""
        self.count += 1
        self.first = self.first or error
        if len(self._listed) < LISTED:
            self._listed.append({**encoded_path(path), "reason": error.text})

    def listed(self) -> list[dict[str, Any]]:
        """The first of them, each with its path and a sentence."""
        return self._listed

    def raise_if_nothing_else(self, succeeded: int) -> None:
        """Raise the first of them where nothing at all succeeded."""
        if self.first is not None and not succeeded:
            raise self.first
