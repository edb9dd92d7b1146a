"""A socket whose file somebody removes: the daemon makes it again, or says why it cannot."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import stat
import sys
from typing import TYPE_CHECKING

import pytest

from sd_daemon.host.status import describe
from sd_daemon.server import removal
from sd_daemon.server.instances import CoreInstanceManager
from sd_daemon.server.listen import adopt, claim

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from running import Daemon

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")


def test_a_socket_that_is_removed_is_there_again(daemon: Daemon) -> None:
    with daemon.connect() as before:
        assert before.ask("Ping") == "Pong"
        daemon.socket_path.chmod(0o660)
        before.ask("Ping")
        before.ask("Ping")  # by now it has heard of that
        for _ in range(3):  # each time anew
            inode = daemon.socket_path.stat().st_ino
            daemon.socket_path.unlink()
            daemon.wait_until_it_answers()
            assert daemon.socket_path.stat().st_ino != inode
            assert stat.S_IMODE(daemon.socket_path.stat().st_mode) == 0o660
        assert before.ask("Ping") == "Pong", "who was connected stays"
    assert daemon.log_text().count("the socket was removed, and is made again") == 3
    assert daemon.stop() == 0
    assert not daemon.socket_path.exists()


def test_one_that_is_moved_away_is_there_again_and_the_other_is_left_alone(daemon: Daemon) -> None:
    elsewhere = daemon.socket_path.with_name("elsewhere")
    daemon.socket_path.rename(elsewhere)
    daemon.wait_until_it_answers()
    assert daemon.stop() == 0
    assert elsewhere.exists()


def test_with_its_folder_goes_its_lock_and_both_are_made_again(
    daemon: Daemon, make_daemon: Callable[..., Daemon]
) -> None:
    shutil.rmtree(daemon.socket_path.parent)
    daemon.wait_until_it_answers()
    second = make_daemon().start(wait=False)
    assert second.wait() == 6
    assert "another daemon already listens" in second.errors()


def open_files() -> list[str]:
    """What this process has open."""
    found = []
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # that of this listing
            found.append(os.readlink(f"/proc/self/fd/{number}"))
    return found


class Server:
    """A daemon's instance in this process."""

    def __init__(self, manager: CoreInstanceManager, path: Path) -> None:
        self.manager = manager
        self.path = path
        self.changed = asyncio.Event()
        manager.capacity.watchers.append(self.changed.set)

    async def problem(self, *, expected: bool) -> str:
        """What the service manager is told, once it is told of a problem, or of none any more."""
        async with asyncio.timeout(20):
            while ("; problem: " in (told := describe(self.manager))) is not expected:
                self.changed.clear()
                await self.changed.wait()
        return told


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    manager = CoreInstanceManager(str(tmp_path / "data"), limit=16)
    path = tmp_path / "sd.sock"
    await manager.serve(None, await claim(str(path)))
    await manager.open()
    yield Server(manager, path)
    await manager.shutdown_all()


async def answers(path: Path) -> None:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b'"Ping"\n')
    assert await reader.readline() == b'"Pong"\n'
    writer.close()
    await writer.wait_closed()


async def test_what_is_in_its_place_is_left_alone_and_told_of(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "RETRY", 0.02)
    precious = server.path.with_name("precious")
    precious.write_text("precious", "utf-8")
    precious.replace(server.path)
    assert "there is something else in its place" in await server.problem(expected=True)
    assert server.path.read_text("utf-8") == "precious"
    server.path.unlink()
    await server.problem(expected=False)
    await answers(server.path)


async def test_the_place_of_another_daemon_is_not_taken(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "RETRY", 0.02)
    other = server.path.with_name("other.sock")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(other))
        listening.listen()
        other.replace(server.path)
        assert "another daemon already listens" in await server.problem(expected=True)
    await server.problem(expected=False)  # nobody is behind it any more
    await answers(server.path)


async def test_an_inherited_one_is_for_the_service_manager_to_make(tmp_path: Path) -> None:
    path = tmp_path / "inherited.sock"
    manager = CoreInstanceManager(str(tmp_path / "data"), limit=16)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        await manager.serve(None, adopt(listening.dup()))
        assert "anon_inode:inotify" not in open_files()
        await manager.shutdown_all()
    assert path.exists()
