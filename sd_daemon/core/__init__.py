"""The work itself: libraries, index, search, jobs. Knows nothing of sockets or messages."""

from __future__ import annotations
