"""The daemon's log as a file: its last lines, without reading the rest."""

from __future__ import annotations

import os

BLOCK = 1 << 16


def tail(path: str, count: int) -> list[str]:
    """The last lines of a file; none where it cannot be read."""
    try:
        with open(path, "rb") as file:
            position = file.seek(0, os.SEEK_END)
            found = b""
            while position > 0 and found.count(b"\n") <= count:
                step = min(BLOCK, position)
                position -= step
                file.seek(position)
                found = file.read(step) + found
    except OSError:
        return []
    lines = found.decode("utf-8", "surrogateescape").split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return lines[-count:]
