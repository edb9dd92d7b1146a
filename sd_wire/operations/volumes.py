"""Mounted filesystems."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from sd_wire.operation import Request, action, doc, query
from sd_wire.types.volumes import Volume


class VolumeFilter(StrEnum):
    """Which volumes are listed."""

    TRACKED_ONLY = "TrackedOnly"
    UNTRACKED_ONLY = "UntrackedOnly"
    ALL = "All"


class VolumeList(msgspec.Struct):
    """Volumes."""

    volumes: list[Volume]


@query("volumes.list")
class ListVolumes(Request[VolumeList]):
    """The mounted filesystems. A volume counts as tracked where a location is on it."""

    filter: Annotated[VolumeFilter, doc("which ones")] = VolumeFilter.TRACKED_ONLY


class VolumesRefreshed(msgspec.Struct):
    """How many volumes could be asked."""

    volumes_refreshed: int
    volumes_failed: int


@action("volumes.refresh")
class RefreshVolumes(Request[VolumesRefreshed]):
    """Read the mount table and free space again, and announce what changed."""

    force: Annotated[bool, doc("announce every volume, changed or not")] = False
