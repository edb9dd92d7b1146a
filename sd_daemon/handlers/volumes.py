"""Volumes."""

from __future__ import annotations

import msgspec

from sd_daemon.core import locations
from sd_daemon.core.volumes import volume_of
from sd_daemon.handlers.handler import Context, handles
from sd_wire.operations.volumes import (
    ListVolumes,
    RefreshVolumes,
    VolumeFilter,
    VolumeList,
    VolumesRefreshed,
)


@handles(ListVolumes)
async def list_volumes(context: Context, request: ListVolumes) -> VolumeList:
    """The mounted filesystems, and which of them locations are on."""
    library = context.library
    volumes = await context.core.volumes.list()
    roots = [one.path for one in await library.database.read(locations.listed)]
    tracked = {volume.fingerprint for path in roots if (volume := volume_of(volumes, path))}
    marked = [
        msgspec.structs.replace(
            volume,
            is_tracked=volume.fingerprint in tracked,
            library_id=library.id if volume.fingerprint in tracked else None,
        )
        for volume in volumes
    ]
    if request.filter is VolumeFilter.TRACKED_ONLY:
        marked = [volume for volume in marked if volume.is_tracked]
    elif request.filter is VolumeFilter.UNTRACKED_ONLY:
        marked = [volume for volume in marked if not volume.is_tracked]
    return VolumeList(marked)


@handles(RefreshVolumes)
async def refresh_volumes(context: Context, request: RefreshVolumes) -> VolumesRefreshed:
    """Read the mount table again."""
    refreshed, failed = await context.core.volumes.refresh(
        context.correlation_id, announce_all=request.force
    )
    return VolumesRefreshed(refreshed, failed)
