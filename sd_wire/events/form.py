"""An event as it stands on the wire, and what filters compare of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from sd_wire.events.core import Refresh
from sd_wire.events.libraries import (
    LibraryClosed,
    LibraryCreated,
    LibraryDeleted,
    LibraryLoadFailed,
    LibraryOpened,
)
from sd_wire.events.volumes import VolumeAdded

if TYPE_CHECKING:
    from sd_wire.events.event import Event


def body(happened: Event) -> Any:
    """The event as the value behind `"Event":`."""
    name = type(happened).__name__
    if isinstance(happened, VolumeAdded):
        return {name: happened.volume}
    if isinstance(happened, Refresh) or not happened.__struct_fields__:
        return name
    return {name: happened}


class Scope(msgspec.Struct, frozen=True):
    """What a filter compares. None where an event has no such thing."""

    library_id: UUID | None = None
    job_id: str | None = None
    device_id: UUID | None = None
    resource_type: str | None = None


_LIBRARY_EVENTS = (LibraryCreated, LibraryOpened, LibraryClosed, LibraryDeleted, LibraryLoadFailed)
_LIBRARY_FIELD = dict.fromkeys(_LIBRARY_EVENTS, "id")


def library_of(happened: Event) -> UUID | None:
    """The library of an event."""
    return getattr(happened, _LIBRARY_FIELD.get(type(happened), "library_id"), None)


def scope_of(happened: Event) -> Scope:
    """The library, job, device and resource type of an event."""
    job_id = getattr(happened, "job_id", None)
    return Scope(
        library_id=library_of(happened),
        job_id=None if job_id is None else str(job_id),
        device_id=getattr(happened, "device_id", None),
        resource_type=getattr(happened, "resource_type", None),
    )
