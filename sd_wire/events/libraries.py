"""Libraries."""

from __future__ import annotations

from uuid import UUID

from sd_wire.events.event import Event, event
from sd_wire.types.libraries import LibraryStatistics


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
