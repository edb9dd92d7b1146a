"""Hearing that something was mounted, or is not any more."""

from __future__ import annotations

import asyncio
import os
import select
from typing import TYPE_CHECKING

from sd_daemon.core.mount_table import MOUNTINFO, Mount, linux_mounts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

TOGETHER_S = 0.2  # what is mounted within this time is told at once


class MountWatch:
    """Calls `changed` with the mount points that came, went or are another now.

    The kernel wakes us when its table changes; while it does not, nothing here does anything.
    """

    def __init__(self, changed: Callable[[set[bytes]], Awaitable[None]]) -> None:
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._known = _table()
        self._task: asyncio.Task[None] | None = None
        self._again = False
        try:
            self._file = os.open(MOUNTINFO, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # there is no such table on this system
            self._file = -1
            return
        self._poll = select.epoll()
        self._poll.register(self._file, select.EPOLLPRI)
        self._loop.add_reader(self._poll.fileno(), self._notice)

    def close(self) -> None:
        """Hear no more."""
        if self._task is not None:
            self._task.cancel()
        if self._file >= 0:
            self._loop.remove_reader(self._poll.fileno())
            self._poll.close()
            os.close(self._file)
            self._file = -1

    def _notice(self) -> None:
        self._poll.poll(0)
        self._again = True
        if self._task is None:
            self._task = self._loop.create_task(self._look())

    async def _look(self) -> None:
        while self._again:
            await asyncio.sleep(TOGETHER_S)
            self._again = False
            now = await asyncio.to_thread(_table)
            before, self._known = self._known, now
            points = before.keys() | now.keys()
            different = {point for point in points if before.get(point) != now.get(point)}
            if different:
                await self._changed(different)
        self._task = None


def _table() -> dict[bytes, Mount]:
    """The mount that covers the others at each point."""
    return {mount.point: mount for mount in linux_mounts()}
