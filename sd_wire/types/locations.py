"""Locations: folders that a library indexes."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec

from sd_wire.operation import doc
from sd_wire.types.paths import SdPath


class IndexMode(StrEnum):
    """How much of a location is indexed. Each includes the ones before it."""

    NONE = "None"  # nothing
    SHALLOW = "Shallow"  # names, sizes, times
    CONTENT = "Content"  # and the identity of each file's content
    DEEP = "Deep"  # and what is derived from contents, such as thumbnails


class ScanState(StrEnum):
    """Where the indexing of a location stands, as far as it has no number."""

    IDLE = "Idle"
    COMPLETED = "Completed"
    FAILED = "Failed"
    PAUSED = "Paused"


class Watching(StrEnum):
    """How changes of files are noticed."""

    LIVE = "live"  # as they happen
    PERIODIC = "periodic"  # some of them, or all, only by the scan after each `scan_interval`
    OFF = "off"  # by the scans that somebody starts


class ScanProgress(msgspec.Struct):
    """A scan under way, in percent."""

    progress: int


class Scanning(msgspec.Struct):
    """`{"Scanning":{"progress":42}}`."""

    Scanning: ScanProgress


class ThumbnailPolicy(msgspec.Struct):
    """Which thumbnails are made."""

    enabled: bool = True
    sizes: list[int] = []
    quality: int = 85
    regenerate: bool = False


class ThumbstripPolicy(msgspec.Struct):
    """Whether strips of video frames are made."""

    enabled: bool = False
    regenerate: bool = False


class ProxyPolicy(msgspec.Struct):
    """Whether small copies of videos are made."""

    enabled: bool = False
    regenerate: bool = False


class OcrPolicy(msgspec.Struct):
    """Whether text is read out of pictures."""

    enabled: bool = False
    languages: list[str] = msgspec.field(default_factory=lambda: ["eng"])
    min_confidence: float = 0.6
    reprocess: bool = False


class SpeechPolicy(msgspec.Struct):
    """Whether speech is written down."""

    enabled: bool = False
    language: str | None = None
    model: str = "base"
    reprocess: bool = False


class ObjectDetectionPolicy(msgspec.Struct):
    """Whether things in pictures are named."""

    enabled: bool = False
    min_confidence: float = 0.7
    categories: list[str] = []
    reprocess: bool = False


class JobPolicies(msgspec.Struct):
    """What is derived from the files of a location. Kept for clients that set it; this version
    derives nothing yet."""

    thumbnail: ThumbnailPolicy = msgspec.field(default_factory=ThumbnailPolicy)
    thumbstrip: ThumbstripPolicy = msgspec.field(default_factory=ThumbstripPolicy)
    proxy: ProxyPolicy = msgspec.field(default_factory=ProxyPolicy)
    ocr: OcrPolicy = msgspec.field(default_factory=OcrPolicy)
    speech_to_text: SpeechPolicy = msgspec.field(default_factory=SpeechPolicy)
    object_detection: ObjectDetectionPolicy = msgspec.field(default_factory=ObjectDetectionPolicy)


class Duration(msgspec.Struct):
    """A time span."""

    secs: int
    nanos: int


class Location(msgspec.Struct):
    """A folder that a library indexes."""

    id: UUID
    library_id: UUID
    sd_path: SdPath
    name: str
    index_mode: IndexMode
    scan_interval: Duration | None
    total_size: Annotated[int, doc("bytes")]
    file_count: int
    directory_count: int
    scan_state: ScanState | Scanning
    created_at: datetime
    updated_at: datetime
    last_scan_at: datetime | None
    is_available: Annotated[bool, doc("whether its root can be read now")]
    ignore_patterns: list[str]
    job_policies: JobPolicies
    # ours
    omitted_count: Annotated[int, doc("entries on the disk that a rule or an error left out")] = 0
    error_message: Annotated[str | None, doc("why the last scan failed")] = None  # ours
    watching: Watching = Watching.OFF  # ours
    # ours
    watching_reason: Annotated[str | None, doc("why not all of it is watched live")] = None
