"""A complete copy of a library, taken while it is open and used.

SQLite's backup interface copies a database as it is at one instant. The copy is made beside its
final place and renamed into it, so it is there whole or not at all.
"""

from __future__ import annotations

import os
import shutil

from sd_daemon.core import json_file
from sd_daemon.core.db.connection import DatabaseFailure, failures, open_reader
from sd_daemon.core.db.migrate import copy_to
from sd_daemon.core.library import (
    CONFIG_FILE,
    INDEX_FILE,
    JOBS_FILE,
    Library,
    library_error,
    storage_error,
)
from sd_wire.errors import LibraryExists

FOLDERS = ("sidecars", "logs")


def export_library(library: Library, target: str) -> list[str]:
    """Copy the library into the new folder `target`; the files it consists of. Blocks.

    Raises LibraryExists, DiskFull, StorageReadOnly, LibraryDamaged.
    """
    if os.path.lexists(target):
        raise LibraryExists(path=target)
    partial = f"{target}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        os.makedirs(partial, mode=0o700)
        _copy(library, partial)
        os.rename(partial, target)
    except OSError as error:
        raise storage_error(target, error) from error
    except DatabaseFailure as failure:
        raise library_error(target, failure) from failure
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return sorted(_files(target))


def _copy(library: Library, target: str) -> None:
    for name in (INDEX_FILE, JOBS_FILE):
        with failures(f"{target}/{name}"):
            db = open_reader(f"{library.path}/{name}")
            try:
                copy_to(db, os.fsencode(f"{target}/{name}"))
            finally:
                db.close()
    for name in FOLDERS:
        source = f"{library.path}/{name}"
        if os.path.isdir(source):
            shutil.copytree(source, f"{target}/{name}", symlinks=True)
    json_file.store(f"{target}/{CONFIG_FILE}", library.config)


def _files(folder: str) -> list[str]:
    return [
        os.path.relpath(os.path.join(root, name), folder)
        for root, _, names in os.walk(folder)
        for name in names
    ]
