"""Who is at the other end of a Unix socket, and what they may do.

The kernel keeps the credentials that the peer had when it connected, so nothing that a client says
about itself is believed.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import sys

from sd_daemon.handlers.handler import Peer
from sd_wire.operation import Permission

_UCRED = struct.Struct("=iII")  # pid, uid, gid; uid and gid are unsigned
_XUCRED = struct.Struct("=IIhxx16I")  # macOS: version, uid, number of groups, groups
_SOL_LOCAL = 0  # macOS, <sys/un.h>; Python has no names for these
_LOCAL_PEERCRED = 1
_LOCAL_PEERPID = 2

OTHERS = Permission.WRITE
"""What a user may do who is neither the daemon's nor root.

They come through the socket's group at all only where an administrator put them into it.
"""

NOBODY = Peer(pid=0, uid=-1, gid=-1, permission=Permission.READ)
"""A peer that is gone before it could be asked after."""


def permission_of(uid: int, own_uid: int) -> Permission:
    """The user whose files they are, and root, may do everything."""
    return Permission.ADMIN if uid in (own_uid, 0) else OTHERS


def _credentials(sock: socket.socket) -> tuple[int, int, int]:
    if sys.platform == "darwin":
        credentials = sock.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED.size)
        _, uid, _, gid, *_ = _XUCRED.unpack(credentials)
        (pid,) = struct.unpack("=i", sock.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID, 4))
        return pid, uid, gid
    pid, uid, gid = _UCRED.unpack(
        sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    )
    return pid, uid, gid


def peer_of(sock: socket.socket) -> Peer:
    """Ask the kernel about the peer of a connected socket."""
    try:
        pid, uid, gid = _credentials(sock)
    except OSError:
        return NOBODY
    return Peer(pid, uid, gid, permission_of(uid, os.getuid()))


def has_hung_up(connection: socket.socket) -> bool:
    """Whether the peer has closed both directions, not only that from it to us.

    The end of data alone does not tell. For a Unix socket the kernel reports POLLHUP, asked for or
    not, once nobody can read at the other end.
    """
    poll = select.poll()
    poll.register(connection.fileno(), 0)
    return any(event & select.POLLHUP for _, event in poll.poll(0))
