"""The kernel's inotify(7), as much of it as is needed to follow folders.

A folder is watched through an open descriptor of it, so that what is watched is the folder that was
looked at and not one that has its path now. What a watch tells are names in that folder.
"""

from __future__ import annotations

import errno
import os
import struct
from importlib import import_module
from typing import Any, NamedTuple

MODIFY, ATTRIB, CLOSE_WRITE = 0x2, 0x4, 0x8
MOVED_FROM, MOVED_TO, CREATE, DELETE = 0x40, 0x80, 0x100, 0x200
UNMOUNT, OVERFLOW, IGNORED = 0x2000, 0x4000, 0x8000
IS_DIRECTORY = 0x40000000
_ONLY_DIRECTORIES, _EXCLUDE_UNLINKED = 0x1000000, 0x4000000
_MASK = (
    MODIFY | ATTRIB | CLOSE_WRITE | MOVED_FROM | MOVED_TO | CREATE | DELETE
    | _ONLY_DIRECTORIES | _EXCLUDE_UNLINKED
)  # fmt: skip

_HEAD = struct.Struct("iIII")  # watch, mask, cookie, length of the name
_AT_ONCE = 256 * 1024  # bytes read with one call
LIMITS = "/proc/sys/fs/inotify"


class Event(NamedTuple):
    """One thing that happened. `name` is empty where it happened to the folder itself."""

    watch: int
    mask: int
    cookie: int  # the same for both halves of a rename
    name: str  # as os.fsdecode gives it


class NoWatches(Exception):
    """The kernel gives no more watches, or no inotify, to this user; the text says what to do."""


def _system() -> Any:
    """The C library. `ctypes` is loaded by those who call this, and the daemon is not one."""
    return import_module("ctypes").CDLL(None, use_errno=True)


def _errno() -> int:
    return int(import_module("ctypes").get_errno())


def limit(name: str) -> int:
    """A limit of the kernel by its name in sysctl, or -1 where it does not tell."""
    try:
        with open(f"{LIMITS}/{name}", encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return -1


def _advice(name: str, what: str) -> NoWatches:
    now = limit(name)
    return NoWatches(
        f"{what} (fs.inotify.{name} is {now}); raise it with:"
        f" sysctl -w fs.inotify.{name}={max(now, 0) * 4 or 524288}"
    )


def open_inotify() -> int:
    """A new inotify descriptor. Raises NoWatches, OSError."""
    system = _system()
    if not hasattr(system, "inotify_init1"):
        raise NoWatches("this system cannot tell of changes in folders")
    fd: int = system.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if fd >= 0:
        return fd
    number = _errno()
    if number == errno.EMFILE:
        raise _advice("max_user_instances", "this user has all the inotify instances it may have")
    raise OSError(number, os.strerror(number))


class Inotify:
    """An inotify descriptor that somebody else may have opened."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._libc = _system()

    def watch(self, folder: int) -> int:
        """Watch the folder open as `folder`; the number of the watch, the same as before if it is
        watched already. Raises NoWatches when there are as many as there may be, OSError."""
        path = b"/proc/self/fd/%d" % folder
        number: int = self._libc.inotify_add_watch(self.fd, path, _MASK)
        if number >= 0:
            return number
        code = _errno()
        if code == errno.ENOSPC:
            raise _advice("max_user_watches", "this user watches as many folders as it may")
        raise OSError(code, os.strerror(code))

    def forget(self, watch: int) -> None:
        """End a watch; nothing happens if there is none any more."""
        self._libc.inotify_rm_watch(self.fd, watch)

    def read(self) -> list[Event]:
        """What has happened and was not read yet; at most some thousand events."""
        try:
            data = os.read(self.fd, _AT_ONCE)
        except BlockingIOError:
            return []
        events = []
        at = 0
        while at < len(data):
            watch, mask, cookie, length = _HEAD.unpack_from(data, at)
            at += _HEAD.size
            name = data[at : at + length].partition(b"\0")[0]
            at += length
            events.append(Event(watch, mask, cookie, os.fsdecode(name)))
        return events
