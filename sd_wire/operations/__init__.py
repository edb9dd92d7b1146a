"""The operations, one file per noun. Importing this package fills the catalogue.

This list of imports is the only list of files.
"""

from __future__ import annotations

from sd_wire.operations import (
    config,
    core,
    devices,
    duplicates,
    files,
    history,
    indexing,
    jobs,
    libraries,
    locations,
    network,
    search,
    test,
    trash,
    validation,
    volumes,
)

__all__ = [
    "config",
    "core",
    "devices",
    "duplicates",
    "files",
    "history",
    "indexing",
    "jobs",
    "libraries",
    "locations",
    "network",
    "search",
    "test",
    "trash",
    "validation",
    "volumes",
]
