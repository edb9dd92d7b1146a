"""The calls of one connection that are not answered yet: their turns, their ends, their time.

A call is stepped in place and answered at once where it need not wait. One that waits becomes a
task, and stands here until it is answered: because it is done, because its client gave it up, or
because the time that it was given is over. A query that is given up stops. An action that has begun
is carried on, because half of it would help nobody; only the rest of a batch is left out.
"""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Literal

import msgspec

from sd_daemon.server.dispatch import BatchRun, answer, kind_of, traced
from sd_daemon.server.step import step
from sd_daemon.server.unfinished import size_of
from sd_wire.errors import DeadlineExceeded, RequestCancelled, SdError
from sd_wire.messages import Call, Id
from sd_wire.operation import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from sd_daemon.handlers.handler import Peer
    from sd_daemon.server.instance import Instance
    from sd_wire.encoding import Encoding
    from sd_wire.messages import RequestId
    from sd_wire.reading import Request

    Outcome = Literal["stopped", "carried-on", "unknown"]


class Pending(msgspec.Struct, gc=False):
    """A call that waits."""

    id: Id
    kind: Kind
    batch: BatchRun | None
    size: int  # bytes, as far as they count
    timer: asyncio.TimerHandle | None = None
    given_up: SdError | None = None  # why it is answered before it is done
    answered: bool = False


class Calls:
    """The calls of one connection."""

    __slots__ = ("_encoding", "_instance", "_on_answer", "_peer", "_pending", "size")

    def __init__(
        self,
        instance: Instance,
        peer: Peer,
        encoding: Encoding,
        on_answer: Callable[[Id, bytes], None],
    ) -> None:
        """`on_answer` gets the id and the reply of each call that had to wait; no reply where
        there is nothing more to say."""
        self._instance = instance
        self._peer = peer
        self._encoding = encoding
        self._on_answer = on_answer
        self._pending: dict[asyncio.Task[bytes], Pending] = {}
        self.size = 0  # bytes of those that are not answered

    def __len__(self) -> int:
        return len(self._pending)

    def begin(self, request: Request) -> bytes:
        """Answer a call: the reply, or b"" where it comes later."""
        batch = None if isinstance(request.body, Call) else BatchRun()
        work: Coroutine[None, None, bytes]
        work = answer(self._instance, self._peer, self._encoding, request, batch)
        loop = self._instance.loop
        if request.correlation_id is msgspec.UNSET:
            reply = step(loop, work)
        else:  # what is logged on its behalf says so: a context of its own keeps that apart
            reply = copy_context().run(step, loop, traced(request, self._peer, work))
        if isinstance(reply, bytes):
            return reply
        pending = Pending(request.id, kind_of(request), batch, size_of(request))
        self.size += pending.size
        if request.timeout_ms is not msgspec.UNSET:
            expired = partial(self._expire, reply, request.timeout_ms)
            pending.timer = loop.call_later(request.timeout_ms / 1000, expired)
        self._pending[reply] = pending
        self._instance.working.add(reply)
        reply.add_done_callback(self._ended)
        return b""

    def cancel(self, request_id: RequestId) -> Outcome:
        """Give up the call with this id."""
        for task, pending in self._pending.items():
            if pending.id == request_id and not pending.answered:
                return self._give_up(task, pending, RequestCancelled())
        return "unknown"

    def close(self) -> None:
        """The client is gone: nobody waits for what was only asked."""
        for task, pending in tuple(self._pending.items()):
            if pending.timer is not None:
                pending.timer.cancel()
            if pending.kind is Kind.QUERY:
                task.cancel()

    def _give_up(self, task: asyncio.Task[bytes], pending: Pending, why: SdError) -> Outcome:
        if pending.kind is Kind.QUERY:
            pending.given_up = why
            task.cancel()
            return "stopped"
        if pending.batch is not None:
            pending.batch.given_up = why
            return "stopped"
        return "carried-on"

    def _expire(self, task: asyncio.Task[bytes], milliseconds: int) -> None:
        pending = self._pending[task]
        why = DeadlineExceeded(milliseconds=milliseconds)
        if self._give_up(task, pending, why) == "carried-on":
            pending.answered = True
            self.size -= pending.size
            self._on_answer(pending.id, self._encoding.failure(why, pending.id))

    def _ended(self, task: asyncio.Task[bytes]) -> None:
        pending = self._pending.pop(task)
        self._instance.working.discard(task)
        if pending.timer is not None:
            pending.timer.cancel()
        if pending.answered:
            return
        self.size -= pending.size
        reply = b""
        if not task.cancelled():
            reply = task.result()
        elif pending.given_up is not None:
            reply = self._encoding.failure(pending.given_up, pending.id)
        self._on_answer(pending.id, reply)
