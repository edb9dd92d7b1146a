"""Subscriptions of the blocking client: a connection, and what comes on it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Generic

from sd_client.backoff import Backoff
from sd_client.blocking_link import BlockingLink
from sd_client.occurrences import Item
from sd_client.reaching import failure_in
from sd_client.requests import subscribe_message, word_message
from sd_wire.encoding import JSON
from sd_wire.errors import (
    ConnectionLost,
    ConnectionRefused,
    DaemonNotRunning,
    ShuttingDown,
    TooManyConnections,
)

if TYPE_CHECKING:
    from types import TracebackType

    from sd_client.occurrences import Position
    from sd_client.resuming import Course
    from sd_wire.messages import Reply, RequestId

PATIENCE = Backoff()
_AWAY = (ConnectionLost, ConnectionRefused, DaemonNotRunning, ShuttingDown, TooManyConnections)


class BlockingSubscription(Generic[Item]):
    """A stream of events or of log records. Made, it stands: nothing after that is missed."""

    def __init__(
        self, socket_path: str, course: Course[Item], timeout: float | None, *, resume: bool
    ) -> None:
        self.timeout = timeout
        self._socket_path = socket_path
        self._course: Course[Item] = course
        self._resume = resume
        self._request_id: RequestId = 0
        self._waiting: list[Item] = []  # what came with the acknowledgement
        self._link = BlockingLink(socket_path, timeout)
        try:
            self._begin()
        except BaseException:
            self._link.close()
            raise

    @property
    def warnings(self) -> list[str]:
        """What the daemon found odd about what was asked for: names and filters that can never
        match."""
        return self._course.warnings

    @property
    def position(self) -> Position | None:
        """Where it is. A later subscription can go on there."""
        return self._course.reached

    def __enter__(self) -> BlockingSubscription[Item]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it."""
        self._resume = False
        self._link.close()

    def __iter__(self) -> BlockingSubscription[Item]:
        return self

    def __next__(self) -> Item:
        return self.recv()

    def recv(self) -> Item:
        """The next one. Raises ConnectionLost where that is not resumed, and TimeoutError where
        nothing comes in time; then it can be asked for again."""
        while not self._waiting:
            try:
                self._take(self._link.receive(self.timeout))
                if self._course.behind:
                    self._begin_again()
            except ConnectionLost:
                if not self._resume:
                    raise
                self._reconnect()
        return self._waiting.pop(0)

    def _begin_again(self) -> None:
        """The same on the same connection, because something was dropped there."""
        word, request_id = self._course.end_word, self._request_id
        self._link.send(lambda encoding, _: word_message(encoding, request_id, word))
        self._begin()

    def _begin(self) -> None:
        """Subscribe; return when it is accepted."""
        request = self._course.request()
        self._request_id = self._link.send(
            lambda encoding, n: subscribe_message(encoding, n, request)
        )
        while not self._take(self._link.receive(self.timeout)):
            pass

    def _take(self, reply: Reply) -> bool:
        """Read a reply; whether it was one of this subscription."""
        error = failure_in(reply)
        if error is not None:
            raise error
        if reply.id != self._request_id:
            return False
        item = self._course.read(reply, JSON)
        if item is not None:
            self._waiting.append(item)
        return True

    def _reconnect(self) -> None:
        self._link.close()
        for attempt in range(PATIENCE.attempts):
            time.sleep(PATIENCE.pause(attempt))
            try:
                self._link = BlockingLink(self._socket_path, self.timeout)
                self._begin()
            except _AWAY:
                self._link.close()
                if attempt + 1 == PATIENCE.attempts:
                    raise
            else:
                return
