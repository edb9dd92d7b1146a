"""What the daemon does when it is told that memory is short."""

from __future__ import annotations

import base64
import os
import socket
from typing import TYPE_CHECKING

import pytest
from running import Daemon

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SAID = "memory is short: what can be read again is forgotten"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(tmp_path / "data")
    yield made
    made.kill()


def started(daemon: Daemon, path: Path, write: bytes = b"") -> None:
    """With a library, so that there is something to forget."""
    told = {"MEMORY_PRESSURE_WATCH": str(path)}
    if write:
        told["MEMORY_PRESSURE_WRITE"] = base64.b64encode(write).decode()
    daemon.start(env={**os.environ, **told})
    daemon.call("action:libraries.create.input", {"name": "Home"})


def read_until_said(daemon: Daemon) -> None:
    with daemon.connect() as wire:
        wire.send({"SubscribeLogs": {"last": 1000}, "id": 1})
        while wire.read().get("LogMessage", {}).get("message") != SAID:
            pass


def test_a_fifo_tells_it(daemon: Daemon, tmp_path: Path) -> None:
    fifo = tmp_path / "pressure"
    os.mkfifo(fifo)
    started(daemon, fifo)
    with fifo.open("wb") as told:
        told.write(b"x")
    read_until_said(daemon)
    assert [one["name"] for one in daemon.call("query:libraries.list")] == ["Home"]


def test_a_socket_tells_it_and_hears_from_how_much_on(daemon: Daemon, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "pressure"))
        listening.listen()
        started(daemon, tmp_path / "pressure", b"some 200000 2000000\0")
        told, _ = listening.accept()
        with told:
            assert told.recv(100) == b"some 200000 2000000\0"
            told.sendall(b"x")
            read_until_said(daemon)
    # Nobody tells any more, and nothing keeps the daemon busy with that.
    assert daemon.call("query:libraries.list")


def test_what_tells_nothing_is_no_obstacle(daemon: Daemon, tmp_path: Path) -> None:
    started(daemon, tmp_path / "nothing")
    assert "nothing will tell of memory that runs short" in daemon.log_text()
