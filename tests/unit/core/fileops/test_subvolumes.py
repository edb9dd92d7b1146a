"""Where a filesystem has borders that no mount table shows, or shares blocks."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from sd_daemon.core.fileops import trash
from sd_daemon.core.fileops.erasing import caveats
from sd_daemon.core.fileops.trashes import Trashes
from tests.loops import filesystem

if TYPE_CHECKING:
    from pathlib import Path


def test_a_subvolume_has_a_trash_of_its_own(tmp_path: Path) -> None:
    with filesystem("btrfs", tmp_path) as disk:
        made = ["btrfs", "subvolume", "create", str(disk / "sub")]
        subprocess.run(made, check=True, capture_output=True)
        (disk / "sub" / "folder").mkdir()
        (disk / "sub" / "folder" / "file").write_text("x")
        (disk / "beside").write_text("x")
        trashes = Trashes(None)
        own = f".Trash-{os.geteuid()}"
        inside = trash.put(str(disk / "sub" / "folder" / "file"), trashes)
        assert inside == f"{disk}/sub/{own}/files/file"
        assert trash.put(str(disk / "beside"), trashes) == f"{disk}/{own}/files/beside"
        known = {item.path for one in Trashes(None).all() for item in trash.items(one)}
        assert inside not in known  # no mount table shows it
        used = Trashes(None).all([f"{disk}/sub/{own}", f"{disk}/{own}"])
        found = {item.path: item.original for one in used for item in trash.items(one)}
        assert found[inside] == f"{disk}/sub/folder/file"
        assert len(found) == len({os.path.realpath(path) for path in found})
        trash.restore(inside, str(disk / "sub" / "folder" / "file"))
        assert (disk / "sub" / "folder" / "file").read_text() == "x"
        with pytest.raises(OSError, match="cross-device"):
            os.rename(disk / "sub" / "folder" / "file", disk / "file")


def test_what_writes_elsewhere_says_so(tmp_path: Path) -> None:
    with filesystem("btrfs", tmp_path) as disk:
        assert any("(btrfs) writes new data elsewhere" in one for one in caveats(f"{disk}/x"))
