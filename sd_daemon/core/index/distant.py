"""Filesystems that somebody else has to answer for, and what lies on them."""

from __future__ import annotations

import os

from sd_daemon.core.index.walk import Subtree
from sd_daemon.core.mount_table import Mount, linux_mounts


def mount_of(path: str, mounts: list[Mount]) -> Mount | None:
    """What a path is on. `mounts` are sorted by the length of the mount point; of several at one
    place the last covers the others."""
    found = None
    for mount in mounts:
        if Subtree(os.fsdecode(mount.point)).contains(path):
            found = mount
    return found


def mounts_by_length() -> list[Mount]:
    """What is mounted now, as `mount_of` wants it."""
    return sorted(linux_mounts(), key=lambda one: len(one.point))


def is_distant(path: str) -> bool:
    """Whether what is at a path must not be looked at by who cannot wait for an answer."""
    mount = mount_of(path, mounts_by_length())
    return mount is not None and mount.may_hang


def distant_points(path: str) -> list[bytes]:
    """Where filesystems that may hang are mounted: the one that `path` is on, and those below."""
    mounts = mounts_by_length()
    inside = Subtree(path)
    hanging = (one.point for one in mounts if one.may_hang)
    found = {point for point in hanging if inside.contains(os.fsdecode(point))}
    mount = mount_of(path, mounts)
    if mount is not None and mount.may_hang:
        found.add(mount.point)
    return sorted(found)
