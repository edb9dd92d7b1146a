"""The kernel's table of what is mounted where: /proc/self/mountinfo, proc_pid_mountinfo(5)."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

MOUNTINFO = "/proc/self/mountinfo"

# File systems that hold no files but a view of the kernel.
PSEUDO = frozenset(
    [
        "autofs",
        "binfmt_misc",
        "bpf",
        "cgroup",
        "cgroup2",
        "configfs",
        "debugfs",
        "devpts",
        "devtmpfs",
        "efivarfs",
        "fusectl",
        "fuse.gvfsd-fuse",
        "fuse.portal",
        "fuse.lxcfs",
        "hugetlbfs",
        "mqueue",
        "nsfs",
        "pipefs",
        "proc",
        "pstore",
        "rpc_pipefs",
        "securityfs",
        "selinuxfs",
        "sockfs",
        "sysfs",
        "tracefs",
    ]
)
# File systems that somebody else has to answer for.
NETWORK = frozenset(
    [
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "9p",
        "ceph",
        "fuse.sshfs",
        "fuse.rclone",
        "davfs",
        "afs",
    ]
)
_OCTAL = re.compile(rb"\\([0-3][0-7]{2})")


class Mount(NamedTuple):
    """One line of the mount table."""

    device: str  # major:minor
    point: bytes
    kind: str
    source: str
    options: frozenset[str]  # of the mount and of the filesystem

    @property
    def may_hang(self) -> bool:
        """Whether somebody else has to answer before anything can be said of it."""
        return self.kind in NETWORK or self.kind == "fuse" or self.kind.startswith("fuse.")


def parse_mountinfo(text: bytes) -> list[Mount]:
    """The mounts of a mountinfo file. Lines that are not understood are passed over."""
    mounts = []
    for line in text.split(b"\n"):  # a carriage return in a path is not escaped
        before, separator, after = line.partition(b" - ")
        fields, rest = before.split(b" "), after.split(b" ")
        if not separator or len(fields) < 6 or len(rest) < 2 or not fields[4].startswith(b"/"):
            continue
        options = [*fields[5].split(b","), *(rest[2].split(b",") if len(rest) > 2 else [])]
        mounts.append(
            Mount(
                fields[2].decode("ascii", "replace"),
                _unescape(fields[4]),
                rest[0].decode("utf-8", "replace"),
                _unescape(rest[1]).decode("utf-8", "replace"),
                frozenset(option.decode("utf-8", "replace") for option in options),
            )
        )
    return mounts


def _unescape(field: bytes) -> bytes:
    return _OCTAL.sub(lambda match: bytes([int(match[1], 8)]), field)


def linux_mounts() -> list[Mount]:
    """What is mounted now, in the order in which it was. Empty where the kernel has no table."""
    try:
        with open(MOUNTINFO, "rb") as file:
            return parse_mountinfo(file.read())
    except OSError:
        return []


def kinds_by_mount_point() -> dict[str, str]:
    """The kind of file system at each mount point, by path as os.fsdecode gives it."""
    return {os.fsdecode(mount.point): mount.kind for mount in linux_mounts()}


def is_rotational(device: str) -> bool | None:
    """Whether the disk of a device (major:minor) is a spinning one, where the kernel says so."""
    block = os.path.realpath(f"/sys/dev/block/{device}")
    for folder in (block, os.path.dirname(block)):  # of a partition, the disk is above
        try:
            with open(f"{folder}/queue/rotational", encoding="ascii") as file:
                return file.read().strip() == "1"
        except OSError:
            continue
    return None
