"""Where files are copied and moved, for every test here."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from doing import Desk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """A worker sets it for itself alone."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    tree = tmp_path / "tree"
    tree.mkdir()
    yield tree
    subprocess.run(["rm", "-rf", tree, tmp_path / "to"], check=True)  # too deep for Python


@pytest.fixture
def to(tmp_path: Path) -> Path:
    to = tmp_path / "to"
    to.mkdir()
    return to
