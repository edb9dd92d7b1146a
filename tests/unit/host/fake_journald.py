"""A socket that is read as journald reads its own (systemd.journal-fields(7))."""

from __future__ import annotations

import fcntl
import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


def parse(data: bytes) -> dict[str, bytes]:
    """The fields of an entry; what journald would not take is an error."""
    fields: dict[str, bytes] = {}
    while data:
        line, _, rest = data.partition(b"\n")
        if b"=" in line:
            name, _, value = line.partition(b"=")
        else:
            name, size = line, int.from_bytes(rest[:8], "little")
            value, end, rest = rest[8 : 8 + size], rest[8 + size : 9 + size], rest[9 + size :]
            assert (len(value), end) == (size, b"\n")
        text = name.decode("ascii")
        assert 0 < len(text) <= 64
        assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
        assert text[0] not in "_0123456789"
        assert text not in fields
        fields[text] = value
        data = rest
    return fields


class FakeJournald:
    """Holds what nobody has read as journald's socket does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = 0  # entries that came as a file in memory
        self._socket = self._bound()

    def read(self) -> list[dict[str, bytes]]:
        """The entries that are there."""
        found = []
        while True:
            try:
                data, rights, _, _ = socket.recv_fds(self._socket, 1 << 20, 1)
            except BlockingIOError:
                return found
            found.append(parse(self._content(*rights) if rights else data))

    def vanish(self) -> None:
        """End, and leave nothing behind."""
        self._socket.close()
        self.path.unlink()

    def die(self) -> None:
        """End, and leave the path."""
        self._socket.close()

    def come_back(self) -> None:
        """Be another one at the same path."""
        self.path.unlink(missing_ok=True)
        self._socket = self._bound()

    def close(self) -> None:
        """End."""
        self._socket.close()

    def _bound(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sock.settimeout(0)
        sock.bind(str(self.path))
        return sock

    def _content(self, file: int) -> bytes:
        self.files += 1
        try:
            assert fcntl.fcntl(file, fcntl.F_GET_SEALS) == SEALS
            return os.pread(file, os.fstat(file).st_size, 0)
        finally:
            os.close(file)
