"""What one client watches: its subscriptions to events and to log records."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sd_daemon.server.log_watch import LogWatch
from sd_daemon.server.outbox import Outbox
from sd_daemon.server.watch import EventWatch, Watch
from sd_wire.messages import Id, Subscribe, SubscribeLogs

if TYPE_CHECKING:
    from collections.abc import Callable

    from sd_daemon.server.instance import Instance
    from sd_wire.encoding import Encoding


class Subscriptions:
    """The subscriptions of one connection."""

    def __init__(
        self,
        instance: Instance,
        encoding: Encoding,
        write: Callable[[bytes], object],
        give_up: Callable[[], None],
    ) -> None:
        """`write` takes bytes for the client; `give_up` ends the connection of one that lags and
        cannot be told so."""
        self._instance = instance
        self._encoding = encoding
        self._outbox = Outbox(write, give_up)
        self._watches: dict[tuple[str, Id], Watch | LogWatch] = {}

    def __len__(self) -> int:
        return len(self._watches)

    def begin(self, wanted: Subscribe | SubscribeLogs, request_id: Id) -> bytes:
        """Begin a subscription; one with the same id, or also without any, is replaced."""
        if isinstance(wanted, SubscribeLogs):
            return self._begin_logs(wanted, request_id)
        kind, reply = "events", "Subscribed"
        watch = EventWatch(self._outbox, request_id, wanted)
        self._remove(kind, request_id)
        self._watches[kind, request_id] = watch
        self._instance.fanout.add(watch)
        self._instance.counts.subscriptions += 1
        return self._encoding.word(reply, request_id)

    def _begin_logs(self, wanted: SubscribeLogs, request_id: Id) -> bytes:
        watch = LogWatch(self._outbox, self._encoding, request_id, wanted)
        self._remove("logs", request_id)
        self._watches["logs", request_id] = watch
        said = self._instance.logs.add(watch)
        self._instance.counts.subscriptions += 1
        told = None if request_id is msgspec.UNSET else said
        return self._encoding.word("LogsSubscribed", request_id, told)

    def end(self, word: str, request_id: Id) -> bytes:
        """End the subscription with this id, if there is one."""
        kind, reply = (
            ("events", "Unsubscribed") if word == "Unsubscribe" else ("logs", "LogsUnsubscribed")
        )
        self._remove(kind, request_id)
        return self._encoding.word(reply, request_id)

    def hold(self) -> None:
        """The client reads slower than it is sent to."""
        self._outbox.held = True

    def flush(self) -> None:
        """Write what waits."""
        self._outbox.flush()

    def go_on(self) -> None:
        """It has caught up."""
        self._outbox.held = False
        self._outbox.flush()
        for watch in tuple(self._watches.values()):
            if isinstance(watch, LogWatch):
                watch.go_on()

    def close(self) -> None:
        """The client is gone."""
        for kind, request_id in tuple(self._watches):
            self._remove(kind, request_id)

    def _remove(self, kind: str, request_id: Id) -> None:
        watch = self._watches.pop((kind, request_id), None)
        if watch is not None:
            if isinstance(watch, LogWatch):
                self._instance.logs.remove(watch)
            else:
                self._instance.fanout.remove(watch)
            self._instance.counts.subscriptions -= 1
