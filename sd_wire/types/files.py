"""A file as clients see it, and what its content is."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import msgspec

from sd_wire.operation import doc
from sd_wire.types.paths import SdPath


class EntryKind(StrEnum):
    """What a directory entry is. FIFOs, sockets and devices travel as File with `special` set."""

    FILE = "File"
    DIRECTORY = "Directory"
    SYMLINK = "Symlink"


class ContentKind(StrEnum):
    """What a file contains, judged by its name. The order is the number it is stored as."""

    UNKNOWN = "unknown"
    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    DOCUMENT = "document"
    ARCHIVE = "archive"
    CODE = "code"
    TEXT = "text"
    DATABASE = "database"
    BOOK = "book"
    FONT = "font"
    MESH = "mesh"
    CONFIG = "config"
    ENCRYPTED = "encrypted"
    KEY = "key"
    EXECUTABLE = "executable"
    BINARY = "binary"
    SPREADSHEET = "spreadsheet"
    PRESENTATION = "presentation"
    EMAIL = "email"
    CALENDAR = "calendar"
    CONTACT = "contact"
    WEB = "web"
    SHORTCUT = "shortcut"
    PACKAGE = "package"
    MODEL_ENTRY = "model_entry"
    MEMORY = "memory"


CONTENT_KINDS: tuple[ContentKind, ...] = tuple(ContentKind)
"""Content kinds by the number they are stored as."""


class ContentIdentity(msgspec.Struct, gc=False):
    """What files of equal content share."""

    uuid: UUID
    kind: ContentKind
    content_hash: Annotated[str, doc("16 hexadecimal digits")]
    integrity_hash: str | None
    mime_type_id: int | None
    text_content: str | None
    total_size: Annotated[int, doc("bytes")]
    entry_count: Annotated[int, doc("files of this library that have it")]
    first_seen_at: datetime
    last_verified_at: datetime
    mime_type: str | None = None  # ours


class File(msgspec.Struct, gc=False):
    """One entry of a library, with what is known about it."""

    id: UUID
    sd_path: SdPath
    kind: EntryKind
    name: Annotated[str, doc("without extension")]
    extension: Annotated[str | None, doc("without the dot")]
    size: Annotated[int, doc("bytes")]
    created_at: datetime
    modified_at: datetime
    content_kind: ContentKind
    content_identity: ContentIdentity | None = None
    alternate_paths: list[SdPath] = []
    tags: list[Any] = []
    sidecars: list[Any] = []
    image_media_data: None = None
    video_media_data: None = None
    audio_media_data: None = None
    accessed_at: datetime | None = None
    is_local: bool = True
    duration_seconds: float | None = None
    # ours
    special: Annotated[str | None, doc("fifo, socket, block_device, character_device")] = None
    inode: int | None = None  # ours
