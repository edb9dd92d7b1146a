"""A library that could not be opened for a reason that may pass."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sd_daemon.core import libraries
from sd_daemon.core.core import Core
from sd_daemon.core.library import Library
from sd_wire.events import LibraryOpened

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from sd_daemon.core.bus import Published


async def test_it_is_opened_as_soon_as_that_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libraries, "AGAIN_S", 0.01)
    first = await Core.open(str(tmp_path / "data"))
    path = (await first.libraries.create("Home", None, None)).path
    await first.close()
    other = await asyncio.to_thread(Library.open, path, "here")  # as another daemon has it
    core = await Core.open(str(tmp_path / "data"))
    assert list(core.libraries.failed) == [path]
    assert any("is in use by another daemon" in problem for problem in core.problems)
    opened = asyncio.Event()

    def hear(published: Published) -> None:
        if isinstance(published.event, LibraryOpened):
            opened.set()

    core.bus.subscribe([], hear)
    await asyncio.to_thread(other.close)
    async with asyncio.timeout(20):
        await opened.wait()
    assert not core.libraries.failed
    assert not core.problems
    await core.close()


async def test_the_end_of_the_daemon_ends_the_trying(tmp_path: Path) -> None:
    first = await Core.open(str(tmp_path / "data"))
    path = (await first.libraries.create("Home", None, None)).path
    await first.close()
    other = await asyncio.to_thread(Library.open, path, "here")
    core = await Core.open(str(tmp_path / "data"))
    await core.close()
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == 1  # this one
    await asyncio.to_thread(other.close)
