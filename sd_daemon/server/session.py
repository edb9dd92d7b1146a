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
import socket
from collections import deque
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, cast

import msgspec

from sd_daemon.core.log import get_log
from sd_daemon.server.calls import Calls
from sd_daemon.server.dispatch import refusal
from sd_daemon.server.greeting import welcome
from sd_daemon.server.needs import name_of, need_of
from sd_daemon.server.outbox import Outbox
from sd_daemon.server.peer import NOBODY, has_hung_up, in_kernel, peer_of
from sd_daemon.server.routes import RANK
from sd_daemon.server.subscriptions import Subscriptions
from sd_daemon.server.unfinished import Share, size_of
from sd_wire.connection import PING_LINE, ServerConnection
from sd_wire.encoding import JSON
from sd_wire.errors import SdError, ShuttingDown, TooManyRequests
from sd_wire.messages import (
    MAX_LINE,
    MAX_PENDING,
    Call,
    Cancel,
    Cancelled,
    Hello,
    Id,
    Subscribe,
    SubscribeLogs,
)
from sd_wire.reading import Batch, Received, Rejected, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from sd_daemon.server.handover import KeptConnection, KeptWatch
    from sd_daemon.server.instance import Instance

log = get_log(__name__)

MAX_UNREAD = 32 * 1024 * 1024  # bytes of answers that may wait for a client before it is cut off
EVENTS_UNREAD = 64 * 1024  # bytes that the kernel takes for who watches: what waits there is late
SLICE = 256 * 1024  # bytes of replies that are gathered before the socket is asked to take them

_CALLS = (Call, Batch)
PONG_LINE = JSON.frame("Pong")


class Session(asyncio.BaseProtocol):
    """The daemon's end of a connection."""

    __slots__ = (
        "_active",
        "_calls",
        "_congested",
        "_held",
        "_instance",
        "_kept",
        "_line",
        "_line_size",
        "_partial",
        "_paused",
        "_peer_done",
        "_share",
        "_turn_taken",
        "_watch_rank",
        "_watched",
        "_wire",
        "peer",
        "transport",
    )

    transport: asyncio.Transport
    _share: Share

    def __init__(self, instance: Instance, kept: KeptConnection | None = None) -> None:
        """`kept`: what the process before has left of this connection."""
        self._instance = instance
        self._kept = kept
        self._wire = ServerConnection()
        if kept is not None:
            self._wire = ServerConnection.resumed(kept.state, kept.encoding)
        self.peer = NOBODY
        self._calls: Calls | None = None
        self._turn_taken = False  # a request without id waits for its answer
        self._line: deque[Received] | None = None  # those behind it
        self._line_size = 0  # bytes of these
        self._held: list[Received] | None = None  # nothing is answered now: read, and put off
        self._congested = False  # the client does not read
        self._paused = False  # nor do we
        self._peer_done = False
        self._watched: Subscriptions | None = None
        self._active = monotonic()  # when it last was not idle
        self._partial = False  # it has begun a request, and not ended it
        self._watch_rank = 0  # what it must be allowed to do to go on watching

    # --- what the event loop calls ---------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        # uvloop's transports are none by inheritance, only by what they can do.
        self.transport = cast("asyncio.Transport", transport)
        self.peer = peer_of(transport.get_extra_info("socket"))
        self._share = self._instance.share_of(self.peer)
        refused = self._instance.admit(self)
        if refused is not None:
            self.transport.write(JSON.failure(refused, msgspec.UNSET))
            self.transport.close()
        elif self._kept is not None:
            unread = self._kept.unread
            if self._instance.ready:  # somebody who came before has had it opened
                self.go_on()
            else:
                self._instance.wake()
            if unread:
                self.data_received(unread)

    def data_received(self, data: bytes) -> None:
        """Answer what is complete."""
        # Those bytes may also be what a longer request was cut in, or not have their turn yet.
        its_turn = data == PING_LINE and not self._turn_taken and self._held is None
        if its_turn and self._wire.takes_a_word():
            self._instance.counts.requests += 1
            self.transport.write(PONG_LINE)
            self._active = monotonic()
            self._partial = False
            return
        received = self._wire.receive(data)
        if self._wire.holds or self._share.arrived:
            received += self._share.arrives(self._wire)
        if received or not self._partial:
            self._active = monotonic()
        self._partial = not received
        if len(received) == 1 and self._may_answer():
            reply = self._begin(received[0])
            if reply:
                self.transport.write(reply)
            else:
                self._pace()
        else:
            self._take(received)
            self._go_on_later()

    def eof_received(self) -> bool:
        """The client has said everything; it may still want to hear the answers."""
        gone = has_hung_up(self.transport.get_extra_info("socket"))
        self._take(self._wire.receive_end(gone=gone))
        self._peer_done = True
        self._go_on_later()
        if gone and not self._wire.has_more:
            self.transport.abort()  # it is not even listening: a watch must not outlive it
        else:
            self._close_if_done()
            if not self.transport.is_closing():
                self._instance.hang_ups.watch(self)
        return True

    def pause_writing(self) -> None:
        """The client reads slower than it is answered."""
        self._congested = True
        self._instance.sweep.stopped_reading(self)
        if self._watched is not None:
            self._watched.hold()
        self._pace()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._congested = False
        self._instance.sweep.reads_again(self)
        if self._watched is not None:
            self._watched.go_on()
        self.go_on()

    def connection_lost(self, error: Exception | None) -> None:
        """The client is gone. What it asked to be changed is still changed."""
        self._wire.close()
        self._share.give_back()
        self._instance.hang_ups.forget(self)
        self._instance.sweep.reads_again(self)
        self._instance.leave(self)
        if self._watched is not None:
            self._watched.close()
            self._watched = None
        if self._calls is not None:
            self._calls.close()

    # --- what the instance calls -----------------------------------------------------------------

    def pause(self) -> None:
        """Take nothing more in, and tell nothing more of the past: it is for the process that
        follows."""
        if self._watched is not None:
            self._watched.halt()
        if not self.transport.is_closing():
            self._paused = True
            self.transport.pause_reading()

    @property
    def is_sending(self) -> bool:
        """Whether the kernel has not yet taken all that was said."""
        return self.transport.get_write_buffer_size() > 0

    def go_on(self) -> None:
        """Answer what was put off, if nothing stands in the way any more."""
        kept, self._kept = self._kept, None
        if kept is not None:
            for watch in kept.watches:
                self._resume(watch)
        held, self._held = self._held, None
        if held:
            self._take(held)
        self._pace()
        self._close_if_done()

    def refuse(self, error: SdError) -> None:
        """Answer what was put off: there is no core, and this is why."""
        held, self._held = self._held, None
        encoding = self._wire.encoding
        for request in held or ():
            body = request.body if isinstance(request, Request) else None
            if isinstance(body, Hello):
                self.transport.write(JSON.failure(error, request.id))
                if body.encoding != JSON.name:
                    self.finish()  # it cannot know what would follow
                    return
            elif body == "Ping":
                self.transport.write(encoding.word("Pong", request.id))
            else:
                self.transport.write(encoding.failure(error, request.id))
        self._pace()
        self._close_if_done()

    def finish(self) -> None:
        """Send what is left and close."""
        if self._watched is not None:
            self._watched.flush()
        self._wire.close()
        self.transport.close()

    @property
    def is_own(self) -> bool:
        """Whether the client is the daemon itself, asking how it is."""
        return self.peer.pid == self._instance.capacity.own_pid

    @property
    def descriptor(self) -> int:
        """The number of its socket; -1 when that is closed."""
        number: int = self.transport.get_extra_info("socket").fileno()
        return number

    def permission_changed(self) -> None:
        """The peer may do more now, or less: what it watches may be no longer for it."""
        if self._watched and RANK[self.peer.permission] < self._watch_rank:
            self.cut_off("it may not watch this any more")

    def idle_since(self) -> float | None:
        """Since when nothing has happened here; None while something is wanted of us.

        A request that was begun and is not ended counts from its first byte.
        """
        busy = self._calls or self._line or self._held is not None or self._watched
        return None if busy or self.transport.is_closing() else self._active

    def unread(self) -> tuple[int, int]:
        """Bytes that wait for the client: with us, and with the kernel."""
        return self.transport.get_write_buffer_size(), in_kernel(self.descriptor)

    def dismiss(self, error: SdError) -> None:
        """Say why, and close."""
        reads = not self.transport.get_write_buffer_size()
        self._wire.close()
        self._instance.leave(self)
        self.transport.write(self._wire.encoding.failure(error, msgspec.UNSET))
        if reads:
            self.transport.close()
        else:
            self.transport.abort()  # it would never be told, and the rest never leave

    def cut_off(self, reason: str) -> None:
        """End the connection at once."""
        log.warning("a client was cut off", reason=reason, peer_pid=self.peer.pid)
        self.transport.abort()

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
        self._pace()

    def _go_on_later(self) -> None:
        """Let others have their turn before the rest of what has arrived."""
        if self._wire.has_more:
            self._pace()
            self._instance.turns.add(self._take_more)

    def _take_more(self) -> None:
        if self.transport.is_closing():
            return
        self._take([*self._wire.more(), *self._share.arrives(self._wire)])
        self._go_on_later()
        self._pace()
        self._close_if_done()

    def _may_answer(self) -> bool:
        return self._held is None and not self._congested and self._instance.answering

    def _begin(self, request: Received) -> bytes:
        """Start a request: its reply if there is one already."""
        if request.id is msgspec.UNSET and self._turn_taken:
            if self._line is None:
                self._line = deque()
            self._line.append(request)
            self._line_size += size_of(request)
            return b""
        self._instance.counts.requests += 1
        encoding = self._wire.encoding
        if isinstance(request, Rejected):
            return encoding.failure(request.error, request.id)
        body = request.body
        if isinstance(body, _CALLS):
            return self._call(request)
        if body == "Ping":
            return encoding.word("Pong", request.id)
        needed = need_of(body)
        if RANK[self.peer.permission] < RANK[needed]:
            error = refusal(self._instance, self.peer, name_of(body), needed)
            return encoding.failure(error, request.id)
        if body == "Shutdown":
            return self._shutdown(request.id)
        if isinstance(body, Hello):
            return welcome(self._instance, self.peer, body, request.id)
        if isinstance(body, Cancel):
            outcome = "unknown" if self._calls is None else self._calls.cancel(body.id)
            return encoding.word("Cancelled", request.id, Cancelled(outcome))
        return self._subscription(body, request.id)

    def _call(self, request: Request) -> bytes:
        encoding = self._wire.encoding
        if self._instance.stopping:
            return encoding.failure(ShuttingDown(), request.id)
        if self._calls is None:
            self._calls = Calls(self._instance, self.peer, encoding, self._answered)
        elif len(self._calls) >= MAX_PENDING:
            return encoding.failure(TooManyRequests(limit=MAX_PENDING), request.id)
        reply = self._calls.begin(request)
        self._turn_taken = self._turn_taken or (not reply and request.id is msgspec.UNSET)
        return reply

    def _answered(self, request_id: Id, reply: bytes) -> None:
        if self.transport.is_closing():
            return
        self._active = monotonic()
        if reply:
            self.transport.write(reply)
        if request_id is msgspec.UNSET:
            self._turn_taken = False
            waiting, self._line, self._line_size = self._line, None, 0
            if waiting and self._held is not None:
                self._held[:0] = waiting  # what is put off came after them
            else:
                self._take(list(waiting or ()))
        if self._congested and self.transport.get_write_buffer_size() > MAX_UNREAD:
            self._cut_off("it does not read its answers")
        self._pace()
        self._close_if_done()

    def _shutdown(self, request_id: Id) -> bytes:
        encoding = self._wire.encoding
        log.info("asked to shut down", peer_uid=self.peer.uid, peer_pid=self.peer.pid)
        self._instance.ask_to_stop()
        told = {} if request_id is msgspec.UNSET else {"id": request_id}
        return encoding.frame({"Ok": [], **told})

    def _resume(self, watch: KeptWatch) -> None:
        body = watch.events or watch.logs
        if body is not None and RANK[self.peer.permission] >= RANK[need_of(body)]:
            self._watch_rank = max(self._watch_rank, RANK[need_of(body)])
            said = self._subscriptions().resume(watch)
            if said:
                self.transport.write(said)

    def _subscription(self, body: Subscribe | SubscribeLogs | str, request_id: Id) -> bytes:
        self._watch_rank = max(self._watch_rank, RANK[need_of(body)])
        watched = self._subscriptions()
        if isinstance(body, str):
            return watched.end(body, request_id)
        return watched.begin(body, request_id)

    def _subscriptions(self) -> Subscriptions:
        if self._watched is None:
            lagging = partial(self._cut_off, "it does not read its events")
            self._watched = Subscriptions(
                self._instance, self._wire.encoding, self._outbox(lagging)
            )
            if self._congested:
                self._watched.hold()
            # Events pass by the transport, so it has to say as soon as something waits in it.
            self.transport.set_write_buffer_limits(0)
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, EVENTS_UNREAD)
        return self._watched

    def _outbox(self, give_up: Callable[[], None]) -> Outbox:
        """What takes the events that the client is sent."""
        return Outbox(self.transport.write, give_up, self.descriptor)

    # --- pace and end ----------------------------------------------------------------------------

    def _hold(self, request: Received) -> None:
        if self._held is None:
            self._held = []
            self._instance.wake()
        self._held.append(request)

    def _pace(self) -> None:
        """Read from the client exactly while there is room for what it sends."""
        waiting = self._share.waits(self._line_size + (self._calls.size if self._calls else 0))
        full = self._congested or self._held is not None or self._instance.handing_over
        full = full or self._wire.has_more or waiting > MAX_LINE
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
            self.cut_off(reason)

    def _close_if_done(self) -> None:
        """A client that will ask nothing more gets its answers, and then the end."""
        busy = self._calls or self._line or self._held is not None or self._watched or self._kept
        if self._peer_done and not busy and not self._wire.has_more:
            self.transport.close()
