"""The sockets that launchd hands over (launch_activate_socket(3)).

A job's property list names sockets in its `Sockets` dictionary; the name is the instance that the
socket is for, and `default` the default one. launchd tells nothing by itself: whoever was started
by it asks for a socket by name, once. There is no readiness, no watchdog and no status to tell it.
"""

from __future__ import annotations

import ctypes
import errno
import socket
import sys
from typing import TYPE_CHECKING

from sd_daemon.core.log import get_log

if TYPE_CHECKING:
    from collections.abc import Iterator

log = get_log(__name__)

LIBRARY = "/usr/lib/libSystem.B.dylib"

# Not started by launchd; no socket of that name in the property list; asked for before.
_NONE_THERE = frozenset({errno.ESRCH, errno.ENOENT, errno.EALREADY})


def activated_socket(name: str, library: str | None = None) -> socket.socket | None:
    """The listening Unix socket that launchd has under this name, or None.

    `library`: where launch_activate_socket is; by default the system's on macOS and none elsewhere.
    """
    if library is None and sys.platform != "darwin":
        return None
    descriptors = _activate(name, library or LIBRARY)
    found = None
    for descriptor in descriptors:
        sock = socket.socket(fileno=descriptor)
        sock.set_inheritable(False)  # launchd's come without close-on-exec
        if found is None and sock.family == socket.AF_UNIX and sock.type == socket.SOCK_STREAM:
            found = sock
        else:
            log.warning("a socket from launchd is of no use", name=name, family=int(sock.family))
            sock.close()
    return found


def _activate(name: str, library: str) -> list[int]:
    system = ctypes.CDLL(library)
    system.launch_activate_socket.restype = ctypes.c_int
    array = ctypes.POINTER(ctypes.c_int)()
    count = ctypes.c_size_t(0)
    failed: int = system.launch_activate_socket(
        name.encode(), ctypes.byref(array), ctypes.byref(count)
    )
    if failed:
        if failed not in _NONE_THERE:
            log.warning("launchd gave no socket", name=name, reason=errno.errorcode.get(failed))
        return []
    try:
        return list(_first(array, count.value))
    finally:
        system.free.argtypes = [ctypes.c_void_p]
        system.free(array)  # the array is ours, says launch(3)


def _first(array: ctypes._Pointer[ctypes.c_int], count: int) -> Iterator[int]:
    for place in range(count):
        yield array[place]
