"""A real daemon process on a folder of its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from running import Daemon

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def make_daemon(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Daemons that are not started yet, by the name of their data folder."""
    made: list[Daemon] = []

    def make(name: str = "data") -> Daemon:
        made.append(Daemon(tmp_path / name))
        return made[-1]

    yield make
    for one in made:
        one.kill()


@pytest.fixture
def daemon(make_daemon: Callable[..., Daemon]) -> Daemon:
    """A daemon that answers."""
    return make_daemon().start()


@pytest.fixture
def lonely(make_daemon: Callable[..., Daemon], tmp_path: Path) -> Daemon:
    """A daemon that can reach nothing of this user: its home is a folder of the test."""
    home = tmp_path / "home"
    home.mkdir()
    kept = {"PATH": os.environ["PATH"], "HOME": str(home), "XDG_DATA_HOME": str(home)}
    return make_daemon().start(env=kept, cwd=str(home))
