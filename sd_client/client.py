"""CoreClient: the daemon as an object of an asyncio program.

    async with CoreClient(socket_path) as core:
        for library in await core.call(ListLibraries()):
            print(library.name)

Any number of calls and subscriptions share one connection; each has an id. A lost connection is
made again by itself, with growing pauses, up to a limit. What happens to a call that was under way
then:

    a query                                is sent again: asking twice changes nothing
    an action that was not sent yet        is sent
    an action that was sent                fails with ConnectionLost: only its caller can know
                                           whether doing it twice is right
    a subscription                         is made again and yields a Gap
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from sd_client.link import Link, open_link
from sd_client.requests import (
    call_line,
    decode_result,
    is_query,
    result_of,
    subscribe_line,
    subscribe_logs_line,
    word_line,
)
from sd_client.streams import LogRecord, Occurrence, Subscription, log_record, occurrence
from sd_wire.errors import ConnectionLost, ConnectionRefused, DaemonNotRunning, SdError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from uuid import UUID

    from sd_wire.messages import EventFilter, LogFilter, Reply
    from sd_wire.operation import Request

R = TypeVar("R")

AnySubscription = Subscription[Occurrence] | Subscription[LogRecord]


class _Standing(NamedTuple):
    """A subscription's request, and where it was accepted."""

    request: Callable[[int], bytes]
    link: Link
    request_id: int


class Backoff(msgspec.Struct, frozen=True):
    """The pauses between attempts to connect again, in seconds: each twice the one before, half
    of it by chance, so that the clients of a restarted daemon do not come all at once."""

    first: float = 0.05
    longest: float = 2.0
    attempts: int = 10

    def pause(self, attempt: int) -> float:
        """How long to wait after this many failures."""
        bound = min(self.longest, self.first * 2.0**attempt)
        return bound * random.uniform(0.5, 1.0)


class CoreClient:
    """A connection to the daemon behind a socket, kept up as long as the object is open."""

    def __init__(self, socket_path: str, *, backoff: Backoff | None = None) -> None:
        self.socket_path = socket_path
        self._backoff = backoff or Backoff()
        self._link: Link | None = None
        self._connecting = asyncio.Lock()
        self._standing: dict[AnySubscription, _Standing] = {}
        self._mending: asyncio.Task[None] | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"<CoreClient {self.socket_path!r} {self._link!r}>"

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
        return self._link is not None and self._link.is_open

    async def connect(self) -> None:
        """One attempt. Raises DaemonNotRunning, SocketPermissionDenied or ConnectionRefused."""
        async with self._connecting:
            if not self.connected:
                self._closed = False
                self._link = await open_link(self.socket_path, self._lost)

    async def close(self) -> None:
        """End the connection; whatever waits gets ConnectionLost."""
        self._closed = True
        if self._mending is not None:
            self._mending.cancel()
            await asyncio.gather(self._mending, return_exceptions=True)
        for subscription in list(self._standing):
            subscription.fail(ConnectionLost())
        self._standing.clear()
        if self._link is not None:
            self._link.close()

    async def call(
        self,
        request: Request[R],
        *,
        library_id: UUID | str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the usual word for a usual wish
    ) -> R:
        """Ask, and wait for the result. Raises what the operation declares, ConnectionLost, or
        TimeoutError after `timeout` seconds."""
        method = type(request).operation.method
        async with asyncio.timeout(timeout):
            return decode_result(request, await self.call_raw(method, request, library_id))

    async def call_raw(
        self, method: str, payload: Any = None, library_id: UUID | str | None = None
    ) -> msgspec.Raw:
        """Ask by the name on the wire. The result is the JSON as it came."""
        return result_of(
            await self._ask(
                lambda request_id: call_line(method, payload, library_id, request_id),
                repeatable=is_query(method),
            )
        )

    async def ping(self) -> None:
        """Returns when the daemon answers."""
        result_of(await self._ask(lambda n: word_line("Ping", n), repeatable=True))

    async def shutdown(self) -> None:
        """Tell the daemon to end. It has accepted that when this returns."""
        result_of(await self._ask(lambda n: word_line("Shutdown", n), repeatable=False))

    def subscribe(
        self, event_types: list[str] | None = None, event_filter: EventFilter | None = None
    ) -> Subscription[Occurrence]:
        """Events of these types; without types, all that are not only sent by name."""

        def request(request_id: int) -> bytes:
            return subscribe_line(event_types or [], event_filter, request_id)

        async def start(made: Subscription[Occurrence]) -> None:
            await self._start_stream(made, request)

        return Subscription(
            start, self._stop_stream, occurrence, lambda gap: Occurrence(gap, 0, None)
        )

    def subscribe_logs(self, log_filter: LogFilter | None = None) -> Subscription[LogRecord]:
        """Records of the daemon's log."""

        def request(request_id: int) -> bytes:
            return subscribe_logs_line(log_filter, request_id)

        async def start(made: Subscription[LogRecord]) -> None:
            await self._start_stream(made, request)

        return Subscription(
            start, self._stop_stream, log_record, lambda gap: LogRecord(gap, 0, None)
        )

    # --- calls --------------------------------------------------------------------------------

    async def _ask(self, request: Callable[[int], bytes], *, repeatable: bool) -> Reply:
        for attempt in range(self._backoff.attempts + 1):
            link = await self._connected()
            request_id = link.next_id()
            try:
                return await link.request(request_id, request(request_id))
            except ConnectionLost:
                if self._closed or not repeatable or attempt == self._backoff.attempts:
                    raise
                await asyncio.sleep(self._backoff.pause(attempt))
        raise ConnectionLost

    async def _connected(self) -> Link:
        """The link, made again where it was lost. A client that never connected, or was closed,
        makes one attempt; afterwards a daemon that is away is waited for."""
        lost_before = self._link is not None and not self._closed
        for attempt in range(self._backoff.attempts + 1):
            if self._link is not None and self._link.is_open:
                return self._link
            try:
                await self.connect()
            except (DaemonNotRunning, ConnectionRefused):
                if not lost_before or attempt == self._backoff.attempts:
                    raise
                await asyncio.sleep(self._backoff.pause(attempt))
        raise ConnectionLost

    # --- subscriptions ------------------------------------------------------------------------

    async def _start_stream(
        self, subscription: AnySubscription, request: Callable[[int], bytes]
    ) -> None:
        link = await self._connected()
        request_id = link.next_id()
        link.open_stream(request_id, subscription.receive)
        try:
            result_of(await link.request(request_id, request(request_id)))
        except BaseException:
            link.close_stream(request_id)
            raise
        self._standing[subscription] = _Standing(request, link, request_id)
        if subscription.closed:  # its owner left while it was being made again
            self._stop_stream(subscription)

    def _stop_stream(self, subscription: AnySubscription) -> None:
        standing = self._standing.pop(subscription, None)
        if standing is not None:
            standing.link.send(word_line("Unsubscribe", standing.request_id))
            standing.link.close_stream(standing.request_id)

    def _lost(self) -> None:
        if self._closed:
            return
        for subscription, standing in self._standing.items():
            if not standing.link.is_open:
                subscription.mark_gap()
        if self._standing and self._mending is None:
            self._mending = asyncio.get_running_loop().create_task(self._mend())

    async def _mend(self) -> None:
        """Make the subscriptions again after the connection was lost, as often as it is."""
        try:
            while lost := [s for s, was in self._standing.items() if not was.link.is_open]:
                for subscription in lost:
                    await self._restart(subscription)
        finally:
            self._mending = None

    async def _restart(self, subscription: AnySubscription) -> None:
        for attempt in range(self._backoff.attempts):
            standing = self._standing.get(subscription)
            if standing is None:  # given up by its owner meanwhile
                return
            try:
                await self._start_stream(subscription, standing.request)
            except ConnectionLost:
                await asyncio.sleep(self._backoff.pause(attempt))
            except SdError as error:
                self._give_up(subscription, error)
                return
            else:
                return
        self._give_up(subscription, ConnectionLost())

    def _give_up(self, subscription: AnySubscription, error: SdError) -> None:
        if self._standing.pop(subscription, None) is not None:
            subscription.fail(error)
