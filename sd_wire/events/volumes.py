"""Volumes."""

from __future__ import annotations

from sd_wire.events.event import Event, event
from sd_wire.types.volumes import Volume, VolumeInfo


@event()
class VolumeAdded(Event):
    """A filesystem was mounted. On the wire the volume itself stands behind the name."""

    volume: Volume


@event()
class VolumeRemoved(Event):
    """A filesystem is no longer mounted."""

    fingerprint: str


@event()
class VolumeUpdated(Event):
    """The free space or the state of a volume changed."""

    fingerprint: str
    old_info: VolumeInfo
    new_info: VolumeInfo
