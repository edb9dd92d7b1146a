"""What a verification has found: every difference counted, the first of each sort listed."""

from __future__ import annotations

import os
from binascii import b2a_base64

from sd_daemon.core.index.walk import DIRECTORY, exact

LISTED = 1000  # of each sort; the counts go on
_PATHS_KEPT = 100_000


class Differences:
    """The differences between index and disk, and how much of either was compared."""

    def __init__(self) -> None:
        self.disk_files = self.disk_folders = self.index_files = self.index_folders = 0
        self.unreadable = 0
        self.total = 0
        self.by_issue: dict[str, int] = {}
        self.paths: list[tuple[int, str]] = []  # folders with the paths they should have
        self._listed: dict[str, list[dict[str, object]]] = {
            "missing_from_index": [],
            "stale_in_index": [],
            "metadata_mismatches": [],
            "hierarchy_errors": [],
        }

    def disk_has(self, kind: int) -> None:
        """Count an entry on the disk."""
        self.disk_files += kind != DIRECTORY
        self.disk_folders += kind == DIRECTORY

    def index_has(self, kind: int) -> None:
        """Count an entry in the index."""
        self.index_files += kind != DIRECTORY
        self.index_folders += kind == DIRECTORY

    def missing(self, path: str, kind: str) -> None:
        """Note something on the disk that the index lacks."""
        what = f"the {kind} is on the disk but not in the index"
        self._note("missing_from_index", path, "MissingFromIndex", (kind, None), what)

    def stale(self, path: str, entry: int, name: str) -> None:
        """Note something in the index that the disk lacks."""
        what = "it is in the index but not on the disk"
        self._note("stale_in_index", path, "StaleInIndex", (None, name), what, entry, name)

    def mismatch(
        self, path: str, issue: str, expected: str, actual: str, entry: int, name: str
    ) -> None:
        """Note something that the disk (`expected`) and the index (`actual`) have differently."""
        what = f"{issue.removesuffix('Mismatch')}: {expected} on the disk, {actual} in the index"
        values = (expected, actual)
        self._note("metadata_mismatches", path, issue, values, what, entry, name)

    def parent(self, path: str, entry: int, name: str, expected: str) -> None:
        """Note a folder whose recorded path is not that of its parent with its name."""
        what = f"its parent places it at {expected}"
        values = (expected, path)
        self._note("hierarchy_errors", path, "ParentMismatch", values, what, entry, name)
        if len(self.paths) < _PATHS_KEPT:
            self.paths.append((entry, expected))

    def _note(
        self,
        sort: str,
        path: str,
        issue: str,
        values: tuple[str | None, str | None],
        description: str,
        entry: int | None = None,
        name: str | None = None,
    ) -> None:
        self.total += 1
        self.by_issue[issue] = self.by_issue.get(issue, 0) + 1
        listed = self._listed[sort]
        if len(listed) >= LISTED:
            return
        row: dict[str, object] = {
            "path": _shown(path),
            "issue_type": {"type": issue},
            "expected": None if values[0] is None else _shown(values[0]),
            "actual": None if values[1] is None else _shown(values[1]),
            "description": _shown(description),
        }
        if entry is not None and name is not None:
            row |= {"db_entry_id": entry, "db_entry_name": _shown(name)}
        if isinstance(exact(path), bytes):
            row["path_bytes"] = b2a_base64(os.fsencode(path), newline=False).decode("ascii")
        listed.append(row)

    def report(self, *, detailed: bool, fixed: bool) -> dict[str, object]:
        """Return the report; without `detailed` its lists are empty."""
        lists = self._listed if detailed else {sort: [] for sort in self._listed}
        shown = sum(map(len, lists.values()))
        return {
            "filesystem_file_count": self.disk_files,
            "database_file_count": self.index_files,
            "filesystem_dir_count": self.disk_folders,
            "database_dir_count": self.index_folders,
            **lists,
            "summary": self._summary(shown, detailed=detailed),
            "total_differences": self.total,
            "fixed": fixed,
            "by_issue": self.by_issue,
            "truncated": detailed and shown < self.total,
            "unreadable": self.unreadable,
        }

    def _summary(self, shown: int, *, detailed: bool) -> str:
        compared = f"{self.disk_files:,} files and {self.disk_folders:,} folders"
        unread = f"; {self.unreadable:,} could not be read" if self.unreadable else ""
        if not self.total:
            return f"index and disk agree on {compared}{unread}"
        issues = ", ".join(f"{count:,} {issue}" for issue, count in sorted(self.by_issue.items()))
        capped = f" (the first {shown:,} are listed)" if detailed and shown < self.total else ""
        return f"{self.total:,} differences in {compared}: {issues}{capped}{unread}"


def _shown(text: str) -> str:
    return os.fsencode(text).decode("utf-8", "replace")
