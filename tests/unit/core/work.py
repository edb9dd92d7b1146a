"""A core that does real work, for tests: its jobs run in worker processes of their own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from sd_daemon.core import locations
from sd_daemon.core.index.job_names import INDEXER
from sd_daemon.core.indexing import index_params
from sd_wire.types.locations import IndexMode, JobPolicies

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from sd_daemon.core.core import Core
    from sd_daemon.core.jobs.job import Job
    from sd_daemon.core.library import Library
    from sd_daemon.core.locations import StoredLocation

# Every kind of name that breaks something somewhere.
ODD_NAMES = [
    *(
        b"plain.txt",
        b"with space",
        b"trailing ",
        b"new\nline",
        b"quo'te\"s",
        b"semi;colon--",
        b"%s",
    ),
    *("Grüße.txt".encode(), "📷.jpg".encode(), "\u2028.txt".encode(), b"not \xff utf-8"),
    *(b".hidden", b"tab\there", b"back\\slash", b"CAST(X'00' AS TEXT)", b"x" * 255),
]


def plant(folder: Path) -> None:
    """A small tree with odd names, some of them folders."""
    for number, name in enumerate(ODD_NAMES):
        path = os.fsencode(folder) + b"/" + name
        if number % 4 == 3:
            os.makedirs(path)
            path += b"/inside"
        with open(path, "wb") as file:
            file.write(name * number)
    os.symlink("nowhere", folder / "link")


async def run(core: Core, library: Library, name: str, params: dict[str, Any]) -> Job:
    """Run one job to its end."""
    runner = core.runner
    return await runner.wait(await runner.submit(core.libraries.shelf(library), name, params))


async def add(core: Core, library: Library, folder: str) -> StoredLocation:
    """Make a folder a location and index it."""

    def write(db: sqlite3.Connection) -> StoredLocation:
        return locations.add(db, folder, None, IndexMode.CONTENT, JobPolicies())

    location = await library.database.write(write)
    job = await run(core, library, INDEXER, index_params(location, library.config.settings))
    assert job.error is None
    return await library.database.read(locations.get, location.uuid)


async def tree(library: Library, location: StoredLocation) -> list[tuple[Any, ...]]:
    """What the index has of a location, without the ids that differ between libraries."""

    def read(db: sqlite3.Connection) -> list[tuple[Any, ...]]:
        return db.execute(
            "WITH RECURSIVE below(id, path) AS (SELECT ?, '' UNION ALL SELECT e.id,"
            " b.path || '/' || hex(e.name) FROM entries e JOIN below b ON e.parent = b.id)"
            " SELECT b.path, typeof(e.name), e.kind, e.size, e.mtime, e.ctime, e.inode, e.content"
            " FROM below b JOIN entries e USING (id) ORDER BY 1",
            (location.entry,),
        ).fetchall()

    return await library.database.read(read)
