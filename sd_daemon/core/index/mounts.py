"""What is mounted where, as far as walking a tree has to know.

Mount points are walked into like any folder. Two kinds are not: file systems that hold no files
but a view of the kernel, and a folder that is mounted again somewhere below itself.
"""

from __future__ import annotations

import os

from sd_daemon.core.index.walk import stat_folder

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


def mount_table() -> dict[str, str]:
    """Return the type of the file system at each mount point, by path (as os.fsdecode gives it).

    Empty where the kernel has no such table.
    """
    table: dict[str, str] = {}
    try:
        with open("/proc/self/mountinfo", "rb") as lines:
            for line in lines:
                fields = line.split()
                kind = fields[fields.index(b"-", 6) + 1]
                table[os.fsdecode(_unescaped(fields[4]))] = kind.decode("ascii", "replace")
    except OSError:
        pass
    return table


def _unescaped(field: bytes) -> bytes:
    if b"\\" not in field:
        return field
    for code, char in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\")):
        field = field.replace(code, char)
    return field


def is_loop(path: str, stat: os.stat_result) -> bool:
    """Say whether the folder at `path` is the same folder as one above it."""
    above = path
    while above not in ("/", ""):
        above = above.rpartition("/")[0] or "/"
        try:
            there = stat_folder(above)
        except OSError:
            continue
        if (there.st_dev, there.st_ino) == (stat.st_dev, stat.st_ino):
            return True
    return False
