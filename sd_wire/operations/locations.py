"""Locations: the folders that a library indexes."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import msgspec

from sd_wire.errors import (
    DiskFull,
    ImportInvalid,
    InvalidValue,
    JobFailed,
    LocationExists,
    LocationNotFound,
    LocationOffline,
    NotADirectory,
    PathDenied,
    PathNotFound,
    StorageReadOnly,
    UnsupportedPath,
)
from sd_wire.operation import Request, action, doc, query
from sd_wire.types.locations import IndexMode, JobPolicies, Location
from sd_wire.types.paths import PathInput, SdPath


class LocationList(msgspec.Struct):
    """Locations."""

    locations: list[Location]


@query("locations.list")
class ListLocations(Request[LocationList]):
    """The locations of a library, and how their indexing stands."""


class AddedLocation(msgspec.Struct):
    """A new location and the job that indexes it."""

    location_id: UUID
    path: SdPath
    name: str | None
    job_id: UUID | None


@action(
    "locations.add",
    errors=(
        PathNotFound,
        PathDenied,
        NotADirectory,
        LocationExists,
        UnsupportedPath,
        InvalidValue,
        DiskFull,
    ),
)
class AddLocation(Request[AddedLocation]):
    """Add a folder to a library and start to index it. The answer does not wait for the job."""

    path: Annotated[PathInput, doc("the folder")]
    name: Annotated[str | None, doc("a name for it; the folder's own by default")] = None
    mode: Annotated[IndexMode, doc("how much is indexed")] = IndexMode.CONTENT
    job_policies: Annotated[Any, doc("what is derived from its files")] = None


class RemovedLocation(msgspec.Struct):
    """A location that is no longer one."""

    location_id: UUID
    path: str | None
    job_id: Annotated[UUID | None, doc("the job that removes its rows")] = None  # ours


@action("locations.remove", errors=(LocationNotFound,))
class RemoveLocation(Request[RemovedLocation]):
    """Take a folder out of the index. The files themselves are never touched."""

    location_id: Annotated[UUID, doc("the location")]


class RescanStarted(msgspec.Struct):
    """The job that reads a location again."""

    location_id: UUID
    location_path: str
    job_id: UUID
    full_rescan: bool


@action("locations.rescan", errors=(LocationNotFound, LocationOffline, DiskFull))
class RescanLocation(Request[RescanStarted]):
    """Read a location again. By default only folders whose time changed, which finds everything
    that came, went or was renamed; a full one also looks at every file."""

    location_id: Annotated[UUID, doc("the location")]
    full_rescan: Annotated[bool, doc("look at every file, not only at changed folders")] = False


class UpdatedLocation(msgspec.Struct):
    """The location that was changed."""

    id: UUID


@action("locations.update", errors=(LocationNotFound,))
class UpdateLocation(Request[UpdatedLocation]):
    """Change the name or the job policies of a location."""

    id: Annotated[UUID, doc("the location")]
    name: Annotated[str | None, doc("its new name")] = None
    job_policies: Annotated[JobPolicies | None, doc("what is derived from its files")] = None


class IndexingEnabled(msgspec.Struct):
    """The job that indexes a location."""

    location_id: UUID
    job_id: str


@action("locations.enable_indexing", errors=(LocationNotFound, LocationOffline))
class EnableIndexing(Request[IndexingEnabled]):
    """Index a location more deeply than before, and start that."""

    id: Annotated[UUID, doc("the location")]
    index_mode: Annotated[IndexMode, doc("how much is indexed")] = IndexMode.CONTENT


class RiskLevel(StrEnum):
    """How unwise it would be to index a folder."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class ValidationWarning(msgspec.Struct):
    """What speaks against a folder."""

    message: str
    suggestion: str | None = None


class VolumeSuggestion(msgspec.Struct):
    """A volume to index instead."""

    volume_fingerprint: str
    volume_name: str
    message: str


class PathValidation(msgspec.Struct):
    """Whether a folder should become a location."""

    is_recommended: bool
    risk_level: RiskLevel
    warnings: list[ValidationWarning]
    suggested_alternative: VolumeSuggestion | None
    path_depth: int
    is_on_primary_volume: bool


@query("locations.validate_path", errors=(UnsupportedPath, InvalidValue))
class ValidatePath(Request[PathValidation]):
    """Say whether a folder is a good location, without adding it."""

    path: Annotated[PathInput, doc("the folder")]


class SuggestedLocation(msgspec.Struct):
    """A folder that most people want indexed."""

    name: str
    path: str
    sd_path: SdPath


class SuggestedLocations(msgspec.Struct):
    """Folders that exist and are not locations yet."""

    locations: list[SuggestedLocation]


@query("locations.suggested")
class SuggestLocations(Request[SuggestedLocations]):
    """The usual folders of this user (Documents, Pictures, ...) that are not locations yet."""


class ExportStats(msgspec.Struct):
    """How many rows were written."""

    entries: int = 0
    content_identities: int = 0
    user_metadata: int = 0
    tags: int = 0
    media_data: int = 0


class ExportedLocation(msgspec.Struct):
    """A file with the index of a location."""

    location_uuid: UUID
    location_name: str | None
    export_path: str
    file_size_bytes: int
    stats: ExportStats


@action(
    "locations.export",
    errors=(LocationNotFound, InvalidValue, PathDenied, DiskFull, StorageReadOnly, JobFailed),
)
class ExportLocation(Request[ExportedLocation]):
    """Write the index of one location into an SQL file that stock sqlite3 reads."""

    location_uuid: Annotated[UUID, doc("the location")]
    export_path: Annotated[str, doc("the file to write; only an earlier export is replaced")]
    include_content_identities: Annotated[bool, doc("with the identity of contents")] = True
    include_media_data: Annotated[bool, doc("with media data")] = True
    include_user_metadata: Annotated[bool, doc("with notes and favourites")] = True
    include_tags: Annotated[bool, doc("with tags")] = True


class ImportStats(msgspec.Struct):
    """How many rows were read."""

    entries_imported: int = 0
    entries_skipped: int = 0
    content_identities: int = 0
    user_metadata: int = 0
    tags: int = 0
    media_data: int = 0


class ImportedLocation(msgspec.Struct):
    """A location that came out of a file."""

    location_uuid: UUID
    location_name: str | None
    import_path: str
    stats: ImportStats


@action(
    "locations.import",
    errors=(
        InvalidValue,
        PathNotFound,
        PathDenied,
        ImportInvalid,
        LocationExists,
        DiskFull,
        JobFailed,
    ),
)
class ImportLocation(Request[ImportedLocation]):
    """Read a location from a file that 'locations.export' wrote. Only that format is read: no
    SQL of the file is executed."""

    import_path: Annotated[str, doc("the file to read")]
    new_name: Annotated[str | None, doc("a name for the location; the exported one by default")] = (
        None
    )
    skip_existing: Annotated[bool, doc("keep a location that is there already")] = False
