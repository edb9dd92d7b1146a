"""A real daemon process on a folder of its own."""

from __future__ import annotations

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
