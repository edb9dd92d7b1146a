"""The pauses between attempts to reach a daemon that is away."""

from __future__ import annotations

import os

import msgspec


class Backoff(msgspec.Struct, frozen=True):
    """In seconds: each twice the one before, half of it by chance, so that the clients of a
    restarted daemon do not come all at once."""

    first: float = 0.05
    longest: float = 2.0
    attempts: int = 12

    def pause(self, attempt: int) -> float:
        """How long to wait after this many failures."""
        bound = min(self.longest, self.first * 2.0 ** min(attempt, 32))
        return bound * (0.5 + os.urandom(1)[0] / 510)
