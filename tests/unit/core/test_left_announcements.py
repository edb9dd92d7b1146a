"""What a daemon did not come to announce, the next one does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from work import add, plant

from sd_daemon.core.core import Core
from sd_wire.events import EntryModified, Refresh, ResourceChangedBatch

if TYPE_CHECKING:
    from pathlib import Path

    from sd_daemon.core.bus import Published


async def test_changes_that_were_left_are_announced_when_the_library_is_opened(
    tmp_path: Path,
) -> None:
    core = await Core.open(str(tmp_path / "data"))
    try:
        library = await core.libraries.create("Home", None, None)
        (tmp_path / "tree").mkdir()
        plant(tmp_path / "tree")
        location = await add(core, library, str(tmp_path / "tree"))

        def leave(db: Any) -> None:  # as a pass does, and no daemon was there to see it
            db.execute(
                "INSERT INTO announcements (change, entry) VALUES ('modified', ?), ('anything', 0)",
                (location.entry,),
            )

        await library.database.write(leave)
        await core.libraries.close(library.id)
        heard: list[Published] = []
        kinds = [cls.__name__ for cls in (EntryModified, ResourceChangedBatch, Refresh)]
        core.bus.subscribe(kinds, heard.append)
        again = await core.libraries.open(library.path)
        assert [type(one.event).__name__ for one in heard] == kinds
        (batch,) = [one.event for one in heard if isinstance(one.event, ResourceChangedBatch)]
        assert [file.id for file in batch.resources] == [again.ids.to_uuid(location.entry)]
        await core.libraries.close(library.id)
        heard.clear()
        await core.libraries.open(library.path)
        assert heard == []
    finally:
        await core.close()
