"""Work that is done a piece at a time, so that others have their turn in between.

However many clients have sent something long, there is one piece in each turn of the loop: whoever
has asked something short waits for one, and not for one of each of them.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


class Turns:
    """Pieces in the order in which they were added."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._pieces: deque[Callable[[], None]] = deque()
        self._due = False

    def add(self, piece: Callable[[], None]) -> None:
        """Do this when its turn comes, never at once."""
        self._pieces.append(piece)
        self._begin()

    def _begin(self) -> None:
        if self._pieces and not self._due:
            self._due = True
            self._loop.call_soon(self._next)

    def _next(self) -> None:
        self._due = False
        piece = self._pieces.popleft()
        self._begin()
        piece()
