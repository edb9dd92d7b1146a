"""What must work for a daemon to be of any use, as questions for the watchdog."""

from __future__ import annotations

import asyncio
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from sd_daemon.core.core import DEVICE_FILE
from sd_daemon.host.watchdog import Question
from sd_wire.connection import PING_LINE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sd_daemon.server.instances import CoreInstanceManager

PAUSE = 0.2  # seconds, until another attempt to be answered
PIECE = 4096


class Vital:
    """The questions of one process."""

    def __init__(self, instances: CoreInstanceManager) -> None:
        self._instances = instances
        self._disk = ThreadPoolExecutor(1, "disk")  # of its own: it may never come back

    def questions(self) -> Iterator[Question]:
        """What is to be asked now."""
        for instance in self._instances.instances.values():
            yield Question(f"the socket {instance.path}", partial(ping, instance.path))
            if not instance.ready:
                continue
            core = instance.core
            # Whoever is alone with a sleeping disk lets it sleep.
            if self._instances.capacity.used or any(core.runner.counts()):
                file = f"{core.data_dir}/{DEVICE_FILE}"
                yield Question(f"the disk that holds {core.data_dir}", partial(self._read, file))
            for library in core.libraries.open_libraries.values():
                for database in library.databases:
                    yield Question(
                        f"the database {database.path}", database.answer, database.busy_time
                    )

    async def _read(self, file: str) -> None:
        await asyncio.get_running_loop().run_in_executor(self._disk, read_from_disk, file)


async def ping(path: str) -> None:
    """Be a client: connect, ask, and return when there was an answer.

    A path that is gone, or leads to nobody, raises: it says nothing about those who are connected,
    and to start anew would not bring it back. Neither would it help where somebody else listens.
    """
    if not await _answered(path):
        await asyncio.sleep(PAUSE)
        await ping(path)  # until the watchdog loses patience, which is soon


async def _answered(path: str) -> bool:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(0)
        try:
            sock.connect(path)
        except BlockingIOError:
            return False  # the queue of those who want to connect is full
        try:
            await loop.sock_sendall(sock, PING_LINE)
            return await loop.sock_recv(sock, PIECE) != b""
        except (BrokenPipeError, ConnectionResetError):
            return False


def read_from_disk(path: str) -> None:
    """Read a few bytes, from the disk itself if the system can be had to. Blocks."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)  # forget what is in memory
        os.read(file, PIECE)
    finally:
        os.close(file)
