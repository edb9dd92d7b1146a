"""Noticing that a client has died which had said all it had to say.

After the end of its data a connection is not read from, and so the loop never hears that the other
direction is gone, too; a subscription would live on until the next event. The kernel tells it to
whoever polls for nothing at all. These connections are put into an epoll of their own, and the loop
watches that one descriptor. Where there is no epoll, the next event notices.
"""

from __future__ import annotations

import select
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from sd_daemon.server.session import Session


class HangUps:
    """The half-closed connections of one instance. Costs a descriptor once there is one."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._epoll: select.epoll | None = None
        self._sessions: dict[int, Session] = {}

    def watch(self, session: Session) -> None:
        """End this connection as soon as nobody is there."""
        if sys.platform != "linux":
            return
        if self._epoll is None:
            self._epoll = select.epoll()
            self._loop.add_reader(self._epoll.fileno(), self._notice)
        descriptor = session.descriptor
        self._epoll.register(descriptor, 0)
        self._sessions[descriptor] = session

    def forget(self, session: Session) -> None:
        """It has ended; its descriptor is still open."""
        descriptor = session.descriptor
        if self._epoll is not None and self._sessions.get(descriptor) is session:
            del self._sessions[descriptor]
            self._epoll.unregister(descriptor)

    def close(self) -> None:
        """Watch nobody any more."""
        if self._epoll is not None:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._epoll = None

    def _notice(self) -> None:
        assert self._epoll is not None
        for descriptor, _ in self._epoll.poll(0):
            session = self._sessions[descriptor]
            self.forget(session)
            session.transport.abort()
