"""Locations: the rows that say which folders a library indexes.

A location is a pointer to the entry of its root folder. Where one location lies inside another they
share the entries below, so nothing is indexed twice; taking the outer one away leaves the inner.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import msgspec

from sd_daemon.core.index import totals
from sd_daemon.core.index.errors import IndexFailure, RootUnreadable
from sd_daemon.core.index.roots import plant_root
from sd_daemon.core.index.walk import Subtree, exact, loose
from sd_daemon.core.paths import shown
from sd_wire.errors import LocationExists, LocationNotFound, PathDenied, PathNotFound
from sd_wire.types.locations import IndexMode, JobPolicies

if TYPE_CHECKING:
    import sqlite3

_COLUMNS = (
    "id, uuid, name, path, entry, index_mode, scan_state, error, last_scan_at, file_count,"
    " directory_count, total_size, job_policies, created_at, updated_at"
)


class StoredLocation(msgspec.Struct):
    """A row of `locations`."""

    number: int
    uuid: UUID
    name: str
    path: str  # as os.fsdecode gives it
    entry: int
    index_mode: IndexMode
    scan_state: str
    error: str | None
    last_scan_at: int | None
    file_count: int
    directory_count: int
    total_size: int
    job_policies: JobPolicies
    created_at: int
    updated_at: int


def _location(row: tuple[Any, ...]) -> StoredLocation:
    return StoredLocation(
        number=row[0],
        uuid=UUID(bytes=row[1]),
        name=row[2],
        path=loose(row[3]),
        entry=row[4],
        index_mode=IndexMode(row[5]),
        scan_state=row[6],
        error=row[7],
        last_scan_at=row[8],
        file_count=row[9],
        directory_count=row[10],
        total_size=row[11],
        job_policies=msgspec.json.decode(row[12], type=JobPolicies),
        created_at=row[13],
        updated_at=row[14],
    )


def listed(db: sqlite3.Connection) -> list[StoredLocation]:
    """All locations, by name."""
    rows = db.execute(f"SELECT {_COLUMNS} FROM locations ORDER BY name, id")
    return [_location(row) for row in rows]


def get(
    db: sqlite3.Connection, uuid: UUID, pointer: str = "/payload/location_id"
) -> StoredLocation:
    """One location. Raises LocationNotFound."""
    row = db.execute(f"SELECT {_COLUMNS} FROM locations WHERE uuid = ?", (uuid.bytes,)).fetchone()
    if row is None:
        raise LocationNotFound(location=uuid, pointer=pointer)
    return _location(row)


def containing(db: sqlite3.Connection, path: str) -> StoredLocation | None:
    """The innermost location that a path lies in."""
    inside = [one for one in listed(db) if Subtree(one.path).contains(path)]
    return max(inside, key=lambda one: len(one.path), default=None)


def omitted_counts(db: sqlite3.Connection) -> dict[int, int]:
    """How much is left out below each location, by its number."""
    if db.execute("SELECT 1 FROM omissions LIMIT 1").fetchone() is None:
        return {}
    counts = {}
    for one in listed(db):
        below = Subtree(one.path)
        counts[one.number] = db.execute(
            "SELECT count(*) FROM omissions JOIN folders ON folders.id = omissions.folder"
            f" WHERE {below.where('folders.path')}",
            below.params,
        ).fetchone()[0]
    return counts


def add(
    db: sqlite3.Connection,
    path: str,
    name: str | None,
    mode: IndexMode,
    policies: JobPolicies,
) -> StoredLocation:
    """Store a new location, and the entry of its root unless an outer location has it already.

    Raises LocationExists, PathNotFound, PathDenied.
    """
    taken = db.execute("SELECT uuid FROM locations WHERE path = ?", (exact(path),)).fetchone()
    if taken is not None:
        raise LocationExists(path=shown(path), location=UUID(bytes=taken[0]))
    try:
        entry = plant_root(db, path)
    except RootUnreadable as failure:
        raise PathDenied(path=shown(path), reason=failure.detail, user=os.geteuid()) from failure
    except IndexFailure:
        raise PathNotFound(path=shown(path), pointer="/payload/path") from None
    now = time.time_ns()
    uuid = uuid4()
    db.execute(
        "INSERT INTO locations (uuid, name, path, entry, index_mode, scan_state, job_policies,"
        " created_at, updated_at) VALUES (?, ?, ?, ?, ?, 'Idle', ?, ?, ?)",
        (
            uuid.bytes,
            name or os.path.basename(shown(path)) or "/",
            exact(path),
            entry,
            str(mode),
            msgspec.json.encode(policies).decode(),
            now,
            now,
        ),
    )
    stored = get(db, uuid)
    totals.count(db, stored.number, path)  # an outer location may have brought some of it already
    return get(db, uuid)


def update(
    db: sqlite3.Connection,
    uuid: UUID,
    *,
    name: str | None = None,
    policies: JobPolicies | None = None,
    mode: IndexMode | None = None,
) -> StoredLocation:
    """Change what is given. Raises LocationNotFound."""
    location = get(db, uuid, "/payload/id")
    db.execute(
        "UPDATE locations SET name = ?, job_policies = ?, index_mode = ?, updated_at = ?"
        " WHERE id = ?",
        (
            name or location.name,
            msgspec.json.encode(policies or location.job_policies).decode(),
            str(mode or location.index_mode),
            time.time_ns(),
            location.number,
        ),
    )
    return get(db, uuid)


def note_failure(db: sqlite3.Connection, uuid: UUID, error: str) -> None:
    """Put down why the last scan of a location failed. Nothing to do if it is none any more."""
    db.execute(
        "UPDATE locations SET scan_state = 'Failed', error = ?, updated_at = ? WHERE uuid = ?",
        (error, time.time_ns(), uuid.bytes),
    )


def forget(db: sqlite3.Connection, uuid: UUID) -> StoredLocation:
    """Take a location away; its entries are the business of a purge job. Raises
    LocationNotFound."""
    location = get(db, uuid)
    db.execute("DELETE FROM locations WHERE id = ?", (location.number,))
    return location
