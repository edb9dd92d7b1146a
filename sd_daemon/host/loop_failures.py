"""What the event loop reports when nobody else could catch it.

The loop's own words repeat the arguments of the callback that failed, and those may be what a
client has sent. So only what sort of thing failed is logged, and the trace of it.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from sd_daemon.core.log import get_log

if TYPE_CHECKING:
    import asyncio

log = get_log(__name__)

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_QUIET = 60.0  # seconds between two lines about accepting nobody; asyncio tries every second


class LoopFailures:
    """An exception handler for the event loop."""

    def __init__(self) -> None:
        self._quiet_until = 0.0

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log what has failed."""
        error = context.get("exception")
        if isinstance(error, OSError) and error.errno in _EXHAUSTED:
            if loop.time() >= self._quiet_until:
                self._quiet_until = loop.time() + _QUIET
                log.warning("nobody can connect for now", reason=error.strerror)
            return
        what, _, _ = str(context["message"]).partition(" callback ")
        log.error("something failed on the event loop", error=error, what=what)
