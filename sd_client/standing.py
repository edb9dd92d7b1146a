"""The subscriptions of a CoreClient, which stand again after their connections were lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from sd_client.requests import subscribe_message
from sd_wire.errors import ConnectionLost, SdError

if TYPE_CHECKING:
    from sd_client.link import Link
    from sd_client.occurrences import LogRecord, Occurrence
    from sd_client.pool import Pool
    from sd_client.streams import Subscription
    from sd_wire.messages import RequestId

    AnySubscription = Subscription[Occurrence] | Subscription[LogRecord]


class Place(NamedTuple):
    """Where a subscription was accepted."""

    link: Link
    request_id: RequestId


class Standing:
    """What keeps them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._places: dict[AnySubscription, Place] = {}
        self._beginning: set[AnySubscription] = set()
        self._mending: dict[AnySubscription, asyncio.Task[None]] = {}

    async def begin(self, subscription: AnySubscription) -> None:
        """Make a subscription at the daemon. Raises what is wrong with it."""
        self._beginning.add(subscription)
        try:
            place = await self._pool.carry_out(
                self._pool.for_stream, lambda link: _ask(link, subscription), repeatable=True
            )
        finally:
            self._beginning.discard(subscription)
        self._places[subscription] = place
        # Between the acknowledgement and here much may have come, or its owner have left.
        if not subscription.wanted:
            self.end(subscription)
        elif subscription.course.behind or not place.link.is_open:
            self.again(subscription)

    def end(self, subscription: AnySubscription) -> None:
        """End it at the daemon, if it stands there."""
        place = self._places.pop(subscription, None)
        if place is not None:
            place.link.unsubscribe(place.request_id, subscription.course.end_word)

    def again(self, subscription: AnySubscription) -> None:
        """Make it again, from where it was, in the background."""
        if subscription in self._beginning:  # whoever is at it looks again afterwards
            return
        self.end(subscription)
        if subscription not in self._mending:
            mending = asyncio.get_running_loop().create_task(self._mend(subscription))
            self._mending[subscription] = mending

    def lost(self) -> None:
        """A connection ended."""
        for subscription, place in tuple(self._places.items()):
            if not place.link.is_open:
                self.again(subscription)

    async def close(self) -> None:
        """The client is closed: nothing will follow."""
        mending = list(self._mending.values())
        for task in mending:
            task.cancel()
        await asyncio.gather(*mending, return_exceptions=True)
        for subscription in (*self._places, *self._mending):
            subscription.fail(ConnectionLost())
        self._places.clear()
        self._mending.clear()

    async def _mend(self, subscription: AnySubscription) -> None:
        try:
            while subscription.wanted and subscription not in self._places:
                await self.begin(subscription)
        except SdError as error:
            subscription.fail(error)
        self._mending.pop(subscription, None)


async def _ask(link: Link, subscription: AnySubscription) -> Place:
    request = subscription.course.request()
    request_id = await link.subscribe(
        lambda encoding, n: subscribe_message(encoding, n, request), subscription.receive
    )
    return Place(link, request_id)
