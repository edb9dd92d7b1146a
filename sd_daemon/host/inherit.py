"""The sockets that a service manager hands over (sd_listen_fds(3)).

The descriptors from 3 on are ours if LISTEN_PID is our process id; LISTEN_FDNAMES names them. The
name of a listening socket is the name of the instance it is for. A socket unit that sets no
FileDescriptorName= has its own name there, which ends in '.socket' and means the default instance.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from sd_daemon.core.log import get_log
from sd_daemon.host.succession import LEDGER, Inheritance
from sd_wire.places import is_instance_name

if TYPE_CHECKING:
    from collections.abc import MutableMapping

log = get_log(__name__)

FIRST = 3  # SD_LISTEN_FDS_START
_DEFAULT = ("", "unknown", "default", "daemon", "spacedrive")


def inherited_sockets(
    environ: MutableMapping[str, str], pid: int, default: str | None
) -> tuple[dict[str | None, socket.socket], Inheritance]:
    """The listening sockets by instance, and what a process before us has left. Takes the variables
    away, so that no child sees them."""
    count = environ.pop("LISTEN_FDS", "")
    owner = environ.pop("LISTEN_PID", "")
    names = environ.pop("LISTEN_FDNAMES", "").split(":")
    if owner != str(pid) or not count.isascii() or not count.isdecimal():
        return {}, Inheritance({})
    found: dict[str | None, socket.socket] = {}
    connections: dict[str, socket.socket] = {}
    ledger = None
    for place in range(int(count)):
        name = names[place] if place < len(names) else ""
        if name == LEDGER:
            ledger = FIRST + place
            os.set_inheritable(ledger, False)  # noqa: FBT003 - its only parameter
            continue
        sock = _stream_socket(FIRST + place)
        if sock is None:
            log.warning("an inherited descriptor is no Unix socket", name=name)
            continue
        if not _listens(sock):
            connections[name] = sock
            continue
        instance = instance_of(name, default)
        if instance in found:
            log.warning("a second inherited socket for one instance is left alone", name=name)
            sock.detach()
            continue
        found[instance] = sock
    return found, Inheritance(connections, ledger)


def instance_of(name: str, default: str | None) -> str | None:
    """The instance that a descriptor's name stands for."""
    if name in _DEFAULT or name.endswith(".socket") or not is_instance_name(name):
        return default
    return name


def _stream_socket(descriptor: int) -> socket.socket | None:
    try:
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - its only parameter
        sock = socket.socket(fileno=descriptor)
    except OSError:
        return None
    if sock.family == socket.AF_UNIX and sock.type == socket.SOCK_STREAM:
        return sock
    sock.detach()
    return None


def _listens(sock: socket.socket) -> bool:
    try:
        return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
    except OSError:  # macOS has no such question for Unix sockets, and hands over no connections
        return True
