"""The job that compares the index of a folder with the disk, and may set it right.

params are those of `run_index`, and:
  content   true: read every file and compare its content, too
  fix       true: bring the index up to date where it differs
  detailed  false: count the differences without listing them

Interrupted while it compares, it begins anew, since nothing was changed; interrupted while it sets
right, it goes on with that.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sd_daemon.core.db.connection import failures, open_writer
from sd_daemon.core.index.alone import Alone
from sd_daemon.core.index.errors import PathOutside
from sd_daemon.core.index.job import Location, check_names_are_utf8, index_location
from sd_daemon.core.index.rules import Rules
from sd_daemon.core.index.verify import Verification
from sd_daemon.core.index.walk import Subtree
from sd_daemon.core.jobs.params import path_of

if TYPE_CHECKING:
    import sqlite3

    from sd_daemon.core.jobs.context import JobContext


def run_verify(params: dict[str, object], context: JobContext) -> dict[str, object]:
    """Compare the index with the disk; the report is under "report", what was fixed under "index".

    Raises IndexFailure, DatabaseFailure, and JobInterrupted when the context says so.
    """
    check_names_are_utf8(context.library_dir)
    file = context.library_dir + "/library.db"
    with Alone(context), failures(file):
        db = open_writer(file)
        try:
            return _verify(db, params, context)
        finally:
            db.close()


def _verify(
    db: sqlite3.Connection, params: dict[str, object], context: JobContext
) -> dict[str, object]:
    location = Location(db, str(params["location_id"]))
    path = path_of(params.get("path")) or location.path
    if not Subtree(location.path).contains(path):
        raise PathOutside(path.encode("utf-8", "surrogateescape"))
    settings = params.get("rules") or {}
    assert isinstance(settings, dict)
    began = time.monotonic()
    work = Verification(
        db,
        path,
        chosen=location.path,
        rules=Rules(settings),
        content=bool(params.get("content")),
        context=context,
    )
    work.run()
    fixes = bool(params.get("fix")) and work.found.total > 0
    result: dict[str, object] = {
        "report": work.found.report(detailed=bool(params.get("detailed", True)), fixed=fixes),
        "seconds": round(time.monotonic() - began, 4),
    }
    if fixes:
        work.correct_paths()
        work.forget_contents()
        result["index"] = index_location(
            db, location, {**params, "full": True, "scope": "Recursive"}, context
        )
    return result
