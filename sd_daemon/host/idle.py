"""The end of a daemon that nobody needs, where the service manager starts it again for the next
client.

There is one timer. When it runs out and nobody was there for so long, nobody is accepted any more.
Whoever was accepted in the last moment is seen then, and whoever waits in the backlog; for either
the daemon goes on. Otherwise it ends. Its listener is the manager's, too, so whoever connects from
here on waits there for the next daemon: no request is ever lost.
"""

from __future__ import annotations

import asyncio
import select
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from sd_daemon.server.instance import Instance
    from sd_daemon.server.instances import CoreInstanceManager

TURNS = 8  # of the loop, after which whoever was accepted has a session


class IdleExit:
    """Ends an idle daemon by calling `leave`."""

    def __init__(
        self, instances: CoreInstanceManager, seconds: float, leave: Callable[[], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._instances = instances
        self._seconds = seconds
        self._leave = leave
        self._busy_at = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._leaving: asyncio.Task[None] | None = None
        self._look_in(seconds)

    def stirred(self) -> None:
        """Somebody has come or gone."""
        self._busy_at = self._loop.time()

    def close(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look_in(self, seconds: float) -> None:
        self._timer = self._loop.call_later(seconds, self._look)

    def _look(self) -> None:
        if self._busy():
            self.stirred()
        left = self._busy_at + self._seconds - self._loop.time()
        if left > 0:
            self._look_in(left)
        else:
            self._leaving = self._loop.create_task(self._end())

    def _busy(self) -> bool:
        """Whether there is a client, a request, or a job that runs or waits."""
        served = self._instances.instances.values()
        return self._instances.capacity.used > 0 or any(_at_work(one) for one in served)

    async def _end(self) -> None:
        served = list(self._instances.instances.values())
        for instance in served:
            instance.listener.rest()
        for _ in range(TURNS):
            await asyncio.sleep(0)
        if self._busy() or any(_somebody_waits(one) for one in served):
            for instance in served:
                await instance.serve()
            self.stirred()
            self._look_in(self._seconds)
            return
        self._leave()


def _at_work(instance: Instance) -> bool:
    return bool(instance.working) or (instance.ready and any(instance.core.runner.counts()))


def _somebody_waits(instance: Instance) -> bool:
    poll = select.poll()
    poll.register(instance.listener.socket, select.POLLIN)
    return bool(poll.poll(0))
