"""What is wrong with a subscription that can never bring what it asks for.

It is no error: a client may know names and filters of other versions of the daemon. But whoever
gives a subscription an id is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

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
from sd_wire.messages import MAX_CORRELATION, uuid_named

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from sd_wire.messages import EventFilter, LogFilter, Subscribe
    from sd_wire.types.paths import SdPath

_NO_NETWORK = "this daemon does not talk to other devices"
_MOUNTS = "a volume is there while it is mounted: VolumeAdded and VolumeRemoved tell it"
NEVER_SENT = {
    "Custom": "what happens has an event of its own",
    "DeviceConnected": _NO_NETWORK,
    "DeviceDisconnected": _NO_NETWORK,
    "FileOperationCompleted": "JobCompleted tells it, with what was done",
    "ProxyPairingConfirmationRequired": _NO_NETWORK,
    "ProxyPairingVouchingReady": _NO_NETWORK,
    "SyncActivity": _NO_NETWORK,
    "SyncConnectionChanged": _NO_NETWORK,
    "SyncError": _NO_NETWORK,
    "SyncStateChanged": _NO_NETWORK,
    "ThumbnailsGenerated": "this daemon makes no thumbnails",
    "VolumeError": "volumes.refresh answers how many volumes did not",
    "VolumeMountChanged": _MOUNTS,
    "VolumeSpeedTested": "this daemon does not measure volumes",
}
"""Events that existing clients know and this daemon has no cause to send, and why."""

_OF_A_LIBRARY = (LibraryClosed, LibraryCreated, LibraryDeleted, LibraryLoadFailed, LibraryOpened)
_FILTERS = {
    "library_id": "a library",
    "job_id": "a job",
    "device_id": "a device",
    "resource_type": "a resource",
    "path_scope": "a path",
}
_NO_JOB = "no job has the id {!r}, which is no UUID, so job_id lets nothing pass"
_QUOTED = 40  # characters of a client's text that are repeated
_MOST = 20  # warnings of one subscription


class Own(NamedTuple):
    """The device that the daemon is on: nothing that happens on another is told here."""

    device_id: UUID
    slug: str


def warnings_of(asked: Subscribe, own: Own) -> list[str]:
    """Sentences about names and filters that can never match."""
    named = dict.fromkeys(asked.event_types)
    found = [warning for name in named if (warning := _about_name(name))]
    events = [EVENTS[name] for name in named if name in EVENTS] or (
        [] if named else list(EVENTS.values())
    )
    if asked.filter is not None and events:
        found += _about_fields(asked.filter, events) + _about_values(asked.filter, own)
    return found[:_MOST]


def log_warnings_of(asked: LogFilter) -> list[str]:
    """The same about a filter of log records. (A level that nobody knows lets everything pass.)"""
    found = []
    if asked.job_id is not None and uuid_named(asked.job_id) is None:
        found.append(_NO_JOB.format(asked.job_id[:_QUOTED]))
    if asked.correlation_id is not None and not 1 <= len(asked.correlation_id) <= MAX_CORRELATION:
        told = asked.correlation_id[:_QUOTED]
        found.append(f"no record has the correlation_id {told!r}: it has 1 to {MAX_CORRELATION}")
    return found


def _about_name(name: str) -> str | None:
    if name in EVENTS:
        return None
    if name in NEVER_SENT:
        return f"this daemon never sends {name}: {NEVER_SENT[name]}"
    return f"there is no event {name[:_QUOTED]!r}"


def _about_fields(wanted: EventFilter, events: Iterable[type[Event]]) -> list[str]:
    """What none of the events has."""
    asked = [field for field in _FILTERS if getattr(wanted, field) is not None]
    found = [
        f"none of these events has {_FILTERS[field]}, so {field} lets nothing pass"
        for field in asked
        if not any(_has(one, field) for one in events)
    ]
    if not found and not any(all(_has(one, field) for field in asked) for one in events):
        together = " and ".join(_FILTERS[field] for field in asked)
        found.append(f"none of these events has {together}, so that nothing passes")
    return found


def _about_values(wanted: EventFilter, own: Own) -> list[str]:
    """What is true of no event whatever."""
    found = []
    if wanted.resource_type is not None and wanted.resource_type not in RESOURCES:
        known = ", ".join(sorted(RESOURCES))
        told = wanted.resource_type[:_QUOTED]
        found.append(f"no event has the resource_type {told!r}; there are {known}")
    if wanted.job_id is not None and uuid_named(wanted.job_id) is None:
        found.append(_NO_JOB.format(wanted.job_id[:_QUOTED]))
    if wanted.device_id not in (None, own.device_id):
        found.append(f"all events are of the device {own.device_id}, none of {wanted.device_id}")
    if wanted.path_scope is not None:
        found += _about_path(wanted.path_scope, own)
    return found


def _about_path(scope: SdPath, own: Own) -> list[str]:
    path = scope.Physical
    if path is None:
        return ["no event has a path that is not Physical, so path_scope lets nothing pass"]
    found = []
    if path.device_slug != own.slug:
        told = path.device_slug[:_QUOTED]
        found.append(f"all paths are of the device {own.slug!r}, none of {told!r}")
    # Where there are bytes, what is in `path` is only for people.
    if path.path_bytes is None and not _is_plain(path.path):
        told = path.path[:_QUOTED]
        found.append(f"no event has the path {told!r}: theirs are absolute, without . and ..")
    return found


def _is_plain(path: str) -> bool:
    names = path.rstrip("/").split("/")
    return path.startswith("/") and not {"", ".", ".."}.intersection(names[1:])


def _has(event: type[Event], field: str) -> bool:
    if event is Refresh and field != "job_id":
        return True
    if field == "library_id" and issubclass(event, _OF_A_LIBRARY):
        return True
    return ("metadata" if field == "path_scope" else field) in event.__struct_fields__
