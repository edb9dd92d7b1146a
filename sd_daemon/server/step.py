"""Run a coroutine in place, and make a task of it only if it really waits.

Most handlers answer from memory. A task for each of them would cost a turn of the loop and five
times the throughput of pipelined requests.

Since Python 3.12 the standard library's eager tasks do exactly this. On 3.11 the first step is
taken by hand and the rest handed to a task, with one difference: during that first step there is
no current task, so a handler cannot open an `asyncio.timeout` or a TaskGroup before it has waited
for something.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator

T = TypeVar("T")

if sys.version_info >= (3, 12):

    def step(
        loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T]
    ) -> T | asyncio.Task[T]:
        """The result of the coroutine, or the task that will have it."""
        task = asyncio.Task(coroutine, loop=loop, eager_start=True)
        return task.result() if task.done() and not task.cancelled() else task

else:

    class _Begun(Coroutine[Any, Any, T]):
        """A coroutine whose first step was taken: what that step asked for is handed on first."""

        def __init__(self, coroutine: Coroutine[Any, Any, T], awaited: Any) -> None:
            self._coroutine = coroutine
            self._awaited = awaited
            self._handed_on = False

        def send(self, value: Any) -> Any:
            if self._handed_on:
                return self._coroutine.send(value)
            self._handed_on = True
            return self._awaited

        def throw(self, *thrown: Any) -> Any:
            self._handed_on = True
            return self._coroutine.throw(*thrown)

        def close(self) -> None:
            self._coroutine.close()

        def __await__(self) -> Generator[Any, Any, T]:
            raise RuntimeError("only a task may wait for this")

    def step(
        loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T]
    ) -> T | asyncio.Task[T]:
        """The result of the coroutine, or the task that will have it."""
        try:
            awaited = coroutine.send(None)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]
        return loop.create_task(_Begun(coroutine, awaited))
