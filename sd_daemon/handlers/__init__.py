"""From a request to the core and back, one file per noun.

A file is read with the first request for its noun (`sd_daemon.server.routes`), and ties its
handlers to their operations. This list is the only one.
"""

from __future__ import annotations

NOUNS = frozenset(
    {
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
    }
)
