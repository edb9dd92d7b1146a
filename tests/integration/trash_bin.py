"""A trash folder as the specification describes it, read by hand."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

import pytest

from sd_daemon.core.fileops.trashes import Trashes

if TYPE_CHECKING:
    from pathlib import Path


def require_no_other() -> None:
    """Skip a test that empties every trash of this user where there is one that is not its own."""
    others = [trash.folder for trash in Trashes(None).all()]
    if others:
        pytest.skip(f"this would empty {others[0]}, too")


class Bin:
    """One trash."""

    def __init__(self, folder: Path, top: str = "") -> None:
        self.folder = folder
        self._top = top

    def originals(self) -> set[str]:
        """Where everything was that is in it. Each thing has its info file, and the other way
        round, and nothing else is there."""
        return set(self.things())

    def things(self) -> dict[str, str]:
        """Where each thing is, by where it was."""
        if not self.folder.exists():
            return {}
        known = {"files", "info", "directorysizes"}
        assert set(os.listdir(self.folder)) <= known, os.listdir(self.folder)
        files = set(os.listdir(self.folder / "files"))
        infos = os.listdir(self.folder / "info")
        assert {f"{name}.trashinfo" for name in files} == set(infos)
        found = {}
        for name in files:
            lines = (self.folder / "info" / f"{name}.trashinfo").read_bytes().splitlines()
            assert lines[0] == b"[Trash Info]"
            assert lines[2].startswith(b"DeletionDate=20")
            path = os.fsdecode(unquote_to_bytes(lines[1].removeprefix(b"Path=")))
            found[os.path.join(self._top, path)] = f"{self.folder}/files/{name}"
        assert len(found) == len(files)
        return found
