"""What a request needs that is not a call. What a call needs, its operation declares.

The log is for those who may also write. It tells what jobs of other people do, who was refused, and
what an administrator has changed; a reader sees the files and not how they are kept.
"""

from __future__ import annotations

from typing import Any

from sd_wire.events import LogMessage
from sd_wire.messages import Hello, Subscribe, SubscribeLogs
from sd_wire.operation import Permission

_WORDS = {"Ping": Permission.NONE, "Shutdown": Permission.ADMIN}


def need_of(body: Any) -> Permission:
    """What a peer must be allowed to do."""
    if isinstance(body, str):
        return _WORDS.get(body, Permission.READ)
    if isinstance(body, Hello):
        return Permission.NONE
    if isinstance(body, SubscribeLogs):
        return Permission.WRITE
    if isinstance(body, Subscribe) and LogMessage.__name__ in body.event_types:
        return Permission.WRITE
    return Permission.READ


def name_of(body: Any) -> str:
    """What the request is called."""
    return body if isinstance(body, str) else type(body).__name__
