"""What the service manager is told, if there is one that listens."""

from __future__ import annotations

import sdnotify


class Supervisor:
    """Says how the daemon is. Without a service manager every method does nothing."""

    def __init__(self) -> None:
        self._notifier = sdnotify.SystemdNotifier()

    def ready(self, status: str) -> None:
        """The daemon answers."""
        self._notifier.notify(f"READY=1\nSTATUS={status}")

    def stopping(self) -> None:
        """The daemon is on its way out."""
        self._notifier.notify("STOPPING=1\nSTATUS=closing libraries")
