"""Who is at the other end of a Unix socket.

The kernel keeps the credentials that the peer had when it connected, so nothing that a client says
about itself is believed. What they allow is decided in `sd_daemon.core.access`.
"""

from __future__ import annotations

import errno
import fcntl
import select
import socket
import struct
import sys
import termios
from functools import lru_cache
from importlib import import_module

from sd_daemon.handlers.handler import Peer
from sd_wire.operation import Permission

_UCRED = struct.Struct("=iII")  # pid, uid, gid; uid and gid are unsigned
_XUCRED = struct.Struct("=IIhxx16I")  # macOS: version, uid, number of groups, groups
_SO_PEERGROUPS = 59  # Linux 4.13, <asm/socket.h>; Python has no names for these
_SOL_LOCAL = 0  # macOS, <sys/un.h>
_LOCAL_PEERCRED = 1
_LOCAL_PEERPID = 2
_PYTHON_BUFFER = 1024  # bytes; what socket.getsockopt takes at the most
_MOST_GROUPS = 65536  # that a process can be in

NOBODY = Peer(pid=0, uid=-1, gid=-1, permission=Permission.NONE)
"""A peer that is gone before it could be asked after."""


def peer_of(sock: socket.socket) -> Peer:
    """Ask the kernel about the peer of a connected socket. What it may do is not known yet."""
    try:
        pid, uid, gid, groups = _credentials(sock)
    except OSError:
        return NOBODY
    return Peer(pid, uid, gid, Permission.NONE, groups)


def _credentials(sock: socket.socket) -> tuple[int, int, int, tuple[int, ...]]:
    if sys.platform == "darwin":
        credentials = sock.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED.size)
        _, uid, count, *groups = _XUCRED.unpack(credentials)
        (pid,) = struct.unpack("=i", sock.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID, 4))
        return pid, uid, groups[0], tuple(sorted(set(groups[:count])))
    pid, uid, gid = _UCRED.unpack(
        sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    )
    return pid, uid, gid, _groups(gid, _supplementary(sock))


def _supplementary(sock: socket.socket) -> bytes:
    try:
        return sock.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _PYTHON_BUFFER)
    except OSError as error:
        if error.errno == errno.ERANGE:
            return _many_groups(sock.fileno())
        return b""  # a kernel that does not tell them


def _many_groups(descriptor: int) -> bytes:
    """The groups of a peer that is in more than Python has room for.

    ctypes costs a daemon 1.5 MiB, and nearly none ever meets such a peer.
    """
    ctypes = import_module("ctypes")
    buffer = ctypes.create_string_buffer(4 * _MOST_GROUPS)
    length = ctypes.c_uint(len(buffer))
    getsockopt = ctypes.CDLL(None, use_errno=True).getsockopt
    if getsockopt(descriptor, socket.SOL_SOCKET, _SO_PEERGROUPS, buffer, ctypes.byref(length)):
        return b""
    found: bytes = buffer.raw[: length.value]
    return found


@lru_cache(maxsize=256)
def _groups(gid: int, supplementary: bytes) -> tuple[int, ...]:
    """Every group once. Connections of one user share what is in memory."""
    return tuple(sorted({gid, *struct.unpack(f"={len(supplementary) // 4}I", supplementary)}))


def has_hung_up(connection: socket.socket) -> bool:
    """Whether the peer has closed both directions, not only that from it to us.

    The end of data alone does not tell. For a Unix socket the kernel reports POLLHUP, asked for or
    not, once nobody can read at the other end.
    """
    poll = select.poll()
    poll.register(connection.fileno(), 0)
    return any(event & select.POLLHUP for _, event in poll.poll(0))


def in_kernel(descriptor: int) -> int:
    """Bytes that were written and that the peer has not read, where the kernel tells."""
    if sys.platform != "linux":
        return 0
    return int.from_bytes(fcntl.ioctl(descriptor, termios.TIOCOUTQ, b"\0\0\0\0"), sys.byteorder)
