"""What the next process of a daemon has to know to go on with a connection of this one.

Under a service manager that keeps descriptors, a restart need not end connections: the manager
holds them while nobody serves them, the kernel holds what clients write meanwhile, and the journal
has the events that happen. What remains is little: the encoding, the request that has arrived in
part, the requests whose turn had not come, and the subscriptions. (The number of the last event
that was sent is the same for all, see `sd_daemon.server.ledger`.)

A connection is handed over only where all of that is known. One that has not read what was written
to it, or is being told the state or log records of the past, is closed: its client asks anew and
resumes.
"""

from __future__ import annotations

import msgspec

from sd_wire.connection import State
from sd_wire.messages import EncodingName, Id, Subscribe, SubscribeLogs


class KeptWatch(msgspec.Struct, omit_defaults=True):
    """A subscription."""

    id: Id = msgspec.UNSET
    events: Subscribe | None = None
    logs: SubscribeLogs | None = None
    after: int | None = None  # it was behind: number of the last event that it was sent
    is_told: bool = False  # when it has caught up


class KeptConnection(msgspec.Struct, omit_defaults=True):
    """A connection. Its descriptor is kept under `name`."""

    name: str
    instance: str | None
    state: State
    encoding: EncodingName
    unread: bytes  # what has arrived and was not answered, as it arrived
    watches: list[KeptWatch] = []


def encoded(kept: KeptConnection) -> bytes:
    """As the next process reads it."""
    return msgspec.msgpack.encode(kept)


def decoded(card: bytes) -> KeptConnection | None:
    """What the process before has left of a connection; None where it makes no sense to us."""
    try:
        return msgspec.msgpack.decode(card, type=KeptConnection)
    except msgspec.MsgspecError:
        return None
