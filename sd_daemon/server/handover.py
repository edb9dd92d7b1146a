"""What the next process of a daemon has to know to go on with the connections of this one.

Under a service manager that keeps descriptors, a restart need not end connections: the manager
holds them while nobody serves them, the kernel holds what clients write meanwhile, and the journal
has the events that happen. What remains is little: of each connection its encoding, the request
that has arrived in part, the requests whose turn had not come, and its subscriptions with the
number of the last event that was sent.

A connection is handed over only where all of that is known. One that has not read what was written
to it, or is being told of the past, is closed: its client asks anew and resumes.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from sd_wire.connection import State
from sd_wire.messages import EncodingName, Id, Subscribe, SubscribeLogs

VERSION = 1


class KeptWatch(msgspec.Struct):
    """A subscription."""

    id: Id = msgspec.UNSET
    events: Subscribe | None = None
    logs: SubscribeLogs | None = None


class KeptConnection(msgspec.Struct):
    """A connection. Its descriptor is kept under `name`."""

    name: str
    instance: str | None
    state: State
    encoding: EncodingName
    unread: bytes  # what has arrived and was not answered, as it arrived
    watches: list[KeptWatch] = []


class Handover(msgspec.Struct):
    """Everything that is handed over besides descriptors."""

    time: datetime  # when the last log record was sent to anybody
    positions: dict[str, int]  # number of the last event, by instance; "" is the default one
    connections: list[KeptConnection]
    version: int = VERSION


def encoded(handover: Handover) -> bytes:
    """As the next process reads it."""
    return msgspec.json.encode(handover)


def decoded(data: bytes) -> Handover | None:
    """What the process before has left; None where another version of us has left something
    else: its connections are closed then, as they would be without any of this."""
    try:
        found = msgspec.json.decode(data, type=Handover)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return found if found.version == VERSION else None
