"""Makes a daemon that the tests start write down everything that it hears and says.

Python imports a module of this name in every process, before anything of ours. Where the tests
have set RECORD_WIRE_TO and this process turns out to be a daemon, its sessions are tapped between
the transport and the protocol, and its channels where they write straight into sockets; nothing of
the daemon knows of it. What is written is there at once, also for a daemon that is killed in the
next moment. `recording.py` beside the tests reads it.

A record is a kind, the number of a connection, a length, and so many bytes.
"""

from __future__ import annotations

import os
import struct
import sys
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

SESSION, CHANNEL = "sd_daemon.server.session", "sd_daemon.server.channel"
RECORD = struct.Struct(">cII")
HEARD, SAID, END_HEARD, LEFT_OUT = b"<", b">", b".", b"x"
MOST = 1024 * 1024  # bytes of one connection; a test of floods says nothing new after that


class Record:
    """The file of this process."""

    def __init__(self, folder: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(f"{folder}/{os.getpid()}-{os.urandom(4).hex()}", flags, 0o600)
        self._connections = 0

    def begin(self) -> int:
        """The number of a new connection."""
        self._connections += 1
        return self._connections

    def write(self, kind: bytes, connection: int, data: bytes) -> None:
        """One record, in one write."""
        os.write(self._file, RECORD.pack(kind, connection, len(data)) + data)


class Tap:
    """A transport that writes down what goes through it."""

    __slots__ = ("_left", "_number", "_record", "_transport")

    def __init__(self, transport: Any, record: Record) -> None:
        self._transport = transport
        self._record = record
        self._number = 0
        self._left = MOST

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """What the daemon says."""
        self.note(SAID, data)
        self._transport.write(data)

    def note(self, kind: bytes, data: bytes) -> None:
        """Write something down, as long as it is not too much."""
        if not self._number:  # idle connections cost nothing
            self._number = self._record.begin()
        if self._left <= 0:
            return
        self._left -= len(data)
        if self._left <= 0:
            kind, data = LEFT_OUT, b""
        self._record.write(kind, self._number, bytes(data))


class Taps:
    """Those of one process."""

    def __init__(self, folder: str) -> None:
        self._record = Record(folder)
        self._taps: dict[int, Tap] = {}  # by descriptor

    def tap(self, module: ModuleType) -> None:
        """Put taps where this module speaks to clients."""
        if module.__name__ == SESSION:
            self._tap_session(module.Session)
        else:
            module.write = self._write_down(module.write)  # type: ignore[attr-defined]

    def _tap_session(self, session: Any) -> None:
        made, received, ended, lost = (
            session.connection_made,
            session.data_received,
            session.eof_received,
            session.connection_lost,
        )

        def connection_made(this: Any, transport: Any) -> None:
            tapped = Tap(transport, self._record)
            self._taps[transport.get_extra_info("socket").fileno()] = tapped
            made(this, tapped)

        def data_received(this: Any, data: bytes) -> None:
            this.transport.note(HEARD, data)
            received(this, data)

        def eof_received(this: Any) -> Any:
            this.transport.note(END_HEARD, b"")
            return ended(this)

        def connection_lost(this: Any, error: Exception | None) -> None:
            self._taps.pop(this.descriptor, None)
            lost(this, error)

        session.connection_made = connection_made
        session.data_received = data_received
        session.eof_received = eof_received
        session.connection_lost = connection_lost

    def _write_down(self, write: Callable[[int, bytes], int]) -> Callable[[int, bytes], int]:
        def write_and_note(descriptor: int, data: bytes) -> int:
            sent = write(descriptor, data)
            self._taps[descriptor].note(SAID, data[:sent])
            return sent

        return write_and_note


class Finder:
    """Waits for the modules that speak to clients."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._taps: Taps | None = None

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module as it is found without us, with the tap put in behind its execution."""
        if name not in (SESSION, CHANNEL):
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            self._taps = self._taps or Taps(self._folder)
            self._taps.tap(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


if _folder := os.environ.get("RECORD_WIRE_TO"):
    sys.meta_path.insert(0, Finder(_folder))  # type: ignore[arg-type]
