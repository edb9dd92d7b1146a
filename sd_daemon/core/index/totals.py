"""What a location holds in all, kept in its row and corrected by each pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sd_daemon.core.index.walk import DIRECTORY, FILE, Subtree, loose

if TYPE_CHECKING:
    import sqlite3

    from sd_daemon.core.index.report import Counts


def update_totals(db: sqlite3.Connection, path: str, counts: Counts, *, recount: bool) -> None:
    """Bring the totals of all locations up to date after a pass over the folder at `path`.

    Locations around the folder change by what the pass counted; those inside it are counted anew
    if anything changed at all. The caller holds the transaction.
    """
    changed = counts.added or counts.changed or counts.moved or counts.removed
    for location, stored in db.execute("SELECT id, path FROM locations").fetchall():
        root = loose(stored)
        if recount or (changed and root != path and Subtree(path).contains(root)):
            count(db, location, root)
        elif Subtree(root).contains(path):
            db.execute(
                "UPDATE locations SET file_count = file_count + ?,"
                " directory_count = directory_count + ?, total_size = total_size + ? WHERE id = ?",
                (counts.delta_files, counts.delta_directories, counts.delta_bytes, location),
            )


def lower_unidentified(db: sqlite3.Connection, path: str, entry: int) -> None:
    """Let the locations around `path` know: files from `entry` on (0: none) are unidentified."""
    if not entry:
        return
    for location, stored in db.execute("SELECT id, path FROM locations").fetchall():
        if Subtree(loose(stored)).contains(path):
            db.execute(
                "UPDATE locations SET unidentified = min(unidentified, ?) WHERE id = ?",
                (entry, location),
            )


def count(db: sqlite3.Connection, location: int, path: str) -> None:
    """Count anew what the index has below the location at `path`. What passes there that have not
    ended would add is counted with it: they count anew at their end."""
    below = Subtree(path)
    files, folders, size = db.execute(
        f"SELECT ifnull(sum(e.kind != {DIRECTORY}), 0), ifnull(sum(e.kind = {DIRECTORY}), 0),"
        f" ifnull(sum(iif(e.kind = {FILE}, e.size, 0)), 0)"
        f" FROM folders f JOIN entries e ON e.parent = f.id WHERE {below.where('f.path')}",
        below.params,
    ).fetchone()
    db.execute(
        "UPDATE locations SET file_count = ?, directory_count = ?, total_size = ? WHERE id = ?",
        (files, folders, size, location),
    )
    db.execute(
        "UPDATE scans SET recount = 1 WHERE id IN (SELECT s.id FROM scans s JOIN folders f"
        f" ON f.id = s.root WHERE {below.where('f.path')})",
        below.params,
    )
