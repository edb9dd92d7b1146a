"""What went wrong below the handlers, as an error that a client can understand.

One table for what SQLite and the operating system say anywhere in the daemon. What stands in
neither is a defect: its story goes into the log under a reference, and only the reference leaves.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from typing import TYPE_CHECKING

from sd_daemon.core.db.connection import (
    DatabaseBusy,
    DatabaseDamaged,
    DatabaseFailure,
    DatabaseFull,
    DatabaseMissing,
    DatabaseReadOnly,
    SchemaTooNew,
    failure_of,
)
from sd_daemon.core.log import get_log
from sd_wire import errors
from sd_wire.errors import SdError

if TYPE_CHECKING:
    from collections.abc import Callable

log = get_log(__name__)

_BY_DATABASE: dict[type[DatabaseFailure], Callable[[DatabaseFailure], SdError]] = {
    DatabaseBusy: lambda found: errors.DatabaseBusy(path=found.path),
    DatabaseFull: lambda found: errors.DiskFull(path=found.path),
    DatabaseReadOnly: lambda found: errors.StorageReadOnly(path=found.path, reason=found.detail),
    DatabaseMissing: lambda found: errors.PathNotFound(path=found.path),
    DatabaseDamaged: lambda found: errors.LibraryDamaged(
        path=os.path.dirname(found.path), database=found.path, reason=found.detail
    ),
    SchemaTooNew: lambda found: errors.LibraryTooNew(
        path=os.path.dirname(found.path),
        found=getattr(found, "found", "?"),
        known=getattr(found, "known", "?"),
    ),
}

_BY_ERRNO: dict[int, Callable[[OSError, str], SdError]] = {
    errno.ENOSPC: lambda found, path: errors.DiskFull(path=path),
    errno.EDQUOT: lambda found, path: errors.DiskFull(path=path),
    errno.EROFS: lambda found, path: errors.StorageReadOnly(path=path, reason=found.strerror),
}


def error_of(found: Exception, data_dir: str) -> SdError | None:
    """The declared error that an exception stands for, or None where it is a defect."""
    if isinstance(found, SdError):
        return found
    if isinstance(found, sqlite3.Error):
        declared = failure_of(found, data_dir)
        return None if declared is None else _BY_DATABASE[type(declared)](declared)
    if isinstance(found, DatabaseFailure):
        return _BY_DATABASE[type(found)](found)
    if isinstance(found, OSError) and found.errno in _BY_ERRNO:
        path = found.filename if isinstance(found.filename, str) else data_dir
        return _BY_ERRNO[found.errno](found, path)
    return None


def defect(found: Exception, method: str, **fields: object) -> SdError:
    """Log what only a defect can explain, and say under which reference."""
    reference = os.urandom(4).hex()
    log.error("a handler failed", error=found, reference=reference, method=method, **fields)
    return errors.InternalFailure(method=method, reference=reference)
