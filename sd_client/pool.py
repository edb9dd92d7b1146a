"""The connections of a CoreClient, kept up as long as it is open."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from sd_client.link import Link, open_link
from sd_wire.errors import (
    ConnectionLost,
    ConnectionRefused,
    DaemonNotRunning,
    DatabaseBusy,
    ShuttingDown,
    TooManyConnections,
    TooManyRequests,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sd_client.backoff import Backoff
    from sd_wire.messages import Hello, Welcome

X = TypeVar("X")

AWAY = (ConnectionLost, ConnectionRefused, DaemonNotRunning)
"""A daemon that may be back in a moment."""

BUSY = (DatabaseBusy, ShuttingDown, TooManyConnections, TooManyRequests)
"""Refusals that pass by themselves. What else is retryable waits for somebody to do something."""


class Slot:
    """A place for a connection, and whether one is being made for it."""

    def __init__(self) -> None:
        self.link: Link | None = None
        self.connecting = asyncio.Lock()

    @property
    def open_link(self) -> Link | None:
        """The connection, if there is one now."""
        return self.link if self.link is not None and self.link.is_open else None

    @property
    def pending(self) -> int:
        """How many answers are waited for."""
        return 0 if self.open_link is None else self.open_link.pending

    @property
    def streams(self) -> int:
        """How many subscriptions it carries."""
        return 0 if self.open_link is None else self.open_link.streams


class Pool:
    """So many connections to one socket."""

    def __init__(
        self,
        socket_path: str,
        connections: int,
        hello: Hello,
        backoff: Backoff,
        on_lost: Callable[[], None],
    ) -> None:
        if connections < 1:
            raise ValueError(f"{connections} connections are too few")
        self.closed = False
        self.backoff = backoff
        self.welcome: Welcome | None = None
        self._socket_path = socket_path
        self._hello = hello
        self._on_lost = on_lost
        self._slots = [Slot() for _ in range(connections)]
        self._has_been_up = False

    def __repr__(self) -> str:
        return f"<Pool {self.open_links!r} of {len(self._slots)}>"

    @property
    def open_links(self) -> list[Link]:
        """The connections that there are now."""
        return [slot.open_link for slot in self._slots if slot.open_link is not None]

    async def connect(self) -> None:
        """One attempt for each connection."""
        self.closed = False
        for slot in self._slots:
            await self._open(slot)

    def close(self) -> None:
        """End them all. Whatever waits gets ConnectionLost."""
        self.closed = True
        self._has_been_up = False
        for link in self.open_links:
            link.close()

    async def for_call(self) -> Link:
        """The connection that waits for the fewest answers."""
        return await self._up(min(self._slots, key=lambda slot: slot.pending))

    async def for_stream(self) -> Link:
        """The connection that carries the fewest subscriptions."""
        return await self._up(min(self._slots, key=lambda slot: slot.streams))

    async def carry_out(
        self,
        pick: Callable[[], Awaitable[Link]],
        act: Callable[[Link], Awaitable[X]],
        *,
        repeatable: bool,
    ) -> X:
        """Do something on a connection. What may be repeated is: after the connection was lost,
        and after a refusal that passes."""
        for attempt in range(self.backoff.attempts if repeatable else 0):
            link = await pick()
            try:
                return await act(link)
            except (ConnectionLost, *BUSY):
                if self.closed:
                    raise
            await asyncio.sleep(self.backoff.pause(attempt))
        return await act(await pick())

    async def _open(self, slot: Slot) -> Link:
        async with slot.connecting:
            link = slot.open_link
            if link is None:
                link = await open_link(self._socket_path, self._on_lost, self._hello)
                slot.link = link
                self.welcome = link.welcome
                self._has_been_up = True
            return link

    async def _up(self, slot: Slot) -> Link:
        """The connection of a slot, made again where it was lost. A client that never connected,
        or was closed, makes one attempt; afterwards a daemon that is away is waited for."""
        if slot.open_link is not None:
            return slot.open_link
        self.closed = False
        patience = self.backoff.attempts if self._has_been_up else 0
        for attempt in range(patience):
            try:
                return await self._open(slot)
            except (*AWAY, *BUSY):
                if self.closed:
                    raise
            await asyncio.sleep(self.backoff.pause(attempt))
        return await self._open(slot)
