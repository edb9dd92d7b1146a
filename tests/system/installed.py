"""The project as a distribution installs it, put into a tree before it is booted."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from release import wheels

ROOT = Path(__file__).parents[2]


def install(tree: Path) -> None:
    """Put everything in its place, with what the Debian package bundles."""
    wheels.fetch("amd64", wheels.FETCHED)
    with tempfile.TemporaryDirectory() as bundled:
        for part in wheels.PARTS:
            wheels.merge("amd64", wheels.FETCHED, Path(bundled), part)
        subprocess.run([ROOT / "contrib/install", tree, bundled], check=True)
