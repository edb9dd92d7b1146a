"""Locations and their indexing."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from sd_wire.events.event import Event, event
from sd_wire.operation import doc


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


@event(noisy=True)
class IndexingProgress(Event):
    """How far the reading of a location is, as its JobProgress says it, and as often.

    Both count what the job is doing at that moment: files found, changes sorted out, files
    identified, names made searchable.
    """

    location_id: UUID
    processed: int
    total: Annotated[int | None, doc("null: not known")]
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
