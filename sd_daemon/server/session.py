"""One connected client.

Callbacks and no streams: what a read brings is answered before the read returns, and all of it in
one write. A handler is stepped in place; only one that really waits becomes a task.

Order. Requests without an id are answered in their order: while one of them waits, the later ones
stand in line behind it. Requests with an id overtake them and each other.

Room. Nothing a client does makes the daemon's memory grow. Who does not read its answers is not
read from either, and what was already read waits unanswered. Who sends more than it may have
pending is told so where the request has an id, and made to wait where it has none.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, cast

import msgspec

from sd_daemon.core.log import get_log
from sd_daemon.server.dispatch import answer, refusal
from sd_daemon.server.fanout import EventWatch, LogWatch, Watch
from sd_daemon.server.outbox import Outbox
from sd_daemon.server.peer import NOBODY, has_hung_up, peer_of
from sd_daemon.server.routes import RANK, ROUTES
from sd_daemon.server.step import step
from sd_wire.connection import PING_LINE, Id, Received, Rejected, Request, ServerConnection
from sd_wire.errors import SdError, ShuttingDown, TooManyConnections, TooManyRequests
from sd_wire.messages import Call, Subscribe, SubscribeLogs, failure, line, word
from sd_wire.operation import Kind, Permission

if TYPE_CHECKING:
    from sd_daemon.server.instance import Instance

log = get_log(__name__)

MAX_PENDING = 1024  # requests of one connection that are not answered yet
MAX_UNREAD = 32 * 1024 * 1024  # bytes of answers that may wait for a client before it is cut off
SLICE = 256 * 1024  # bytes of replies that are gathered before the socket is asked to take them

PONG_LINE = line("Pong")
_NO_ID: Id = msgspec.UNSET


class Session(asyncio.Protocol):
    """The daemon's end of a connection."""

    __slots__ = (
        "_congested",
        "_held",
        "_instance",
        "_line",
        "_outbox",
        "_paused",
        "_peer_done",
        "_turn_taken",
        "_watches",
        "_wire",
        "_working",
        "peer",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._wire = ServerConnection()
        self.peer = NOBODY
        self._working: dict[asyncio.Task[bytes], Kind | None] | None = None
        self._turn_taken = False  # a request without id waits for its answer
        self._line: deque[Received] | None = None  # those behind it
        self._held: list[Received] | None = None  # nothing is answered now: read, and put off
        self._congested = False  # the client does not read
        self._paused = False  # nor do we
        self._peer_done = False
        self._watches: dict[tuple[str, Id], Watch] | None = None
        self._outbox: Outbox | None = None

    # --- what the event loop calls ---------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        # uvloop's transports are none by inheritance, only by what they can do.
        self.transport = cast("asyncio.Transport", transport)
        self.peer = peer_of(transport.get_extra_info("socket"))
        if not self._instance.admit(self):
            limit = self._instance.capacity.limit
            self.transport.write(failure(TooManyConnections(limit=limit), _NO_ID))
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Answer what is complete."""
        if data == PING_LINE and not self._turn_taken and self._held is None:
            self._instance.counts.requests += 1
            self.transport.write(PONG_LINE)
            return
        received = self._wire.receive(data)
        if len(received) == 1 and self._may_answer():
            reply = self._begin(received[0])
            if reply:
                self.transport.write(reply)
        else:
            self._take(received)

    def eof_received(self) -> bool:
        """The client has said everything; it may still want to hear the answers."""
        self._take(self._wire.receive_end())
        self._peer_done = True
        if has_hung_up(self.transport.get_extra_info("socket")):
            self.transport.abort()  # it is not even listening: a watch must not outlive it
        else:
            self._close_if_done()
        return True

    def pause_writing(self) -> None:
        """The client reads slower than it is answered."""
        self._congested = True
        if self._outbox is not None:
            self._outbox.held = True
        self._pace()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._congested = False
        if self._outbox is not None:
            self._outbox.held = False
            self._outbox.flush()
        self.go_on()

    def connection_lost(self, error: Exception | None) -> None:
        """The client is gone. What it asked to be changed is still changed."""
        self._wire.close()
        self._instance.leave(self)
        for watch in tuple((self._watches or {}).values()):
            self._unwatch(watch)
        self._watches = None
        for task, kind in tuple((self._working or {}).items()):
            if kind is Kind.QUERY:
                task.cancel()

    # --- what the instance calls -----------------------------------------------------------------

    def go_on(self) -> None:
        """Answer what was put off, if nothing stands in the way any more."""
        held, self._held = self._held, None
        if held:
            self._take(held)
        self._pace()
        self._close_if_done()

    def refuse(self, error: SdError) -> None:
        """Answer what was put off: there is no core, and this is why."""
        held, self._held = self._held, None
        for request in held or ():
            is_ping = isinstance(request, Request) and request.body == "Ping"
            reply = word("Pong", request.id) if is_ping else failure(error, request.id)
            self.transport.write(reply)
        self._pace()
        self._close_if_done()

    def finish(self) -> None:
        """Send what is left and close."""
        if self._outbox is not None:
            self._outbox.flush()
        self._wire.close()
        self.transport.close()

    # --- requests --------------------------------------------------------------------------------

    def _take(self, received: list[Received]) -> None:
        replies: list[bytes] = []
        size = 0
        for request in received:
            if not self._may_answer():
                self._hold(request)
                continue
            reply = self._begin(request)
            if reply:
                replies.append(reply)
                size += len(reply)
                if size > SLICE:
                    self.transport.write(b"".join(replies))
                    replies.clear()
                    size = 0
        if replies:
            self.transport.write(replies[0] if len(replies) == 1 else b"".join(replies))
        if self._held is not None or self._line:
            self._pace()

    def _may_answer(self) -> bool:
        return self._held is None and not self._congested and self._instance.ready

    def _begin(self, request: Received) -> bytes:
        """Start a request: its reply if there is one already."""
        if request.id is msgspec.UNSET and self._turn_taken:
            if self._line is None:
                self._line = deque()
            self._line.append(request)
            return b""
        self._instance.counts.requests += 1
        if isinstance(request, Rejected):
            return failure(request.error, request.id)
        body = request.body
        if isinstance(body, Call):
            return self._call(body, request.id)
        if body == "Ping":
            return PONG_LINE if request.id is msgspec.UNSET else word("Pong", request.id)
        if body == "Shutdown":
            return self._shutdown(request.id)
        return self._subscription(body, request.id)

    def _call(self, call: Call, request_id: Id) -> bytes:
        house = self._instance
        if house.stopping:
            return failure(ShuttingDown(), request_id)
        if self._working and len(self._working) >= MAX_PENDING:
            return failure(TooManyRequests(limit=MAX_PENDING), request_id)
        reply = step(
            house.loop, answer(house.core, self.peer, house.counts, house.path, call, request_id)
        )
        if isinstance(reply, bytes):
            return reply
        route = ROUTES.get(call.method)
        if self._working is None:
            self._working = {}
        self._working[reply] = route.operation.kind if route else None
        house.working.add(reply)
        self._turn_taken = self._turn_taken or request_id is msgspec.UNSET
        reply.add_done_callback(partial(self._answered, request_id is msgspec.UNSET))
        return b""

    def _answered(self, had_turn: bool, task: asyncio.Task[bytes]) -> None:  # noqa: FBT001
        assert self._working is not None
        del self._working[task]
        self._instance.working.discard(task)
        if self.transport.is_closing():
            return
        if not task.cancelled():
            self.transport.write(task.result())
        if had_turn:
            self._turn_taken = False
            waiting, self._line = self._line, None
            self._take(list(waiting or ()))
        if self._congested and self.transport.get_write_buffer_size() > MAX_UNREAD:
            self._cut_off("it does not read its answers")
        self._pace()
        self._close_if_done()

    def _shutdown(self, request_id: Id) -> bytes:
        if RANK[self.peer.permission] < RANK[Permission.ADMIN]:
            return failure(refusal(self.peer, "Shutdown", Permission.ADMIN), request_id)
        log.info("asked to shut down", peer_uid=self.peer.uid, peer_pid=self.peer.pid)
        self._instance.ask_to_stop()
        return line({"Ok": []} if request_id is msgspec.UNSET else {"Ok": [], "id": request_id})

    # --- subscriptions ---------------------------------------------------------------------------

    def _subscription(self, body: Subscribe | SubscribeLogs | str, request_id: Id) -> bytes:
        if isinstance(body, Subscribe):
            self._watch("events", request_id, EventWatch(self._box(), request_id, body))
            return word("Subscribed", request_id)
        if isinstance(body, SubscribeLogs):
            self._watch("logs", request_id, LogWatch(self._box(), request_id, body))
            return word("LogsSubscribed", request_id)
        kind, reply = (
            ("events", "Unsubscribed") if body == "Unsubscribe" else ("logs", "LogsUnsubscribed")
        )
        watch = (self._watches or {}).pop((kind, request_id), None)
        if watch is not None:
            self._unwatch(watch)
        return word(reply, request_id)

    def _watch(self, kind: str, request_id: Id, watch: Watch) -> None:
        """Begin a subscription; one with the same id, or also without any, is replaced."""
        if self._watches is None:
            self._watches = {}
        before = self._watches.pop((kind, request_id), None)
        if before is not None:
            self._unwatch(before)
        self._watches[kind, request_id] = watch
        self._instance.fanout.add(watch)
        self._instance.counts.subscriptions += 1

    def _unwatch(self, watch: Watch) -> None:
        self._instance.fanout.remove(watch)
        self._instance.counts.subscriptions -= 1

    def _box(self) -> Outbox:
        if self._outbox is None:
            lagging = partial(self._cut_off, "it does not read its events")
            self._outbox = Outbox(self.transport.write, lagging)
            self._outbox.held = self._congested
        return self._outbox

    # --- pace and end ----------------------------------------------------------------------------

    def _hold(self, request: Received) -> None:
        if self._held is None:
            self._held = []
            self._instance.wake()
        self._held.append(request)

    def _pace(self) -> None:
        """Read from the client exactly while there is room for what it sends."""
        full = self._congested or self._held is not None
        full = full or (self._line is not None and len(self._line) >= MAX_PENDING)
        if full == self._paused or self._peer_done or self.transport.is_closing():
            return
        self._paused = full
        if full:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def _cut_off(self, reason: str) -> None:
        if not self.transport.is_closing():
            log.warning("a client was cut off", reason=reason, peer_pid=self.peer.pid)
            self.transport.abort()

    def _close_if_done(self) -> None:
        """A client that will ask nothing more gets its answers, and then the end."""
        busy = self._working or self._line or self._held is not None or self._watches
        if self._peer_done and not busy:
            self.transport.close()
