"""What went wrong below the handlers, as an error that a client can understand.

What SQLite and the operating system say about our own data `sd_daemon.core.storage` translates.
What is neither that nor declared is a defect: its story goes into the log under a reference, and
only the reference leaves.
"""

from __future__ import annotations

import errno
import os
import sqlite3

from sd_daemon.core.db.connection import DatabaseFailure, failure_of
from sd_daemon.core.log import get_log
from sd_daemon.core.storage import library_error, storage_error
from sd_wire import errors
from sd_wire.errors import SdError

log = get_log(__name__)

# What a handler's own writing can meet; other OSErrors it turns into errors that name the thing.
_STORAGE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})


def error_of(found: Exception, data_dir: str) -> SdError | None:
    """The declared error that an exception stands for, or None where it is a defect."""
    if isinstance(found, SdError):
        return found
    failure = failure_of(found, data_dir) if isinstance(found, sqlite3.Error) else found
    if isinstance(failure, DatabaseFailure):
        return library_error(os.path.dirname(failure.path), failure)
    if isinstance(found, OSError) and found.errno in _STORAGE:
        return storage_error(found.filename if isinstance(found.filename, str) else data_dir, found)
    return None


def defect(found: Exception, method: str, **fields: object) -> SdError:
    """Log what only a defect can explain, and say under which reference."""
    reference = os.urandom(4).hex()
    log.error("a handler failed", error=found, reference=reference, method=method, **fields)
    return errors.InternalFailure(method=method, reference=reference)
