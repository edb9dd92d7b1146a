"""Giving memory back when the machine, or what the service may use of it, runs short.

Source: https://systemd.io/MEMORY_PRESSURE. The service manager names in MEMORY_PRESSURE_WATCH what
tells of it: the kernel's pressure file of our control group, to which MEMORY_PRESSURE_WRITE is
written to say from how much on; or a FIFO or a stream socket, where anything that is read is the
news. "/dev/null" means that nobody is to watch.

What there is to give back is what SQLite keeps of the databases, and garbage that waits.
"""

from __future__ import annotations

import base64
import binascii
import gc
import os
import select
import socket
import stat
import sys
from typing import TYPE_CHECKING

from sd_daemon.core.log import get_log

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, MutableMapping

log = get_log(__name__)

NOBODY = "/dev/null"


class MemoryPressure:
    """Calls `relieve` when memory is short, one at a time."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        descriptor: int,
        relieve: Callable[[], Awaitable[None]],
    ) -> None:
        """`descriptor`: what `opened` has given; it is ours from here on."""
        self._loop = loop
        self._descriptor = descriptor
        self._relieve = relieve
        self._relieving: asyncio.Task[None] | None = None
        self._says_more = not stat.S_ISREG(os.fstat(descriptor).st_mode)
        # The kernel's file tells by an event that loops do not know of; an epoll of its own does.
        self._epoll = select.epoll()
        self._epoll.register(descriptor, select.EPOLLIN if self._says_more else select.EPOLLPRI)
        loop.add_reader(self._epoll.fileno(), self._hear)

    def close(self) -> None:
        """Listen no more."""
        if not self._epoll.closed:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
            os.close(self._descriptor)

    def _hear(self) -> None:
        events = self._epoll.poll(0)
        if self._says_more and not self._read_away():
            self.close()  # whoever told us is gone
        if events and (self._relieving is None or self._relieving.done()):
            self._relieving = self._loop.create_task(self._give_back())

    def _read_away(self) -> bool:
        try:
            return bool(os.read(self._descriptor, 4096))
        except BlockingIOError:
            return True
        except OSError:
            return False

    async def _give_back(self) -> None:
        log.warning("memory is short: what can be read again is forgotten")
        gc.collect()
        await self._relieve()


def opened(environ: MutableMapping[str, str]) -> int | None:
    """A descriptor of what tells of it; None where nothing does. Takes the variables away."""
    path = environ.pop("MEMORY_PRESSURE_WATCH", "")
    text = environ.pop("MEMORY_PRESSURE_WRITE", "")
    if sys.platform != "linux" or not path or path == NOBODY:
        return None
    try:
        descriptor = _connected(path) if stat.S_ISSOCK(os.stat(path).st_mode) else _open(path)
        if text:
            os.write(descriptor, base64.b64decode(text, validate=True))
    except (OSError, binascii.Error) as error:
        log.warning("nothing will tell of memory that runs short", path=path, reason=error)
        return None
    return descriptor


def _open(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)


def _connected(path: str) -> int:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.connect(path)
        sock.settimeout(0)
        return sock.detach()
