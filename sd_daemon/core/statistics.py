"""Counts and sizes of a library."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sd_daemon.core.jobs.store import from_nanoseconds
from sd_wire.types.libraries import LibraryStatistics

if TYPE_CHECKING:
    import sqlite3

    from sd_daemon.core.library import Library

# Of locations inside each other only the outermost counts; it is the one that has no folder above.
_OF_LOCATIONS = (
    "SELECT count(*), coalesce(sum(iif(e.parent = 0, l.file_count, 0)), 0),"
    " coalesce(sum(iif(e.parent = 0, l.total_size, 0)), 0), max(l.last_scan_at)"
    " FROM locations l JOIN entries e ON e.id = l.entry"
)


def _read(db: sqlite3.Connection) -> tuple[int, int, int, int | None, int]:
    locations, files, size, last = db.execute(_OF_LOCATIONS).fetchone()
    contents = db.execute("SELECT count(*) FROM contents").fetchone()[0]
    return locations, files, size, last, contents


def _capacity(path: str) -> tuple[int, int]:
    """Total and available bytes of the filesystem that holds a library; 0 where it will not say."""
    try:
        found = os.statvfs(path)
    except OSError:
        return 0, 0
    return found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize


async def statistics_of(library: Library) -> LibraryStatistics:
    """The statistics of a library now."""
    locations, files, size, last, contents = await library.database.read(_read)
    total, available = await asyncio.to_thread(_capacity, library.path)
    return LibraryStatistics(
        total_files=files,
        total_size=size,
        location_count=locations,
        tag_count=0,
        device_count=1,
        unique_content_count=contents,
        total_capacity=total,
        available_capacity=available,
        thumbnail_count=0,
        database_size=await asyncio.to_thread(library.size_on_disk),
        sidecar_count=0,
        sidecar_size=0,
        last_indexed=None if last is None else from_nanoseconds(last),
        updated_at=datetime.now(UTC),
    )
