"""Answers that show that somebody answers."""

from __future__ import annotations

from sd_daemon.handlers.handler import Context, handles
from sd_wire.operations.test import Echo, Ping


@handles(Ping)
def ping(context: Context, request: Ping) -> Echo:
    """Say it again."""
    return Echo(
        echo=request.message,
        count=1 if request.count is None else request.count,
        extension_works=True,
    )
