"""What things are called in GraphQL: names by its customs, from the names of the contract."""

from __future__ import annotations

import re

_BREAK = re.compile(r"[._]+([A-Za-z0-9])")


def camel(name: str) -> str:
    """`core.status`, `next_cursor` and `Physical` to `coreStatus`, `nextCursor` and `physical`."""
    joined = _BREAK.sub(lambda found: found[1].upper(), name)
    return joined[:1].lower() + joined[1:]


def pascal(name: str) -> str:
    """`files.by_id` to `FilesById`."""
    joined = camel(name)
    return joined[:1].upper() + joined[1:]
