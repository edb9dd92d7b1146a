"""Resources: what user interfaces show, in the form in which queries answer it."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec

from sd_wire.events.event import Event, event
from sd_wire.operation import doc
from sd_wire.types.paths import SdPath


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
    """Several resources of one type are new or different. Files come only in this form.

    A file stands in it as listings answer it, when it is new, changed, moved, renamed or has been
    identified. `affected_paths` names where each is, where it was if it was moved, and the folders
    of those places, so that a filter by path lets pass what came into a folder or left it. A folder
    that was moved is one resource: what is inside keeps its ids and is not listed. Whoever shows
    something below one of the `affected_paths` of a Directory asks again (see EntryMoved).

    Of one run of an index job up to 1,000 changes are announced one by one, in batches of at most
    100 resources and 256 KiB; being identified counts as a change. New entries are announced
    together, when the run has found out which others were moved. If there are more, a Refresh
    follows when the job stops, and of what came all at once nothing is announced but that: the
    first indexing of a large location is a Refresh.

    Announced is what is committed, all of it, and none of it before. After a crash a change may be
    announced twice.
    """

    resource_type: str
    resources: list[Any]
    metadata: ResourceMetadata | None = None
    library_id: UUID | None = None  # ours


@event()
class ResourceDeleted(Event):
    """Something is gone. Files are announced as said at ResourceChangedBatch, those in a folder
    that was deleted each for itself."""

    resource_type: str
    resource_id: UUID
    library_id: UUID | None = None  # ours
    # ours
    metadata: Annotated[ResourceMetadata | None, doc("where a file was, and in which folder")] = (
        None
    )
