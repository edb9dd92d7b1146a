"""Programs of Node that judge the GraphQL server: independent clients and auditors, from npm.

They are installed once, from tests/npm/package-lock.json, into the user's cache folder.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

PROGRAMS = Path(__file__).parents[1] / "npm"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spacedrive-tests"
PATIENCE = 60.0


def need(tool: str) -> str:
    """A program of this machine; where there is none, there is nothing to test."""
    found = shutil.which(tool)
    if found is None:
        assert "CI" not in os.environ, f"{tool} has to be installed where changes are checked"
        pytest.skip(f"{tool} is not installed")
    return found


def installed() -> Path:
    """The folder with the packages, installed if they are not."""
    need("node")
    npm = need("npm")
    lock = (PROGRAMS / "package-lock.json").read_bytes()
    kept = CACHE / f"npm-{sha256(lock).hexdigest()[:16]}"
    if not kept.exists():
        begun = kept.with_suffix(f".{os.getpid()}")
        begun.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(PROGRAMS / name, begun / name)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        ran = subprocess.run(command, cwd=begun, capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            shutil.rmtree(begun)
            assert "CI" not in os.environ, ran.stderr
            pytest.skip("npm could not install the packages")
        try:
            begun.rename(kept)
        except OSError:  # another process was faster
            shutil.rmtree(begun)
    for program in PROGRAMS.glob("*.mjs"):  # Node looks for packages beside a program
        shutil.copy(program, kept / program.name)
    return kept


def node(program: str, *arguments: str) -> list[str]:
    """What a program prints, line by line."""
    folder = installed()
    ran = subprocess.run(
        [need("node"), str(folder / program), *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout.splitlines()


def node_json(program: str, *arguments: str) -> list[Any]:
    """The same where each line is JSON."""
    return [json.loads(line) for line in node(program, *arguments)]
