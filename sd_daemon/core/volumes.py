"""Volumes: what is mounted, from the kernel's own table.

Linux: the mount table and statvfs. Elsewhere: the root and what is mounted below /Volumes.

A volume is known again by its fingerprint: the filesystem's kind and source, and the device's id.
Several mounts of one filesystem (bind mounts, subvolumes) are one volume with several mount points.
A network mount that does not answer must not hold up the daemon, so all of it runs in a thread.
"""

from __future__ import annotations

import asyncio
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sd_daemon.core.hashes import blake2b
from sd_daemon.core.mount_table import (
    MOUNTINFO,
    NETWORK,
    PSEUDO,
    Mount,
    is_rotational,
    linux_mounts,
)
from sd_wire.events import VolumeAdded, VolumeRemoved, VolumeUpdated
from sd_wire.types.volumes import (
    FILE_SYSTEMS,
    DiskType,
    MountType,
    OtherFileSystem,
    Volume,
    VolumeInfo,
    VolumeType,
)

if TYPE_CHECKING:
    import builtins
    from collections.abc import Iterable

    from sd_daemon.core.bus import Bus

ANSWER_S = 1.0  # what a network mount gets to say how full it is

# Besides views of the kernel: pieces of containers, and images of packages.
_NOT_A_VOLUME = PSEUDO | {"ramfs", "squashfs"}
_VIRTUAL = frozenset({"tmpfs", "overlay"})
_CLONING = frozenset({"btrfs", "xfs", "bcachefs", "zfs", "apfs"})
_SYSTEM_PREFIXES = ("/boot", "/efi", "/var", "/usr", "/run", "/dev", "/sys", "/proc", "/snap")
_EXTERNAL_PREFIXES = ("/media/", "/mnt/", "/run/media/", "/Volumes/")


def read_mounts() -> list[Mount]:
    """What is mounted now, without what only shows the kernel's state."""
    if os.path.exists(MOUNTINFO):
        return [mount for mount in linux_mounts() if mount.kind not in _NOT_A_VOLUME]
    points = [b"/"]
    if os.path.isdir("/Volumes"):
        points += [entry.path for entry in os.scandir(b"/Volumes") if os.path.ismount(entry.path)]
    kind = "apfs" if sys.platform == "darwin" else "unknown"
    return [
        Mount(str(os.stat(point).st_dev), point, kind, os.fsdecode(point), frozenset({"rw"}))
        for point in points
    ]


def _disk_type(mount: Mount) -> DiskType:
    if mount.kind in NETWORK:
        return DiskType.NETWORK
    if mount.kind in _VIRTUAL:
        return DiskType.VIRTUAL
    rotates = is_rotational(mount.device)
    if rotates is None:
        return DiskType.UNKNOWN
    return DiskType.HDD if rotates else DiskType.SSD


def _volume_type(mount: Mount, point: str) -> VolumeType:
    if mount.kind in NETWORK:
        return VolumeType.NETWORK
    if point == "/":
        return VolumeType.PRIMARY
    if mount.kind in _VIRTUAL:
        return VolumeType.VIRTUAL
    if point.startswith("/home") or point == "/Users":
        return VolumeType.USER_DATA
    if (point + "/").startswith(_EXTERNAL_PREFIXES):
        return VolumeType.EXTERNAL
    if any(point == prefix or point.startswith(prefix + "/") for prefix in _SYSTEM_PREFIXES):
        return VolumeType.SYSTEM
    return VolumeType.SECONDARY


_MOUNT_TYPES = {
    VolumeType.PRIMARY: MountType.SYSTEM,
    VolumeType.SYSTEM: MountType.SYSTEM,
    VolumeType.VIRTUAL: MountType.SYSTEM,
    VolumeType.NETWORK: MountType.NETWORK,
    VolumeType.EXTERNAL: MountType.EXTERNAL,
}


def _fingerprint(device_id: UUID, mount: Mount) -> str:
    place = mount.source if mount.source.startswith("/") or mount.kind in NETWORK else mount.device
    text = f"{device_id}\0{mount.kind}\0{place}".encode("utf-8", "surrogateescape")
    return blake2b(text, digest_size=16, person=b"sd volume").hexdigest()


def _volume(device_id: UUID, mounts: list[Mount], started: datetime) -> Volume:
    """The volume that is mounted at these places. Raises OSError where it does not answer."""
    mount = min(mounts, key=lambda one: len(one.point))
    point = mount.point.decode("utf-8", "replace")
    space = os.statvfs(mount.point)
    fingerprint = _fingerprint(device_id, mount)
    kind = _volume_type(mount, point)
    now = datetime.now(UTC)
    return Volume(
        id=_uuid(fingerprint),
        fingerprint=fingerprint,
        device_id=device_id,
        name=os.path.basename(point.rstrip("/")) or point,
        mount_point=point,
        mount_points=sorted(one.point.decode("utf-8", "replace") for one in mounts),
        volume_type=kind,
        mount_type=_MOUNT_TYPES.get(kind, MountType.USER),
        disk_type=_disk_type(mount),
        file_system=FILE_SYSTEMS.get(mount.kind) or OtherFileSystem(mount.kind),
        total_capacity=space.f_blocks * space.f_frsize,
        available_space=space.f_bavail * space.f_frsize,
        is_read_only="ro" in mount.options,
        created_at=started,
        updated_at=now,
        last_seen_at=now,
        hardware_id=mount.source if mount.source.startswith("/dev/") else None,
        is_user_visible=kind not in (VolumeType.SYSTEM, VolumeType.VIRTUAL),
        supports_block_cloning=mount.kind in _CLONING,
    )


def _uuid(fingerprint: str) -> UUID:
    """A version 8 UUID (RFC 9562: contents are ours to define) of a fingerprint."""
    value = int(fingerprint, 16)
    value = (value & ~(0xF << 76)) | (8 << 76)
    return UUID(int=(value & ~(0x3 << 62)) | (2 << 62))


def read_volumes(
    mounts: Iterable[Mount], device_id: UUID, started: datetime
) -> tuple[list[Volume], int]:
    """The volumes that answer, and how many did not. Blocks, for long where a server is away."""
    groups: dict[str, list[Mount]] = {}
    for mount in mounts:
        groups.setdefault(mount.device, []).append(mount)
    found, failed = [], 0
    for group in groups.values():
        try:
            found.append(_volume(device_id, group, started))
        except OSError:
            failed += 1
    return found, failed


class Volumes:
    """The volumes as they were last seen.

    What is on the network or in another program's hands is asked in a thread of its own. It gets
    a moment to answer; until it does, what is known of those volumes from earlier stands.
    """

    def __init__(self, device_id: UUID, bus: Bus) -> None:
        self._device_id = device_id
        self._bus = bus
        self._started = datetime.now(UTC)
        self._known: dict[str, Volume] | None = None  # by fingerprint
        self._patient = ThreadPoolExecutor(1, thread_name_prefix="volumes")
        self._asked: asyncio.Future[tuple[list[Volume], int]] | None = None
        self._distant: list[Volume] = []

    async def list(self) -> list[Volume]:
        """The volumes now."""
        found, _ = await self._look()
        if self._known is None:
            self._known = {volume.fingerprint: volume for volume in found}
        return found

    async def refresh(self, correlation: str | None, *, announce_all: bool) -> tuple[int, int]:
        """Look again and announce what is different; how many answered and how many did not. The
        first look finds nothing different, since there is nothing to compare it with."""
        found, failed = await self._look()
        known = {volume.fingerprint: volume for volume in found}
        before = known if self._known is None else self._known
        self._known = known
        for volume in found:
            old = before.get(volume.fingerprint)
            if old is None:
                self._bus.publish(VolumeAdded(volume), correlation)
            elif announce_all or _info(old) != _info(volume):
                update = VolumeUpdated(volume.fingerprint, _info(old), _info(volume))
                self._bus.publish(update, correlation)
        for fingerprint in before.keys() - known.keys():
            self._bus.publish(VolumeRemoved(fingerprint), correlation)
        return len(found), failed

    async def _look(self) -> tuple[builtins.list[Volume], int]:
        mounts = await asyncio.to_thread(read_mounts)
        near = [mount for mount in mounts if not mount.may_hang]
        far = [mount for mount in mounts if mount.may_hang]
        found, failed = await asyncio.to_thread(read_volumes, near, self._device_id, self._started)
        if far:
            failed += await self._ask(far)
            found += self._distant
        return sorted(found, key=lambda volume: volume.mount_point), failed

    async def _ask(self, mounts: builtins.list[Mount]) -> int:
        """Bring what is known of distant volumes up to date; how many did not answer."""
        if self._asked is None:
            self._asked = asyncio.get_running_loop().run_in_executor(
                self._patient, read_volumes, mounts, self._device_id, self._started
            )
        done, _ = await asyncio.wait({self._asked}, timeout=ANSWER_S)
        if not done:
            return len(mounts)
        self._distant, failed = self._asked.result()
        self._asked = None
        return failed


def _info(volume: Volume) -> VolumeInfo:
    return VolumeInfo(volume.is_mounted, volume.available_space)


def volume_of(volumes: Iterable[Volume], path: str) -> Volume | None:
    """The volume that holds a path: the one whose mount point is the longest way down to it."""
    best: tuple[int, Volume] | None = None
    for volume in volumes:
        for point in volume.mount_points:
            inside = path == point or path.startswith(point.rstrip("/") + "/")
            if inside and (best is None or len(point) > best[0]):
                best = (len(point), volume)
    return None if best is None else best[1]
