"""SdPath: where a thing is, on any device, and names that are not UTF-8.

Names on a disk are bytes. On the wire a path is readable text; where the bytes are not UTF-8 the
text has U+FFFD in their place and `path_bytes` beside it has the exact bytes in base64. Whoever
sends both back means the bytes.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec

from sd_wire.operation import doc


class CloudService(StrEnum):
    """Kinds of cloud storage."""

    S3 = "s3"
    GDRIVE = "gdrive"
    DROPBOX = "dropbox"
    ONEDRIVE = "onedrive"
    GCS = "gcs"
    AZBLOB = "azblob"
    B2 = "b2"
    WASABI = "wasabi"
    SPACES = "spaces"
    CLOUD = "cloud"


class PhysicalPath(msgspec.Struct, omit_defaults=True, gc=False):
    """A path on a device."""

    device_slug: str
    path: str
    # ours
    path_bytes: Annotated[bytes | None, doc("the exact bytes where they are not UTF-8")] = None


class CloudPath(msgspec.Struct, gc=False):
    """A path in a cloud storage."""

    service: CloudService
    identifier: str
    path: str


class ContentPath(msgspec.Struct, gc=False):
    """Any file with this content."""

    content_id: UUID


class SidecarPath(msgspec.Struct, gc=False):
    """A derived file, such as a thumbnail."""

    content_id: UUID
    kind: str
    variant: str
    format: str


class SdPath(msgspec.Struct, omit_defaults=True, gc=False):
    """Where something is. Exactly one of the four is set; its name is the key on the wire."""

    Physical: PhysicalPath | None = None
    Cloud: CloudPath | None = None
    Content: ContentPath | None = None
    Sidecar: SidecarPath | None = None


PathInput = SdPath | str
"""What an operation takes as a path: an SdPath, or (ours) an absolute path on this device."""


class SdPathBatch(msgspec.Struct):
    """Several paths."""

    paths: list[PathInput]


def readable(name: bytes) -> str:
    """The text of a name: itself where it is UTF-8, with U+FFFD for what is not."""
    return name.decode("utf-8", "replace")


def exact(name: bytes, text: str) -> bytes | None:
    """The bytes to send beside `readable(name)`: None where the text says it all."""
    return None if text.encode("utf-8") == name else name


def physical(device_slug: str, path: bytes) -> SdPath:
    """The SdPath of a path on a device."""
    text = path.decode("utf-8", "replace")
    if "\ufffd" in text:
        return SdPath(Physical=PhysicalPath(device_slug, text, exact(path, text)))
    return SdPath(Physical=PhysicalPath(device_slug, text))
