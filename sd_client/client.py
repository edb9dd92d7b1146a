"""CoreClient: the daemon as an object of an asyncio program.

    async with CoreClient(socket_path) as core:
        for library in await core.call(ListLibraries()):
            print(library.name)

        async with core.subscribe_events(
            ["LogMessage", "JobUpdate"], EventFilter(library_id=library_id)
        ) as event_stream:
            while happened := await event_stream.recv():
                match happened.event:
                    case LogMessage(message=message, level=level):
                        print(f"[{level}] {message}")
                    case JobUpdate(job_id=job_id, status=status):
                        print(f"Job {job_id} status: {status}")

`async for happened in event_stream` says the same as the loop around `recv`.

Any number of calls and subscriptions share one connection; each has an id. A lost connection is
made again by itself, with growing pauses, up to a limit. What happens to what was under way then:

    a query                                is sent again: asking twice changes nothing
    an action that was not sent yet        is sent
    an action that was sent                fails with ConnectionLost: only its caller can know
                                           whether doing it twice is right
    a subscription                         goes on behind the last event that it got

A query that the daemon refuses for a moment, because it is ending or has too much to do, is asked
again in the same way.

More connections than one (`connections=4`) help where an answer is large or a stream is busy: on
one connection the answers behind eight megabytes of listing wait until those are through, and a
program that reads its events slowly reads its answers slowly, too. For small calls one connection
is as fast.

`encoding="messagepack"` asks the daemon for its binary encoding; nothing else is different, and a
daemon that does not have it is talked to in JSON.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from sd_client.backoff import Backoff
from sd_client.pool import Pool
from sd_client.reaching import failure_in
from sd_client.requests import (
    Document,
    Wish,
    batch_message,
    batch_results,
    call_message,
    decode_result,
    is_query,
    result_of,
    word_message,
)
from sd_client.resuming import EventCourse, LogCourse
from sd_client.standing import Standing
from sd_client.streams import Subscription
from sd_wire.errors import DeadlineExceeded, SdError
from sd_wire.messages import Hello

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from types import TracebackType
    from uuid import UUID

    from sd_client.link import Link
    from sd_client.occurrences import LogRecord, Occurrence, Position
    from sd_wire.encoding import Encoding
    from sd_wire.messages import EncodingName, EventFilter, LogFilter, Reply, RequestId, Welcome
    from sd_wire.operation import Request

    TimedMessage = Callable[[Encoding, RequestId, Wish], bytes]
    """What makes a request of its id and of what is asked beside it, such as the time left."""

R = TypeVar("R")


class CoreClient:
    """The daemon behind a socket, reached as long as the object is open."""

    def __init__(
        self,
        socket_path: str,
        *,
        connections: int = 1,
        encoding: EncodingName = "json",
        name: str = "",
        backoff: Backoff | None = None,
    ) -> None:
        """`name` is what the daemon knows this program by."""
        self.socket_path = socket_path
        hello = Hello(encoding=encoding, client=name)
        self._pool = Pool(socket_path, connections, hello, backoff or Backoff(), self._lost)
        self._standing = Standing(self._pool)

    def __repr__(self) -> str:
        return f"<CoreClient {self.socket_path!r} {self._pool!r}>"

    async def __aenter__(self) -> CoreClient:
        await self.connect()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def connected(self) -> bool:
        """Whether there is a connection now. There may be one again a moment later."""
        return bool(self._pool.open_links)

    @property
    def daemon(self) -> Welcome | None:
        """Who the daemon said it is when it was last connected to: its version, what it can do,
        what this user may do. None where it does not say such things."""
        return self._pool.welcome

    async def connect(self) -> None:
        """One attempt. Raises DaemonNotRunning, SocketPermissionDenied or ConnectionRefused."""
        await self._pool.connect()

    async def close(self) -> None:
        """End the connection; whatever waits gets ConnectionLost."""
        self._pool.closed = True
        await self._standing.close()
        self._pool.close()

    async def call(
        self,
        request: Request[R],
        *,
        library_id: UUID | str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the usual word for a usual wish
        correlation_id: str | None = None,
    ) -> R:
        """Ask, and wait for the result. Raises what the operation declares, ConnectionLost, or
        TimeoutError after `timeout` seconds.

        Whoever stops waiting, by a timeout or by cancelling the task, stops a query in the daemon
        as well; an action that has begun there is finished. What the daemon logs and publishes on
        behalf of the call bears the `correlation_id`.
        """
        wish = Wish(library_id, timeout, correlation_id)
        method = type(request).operation.method
        encoding, document = await self._call(method, request, wish)
        return decode_result(encoding, request, document)

    async def call_raw(
        self,
        method: str,
        payload: Any = None,
        library_id: UUID | str | None = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109
        correlation_id: str | None = None,
    ) -> Document:
        """Ask by the name on the wire. The result is the document as it came, in the encoding of
        the connection; a payload that is a msgspec.Raw is taken to be one, too."""
        wish = Wish(library_id, timeout, correlation_id)
        return (await self._call(method, payload, wish))[1]

    async def batch(
        self,
        requests: Sequence[Request[R]],
        *,
        library_id: UUID | str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
        correlation_id: str | None = None,
    ) -> list[R | SdError]:
        """Several calls in one message, carried out one after the other. What comes back are their
        results in that order, and in the place of a call that failed its error."""
        wish = Wish(library_id, timeout, correlation_id)
        encoding, reply = await self._ask(
            lambda encoding, n, left: batch_message(encoding, n, requests, left),
            wish,
            repeatable=all(is_query(type(one).operation.method) for one in requests),
        )
        return batch_results(encoding, requests, reply)

    async def ping(self) -> None:
        """Returns when the daemon answers."""
        await self._word("Ping", repeatable=True)

    async def shutdown(self) -> None:
        """Tell the daemon to end. It has accepted that when this returns."""
        await self._word("Shutdown", repeatable=False)

    def subscribe_events(
        self,
        event_types: list[str] | None = None,
        event_filter: EventFilter | None = None,
        *,
        after: Position | None = None,
        initial: bool = False,
    ) -> Subscription[Occurrence]:
        """Events of these types; without types, all that are not only sent by name.

        `after`: first those that came after a position, which an earlier subscription had, also
        before this program or the daemon was restarted. `initial`: first the state as it is now,
        and with `after` only where something is gone. Either is followed by one CaughtUp, and then
        by what happens. With `initial` the state also comes anew after every Gap.
        """
        return Subscription(
            EventCourse(event_types, event_filter, after, initial=initial), self._standing
        )

    def subscribe_logs(
        self,
        log_filter: LogFilter | None = None,
        *,
        last: int | None = None,
        since: datetime | None = None,
    ) -> Subscription[LogRecord]:
        """Records of the daemon's log. `last` and `since`: first so many of the past, or those
        from a time on, followed by one CaughtUp."""
        return Subscription(LogCourse(log_filter, last, since), self._standing)

    async def _word(self, name: str, *, repeatable: bool) -> None:
        _, reply = await self._ask(
            lambda encoding, n, _: word_message(encoding, n, name), Wish(), repeatable=repeatable
        )
        result_of(reply)

    async def _call(self, method: str, payload: Any, wish: Wish) -> tuple[Encoding, Document]:
        encoding, reply = await self._ask(
            lambda encoding, n, left: call_message(encoding, n, method, payload, left),
            wish,
            repeatable=is_query(method),
        )
        return encoding, result_of(reply)

    async def _ask(
        self, message: TimedMessage, wish: Wish, *, repeatable: bool
    ) -> tuple[Encoding, Reply]:
        """The reply, and how it is encoded. TimeoutError, whichever end found the time over."""
        loop = asyncio.get_running_loop()
        end = None if wish.timeout is None else loop.time() + wish.timeout

        async def act(link: Link) -> tuple[Encoding, Reply]:
            left = wish if end is None else wish._replace(timeout=end - loop.time())
            reply = await link.request(lambda encoding, n: message(encoding, n, left))
            error = failure_in(reply)
            if error is not None:
                raise error
            return link.encoding, reply

        try:
            async with asyncio.timeout_at(end):
                return await self._pool.carry_out(self._pool.for_call, act, repeatable=repeatable)
        except DeadlineExceeded as error:
            raise TimeoutError(error.text) from error

    def _lost(self) -> None:
        if not self._pool.closed:
            self._standing.lost()
