"""A library and a folder to index, for every test here."""

from __future__ import annotations

import subprocess

import pytest
from truth import Library


@pytest.fixture
def library(tmp_path):
    (tmp_path / "library").mkdir()
    return Library(tmp_path / "library")


@pytest.fixture
def tree(tmp_path):
    """An empty folder to fill and index."""
    (tmp_path / "tree").mkdir()
    yield tmp_path / "tree"
    # pytest's own way of cleaning up gives in to folders nested a thousand deep.
    subprocess.run(["rm", "-rf", str(tmp_path / "tree")], check=False)
