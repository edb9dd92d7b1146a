"""The project as a distribution installs it, put into a tree before it is booted."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from zlib import crc32

from machine import CACHE

ROOT = Path(__file__).parents[2]
PYTHONS = {"bookworm": "3.11", "trixie": "3.13"}
PLATFORMS = ("manylinux_2_34_x86_64", "manylinux_2_28_x86_64", "manylinux_2_17_x86_64")
SOURCE_ONLY = ("sdnotify",)  # those that publish no wheel


def dependencies(release: str) -> Path:
    """The packages we need, for the Python of a release; fetched once."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["speed"]]
    version = PYTHONS[release]
    place = CACHE / f"wheels-{version}-{crc32(' '.join(wanted).encode()):08x}"
    if not place.exists():
        made = place.with_name(f"{place.name}.new")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(made)]
        wheels = [one for one in wanted if not one.startswith(SOURCE_ONLY)]
        platforms = [f"--platform={one}" for one in PLATFORMS]
        subprocess.run(
            [*pip, f"--python-version={version}", "--only-binary=:all:", *platforms, *wheels],
            check=True,
            capture_output=True,
        )
        sources = [one for one in wanted if one.startswith(SOURCE_ONLY)]
        subprocess.run([*pip, "--no-deps", *sources], check=True, capture_output=True)
        made.rename(place)
    return place


def install(release: str, tree: Path) -> None:
    """Put everything in its place."""
    subprocess.run([ROOT / "contrib/install", tree, dependencies(release)], check=True)
