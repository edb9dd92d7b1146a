"""Whether a process still gets anything done.

One that waits for a filesystem that does not answer says nothing, and cannot be asked. But whatever
a process does, computing, waiting for a disk or for a lock, the kernel soon takes it off a
processor and gives it one again, and counts that: where the count stands still, the process does.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

STUCK = "worker-stuck"  # the code of a job whose worker stood still


def turns(pid: int) -> int | None:
    """How often the main thread of a process has had a processor; None where nobody tells, or the
    process has ended."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            lines = [line.split() for line in file if "_ctxt_switches:" in line]
    except OSError:
        return None
    return sum(int(count) for _, count in lines) if lines else None


async def stands_still(pid: int, patience: float, is_heard: Callable[[], bool]) -> bool:
    """Return True when a process has had no processor for `patience` seconds, or almost twice as
    long; False where that cannot be told. While what it says is not heard, it may have to wait
    for us, and that time does not count."""
    before = None
    while True:
        await asyncio.sleep(patience)
        if not is_heard():
            before = None
            continue
        now = turns(pid)
        if now is None:
            return False
        if now == before:
            return True
        before = now
