"""All operations: importing this declares every one of them.

This list of imports is the only list of the files of operations.
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
