"""What is wrong with a subscription that can never bring what it asks for.

It is no error: a client may know names and filters of other versions of the daemon. But whoever
gives a subscription an id is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sd_wire.event_text import RESOURCES
from sd_wire.events import (
    EVENTS,
    Event,
    LibraryClosed,
    LibraryCreated,
    LibraryDeleted,
    LibraryLoadFailed,
    LibraryOpened,
    Refresh,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sd_wire.messages import EventFilter, Subscribe

NEVER_SENT = (
    "Custom",
    "DeviceConnected",
    "DeviceDisconnected",
    "FileOperationCompleted",
    "FilesModified",
    "FsRawChange",
    "ProxyPairingConfirmationRequired",
    "ProxyPairingVouchingReady",
    "SyncActivity",
    "SyncConnectionChanged",
    "SyncError",
    "SyncStateChanged",
    "ThumbnailsGenerated",
    "VolumeError",
    "VolumeMountChanged",
    "VolumeSpeedTested",
)
"""Events that existing clients know and this daemon has no cause to send."""

_OF_A_LIBRARY = (LibraryClosed, LibraryCreated, LibraryDeleted, LibraryLoadFailed, LibraryOpened)
_FILTERS = {
    "library_id": "a library",
    "job_id": "a job",
    "device_id": "a device",
    "resource_type": "a resource",
    "path_scope": "a path",
}
_QUOTED = 40  # characters of a client's text that are repeated
_MOST = 20  # warnings of one subscription


def warnings_of(asked: Subscribe) -> list[str]:
    """Sentences about names and filters that can never match."""
    named = dict.fromkeys(asked.event_types)
    found = [warning for name in named if (warning := _about_name(name))]
    events = [EVENTS[name] for name in named if name in EVENTS] or (
        [] if named else list(EVENTS.values())
    )
    if asked.filter is not None and events:
        found += _about_filter(asked.filter, events)
    return found[:_MOST]


def _about_name(name: str) -> str | None:
    if name in EVENTS:
        return None
    if name in NEVER_SENT:
        return f"this daemon never sends {name}"
    return f"there is no event {name[:_QUOTED]!r}"


def _about_filter(wanted: EventFilter, events: Iterable[type[Event]]) -> list[str]:
    """What can never be true for any of the events."""
    found = []
    for field, its_name in _FILTERS.items():
        if getattr(wanted, field) is not None and not any(_has(one, field) for one in events):
            found.append(f"none of these events has {its_name}, so {field} lets nothing pass")
    if wanted.resource_type is not None and wanted.resource_type not in RESOURCES:
        known = ", ".join(sorted(RESOURCES))
        told = wanted.resource_type[:_QUOTED]
        found.append(f"no event has the resource_type {told!r}; there are {known}")
    return found


def _has(event: type[Event], field: str) -> bool:
    if event is Refresh and field != "job_id":
        return True
    if field == "library_id" and issubclass(event, _OF_A_LIBRARY):
        return True
    return ("metadata" if field == "path_scope" else field) in event.__struct_fields__
