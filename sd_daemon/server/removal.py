"""Noticing that the file of our socket is not there any more.

Somebody who tidies up, or a cleaner of old files, removes it, and nobody can reach the daemon then,
although it runs. The kernel tells of it (inotify, on the file itself): while nothing happens to the
file, nothing here wakes the daemon. Where there is no inotify, nobody notices.
"""

from __future__ import annotations

import asyncio
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from sd_daemon.core.log import get_log
from sd_wire.errors import SdError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = get_log(__name__)

RETRY = 30.0  # seconds, while something else is in the socket's place
_ATTRIB, _DELETE_SELF, _MOVE_SELF = 0x4, 0x400, 0x800
_MOST = 4096  # bytes of what the kernel tells at a time


class Guard:
    """Has a socket made again when its file is gone."""

    def __init__(
        self,
        path: str,
        is_there: Callable[[], bool],
        make_again: Callable[[], Awaitable[None]],
        changed: Callable[[], None],
    ) -> None:
        """`make_again` raises SdError where it cannot; `changed` is called when `trouble` did."""
        self.trouble: str | None = None  # what keeps clients from reaching us
        self._path = path
        self._is_there = is_there
        self._make_again = make_again
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._descriptor = -1
        self._timer: asyncio.TimerHandle | None = None
        self._making: asyncio.Task[None] | None = None
        self._watch()

    def close(self) -> None:
        """Let it go."""
        self._forget()
        if self._timer is not None:
            self._timer.cancel()
        if self._making is not None:
            self._making.cancel()

    def _watch(self) -> None:
        if sys.platform != "linux":
            return
        self._descriptor = _inotify(self._path)
        if self._descriptor >= 0:
            self._loop.add_reader(self._descriptor, self._notice)
        if not self._is_there():  # it went in the meantime
            self._begin()

    def _forget(self) -> None:
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    def _notice(self) -> None:
        os.read(self._descriptor, _MOST)
        if not self._is_there():
            self._forget()
            self._begin()

    def _begin(self) -> None:
        self._timer = None
        self._making = self._loop.create_task(self._make())

    async def _make(self) -> None:
        try:
            await self._make_again()
        except SdError as error:
            if self.trouble != error.text:
                log.error(
                    "the socket was removed and cannot be made again: only a signal reaches us",
                    path=self._path,
                    reason=error.text,
                )
            self._tell(error.text)
            self._timer = self._loop.call_later(RETRY, self._begin)
            return
        log.warning("the socket was removed, and is made again", path=self._path)
        self._tell(None)
        self._watch()

    def _tell(self, trouble: str | None) -> None:
        self.trouble = trouble
        self._changed()


def _inotify(path: str) -> int:
    """A descriptor that can be read when the file has changed, or has another name, or none; -1
    where the kernel has none left."""
    # It costs a daemon 1.5 MiB, and one whose socket is the service manager's has no use for it.
    ctypes = import_module("ctypes")
    system = ctypes.CDLL(None, use_errno=True)
    descriptor: int = system.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if descriptor < 0:
        reason = os.strerror(ctypes.get_errno())
        log.debug("nobody watches the socket's file", path=path, reason=reason)
        return -1
    mask = _ATTRIB | _DELETE_SELF | _MOVE_SELF
    if system.inotify_add_watch(descriptor, os.fsencode(path), mask) < 0:
        os.close(descriptor)  # it is gone already, which whoever asks will see
        return -1
    return descriptor
