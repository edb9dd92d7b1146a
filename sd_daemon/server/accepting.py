"""Accepting connections on the standard event loop.

Its own server goes wrong when descriptors run out: it tries as often as the backlog is long and
sets a timer for each time, which keeps a processor busy until there are some again. This accepts a
few at a time, so that each is refused before the next needs a descriptor, and after a failure waits
for a second. uvloop's server needs no help, and accepts twice as fast.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

_AT_ONCE = 8
_PAUSE = 1.0  # seconds; connections wait in the backlog meanwhile


class Acceptor:
    """Hands the connections of one listening socket to protocols."""

    def __init__(self, sock: socket.socket, protocol: Callable[[], asyncio.BaseProtocol]) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = sock
        self._protocol = protocol
        self._pause: asyncio.TimerHandle | None = None
        self._begun: set[asyncio.Task[object]] = set()
        self._resume()

    def close(self) -> None:
        """Accept nobody any more."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._socket.fileno())

    def _resume(self) -> None:
        self._pause = None
        self._loop.add_reader(self._socket.fileno(), self._accept)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                connection, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._loop.remove_reader(self._socket.fileno())
                self._pause = self._loop.call_later(_PAUSE, self._resume)
                message = "accepting a connection failed"
                self._loop.call_exception_handler({"message": message, "exception": error})
                return
            connection.settimeout(0)
            begun = self._loop.connect_accepted_socket(self._protocol, connection)
            task: asyncio.Task[object] = self._loop.create_task(begun)
            self._begun.add(task)
            task.add_done_callback(self._begun.discard)
