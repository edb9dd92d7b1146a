"""How documents that follow from the declarations are written, or found to be out of date."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def write_or_check(folder: Path, texts: Mapping[str, str], *, alone: bool = False) -> int:
    """Write the texts by their names; with --check on the command line only compare. The exit
    status. `alone`: there is nothing else in the folder, and what there is goes."""
    known = folder.glob("*") if alone else (folder / name for name in texts)
    there = {path.name: path.read_text("utf-8") for path in known if path.exists()}
    if "--check" in sys.argv:
        wrong = sorted(name for name in texts.keys() | there if texts.get(name) != there.get(name))
        if wrong:
            print(f"not up to date: {', '.join(wrong)}; run: make derived", file=sys.stderr)
        return 1 if wrong else 0
    folder.mkdir(exist_ok=True)
    for name in there.keys() - texts.keys():
        (folder / name).unlink()
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
    return 0
