"""Asking filesystems that may hang whether they answer.

Whoever touches one that does not may wait for ever, and cannot even be killed on some. So a process
that does nothing else asks; while it waits, nobody else has to.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_LIST = "import os, sys; os.listdir(sys.argv[1])"


class Answers:
    """Asks, with so much `patience` in seconds. Of each filesystem at most one question is open."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._open: dict[bytes, asyncio.Task[bool]] = {}

    async def silent(self, points: Iterable[bytes]) -> set[bytes]:
        """Those of some mount points that do not answer. An error is an answer."""
        asked = list(points)
        answers = await asyncio.gather(*(self._answers(point) for point in asked))
        return {point for point, one in zip(asked, answers, strict=True) if not one}

    async def _answers(self, point: bytes) -> bool:
        earlier = self._open.get(point)
        if earlier is not None and not earlier.done():
            await asyncio.wait({earlier}, timeout=self._patience)
            if not earlier.done() or earlier.result():
                return earlier.done()
            # It has waited since before it was our turn, and says nothing of now.
        question = self._open.get(point)
        if question is None or question.done():
            question = self._open[point] = asyncio.create_task(_ask(point, self._patience))
        await asyncio.wait({question}, timeout=self._patience)
        return question.done() and question.result()


async def _ask(point: bytes, patience: float) -> bool:
    """Whether there was an answer in time. Returns when whoever asked has ended."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", "-c", _LIST, point),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        return await asyncio.wait_for(process.wait(), patience) >= 0
    except TimeoutError:
        process.kill()  # which may not end it, as long as there is no answer
        await process.wait()
        return False
