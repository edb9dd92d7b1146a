"""From one process of the daemon to the next: connections wait with the service manager meanwhile.

The manager has a descriptor of each connection, by name, and the ledger that says what is sure of
them (`sd_daemon.server.keeping`). A process finds both among the descriptors that it is started
with, however the one before has ended, and goes on: the connections stay with the manager, and the
ledger stays the same. Those that nothing sure is known of it ends. A manager that does not keep
descriptors, or whose service is stopped for good, closes them: the clients see an end, as they
would without any of this.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from sd_daemon.core.log import get_log
from sd_daemon.server.handover import decoded
from sd_daemon.server.keeping import Keeper
from sd_daemon.server.ledger import Ledger

if TYPE_CHECKING:
    from sd_daemon.host.notify import Supervisor
    from sd_daemon.server.instances import CoreInstanceManager

log = get_log(__name__)

LEDGER = "ledger"  # the name of the file in memory
PATIENCE = 1.0  # seconds for the manager to take in what it was told last


class Inheritance(NamedTuple):
    """What the process before has left with the manager."""

    connections: dict[str, socket.socket]
    ledger: int | None = None  # a descriptor


def keeper_for(supervisor: Supervisor, inheritance: Inheritance) -> Keeper | None:
    """What keeps connections with this manager; None where nothing can be kept."""
    if not supervisor.listens or not hasattr(os, "memfd_create"):
        return None
    ledger = None if inheritance.ledger is None else Ledger.found(inheritance.ledger)
    if ledger is None:
        supervisor.forget(LEDGER)
        try:
            ledger = Ledger.new()
        except OSError as error:
            log.warning("connections will not outlive this process", reason=error.strerror)
            return None
        supervisor.keep(LEDGER, [ledger.descriptor], watched=False)
    numbers = (name.rpartition("-")[2] for name in inheritance.connections)
    first = max((int(one) for one in numbers if one.isascii() and one.isdecimal()), default=0)
    return Keeper(ledger, supervisor, first)


async def enter(
    inheritance: Inheritance, instances: CoreInstanceManager, supervisor: Supervisor
) -> None:
    """Go on with the connections that were left, and end those that nobody can go on with."""
    waiting, served = dict(inheritance.connections), instances.instances
    ledger = None if instances.keeper is None else instances.keeper.ledger
    for slot, card in () if ledger is None else tuple(ledger.cards()):
        kept = decoded(card)
        instance = None if kept is None else served.get(kept.instance)
        if kept is not None and instance is not None and kept.name in waiting:
            await instance.adopt(kept, slot, waiting.pop(kept.name))
        elif ledger is not None:
            ledger.end(slot)
    if instances.keeper is not None:
        instances.keeper.begin()
    for name, sock in waiting.items():
        supervisor.forget(name)
        with suppress(OSError), sock:
            sock.shutdown(socket.SHUT_RDWR)  # the manager may still have it for a moment
    if inheritance.connections:
        adopted = len(inheritance.connections) - len(waiting)
        log.info("connections were taken over", connections=adopted, closed=len(waiting))
