"""Bringing a database to the schema of this release.

A set of migrations is a folder of SQL files `NNNN_name.sql`, numbered from 1 without gaps. Each is
applied in one transaction together with the record of it (a row of `migrations`, and the number in
PRAGMA user_version), so a database always stands exactly between two migrations: whatever
interrupts the upgrade, the next start goes on where it stopped.

Before an existing database is changed it is copied beside itself, to `NAME.vN.backup` with N the
schema it had. The copy appears under that name only when it is complete and on the disk.
"""

from __future__ import annotations

import os
import sqlite3
import time
from typing import TYPE_CHECKING, NamedTuple

from sd_daemon.core.db.connection import (
    SchemaTooNew,
    failures,
    open_writer,
    readable,
    transaction,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

# Beside this file. importlib.resources would find them, too, for 0.7 MiB of the idle daemon.
_FOLDER = os.path.join(os.path.dirname(__file__), "migrations")

_RECORDS = (
    "CREATE TABLE IF NOT EXISTS migrations ("
    "number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER NOT NULL)"
)


class Migration(NamedTuple):
    """One numbered step of a schema."""

    number: int
    name: str
    sql: str


def migrate(path: str | bytes, set_name: str) -> int:
    """Create the database at `path`, or bring it to the newest schema of the set `set_name`.

    Returns the schema number it has now. Raises SchemaTooNew and whatever `open_writer` raises.
    """
    steps = known_migrations(set_name)
    newest = steps[-1].number
    with failures(path):
        db = open_writer(path, create=True)
        try:
            found = schema_number(db)
            if found > newest:
                raise SchemaTooNew(readable(path), found, newest)
            if 0 < found < newest:
                copy_to(db, os.fsencode(path) + b".v%d.backup" % found)
            for step in steps[found:]:
                _apply(db, step)
            return newest
        finally:
            db.close()


def known_migrations(set_name: str) -> list[Migration]:
    """Return the migrations of a set in order. Raises ValueError if their numbers have a gap."""
    folder = f"{_FOLDER}/{set_name}"
    steps = []
    for file in os.listdir(folder):
        number, _, name = file.removesuffix(".sql").partition("_")
        if file.endswith(".sql"):
            with open(f"{folder}/{file}", encoding="utf-8") as script:
                steps.append(Migration(int(number), name, script.read()))
    steps.sort()
    if [step.number for step in steps] != list(range(1, len(steps) + 1)) or not steps:
        raise ValueError(f"the migrations of {set_name!r} are not numbered 1, 2, 3, ...")
    return steps


def schema_number(db: sqlite3.Connection) -> int:
    """Return the schema number of an open database, 0 for an empty one."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _apply(db: sqlite3.Connection, step: Migration) -> None:
    with transaction(db):
        if schema_number(db) >= step.number:
            return  # another process was faster; it held the lock that we have now
        db.execute(_RECORDS)
        for statement in statements(step.sql):
            db.execute(statement)
        db.execute(
            "INSERT INTO migrations VALUES (?, ?, ?)", (step.number, step.name, time.time_ns())
        )
        db.execute(f"PRAGMA user_version={step.number}")


def statements(script: str) -> Iterator[str]:
    """Split a script into its statements.

    `executescript` would do it, but it commits by itself before it begins.
    """
    pending = ""
    *ended, rest = script.split(";")
    for piece in ended:
        pending += piece + ";"
        if sqlite3.complete_statement(pending):  # else it ended in a text, comment or trigger
            yield pending
            pending = ""
    if sqlite3.complete_statement(pending + rest + ";"):
        yield pending + rest


def copy_to(db: sqlite3.Connection, target: bytes) -> None:
    """Copy an open database to the file `target`: there is all of it, on the disk, or nothing."""
    partial = target + b".partial"
    for leftover in (partial, partial + b"-journal"):
        if os.path.lexists(leftover):
            os.unlink(leftover)
    copy = sqlite3.connect(os.fsdecode(partial), isolation_level=None)
    try:
        db.backup(copy)
    finally:
        copy.close()
    _sync(partial)
    os.replace(partial, target)
    _sync(os.path.dirname(os.path.abspath(target)))


def _sync(path: bytes) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
