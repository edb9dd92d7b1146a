"""A folder is looked at because somebody in the daemon has changed it, where nothing watches."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from person import in_index, on_disk, plant

from sd_daemon.core import locations
from sd_daemon.core.core import Core
from sd_daemon.core.index.job_names import INDEXER
from sd_daemon.core.indexing import index_params
from sd_wire.events import EntryCreated
from sd_wire.types.locations import IndexMode, JobPolicies

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_folder_is_looked_at_when_somebody_asks(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    off = '{"services": {"fs_watcher_enabled": false}}'
    (tmp_path / "data" / "spacedrive.json").write_text(off, "utf-8")
    tree = plant(tmp_path / "tree", folders=2, files=2)
    core = await Core.open(str(tmp_path / "data"))
    try:
        library = await core.libraries.create("Home", None, None)
        location = await library.database.write(
            locations.add, str(tree), None, IndexMode.SHALLOW, JobPolicies()
        )
        shelf = core.libraries.shelf(library)
        params = index_params(location, library.config.settings)
        await core.runner.wait(await core.runner.submit(shelf, INDEXER, params))
        made: asyncio.Queue[object] = asyncio.Queue()
        core.bus.subscribe([EntryCreated.__name__], made.put_nowait)
        (tree / "0001" / "new").write_text("new")
        core.watching.look_at(library.id, [str(tree / "0001")])
        await asyncio.wait_for(made.get(), 30)
        (tree / "0000" / "deep" / "er").mkdir(parents=True)
        core.watching.look_at(library.id, [str(tree / "0000" / "deep" / "er")])
        await asyncio.wait_for(made.get(), 30)
        assert in_index(library.path, tree).keys() == on_disk(tree).keys()
    finally:
        await core.close()
