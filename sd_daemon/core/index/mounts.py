"""What is mounted where, as far as walking a tree has to know.

Mount points are walked into like any folder. Two kinds are not: file systems that hold no files
but a view of the kernel, and a folder that is mounted again somewhere below itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sd_daemon.core.index.walk import stat_folder

if TYPE_CHECKING:
    import os


def is_loop(path: str, stat: os.stat_result) -> bool:
    """Say whether the folder at `path` is the same folder as one above it."""
    above = path
    while above not in ("/", ""):
        above = above.rpartition("/")[0] or "/"
        try:
            there = stat_folder(above)
        except OSError:
            continue
        if (there.st_dev, there.st_ino) == (stat.st_dev, stat.st_ino):
            return True
    return False
