"""Why a whole index job can fail. What concerns one entry is an omission, never an exception."""

from __future__ import annotations

import os


class IndexFailure(Exception):
    """An index job cannot do what it was asked to; the subclass says why.

    `path` is the folder concerned as exact bytes. The index is as it was before.
    """

    sentence = "cannot be indexed"

    def __init__(self, path: bytes, detail: str = "") -> None:
        shown = path.decode("utf-8", "replace")
        super().__init__(f"{shown}: {self.sentence}" + (f" ({detail})" if detail else ""))
        self.path = path
        self.detail = detail


class LocationUnknown(IndexFailure):
    """The library has no location with the given id."""

    sentence = "is not a location of this library"


class RootMissing(IndexFailure):
    """The folder is not on the disk. What is known about it stays in the index."""

    sentence = "the folder is not there; what the index knows about it is kept"


class RootOffline(IndexFailure):
    """The folder is the empty mount point of a volume that is not mounted now."""

    sentence = "its volume is not mounted; what the index knows about it is kept"


class RootUnreadable(IndexFailure):
    """The folder exists but cannot be read, for want of permission or because of the medium."""

    sentence = "the folder cannot be read"


class PathOutside(IndexFailure):
    """The path to index is not inside the location."""

    sentence = "is outside the location"


class PathOmitted(IndexFailure):
    """The path to index is left out of the index by a rule, or could not be read."""

    sentence = "is left out of the index"


class NamesNotUtf8(IndexFailure):
    """Python was started so that file names are not decoded as UTF-8, and would be stored wrong."""

    sentence = "file names are not decoded as UTF-8 by this process; start it with -X utf8"


def root_failure(path: bytes, error: OSError) -> IndexFailure:
    """Return the failure that stands for `error`, met when the root folder was opened."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return RootMissing(path)
    return RootUnreadable(path, os.strerror(error.errno or 0))
