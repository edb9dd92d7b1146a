"""From one process of the daemon to the next: connections wait with the service manager meanwhile.

The one that ends gives the manager a descriptor of each connection, by name, and a file in memory
that says what they are (`sd_daemon.server.handover`). The next one finds both among the descriptors
that it is started with, and takes them out of the manager's hands. A manager that does not keep
descriptors, or whose service is stopped for good, closes them: the clients see an end, as they
would without any of this.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from sd_daemon.core.log import get_log
from sd_daemon.server.handover import Handover, KeptConnection, decoded, encoded

if TYPE_CHECKING:
    import socket

    from sd_daemon.host.notify import Supervisor
    from sd_daemon.server.instances import CoreInstanceManager

log = get_log(__name__)

STATE = "handover"  # the name of the file in memory
PATIENCE = 1.0  # seconds for the manager to take everything
MOST = 1000  # connections; the units let the manager keep a few more descriptors


class Inheritance(NamedTuple):
    """What the process before has left with the manager."""

    connections: dict[str, socket.socket]
    state: bytes


class Estate:
    """What is left to the process that follows."""

    def __init__(self) -> None:
        self._connections: list[tuple[KeptConnection, int]] = []
        self.positions: dict[str, int] = {}  # number of the last event, by instance

    def keep(self, kept: KeptConnection, descriptor: int) -> None:
        """Leave a connection. The descriptor is ours from here on."""
        if len(self._connections) < MOST:
            self._connections.append((kept, descriptor))
        else:
            os.close(descriptor)

    async def leave(self, supervisor: Supervisor) -> None:
        """Give everything to the manager, and return when it has it."""
        if not self._connections or not hasattr(os, "memfd_create"):
            return
        kept = [one for one, _ in self._connections]
        state = os.memfd_create(STATE, os.MFD_CLOEXEC)
        os.write(state, encoded(Handover(datetime.now(UTC), self.positions, kept)))
        for one, descriptor in self._connections:
            supervisor.keep(one.name, [descriptor])
        supervisor.keep(STATE, [state], watched=False)
        taken = await supervisor.barrier(PATIENCE)
        for descriptor in (state, *(descriptor for _, descriptor in self._connections)):
            os.close(descriptor)
        self._connections.clear()
        log.info("connections were left to the next daemon", connections=len(kept), taken=taken)


async def enter(
    inheritance: Inheritance, instances: CoreInstanceManager, supervisor: Supervisor
) -> None:
    """Go on with the connections that were left, and tell the manager that they are ours now."""
    if not (inheritance.connections or inheritance.state):
        return
    known = decoded(inheritance.state)
    for name in (*inheritance.connections, STATE):
        supervisor.forget(name)
    waiting = dict(inheritance.connections)
    served = instances.instances
    if known is not None:
        for instance in served.values():
            position = known.positions.get(instance.settings.name or "", 0)
            instance.take_over(position, known.time)
        for kept in known.connections:
            if kept.instance in served and kept.name in waiting:
                await served[kept.instance].adopt(kept, waiting.pop(kept.name))
    for sock in waiting.values():
        sock.close()
    adopted = len(inheritance.connections) - len(waiting)
    log.info("connections were taken over", connections=adopted, closed=len(waiting))
