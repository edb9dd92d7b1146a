"""Subscriptions of HTTP clients, and how what happens gets to them.

Who asks for the same, from now on, shares one subscription at the daemon, one execution for each
event, and its bytes: a thousand open pages cost one. What asks for the past has one of its own.

Nobody waits for a slow reader. What it has not taken yet is bounded in bytes; one that falls behind
is ended with an error that says so, and goes on with `after` and the last cursor that it saw.

When much happens, what came within a few hundredths of a second is written together.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec
from graphql import GraphQLError

from sd_client.graphql.engine import Refused
from sd_client.graphql.failures import extensions_of, formatted, refusal
from sd_wire.errors import SdError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sd_client.graphql.engine import Asked, Engine, Prepared
    from sd_client.graphql.happenings import Course

log = logging.getLogger("sd_client.graphql")

TOGETHER = 0.04
"""Seconds within which events are written together, once there are more than one."""

UNREAD = 4 * 1024 * 1024
"""Bytes that wait for one reader."""


class Message(NamedTuple):
    """One execution result on its way."""

    body: bytes
    cursor: str | None


class Batch:
    """Messages that go out together, and what was made of them: the same for all readers."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self.messages = messages
        self._made: dict[Callable[[Sequence[Message]], bytes], bytes] = {}

    def written(self, form: Callable[[Sequence[Message]], bytes]) -> bytes:
        """The bytes that a form makes of them."""
        if form not in self._made:
            self._made[form] = form(self.messages)
        return self._made[form]


class Reader(Protocol):
    """A client's end of a subscription."""

    def take(self, batch: Batch) -> None:
        """What happened. Returns at once."""

    def ended(self, errors: Sequence[Any] | None) -> None:
        """Nothing follows; `errors` say why, where it is a failure."""


class Stream:
    """One course, and all who read it."""

    def __init__(
        self, engine: Engine, prepared: Prepared, asked: Asked, course: Course, key: bytes
    ) -> None:
        self.key = key  # of what is asked
        self.readers: set[Reader] = set()
        self._engine = engine
        self._prepared = prepared
        self._asked = asked
        self._course = course
        self._pending: list[Message] = []
        self._written = 0.0
        self._due: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Read the course to its end."""
        errors: list[Any] | None = None
        try:
            async for told in self._course:
                context = self._engine.context(told.library)
                result = await self._engine.result(self._prepared, self._asked, context, told.value)
                self._hand_out(Message(self._engine.encode(result), told.cursor))
        except SdError as error:
            errors = [{"message": error.text, "extensions": extensions_of(error)}]
        except Exception:
            log.exception("a subscription failed")
            errors = formatted([refusal("internal-failure", "this server failed")])
        self._flush()
        for reader in tuple(self.readers):
            reader.ended(errors)

    def close(self) -> None:
        """Have nothing more from the daemon."""
        self._course.source.close()
        if self._due is not None:
            self._due.cancel()

    def _hand_out(self, message: Message) -> None:
        self._pending.append(message)
        loop = asyncio.get_running_loop()
        due = self._written + TOGETHER
        if loop.time() >= due:
            self._flush()
        elif self._due is None:
            self._due = loop.call_at(due, self._flush)

    def _flush(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if self._pending:
            batch, self._pending = Batch(self._pending), []
            self._written = asyncio.get_running_loop().time()
            for reader in tuple(self.readers):
                reader.take(batch)


class Streams:
    """Every subscription of this server."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._shared: dict[bytes, Stream] = {}
        self._running: dict[Stream, asyncio.Task[None]] = {}

    @property
    def readers(self) -> int:
        """How many there are."""
        return sum(len(stream.readers) for stream in self._running)

    @property
    def courses(self) -> int:
        """How many subscriptions the daemon has for them."""
        return len(self._running)

    async def join(
        self, prepared: Prepared, asked: Asked, reader: Reader, resume: str | None = None
    ) -> Stream:
        """Subscribe, behind the cursor `resume` where there is one. Raises Refused. What happens
        after that is not missed."""
        if self.readers >= self._engine.limits.streams:
            limit = self._engine.limits.streams
            text = f"this server already has {limit} subscriptions"
            raise Refused([refusal("too-many-subscriptions", text, "end some")])
        key = msgspec.json.encode([prepared.text, asked.operation_name, asked.variables])
        if resume is None and (shared := self._shared.get(key)) is not None:
            shared.readers.add(reader)
            return shared
        course = await self._engine.begin(prepared, asked, resume)
        try:
            await self._engine.upstream.reach()
            await course.source.__aenter__()
        except SdError as error:
            raise Refused([GraphQLError(error.text, original_error=error)]) from error
        stream = Stream(self._engine, prepared, asked, course, key)
        stream.readers.add(reader)
        if course.live:
            self._shared[key] = stream
        running = asyncio.get_running_loop().create_task(stream.run())
        self._running[stream] = running
        running.add_done_callback(lambda _: self._forget(stream))
        return stream

    def leave(self, stream: Stream, reader: Reader) -> None:
        """End a subscription; that of the daemon with its last reader."""
        stream.readers.discard(reader)
        if not stream.readers and stream in self._running:
            self._running[stream].cancel()
            self._unshare(stream)

    async def close(self) -> None:
        """End them all."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _forget(self, stream: Stream) -> None:
        del self._running[stream]
        self._unshare(stream)
        stream.close()

    def _unshare(self, stream: Stream) -> None:
        if self._shared.get(stream.key) is stream:
            del self._shared[stream.key]
