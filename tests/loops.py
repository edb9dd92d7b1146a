"""Filesystems of all kinds, in a file each."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def filesystem(kind: str, folder: Path) -> Iterator[Path]:
    """A new filesystem of this kind, mounted in this folder; skips where that cannot be."""
    if os.geteuid() != 0 or shutil.which(f"mkfs.{kind}") is None:
        pytest.skip(f"this needs root and mkfs.{kind}")
    image, at = folder / f"{kind}.img", folder / kind
    with image.open("wb") as file:
        file.truncate(320 << 20)
    at.mkdir()
    mount = ["mount", "-o", "loop", str(image), str(at)]
    for command in ([f"mkfs.{kind}", "-q", str(image)], mount):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"{command[0]}: {done.stderr}")
    try:
        yield at
    finally:
        subprocess.run(["umount", "-l", str(at)], check=True)
