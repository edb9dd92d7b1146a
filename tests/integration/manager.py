"""The part of a service manager that a daemon speaks to: it hands over a listening socket, hears
what the daemon says of itself, and keeps descriptors from one process to the next."""

from __future__ import annotations

import array
import os
import signal
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from running import Wire

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 20.0

# The descriptors are put where they belong in the new process, which alone knows its number.
START = """
import fcntl, os, sys
names, notify, data, *given = sys.argv[1:]
high = [fcntl.fcntl(int(one), fcntl.F_DUPFD, 200) for one in given]
for one in given:
    os.close(int(one))
for place, descriptor in enumerate(high):
    os.dup2(descriptor, 3 + place, True)
    os.close(descriptor)
os.environ.update(
    LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(given)), LISTEN_FDNAMES=names,
    NOTIFY_SOCKET=notify,
)
os.execv(sys.executable, [sys.executable, "-m", "sd_daemon", "--data-dir", data])
"""


class Manager:
    """Starts a daemon as systemd does."""

    def __init__(self, folder: Path) -> None:
        self.data_dir = folder / "data"
        self.path = folder / "daemon.sock"
        self.kept: dict[str, int] = {}  # descriptors by name
        self._changed = threading.Condition()  # of `kept`
        self.process: subprocess.Popen[bytes] | None = None
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen(1000)
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(folder / "notify"))
        self._notify_path = str(folder / "notify")
        self._ready = threading.Event()
        self._hearing = threading.Thread(target=self._hear, daemon=True)
        self._hearing.start()

    def start(self, *, ready: bool = True) -> None:
        """Start it, and return when it is ready, unless nobody wants to wait for that."""
        self._ready.clear()
        names = ["default", *self.kept]
        descriptors = [self._listener.fileno(), *self.kept.values()]
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-c", START, ":".join(names)),
                *(self._notify_path, str(self.data_dir), *map(str, descriptors)),
            ],
            pass_fds=descriptors,
        )
        assert not ready or self._ready.wait(PATIENCE), "it did not become ready"

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End its process. The listening socket and what is kept stay."""
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(PATIENCE)

    def wait_for(self, connections: int) -> None:
        """Return when so many connections are kept, beside the ledger."""
        with self._changed:
            kept = self._changed.wait_for(lambda: len(self.kept) == connections + 1, PATIENCE)
            assert kept, self.kept

    def connect(self) -> Wire:
        """A client, whether there is a process or not."""
        return Wire(self.path)

    def give_up(self) -> None:
        """Stop for good: what is kept is closed."""
        if self.process is not None and self.process.poll() is None:
            self.stop(signal.SIGKILL)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"END=1", self._notify_path)
        self._hearing.join(PATIENCE)
        for descriptor in self.kept.values():
            os.close(descriptor)
        self._listener.close()
        self._notify.close()

    def _hear(self) -> None:
        while True:
            text, extra, _, _ = self._notify.recvmsg(8192, 8192)
            numbers = array.array("i")
            for _, _, data in extra:
                numbers.frombytes(data)
            fields = dict(line.split("=", 1) for line in text.decode().splitlines())
            if "END" in fields:
                return
            with self._changed:
                self._changed.notify_all()
                if "FDSTORE" in fields:
                    self.kept[fields["FDNAME"]] = numbers[0]
                    continue
                if "FDSTOREREMOVE" in fields and fields["FDNAME"] in self.kept:
                    os.close(self.kept.pop(fields["FDNAME"]))
            for descriptor in numbers:  # of a barrier: closing it is the answer
                os.close(descriptor)
            if "READY" in fields:
                self._ready.set()
