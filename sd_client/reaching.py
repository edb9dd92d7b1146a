"""Why a daemon could not be reached, as one of the errors that the contract names.

Three failures are three sentences, because a person does something different about each: nothing
is there, something is there and forbidden, something is there and nobody listens.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from typing import TYPE_CHECKING

import msgspec

from sd_wire.errors import (
    ConnectionRefused,
    DaemonNotRunning,
    NotASocket,
    SdError,
    SocketOfAnother,
    SocketPathTooLong,
    SocketPermissionDenied,
    from_wire,
)
from sd_wire.places import SOCKET_PATH_LIMIT

if TYPE_CHECKING:
    from sd_wire.messages import Reply

_ABSENT = (errno.ENOENT, errno.ENOTDIR)
_FORBIDDEN = (errno.EACCES, errno.EPERM)


def check_length(socket_path: str) -> None:
    """Raise where the path does not fit into the kernel's address structure."""
    limit = SOCKET_PATH_LIMIT.get(sys.platform, min(SOCKET_PATH_LIMIT.values()))
    length = len(os.fsencode(socket_path))
    if length > limit:
        raise SocketPathTooLong(socket=socket_path, length=length, limit=limit)


def check_owner(socket_path: str) -> None:
    """Raise where a socket that nobody has named is neither root's nor ours. Who listens behind it
    cannot be asked: of a socket that a service manager made, the kernel names only the manager."""
    try:
        owner = os.stat(socket_path).st_uid
    except OSError:
        return  # to connect fails likewise, with a sentence
    if owner not in (0, os.geteuid()):
        raise SocketOfAnother(socket=socket_path, owner=owner)


def unreachable(error: OSError, socket_path: str) -> SdError:
    """The error of the contract behind a failed connect."""
    if error.errno in _ABSENT:
        return DaemonNotRunning(socket=socket_path)
    if error.errno in _FORBIDDEN:
        return SocketPermissionDenied(socket=socket_path)
    if _is_something_else(socket_path):
        return NotASocket(socket=socket_path)
    # EAGAIN is a full backlog, EPROTOTYPE another kind of socket: what is behind it takes no
    # connection.
    return ConnectionRefused(socket=socket_path)


def _is_something_else(path: str) -> bool:
    try:
        return not stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False


def failure_in(reply: Reply) -> SdError | None:
    """The error that a reply carries, or None."""
    if reply.Error is msgspec.UNSET:
        return None
    kind, text = next(iter(reply.Error.items()), ("OperationFailed", "an error without a text"))
    return from_wire(kind, text, None if reply.details is msgspec.UNSET else reply.details)
