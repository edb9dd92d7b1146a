"""Volumes: the filesystems that are mounted."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import msgspec

from sd_wire.operation import doc


class VolumeType(StrEnum):
    """What a volume is for."""

    PRIMARY = "Primary"
    USER_DATA = "UserData"
    EXTERNAL = "External"
    SECONDARY = "Secondary"
    SYSTEM = "System"
    NETWORK = "Network"
    CLOUD = "Cloud"
    VIRTUAL = "Virtual"
    UNKNOWN = "Unknown"


class MountType(StrEnum):
    """How a volume came to be mounted."""

    SYSTEM = "System"
    EXTERNAL = "External"
    NETWORK = "Network"
    USER = "User"


class DiskType(StrEnum):
    """What a volume is stored on."""

    SSD = "SSD"
    HDD = "HDD"
    NETWORK = "Network"
    VIRTUAL = "Virtual"
    UNKNOWN = "Unknown"


class OtherFileSystem(msgspec.Struct):
    """A filesystem without a name of its own in FILE_SYSTEMS: `{"Other":"xfs"}`."""

    Other: str


FILE_SYSTEMS = {
    "apfs": "APFS", "btrfs": "Btrfs", "exfat": "ExFAT", "ext2": "Ext4", "ext3": "Ext4",
    "ext4": "Ext4", "fuseblk": "NTFS", "hfsplus": "HFSPlus", "nfs": "NFS", "nfs4": "NFS",
    "ntfs": "NTFS", "ntfs3": "NTFS", "refs": "ReFS", "smb3": "SMB", "cifs": "SMB",
    "vfat": "FAT32", "zfs": "ZFS",
}  # fmt: skip
"""The kernel's names of filesystems and the names that clients know."""


class Volume(msgspec.Struct):
    """A mounted filesystem."""

    id: UUID
    fingerprint: str
    device_id: UUID
    name: str
    mount_point: str
    mount_points: list[str]
    volume_type: VolumeType
    mount_type: MountType
    disk_type: DiskType
    file_system: str | OtherFileSystem
    total_capacity: Annotated[int, doc("bytes")]
    available_space: Annotated[int, doc("bytes, for this user")]
    is_read_only: bool
    created_at: datetime
    updated_at: datetime
    last_seen_at: datetime
    is_mounted: bool = True
    library_id: UUID | None = None
    is_tracked: bool = False
    hardware_id: str | None = None
    cloud_identifier: str | None = None
    cloud_config: Any = None
    apfs_container: None = None
    container_volume_id: str | None = None
    path_mappings: list[Any] = []
    is_user_visible: bool = True
    auto_track_eligible: bool = False
    read_speed_mbps: int | None = None
    write_speed_mbps: int | None = None
    total_files: int | None = None
    total_directories: int | None = None
    last_stats_update: datetime | None = None
    display_name: str | None = None
    is_favorite: bool = False
    color: str | None = None
    icon: str | None = None
    error_message: str | None = None
    supports_block_cloning: bool = False


class VolumeInfo(msgspec.Struct):
    """What an event says of a volume before and after a change."""

    is_mounted: bool
    total_bytes_available: int
    read_speed_mbps: int | None = None
    write_speed_mbps: int | None = None
    error_status: str | None = None
