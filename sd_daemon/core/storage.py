"""What the disk and SQLite say about our own data, as errors that a client can understand."""

from __future__ import annotations

import errno
import os

from sd_daemon.core.db.connection import (
    DatabaseBusy,
    DatabaseFailure,
    DatabaseFull,
    DatabaseReadOnly,
    SchemaTooNew,
)
from sd_wire.errors import DatabaseBusy as DatabaseBusyError
from sd_wire.errors import (
    DiskFull,
    LibraryDamaged,
    LibraryTooNew,
    SdError,
    StorageReadOnly,
)

_FULL = (errno.ENOSPC, errno.EDQUOT)


def storage_error(path: str, error: OSError) -> DiskFull | StorageReadOnly:
    """What an OSError means that came from writing our own data."""
    if error.errno in _FULL:
        return DiskFull(path=path)
    return StorageReadOnly(path=path, reason=os.strerror(error.errno or errno.EIO))


def library_error(path: str, failure: DatabaseFailure) -> SdError:
    """What a failure of one of its databases means for the library at `path`."""
    if isinstance(failure, SchemaTooNew):
        return LibraryTooNew(path=path, found=failure.found, known=failure.known)
    if isinstance(failure, DatabaseFull):
        return DiskFull(path=path)
    if isinstance(failure, DatabaseBusy):
        return DatabaseBusyError(path=failure.path)
    if not os.path.isdir(path):  # whatever SQLite makes of it
        return StorageReadOnly(path=path, reason="its folder is not there")
    if isinstance(failure, DatabaseReadOnly):
        return StorageReadOnly(path=path, reason=failure.detail)
    database = os.path.basename(failure.path)
    return LibraryDamaged(path=path, reason=failure.detail, database=database)


def beside(target: str) -> str:
    """A name in the same folder that nothing has, for what becomes `target` when it is whole."""
    return f"{os.path.dirname(target)}/.sd-{os.urandom(6).hex()}.partial"
