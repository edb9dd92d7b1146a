"""The cache of a trash for the sizes of the folders in it: $trash/directorysizes.

One line per folder: size in bytes on the disk, time of its info file in seconds since the epoch,
percent-encoded name. A line counts while its time is that of the info file. The file is replaced
as a whole; that another program's change is lost in between makes it only incomplete.
"""

from __future__ import annotations

import os
from contextlib import suppress

from sd_daemon.core.fileops.trashinfo import percent_decoded, percent_encoded

FILE = "directorysizes"
PARTIAL = ".spacedrive-directorysizes"
_LARGEST = 16 * 1024 * 1024  # bytes; what is larger is not read


def known(trash: str) -> dict[str, int]:
    """The sizes of the folders in a trash, by name, as far as they are known and still right."""
    return {name: size for name, (size, time) in _read(trash).items() if time == _time(trash, name)}


def _time(trash: str, name: str) -> int | None:
    try:
        return int(os.lstat(f"{trash}/info/{name}.trashinfo").st_mtime)
    except OSError:
        return None


def _read(trash: str) -> dict[str, tuple[int, int]]:
    try:
        with open(f"{trash}/{FILE}", "rb") as file:
            lines = file.read(_LARGEST).split(b"\n")
    except OSError:
        return {}
    found = {}
    for line in lines:
        parts = line.split(b" ", 2)
        with suppress(ValueError):
            if len(parts) == 3:
                found[percent_decoded(parts[2])] = (int(parts[0]), int(parts[1]))
    return found


def note(trash: str, sizes: dict[str, int]) -> None:
    """Add sizes of folders that are in the trash. Where that fails they are only not known."""
    lines = _read(trash)
    for name, size in sizes.items():
        time = _time(trash, name)
        if time is not None:
            lines[name] = (size, time)
    _write(trash, lines)


def prune(trash: str) -> None:
    """Forget the sizes of folders that are not in the trash any more. Until then no program takes
    them for right, since they have no info file of that time."""
    lines = _read(trash)
    right = {name: line for name, line in lines.items() if line[1] == _time(trash, name)}
    if len(right) < len(lines):
        _write(trash, right)


def _write(trash: str, lines: dict[str, tuple[int, int]]) -> None:
    text = "".join(
        f"{size} {time} {percent_encoded(name)}\n" for name, (size, time) in lines.items()
    )
    try:
        with open(f"{trash}/{PARTIAL}", "x", encoding="ascii") as file:
            file.write(text)
        os.rename(f"{trash}/{PARTIAL}", f"{trash}/{FILE}")
    except OSError:  # someone else writes, or left it half written: rather nothing than a wrong one
        for name in (PARTIAL, FILE):
            with suppress(OSError):
                os.unlink(f"{trash}/{name}")


def measure(path: str) -> tuple[int, int]:
    """How much is at `path`: bytes of content, and bytes on the disk, with all that is in it. A
    file with several names counts once. What cannot be read counts nothing. Follows no link."""
    found = os.lstat(path)
    content, on_disk = found.st_size, found.st_blocks * 512
    seen: set[tuple[int, int]] = set()
    folders = [path] if os.path.isdir(path) and not os.path.islink(path) else []
    if folders:
        content = 0
    while folders:
        with suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                with suppress(OSError):
                    found = entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif found.st_nlink > 1 and (found.st_dev, found.st_ino) in seen:
                        continue
                    else:
                        content += found.st_size
                    if found.st_nlink > 1:
                        seen.add((found.st_dev, found.st_ino))
                    on_disk += found.st_blocks * 512
    return content, on_disk
