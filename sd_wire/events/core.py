"""The daemon itself, its configuration and its log."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from sd_wire.events.event import Event, event
from sd_wire.operation import doc


@event()
class CoreStarted(Event):
    """The daemon is ready."""


@event()
class CoreShutdown(Event):
    """The daemon is about to end; nothing follows."""


@event()
class Refresh(Event):
    """Whatever a client has cached of the files of a library may be wrong now: ask again.

    Comes when more changed than is announced one by one (see ResourceChangedBatch), when an index
    job stops before it is done, and when a location was imported. No filter but that by library
    and job holds it back: whoever follows some files has to hear of it.

    On the wire it is the bare name, as existing clients know it; the library stands beside it
    where the subscription has an id.
    """

    library_id: UUID | None = None  # ours, and not in the event itself


@event()
class ConfigChanged(Event):
    """A field of the daemon's configuration has another value."""

    field: str


@event(noisy=True, asked_for=True)
class LogMessage(Event):
    """A record of the daemon's log; only for subscriptions that name it."""

    timestamp: datetime
    level: Annotated[str, doc("ERROR, WARN, INFO, DEBUG, TRACE")]
    target: str
    message: str
    job_id: str | None
    library_id: UUID | None
    fields: dict[str, str] = msgspec.field(default_factory=dict)  # ours
