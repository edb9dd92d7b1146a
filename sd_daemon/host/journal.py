"""Gives records to journald in its native protocol (systemd.journal-fields(7)), and never waits.

A record is a datagram of fields: `NAME=value` lines, or where a value has line breaks the name, the
value's length and the value. One that is too large for a datagram goes as a sealed file in memory,
whose descriptor is the datagram.

journald may stop reading at any time. What it does not take at once waits here, as much as the
limit allows, and goes as soon as there is room: then, and only then, the loop watches the socket.
What comes while there is no room is dropped, and so is all that follows until the last of those
that waited is gone; then one record says how many there were. So the gap in the journal is where
that record stands. The log's file has them all.

Why this is not a package: docs/decisions says it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import socket
import threading
from array import array
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sd_daemon.host.message_ids import DROPPED, MESSAGE_IDS
from sd_wire.events import LogMessage
from sd_wire.log_entry import entry_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping

SOCKET = "/run/systemd/journal/socket"
IDENTIFIER = "sd-daemon"

LIMIT = 1 << 20  # bytes of records that wait
TURN = 200  # records that are sent in one turn of the loop
RETRY = 1.0  # seconds until a socket that is gone is looked for again
_CRITICAL = "2"  # 0 and 1 are for the system: journald writes the first to every terminal

_GONE = frozenset(
    {errno.ECONNREFUSED, errno.ENOTCONN, errno.EDESTADDRREQ, errno.ECONNRESET, errno.EPIPE}
)
_TOO_LARGE = frozenset({errno.EMSGSIZE, errno.ENOBUFS})


def datagram(fields: Mapping[str, str | bytes]) -> bytes:
    """Fields as journald reads them. A value may have any bytes."""
    parts = []
    for name, value in fields.items():
        data = value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
        if b"\n" in data:
            parts.append(b"%s\n%s%s\n" % (name.encode(), len(data).to_bytes(8, "little"), data))
        else:
            parts.append(b"%s=%s\n" % (name.encode(), data))
    return b"".join(parts)


def fields_of(message: LogMessage, record: logging.LogRecord) -> dict[str, str]:
    """What journald is told of a record."""
    fields = _ours(message)
    if record.levelno >= logging.CRITICAL:
        fields["PRIORITY"] = _CRITICAL
    fields["CODE_FILE"] = record.pathname
    fields["CODE_LINE"] = str(record.lineno)
    fields["CODE_FUNC"] = str(record.funcName)
    return fields


def _ours(message: LogMessage) -> dict[str, str]:
    fields = {"SYSLOG_IDENTIFIER": IDENTIFIER, **entry_of(message)}
    if message.message in MESSAGE_IDS:
        fields["MESSAGE_ID"] = MESSAGE_IDS[message.message]
    return fields


class Journal:
    """The way to journald, for any thread."""

    def __init__(self, path: str = SOCKET, *, limit: int = LIMIT) -> None:
        self.dropped = 0  # records that journald will never have
        self.watcher: Callable[[], None] = _nobody  # called when they have become more
        self._path = path
        self._limit = limit
        self._lock = threading.RLock()  # what is collected under it may log
        self._socket: socket.socket | None = None
        self._waiting: deque[bytes] = deque()
        self._size = 0  # of those that wait
        self._untold = 0  # dropped ones that no record tells yet
        self._loop: asyncio.AbstractEventLoop | None = None
        self._due = False  # the loop sees to those that wait
        self._watched: socket.socket | None = None

    def take(self, message: LogMessage, record: logging.LogRecord) -> None:
        """Give a record to journald, now or as soon as it takes it."""
        data = datagram(fields_of(message, record))
        with self._lock:
            if not self._due:
                self._drain(TURN)
                if not self._waiting and self._sent(data):
                    return
            self._keep(data)
            self._call_loop()

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on this loop, which runs, sends what has to wait."""
        with self._lock:
            self._loop = loop
            self._call_loop()

    def close(self) -> None:
        """Send what can be sent. The loop has no more to do with it."""
        with self._lock:
            self._unwatch()
            self._loop, self._due = None, False
            self._drain(len(self._waiting) + 1)
            self._disconnect()

    # --- those that wait -------------------------------------------------------------------------

    def _keep(self, data: bytes) -> None:
        if self._untold or self._size + len(data) > self._limit:
            self._drop()
        else:
            self._waiting.append(data)
            self._size += len(data)

    def _drop(self) -> None:
        self.dropped += 1
        self._untold += 1
        if self._untold == 1:  # and once more when it is known how many they were
            self.watcher()

    def _drain(self, most: int) -> None:
        """Send those that wait, and then how many did not come so far."""
        for _ in range(most):
            if not self._waiting:
                if not self._untold:
                    return
                self._tell_dropped()
            if not self._sent(self._waiting[0]):
                return
            self._size -= len(self._waiting.popleft())

    def _tell_dropped(self) -> None:
        count, self._untold = str(self._untold), 0
        self.watcher()
        said = LogMessage(
            datetime.now(UTC), "WARN", __name__, DROPPED, None, None, {"count": count}
        )
        data = datagram(_ours(said))
        self._waiting.append(data)
        self._size += len(data)

    # --- the loop's part -------------------------------------------------------------------------

    def _call_loop(self) -> None:
        if self._due or self._loop is None or not self._waiting:
            return
        try:
            self._loop.call_soon_threadsafe(self._go_on)
            self._due = True
        except RuntimeError:  # it has ended: the next record tries
            self._loop = None

    def _go_on(self) -> None:
        with self._lock:
            self._unwatch()
            if self._loop is None:
                return
            self._drain(TURN)
            if not self._waiting:
                self._due = False
            elif self._socket is None:
                self._loop.call_later(RETRY, self._go_on)
            else:
                self._watched = self._socket
                self._loop.add_writer(self._watched.fileno(), self._go_on)

    def _unwatch(self) -> None:
        if self._watched is not None and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.remove_writer(self._watched.fileno())
        self._watched = None

    # --- the socket ------------------------------------------------------------------------------

    def _sent(self, data: bytes) -> bool:
        """Whether nothing more is to be done: journald has it, or can never have it."""
        for _ in range(2):  # the second time through a new socket
            sock = self._connected()
            if sock is None:
                return False
            try:
                _send(sock, data)
            except BlockingIOError:
                return False
            except OSError as error:
                if error.errno in _GONE:
                    self._disconnect()
                    continue
                self._drop()
            return True
        return False

    def _connected(self) -> socket.socket | None:
        if self._socket is None:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            sock.settimeout(0)
            try:
                sock.connect(self._path)
            except OSError:
                sock.close()
                return None
            self._socket = sock
        return self._socket

    def _disconnect(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _nobody() -> None:
    """Nobody wants to know."""


def _send(sock: socket.socket, data: bytes) -> None:
    try:
        sock.send(data)
    except OSError as error:
        if error.errno not in _TOO_LARGE:
            raise
        _send_sealed(sock, data)


def _send_sealed(sock: socket.socket, data: bytes) -> None:
    """As a file that nobody can change any more, which is why journald reads it in place."""
    file = os.memfd_create("journal", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(file, rest) :]
        seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
        fcntl.fcntl(file, fcntl.F_ADD_SEALS, seals)
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [file]).tobytes())
        sock.sendmsg([b""], [rights])
    finally:
        os.close(file)
