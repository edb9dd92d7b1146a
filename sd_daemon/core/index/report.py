"""What an index job counts, kept in the database so that a continued job counts on."""

from __future__ import annotations

import json
import resource
import sys
from typing import TYPE_CHECKING

from sd_daemon.core.index.walk import Subtree

if TYPE_CHECKING:
    import sqlite3

_ERRORS_LISTED = 100
_INDEX = (
    *("added", "changed", "moved", "removed"),
    *("folders_read", "folders_unchanged", "symlinks", "others"),
)
_TOTALS = ("delta_files", "delta_directories", "delta_bytes")
_IDENTIFY = ("identified", "identified_bytes", "changed_while_read", "unreadable")


class Counts:
    """The counters of one pass. `delta_*` is what the pass changed about the location's totals.

    `symlinks` and `others` (neither file, folder nor symlink) were met in the folders read.
    `touched` is the lowest id of a file whose content is not known (any more), 0 if there is none.
    """

    __slots__ = (*_INDEX, *_TOTALS, *_IDENTIFY, "seconds", "touched")

    added: int
    changed: int
    moved: int
    removed: int
    folders_read: int
    folders_unchanged: int
    symlinks: int
    others: int
    delta_files: int
    delta_directories: int
    delta_bytes: int
    identified: int
    identified_bytes: int
    changed_while_read: int
    unreadable: int
    touched: int
    seconds: dict[str, float]

    def __init__(self, stored: str = "{}") -> None:
        values = json.loads(stored)
        for name in (*_INDEX, *_TOTALS, *_IDENTIFY, "touched"):
            setattr(self, name, int(values.get(name, 0)))
        self.seconds = dict(values.get("seconds", {}))

    def stored(self) -> str:
        """Return the counters as `scans.counts` holds them."""
        return json.dumps({name: getattr(self, name) for name in self.__slots__})

    def spend(self, phase: str, seconds: float) -> None:
        """Add to the time a phase has taken."""
        self.seconds[phase] = round(self.seconds.get(phase, 0.0) + seconds, 4)

    def touch(self, entry: int) -> None:
        """Note that the content of the file `entry` is not known."""
        if not self.touched or entry < self.touched:
            self.touched = entry


def human_size(size: int) -> str:
    """Return a size in bytes as a person reads it: "1.2 GB" (decimal units)."""
    value = float(size)
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if value < 1000:
            return (
                f"{value:.0f} {unit}" if unit == "bytes" or value >= 100 else f"{value:.1f} {unit}"
            )
        value /= 1000
    return f"{value:.1f} PB"


def index_report(
    db: sqlite3.Connection, location: int, path: str, counts: Counts
) -> dict[str, object]:
    """Return the report of an index job over the folder at `path` of a location."""
    files, folders, size = db.execute(
        "SELECT file_count, directory_count, total_size FROM locations WHERE id = ?", (location,)
    ).fetchone()
    seconds = sum(counts.seconds.values())
    skipped, errors, listed = _omitted(db, path)
    return {
        "location": {"files": files, "directories": folders, "bytes": size},
        "added": counts.added,
        "changed": counts.changed,
        "moved": counts.moved,
        "removed": counts.removed,
        "folders_read": counts.folders_read,
        "folders_unchanged": counts.folders_unchanged,
        "symlinks": counts.symlinks,
        "others": counts.others,
        "identified": counts.identified,
        "identified_bytes": counts.identified_bytes,
        "changed_while_read": counts.changed_while_read,
        "skipped": sum(skipped.values()),
        "skipped_by_rule": skipped,
        "errors": errors,
        "errors_listed": listed,
        "seconds": {**counts.seconds, "total": round(seconds, 4)},
        "entries_per_second": _rate(counts.added, counts.seconds.get("discover", 0.0)),
        "identified_per_second": _rate(counts.identified, counts.seconds.get("identify", 0.0)),
        "peak_rss_bytes": peak_rss(),
    }


def _omitted(
    db: sqlite3.Connection, path: str
) -> tuple[dict[str, int], int, list[dict[str, object]]]:
    below = Subtree(path)
    source = (
        f"FROM omissions o CROSS JOIN folders f ON f.id = o.folder WHERE {below.where('f.path')}"
    )
    rules = db.execute(
        f"SELECT o.detail, count(*) {source} AND o.reason = 'rule' GROUP BY 1", below.params
    ).fetchall()
    rows = db.execute(
        f"SELECT f.path, o.name, o.reason, o.detail {source} AND o.reason != 'rule'"
        " ORDER BY f.path, o.name",
        below.params,
    )
    listed: list[dict[str, object]] = []
    errors = 0
    for folder, name, reason, detail in rows:
        errors += 1
        if errors <= _ERRORS_LISTED:
            whole = folder if name == "." else _readable(folder).rstrip("/") + "/" + _readable(name)
            listed.append({"path": _readable(whole), "error": reason, "detail": detail})
    return dict(rules), errors, listed


def _readable(stored: str | bytes) -> str:
    return stored if isinstance(stored, str) else stored.decode("utf-8", "replace")


def _rate(count: int, seconds: float) -> int:
    return round(count / seconds) if seconds > 0 else 0


def peak_rss() -> int:
    """Return the most memory this process has had resident at once, in bytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
