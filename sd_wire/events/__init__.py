"""Every event, one struct each; its docstring is its documentation. One file per noun.

The class name is the name on the wire and in `event_types`. An event is `{"Event": X}` where X is
`{"Name": {fields}}`, or the bare name where there are no fields. Events that existing clients know
keep their fields; ours are optional and come last.

What a subscription filters by is said once for all events, in `scope_of`: the library, job, device
and resource type of an event are its fields of those names. A filter field that is set must equal
the event's; an event without it does not match. (Refresh says what is excepted for it.)
"""

from __future__ import annotations

from sd_wire.events.core import (
    ConfigChanged,
    CoreShutdown,
    CoreStarted,
    LogMessage,
    Refresh,
)
from sd_wire.events.event import (
    EVENTS,
    Event,
    event,
)
from sd_wire.events.files import (
    EntryCreated,
    EntryDeleted,
    EntryModified,
    EntryMoved,
    FileOperation,
    FileOperationCompleted,
    FilesModified,
    FsRawChange,
)
from sd_wire.events.form import (
    Scope,
    body,
    library_of,
    scope_of,
)
from sd_wire.events.jobs import (
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobPaused,
    JobProgress,
    JobQueued,
    JobResumed,
    JobStarted,
    JobUpdate,
)
from sd_wire.events.libraries import (
    LibraryClosed,
    LibraryCreated,
    LibraryDeleted,
    LibraryLoadFailed,
    LibraryOpened,
    LibraryStatisticsUpdated,
)
from sd_wire.events.locations import (
    FilesIndexed,
    IndexingCompleted,
    IndexingFailed,
    IndexingProgress,
    IndexingStarted,
    LocationAdded,
    LocationRemoved,
)
from sd_wire.events.resources import (
    ResourceChanged,
    ResourceChangedBatch,
    ResourceDeleted,
    ResourceMetadata,
)
from sd_wire.events.volumes import (
    VolumeAdded,
    VolumeRemoved,
    VolumeUpdated,
)

__all__ = [
    "EVENTS",
    "ConfigChanged",
    "CoreShutdown",
    "CoreStarted",
    "EntryCreated",
    "EntryDeleted",
    "EntryModified",
    "EntryMoved",
    "Event",
    "FileOperation",
    "FileOperationCompleted",
    "FilesIndexed",
    "FilesModified",
    "FsRawChange",
    "IndexingCompleted",
    "IndexingFailed",
    "IndexingProgress",
    "IndexingStarted",
    "JobCancelled",
    "JobCompleted",
    "JobFailed",
    "JobPaused",
    "JobProgress",
    "JobQueued",
    "JobResumed",
    "JobStarted",
    "JobUpdate",
    "LibraryClosed",
    "LibraryCreated",
    "LibraryDeleted",
    "LibraryLoadFailed",
    "LibraryOpened",
    "LibraryStatisticsUpdated",
    "LocationAdded",
    "LocationRemoved",
    "LogMessage",
    "Refresh",
    "ResourceChanged",
    "ResourceChangedBatch",
    "ResourceDeleted",
    "ResourceMetadata",
    "Scope",
    "VolumeAdded",
    "VolumeRemoved",
    "VolumeUpdated",
    "body",
    "event",
    "library_of",
    "scope_of",
]
