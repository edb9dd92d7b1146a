"""The measurements, in the order of a whole run. Each module has one `measure(bench)`."""

from __future__ import annotations

MEASURES = (
    "rpc",
    "clients",
    "crowd",
    "fanout",
    "graphql",
    "busy",
    "index",
    "identity",
    "rescan",
    "search",
    "copying",
    "cli",
    "watching",
    "idle",
)
