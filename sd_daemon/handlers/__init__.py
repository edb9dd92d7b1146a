"""From a request to the core and back, one file per noun.

Importing this package ties every handler to its operation; this list is the only one.
"""

from __future__ import annotations

from sd_daemon.handlers import (
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
