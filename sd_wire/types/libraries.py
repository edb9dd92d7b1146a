"""Libraries: their settings and statistics."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from sd_wire.operation import doc

GIB = 1 << 30


class IndexerSettings(msgspec.Struct):
    """Which rules an index job follows. `sd index rules` describes each."""

    no_system_files: bool = True
    no_git: bool = True
    no_dev_dirs: bool = True
    no_hidden: bool = False
    gitignore: Annotated[
        bool, doc("off, unlike elsewhere: what git ignores is often a person's own")
    ] = False
    only_images: bool = False


class LibrarySettings(msgspec.Struct):
    """The settings of a library, kept in its library.json."""

    generate_thumbnails: bool = True
    thumbnail_quality: Annotated[int, doc("1 to 100", ge=1, le=100)] = 85
    enable_ai_tagging: bool = False
    sync_enabled: bool = False
    encryption_enabled: bool = False
    thumbnail_sizes: list[int] = msgspec.field(default_factory=lambda: [128, 256, 512])
    ignored_extensions: list[str] = []
    max_file_size: Annotated[
        int | None, doc("bytes; larger files are not read for their content")
    ] = 100 * GIB
    auto_track_system_volumes: bool = True
    auto_track_external_volumes: bool = False
    indexer: IndexerSettings = msgspec.field(default_factory=IndexerSettings)


class LibraryStatistics(msgspec.Struct):
    """Counts and sizes (bytes) of a library."""

    total_files: int
    total_size: int
    location_count: int
    tag_count: int
    device_count: int
    unique_content_count: int
    total_capacity: int
    available_capacity: int
    thumbnail_count: int
    database_size: int
    sidecar_count: int
    sidecar_size: int
    last_indexed: datetime | None
    updated_at: datetime


class LibraryInfo(msgspec.Struct):
    """An open library, briefly."""

    id: UUID
    name: str
    path: str
    stats: LibraryStatistics | None = None


class Library(msgspec.Struct):
    """An open library with all that is known about it."""

    id: UUID
    name: str
    description: str | None
    path: str
    created_at: datetime
    updated_at: datetime
    settings: LibrarySettings
    statistics: LibraryStatistics
