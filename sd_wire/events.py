"""Every event, one struct each; its docstring is its documentation.

The class name is the name on the wire and in `event_types`. An event is `{"Event": X}` where X is
`{"Name": {fields}}`, or the bare name where there are no fields. Events that existing clients know
keep their fields; ours are optional and come last.

What a subscription filters by is said once for all events, in `scope_of`: the library, job, device
and resource type of an event are its fields of those names. A filter field that is set must equal
the event's; an event without it does not match.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from uuid import UUID

import msgspec

from sd_wire.types.jobs import GenericProgress, JobOutput, JobStatus
from sd_wire.types.libraries import LibraryStatistics
from sd_wire.types.paths import SdPath
from sd_wire.types.volumes import Volume, VolumeInfo

if TYPE_CHECKING:
    from collections.abc import Callable


class Event(msgspec.Struct):
    """What happened. Subclasses are declared with @event."""

    noisy: ClassVar[bool] = False  # may come many times a second
    asked_for: ClassVar[bool] = False  # only for subscriptions that name it


E = TypeVar("E", bound=type[Event])

EVENTS: dict[str, type[Event]] = {}


def event(*, noisy: bool = False, asked_for: bool = False) -> Callable[[E], E]:
    """Put an event class into the catalogue."""

    def register(cls: E) -> E:
        if cls.__name__ in EVENTS:
            raise TypeError(f"two events are called {cls.__name__}")
        cls.noisy = noisy
        cls.asked_for = asked_for
        EVENTS[cls.__name__] = cls
        return cls

    return register


def body(happened: Event) -> Any:
    """The event as the value behind `"Event":`."""
    name = type(happened).__name__
    if isinstance(happened, VolumeAdded):
        return {name: happened.volume}
    return {name: happened} if happened.__struct_fields__ else name


# --- the daemon and its libraries --------------------------------------------------------------


@event()
class CoreStarted(Event):
    """The daemon is ready."""


@event()
class CoreShutdown(Event):
    """The daemon is about to end; nothing follows."""


@event()
class Refresh(Event):
    """Whatever a client has cached may be wrong now."""


@event()
class ConfigChanged(Event):
    """A field of the daemon's configuration has another value."""

    field: str


@event()
class LibraryCreated(Event):
    """A library was made."""

    id: UUID
    name: str
    path: str
    source: str = "Manual"


@event()
class LibraryOpened(Event):
    """A library is open."""

    id: UUID
    name: str
    path: str


@event()
class LibraryClosed(Event):
    """A library is closed."""

    id: UUID
    name: str


@event()
class LibraryDeleted(Event):
    """A library was forgotten, and its data removed where `deleted_data` says so."""

    id: UUID
    name: str
    deleted_data: bool


@event()
class LibraryLoadFailed(Event):
    """A library could not be opened. `error_type` is the code of the error."""

    id: UUID | None
    path: str
    error: str
    error_type: str


@event()
class LibraryStatisticsUpdated(Event):
    """The counts and sizes of a library changed."""

    library_id: UUID
    statistics: LibraryStatistics


# --- resources ---------------------------------------------------------------------------------


class ResourceMetadata(msgspec.Struct):
    """How a client merges a resource into what it has."""

    no_merge_fields: list[str] = []
    alternate_ids: list[UUID] = []
    affected_paths: list[SdPath] = []


@event()
class ResourceChanged(Event):
    """Something is new or different: `resource` is what the query for it would answer."""

    resource_type: str
    resource: Any
    metadata: ResourceMetadata | None = None
    library_id: UUID | None = None  # ours


@event()
class ResourceChangedBatch(Event):
    """Several resources of one type are new or different."""

    resource_type: str
    resources: list[Any]
    metadata: ResourceMetadata | None = None
    library_id: UUID | None = None  # ours


@event()
class ResourceDeleted(Event):
    """Something is gone."""

    resource_type: str
    resource_id: UUID
    library_id: UUID | None = None  # ours


# --- jobs --------------------------------------------------------------------------------------


@event()
class JobQueued(Event):
    """A job was accepted and is stored."""

    job_id: UUID
    job_type: str
    device_id: UUID
    library_id: UUID | None = None  # ours, on every job event


@event()
class JobStarted(Event):
    """A job runs, for the first time or again."""

    job_id: UUID
    job_type: str
    device_id: UUID
    library_id: UUID | None = None


@event(noisy=True)
class JobProgress(Event):
    """How far a job is; at most ten times a second, the last before the end included."""

    job_id: UUID
    job_type: str
    device_id: UUID
    progress: float  # 0 to 1
    message: str | None
    generic_progress: GenericProgress | None
    library_id: UUID | None = None


@event()
class JobCompleted(Event):
    """A job is done."""

    job_id: UUID
    job_type: str
    device_id: UUID
    output: JobOutput
    library_id: UUID | None = None


@event()
class JobFailed(Event):
    """A job could not go on. It can be resumed."""

    job_id: UUID
    job_type: str
    device_id: UUID
    error: str
    library_id: UUID | None = None


@event()
class JobCancelled(Event):
    """A job was stopped for good."""

    job_id: UUID
    job_type: str
    device_id: UUID
    library_id: UUID | None = None


@event()
class JobPaused(Event):
    """A job stopped at a safe point and keeps its place."""

    job_id: UUID
    device_id: UUID
    library_id: UUID | None = None


@event()
class JobResumed(Event):
    """A paused job goes on."""

    job_id: UUID
    device_id: UUID
    library_id: UUID | None = None


@event(noisy=True, asked_for=True)
class JobUpdate(Event):
    """Any change of a job, in one form; only for subscriptions that name it."""

    job_id: UUID
    job_type: str
    status: JobStatus
    progress: float  # 0 to 1
    message: str | None
    library_id: UUID | None
    device_id: UUID


@event(noisy=True, asked_for=True)
class LogMessage(Event):
    """A record of the daemon's log; only for subscriptions that name it."""

    timestamp: datetime
    level: str  # ERROR, WARN, INFO, DEBUG, TRACE
    target: str
    message: str
    job_id: str | None
    library_id: UUID | None
    fields: dict[str, str] = {}  # ours


# --- locations and indexing --------------------------------------------------------------------


@event()
class LocationAdded(Event):
    """A folder became a location."""

    library_id: UUID
    location_id: UUID
    path: str


@event()
class LocationRemoved(Event):
    """A location is no longer one."""

    library_id: UUID
    location_id: UUID


@event()
class IndexingStarted(Event):
    """A location is being read."""

    location_id: UUID
    library_id: UUID | None = None  # ours


@event()
class IndexingCompleted(Event):
    """A location was read to the end."""

    location_id: UUID
    total_files: int
    total_dirs: int
    library_id: UUID | None = None  # ours


@event()
class IndexingFailed(Event):
    """A location could not be read."""

    location_id: UUID
    error: str
    library_id: UUID | None = None  # ours


@event()
class FilesIndexed(Event):
    """So many entries of a location are new or changed since the last time."""

    library_id: UUID
    location_id: UUID
    count: int


# --- volumes -----------------------------------------------------------------------------------


@event()
class VolumeAdded(Event):
    """A filesystem was mounted. On the wire the volume itself stands behind the name."""

    volume: Volume


@event()
class VolumeRemoved(Event):
    """A filesystem is no longer mounted."""

    fingerprint: str


@event()
class VolumeUpdated(Event):
    """The free space or the state of a volume changed."""

    fingerprint: str
    old_info: VolumeInfo
    new_info: VolumeInfo


class Scope(msgspec.Struct, frozen=True):
    """What a filter compares. None where an event has no such thing."""

    library_id: UUID | None = None
    job_id: str | None = None
    device_id: UUID | None = None
    resource_type: str | None = None


_LIBRARY_EVENTS = (LibraryCreated, LibraryOpened, LibraryClosed, LibraryDeleted, LibraryLoadFailed)


def scope_of(happened: Event) -> Scope:
    """The library, job, device and resource type of an event."""
    if isinstance(happened, _LIBRARY_EVENTS):
        return Scope(library_id=happened.id)
    job_id = getattr(happened, "job_id", None)
    return Scope(
        library_id=getattr(happened, "library_id", None),
        job_id=None if job_id is None else str(job_id),
        device_id=getattr(happened, "device_id", None),
        resource_type=getattr(happened, "resource_type", None),
    )
