"""Opening a known folder to read it, or finding that it must not be entered now.

What cannot be entered keeps everything the index knows of it. A volume that is not mounted leaves
an empty folder behind, and that its files are gone from there does not mean that they are deleted.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sd_daemon.core.index.disk import why_barred
from sd_daemon.core.index.walk import GONE, open_folder, stat_folder
from sd_daemon.core.mount_table import kinds_by_mount_point

if TYPE_CHECKING:
    import sqlite3

    from sd_daemon.core.index.reading import Folder, FolderReader
    from sd_daemon.core.index.rules import Rules


class Gone(Exception):
    """A folder is not where it was. That is the business of the folder above it, which is read in
    this pass or the next."""


class Visitor:
    """Opens folders for one reader. What is mounted where is looked up once."""

    def __init__(self, db: sqlite3.Connection, rules: Rules, reader: FolderReader) -> None:
        self._db = db
        self._rules = rules
        self._reader = reader
        self._mounts = kinds_by_mount_point()

    def open(self, folder: Folder) -> int | None:
        """A descriptor of the folder, which the caller closes; None if it cannot be opened, which
        is noted. Raises Gone."""
        try:
            return open_folder(folder.path)
        except OSError as error:
            if error.errno in GONE:
                raise Gone from error
            self._reader.keep_all(folder, error)
            return None

    def is_away(self, folder: Folder, found: os.stat_result) -> bool:
        """Record and say whether the volume is not mounted that was at a folder."""
        if found.st_dev != folder.device and is_offline(self._db, folder, found):
            self._reader.keep_all(folder, "its volume is not mounted", "ENODEV")
            return True
        return False

    def is_barred(self, folder: Folder, found: os.stat_result, *, is_root: bool) -> bool:
        """Record and say whether a folder is one that must not be walked into. `is_root`: a person
        chose it, or asked for it, so that only a missing volume keeps us out."""
        reader = self._reader
        if self.is_away(folder, found):
            return True
        barred = why_barred(self._mounts, self._rules, folder.path, found)
        if barred is None or is_root:
            return False
        reader.omit_all(folder, *barred)
        if folder.scan != 0:
            reader.batch.listed.append(folder.id)
        reader.finish(folder, found, whole=True)
        return True


def is_offline(db: sqlite3.Connection, folder: Folder, found: os.stat_result) -> bool:
    """Say whether a volume was mounted at a folder that is not now.

    Then the folder is another one than it was, lies on the volume of the folder above it, and is
    empty, although it was not.
    """
    if found.st_dev == folder.device or found.st_ino == folder.inode or folder.scan == 0:
        return False
    above = folder.path.rpartition("/")[0] or "/"
    query = "SELECT 1 FROM entries WHERE parent = ? LIMIT 1"
    try:
        if stat_folder(above).st_dev != found.st_dev:
            return False
        fd = open_folder(folder.path)
    except OSError:
        return False
    try:
        is_empty = not os.listdir(fd)
    finally:
        os.close(fd)
    return is_empty and db.execute(query, (folder.id,)).fetchone() is not None
