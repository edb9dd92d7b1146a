"""A client of another user. The kernel remembers who connected, whoever speaks afterwards."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from running import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from running import Daemon

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can connect as other users")

ALICE = 41001


class Person(Wire):
    """Somebody with one connection to the daemon."""

    def code(self, message: dict[str, Any]) -> str | None:
        """The code of the error that a request is answered with, or None where it is not."""
        reply = self.ask({**message, "id": 1})
        while not reply.keys() & {"JsonOk", "Error", "Subscribed", "LogsSubscribed"}:
            reply = self.read()  # of what is already watched
        return reply["details"]["code"] if "Error" in reply else None


def person(daemon: Daemon, *, uid: int = ALICE, groups: Sequence[int] = ()) -> Person:
    """Connect as another user. Whoever runs the daemon has to let it reach the socket."""
    with _being(uid, groups):
        return Person(daemon.socket_path)


@contextmanager
def _being(uid: int, groups: Sequence[int]) -> Iterator[None]:
    before = os.getgroups()
    os.setgroups(list(groups))
    os.setegid(uid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(before)


@contextmanager
def reachable(daemon: Daemon, **settings: Any) -> Iterator[Daemon]:
    """Start a daemon whose socket everybody can reach, as an administrator does for a group.

    The tests' own temporary folders are shut again whenever somebody else runs tests.
    """
    with TemporaryDirectory() as folder:
        os.chmod(folder, 0o711)
        daemon.socket_path = Path(folder) / "sd.sock"
        daemon.start("--socket", str(daemon.socket_path), **settings)
        daemon.socket_path.chmod(0o666)
        yield daemon
        daemon.kill()
