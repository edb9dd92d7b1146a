"""Whether there is room for what is to be copied, before anything is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sd_daemon.core.fileops.copying.planning import Extent, look
from sd_daemon.core.mount_table import linux_mounts
from sd_daemon.core.paths import shown
from sd_wire.errors import NotEnoughSpace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sd_daemon.core.fileops.copying.planning import Task
    from sd_daemon.core.jobs.context import JobContext

_SHARING = frozenset({"btrfs", "xfs", "bcachefs", "zfs"})  # a copy may take nothing there


class Needs:
    """How much the tasks of an order write, filesystem by filesystem."""

    def __init__(self) -> None:
        self.extent = Extent()
        self.by_device: dict[int, tuple[str, int]] = {}  # a folder there, and bytes
        self._kinds = {mount.device: mount.kind for mount in linux_mounts()}

    def add(self, task: Task, each: Callable[[str, os.stat_result], None] | None = None) -> bool:
        """Count a task; whether a rename does it. `each` is shown all that is copied."""
        folder = os.path.dirname(task.target)
        there = look(folder)
        if there is None:
            return False
        if task.moves and there.st_dev == task.found.st_dev:
            return True
        before = self.extent.needed
        for path, found in self.extent.walk(task.source, task.found):
            if each is not None:
                each(path, found)
        if there.st_dev == task.found.st_dev and self._kind(there.st_dev) in _SHARING:
            return False
        known = self.by_device.get(there.st_dev, (folder, 0))
        self.by_device[there.st_dev] = (known[0], known[1] + self.extent.needed - before)
        return False

    def require(self) -> None:
        """Raise NotEnoughSpace where there is too little."""
        for folder, needed in self.by_device.values():
            available = available_at(folder)
            if needed > available:
                raise NotEnoughSpace(path=shown(folder), available=available, needed=needed)

    def _kind(self, device: int) -> str:
        return self._kinds.get(f"{os.major(device)}:{os.minor(device)}", "")


def available_at(folder: str) -> int:
    """Bytes that this user may still write on the filesystem of a folder."""
    found = os.statvfs(folder)
    blocks = found.f_bfree if os.geteuid() == 0 else found.f_bavail
    return blocks * found.f_frsize


def require_room(tasks: Iterable[Task], context: JobContext) -> tuple[int, int]:
    """Raise NotEnoughSpace where the tasks need more than there is; how many things there are to
    do, and how many bytes to copy."""
    needs = Needs()
    renamed = 0
    for task in tasks:
        if task.is_transfer:
            context.safe_point()
            renamed += needs.add(task)
    needs.require()
    return needs.extent.files + renamed, needs.extent.size
