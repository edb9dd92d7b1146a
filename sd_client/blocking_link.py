"""One connection of the blocking client: a socket, and the replies that it brings."""

from __future__ import annotations

import itertools
import socket
import time
from typing import TYPE_CHECKING

from sd_client.reaching import check_length, unreachable
from sd_wire.connection import ClientConnection
from sd_wire.encoding import JSON
from sd_wire.errors import ConnectionLost, SdError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sd_wire.encoding import Encoding
    from sd_wire.messages import Reply, RequestId

READ_SIZE = 1 << 16


class BlockingLink:
    """A connected socket. Raises DaemonNotRunning, SocketPermissionDenied or ConnectionRefused
    where it cannot be."""

    def __init__(self, socket_path: str, timeout: float | None) -> None:
        """`timeout` is for connecting and for sending."""
        check_length(socket_path)
        self._timeout = timeout
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(timeout)
            self._socket.connect(socket_path)
        except OSError as error:
            self._socket.close()
            raise unreachable(error, socket_path) from error
        self.is_open = True
        self._connection = ClientConnection()
        self._unread: list[Reply] = []  # the next one last
        self._ids = itertools.count(1)

    def close(self) -> None:
        """End it. Closing twice is allowed."""
        self.is_open = False
        self._socket.close()

    def send(self, message: Callable[[Encoding, RequestId], bytes]) -> RequestId:
        """Send a request; its id."""
        request_id = next(self._ids)
        data = message(JSON, request_id)
        if not self.is_open:
            raise ConnectionLost
        try:
            self._socket.settimeout(self._timeout)
            self._socket.sendall(data)
        except TimeoutError:
            self.close()
            raise
        except OSError as error:
            self.close()
            raise ConnectionLost from error
        return request_id

    def receive(self, timeout: float | None) -> Reply:
        """The next reply. TimeoutError where nothing comes for so many seconds; what has come of a
        reply until then is kept."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._unread:
            left = None if deadline is None else max(0.001, deadline - time.monotonic())
            try:
                self._unread = self._connection.receive(self._read(left))
            except SdError:
                self.close()
                raise
            self._unread.reverse()
        return self._unread.pop()

    def _read(self, timeout: float | None) -> bytes:
        if not self.is_open:
            raise ConnectionLost
        try:
            self._socket.settimeout(timeout)
            data = self._socket.recv(READ_SIZE)
        except TimeoutError:
            raise
        except OSError as error:
            raise ConnectionLost from error
        if not data:
            raise ConnectionLost
        return data
