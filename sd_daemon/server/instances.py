"""The instances that one process serves, each with its own core, data and socket."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sd_daemon.core.log import get_log
from sd_daemon.server.capacity import Capacity
from sd_daemon.server.instance import Instance, Settings
from sd_wire.errors import AlreadyRunning, InvalidInstanceName
from sd_wire.places import instance_dir, is_instance_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from sd_daemon.core.core import Core
    from sd_daemon.server.keeping import Keeper
    from sd_daemon.server.listen import Listener

log = get_log(__name__)


class CoreInstanceManager:
    """Instances by name; the default one has none."""

    def __init__(
        self,
        data_dir: str,
        *,
        networking: bool = False,
        boot: str | None = None,
        limit: int = 1000,
        opened: Callable[[Instance], None] | None = None,
    ) -> None:
        self.data_dir = data_dir
        self.capacity = Capacity(limit)
        self.idle = asyncio.Event()  # set when the last instance has ended
        self.keeper: Keeper | None = None  # of the connections, for a process that follows
        self._hand_over = False
        self._networking = networking
        self._boot = boot
        self._opened = opened or (lambda instance: None)
        self._instances: dict[str | None, Instance] = {}
        self._ending: dict[str | None, asyncio.Task[None]] = {}

    @property
    def instances(self) -> dict[str | None, Instance]:
        """Those that are served, by name."""
        return dict(self._instances)

    async def serve(self, name: str | None, listener: Listener) -> Instance:
        """Accept clients of an instance. Its core is opened when the first one needs it."""
        if name is not None and not is_instance_name(name):
            raise InvalidInstanceName(name=name)
        if name in self._instances:
            raise AlreadyRunning(socket=self._instances[name].path)
        instance = Instance(
            Settings(instance_dir(self.data_dir, name), name, self._networking, self._boot),
            listener,
            self.capacity,
            keeper=self.keeper,
            opened=self._opened,
            ask_to_stop=self._asked_to_stop,
        )
        self._instances[name] = instance
        self.idle.clear()
        await instance.serve()
        return instance

    async def open(self, name: str | None = None) -> Core:
        """The core of an instance that is served, opened if it is not yet."""
        return await self._instances[name].open()

    async def shutdown(self, name: str | None = None) -> None:
        """End one instance. One that is not served has ended."""
        if name in self._instances:
            # Not cancelled with whoever asked: an end that has begun is carried out.
            await asyncio.shield(self._begin_to_end(name))

    async def shutdown_all(self, *, hand_over: bool = False) -> None:
        """End every instance, all at the same time. `hand_over`: leave their connections to the
        process that follows."""
        self._hand_over = hand_over
        await asyncio.gather(*(self.shutdown(name) for name in tuple(self._instances)))

    def _asked_to_stop(self, instance: Instance) -> None:
        self._begin_to_end(instance.settings.name)

    def _begin_to_end(self, name: str | None) -> asyncio.Task[None]:
        if name not in self._ending:
            self._ending[name] = asyncio.get_running_loop().create_task(self._end(name))
        return self._ending[name]

    async def _end(self, name: str | None) -> None:
        log.info("instance stops", instance=name)
        try:
            await self._instances[name].stop(hand_over=self._hand_over)
        finally:
            del self._instances[name]
            del self._ending[name]
            if not self._instances:
                self.idle.set()
        log.info("instance stopped", instance=name)
