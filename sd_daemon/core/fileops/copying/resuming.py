"""What of an interrupted copy can be trusted.

After the end of a process all that it wrote is there, and a file with the right size and time is
complete. After a power cut that is only so for what had been flushed before; when a file was last
touched the filesystem says itself (its ctime, which no program can set).
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from sd_daemon.core.fileops.copying.planning import Extent, look
from sd_daemon.core.index.walk import open_folder

if TYPE_CHECKING:
    from sd_daemon.core.fileops.copying.file import Base, Copier
    from sd_daemon.core.fileops.journal import Step


def distrust(path: str, since: int) -> None:
    """Remove every file of a hidden copy that was touched at `since` (ns) or later."""
    found = look(path)
    if found is None:
        return
    for place, one in list(Extent().walk(path, found)):
        if not stat.S_ISDIR(one.st_mode) and one.st_ctime_ns >= since:
            folder, name = os.path.split(place)
            fd = open_folder(folder)
            try:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=fd)
            finally:
                os.close(fd)


def recall(copier: Copier, base: Base, step: Step) -> None:
    """Remember which files with several names a step has copied that is done already."""
    if step.source is None or (found := look(step.source)) is None:
        return
    for path, one in Extent().walk(step.source, found):
        if one.st_nlink > 1 and not stat.S_ISDIR(one.st_mode):
            copier.know(one, base, path[len(step.source) :])
