"""One thing after another, in a thread."""

from __future__ import annotations

import threading
from collections import deque
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")


class Background(Generic[Result]):
    """Does what it is given in that order. For the thread that gives it all else is."""

    def __init__(self) -> None:
        self._to_do: SimpleQueue[Callable[[], Result] | None] = SimpleQueue()
        self._done: SimpleQueue[Result | BaseException] = SimpleQueue()
        self._weights: deque[int] = deque()
        self._thread: threading.Thread | None = None
        self.behind = 0  # the weight of what was given and whose result was not taken yet

    def do(self, work: Callable[[], Result], weight: int) -> None:
        """Do this, too."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._live, daemon=True)
            self._thread.start()
        self._to_do.put(work)
        self._weights.append(weight)
        self.behind += weight

    def result(self, patience: float) -> Result | None:
        """What came of the first thing whose result was not taken yet; None if it is not done in
        so many seconds. Raises what it raised."""
        try:
            result = self._done.get(timeout=patience) if patience else self._done.get_nowait()
        except Empty:
            return None
        self.behind -= self._weights.popleft()
        if isinstance(result, BaseException):
            raise result
        return result

    @property
    def is_idle(self) -> bool:
        """Whether there is no result to wait for."""
        return not self._weights

    def end(self) -> None:
        """Do what it was given, and be done."""
        if self._thread is not None:
            self._to_do.put(None)
            self._thread.join()
            self._thread = None

    def _live(self) -> None:
        while (work := self._to_do.get()) is not None:
            try:
                self._done.put(work())
            except Exception as error:  # for whoever takes the result
                self._done.put(error)
