"""A complete copy of a library, taken while it is open and used.

SQLite's backup interface copies a database as it is at one instant. The copy is made beside its
final place and renamed into it, so it is there whole or not at all.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sd_daemon.core import json_file
from sd_daemon.core.db.connection import (
    DatabaseFailure,
    DatabaseFull,
    DatabaseReadOnly,
    failures,
    open_reader,
)
from sd_daemon.core.db.migrate import copy_to
from sd_daemon.core.late import load
from sd_daemon.core.library_files import CONFIG_FILE, INDEX_FILE, JOBS_FILE
from sd_daemon.core.storage import beside, library_error, storage_error
from sd_wire.errors import LibraryExists, SdError

if TYPE_CHECKING:
    from sd_daemon.core.library import Library

FOLDERS = ("sidecars", "logs")


def export_library(library: Library, target: str) -> list[str]:
    """Copy the library into the new folder `target`; the files it consists of. Blocks.

    Raises LibraryExists, DiskFull, StorageReadOnly, LibraryDamaged.
    """
    if os.path.lexists(target):
        raise LibraryExists(path=target)
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        partial = beside(target)
        os.mkdir(partial, 0o700)
    except OSError as error:
        raise storage_error(target, error) from error
    try:
        _copy(library, partial)
        os.rename(partial, target)
    except OSError as error:
        raise storage_error(target, error) from error
    except DatabaseFailure as failure:
        raise _export_error(library, target, failure) from failure
    finally:
        load("shutil:rmtree")(partial, ignore_errors=True)
    return sorted(_files(target))


def _export_error(library: Library, target: str, failure: DatabaseFailure) -> SdError:
    """A full or read-only disk is that of the copy; everything else concerns the library."""
    copied = isinstance(failure, DatabaseFull | DatabaseReadOnly)
    return library_error(os.path.dirname(target) if copied else library.path, failure)


def _copy(library: Library, target: str) -> None:
    for name in (INDEX_FILE, JOBS_FILE):
        with failures(f"{library.path}/{name}"):
            db = open_reader(f"{library.path}/{name}")
            try:
                copy_to(db, os.fsencode(f"{target}/{name}"))
            finally:
                db.close()
    for name in FOLDERS:
        source = f"{library.path}/{name}"
        if os.path.isdir(source):
            load("shutil:copytree")(source, f"{target}/{name}", symlinks=True)
    json_file.store(f"{target}/{CONFIG_FILE}", library.config)


def _files(folder: str) -> list[str]:
    return [
        os.path.relpath(os.path.join(root, name), folder)
        for root, _, names in os.walk(folder)
        for name in names
    ]
