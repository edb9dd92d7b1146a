"""Whoever reads what a command prints, and may go away while nothing is printed.

`sd events --follow | head -1` has seen enough after one line. A command that only notices when it
prints the next would wait for it, for days perhaps.
"""

from __future__ import annotations

import os
import select
import threading

from sd_wire.errors import ExitStatus


def end_with_reader() -> None:
    """End this process, in silence, as soon as nobody can read its standard output any more."""
    threading.Thread(target=_wait, args=(1,), daemon=True).start()


def _wait(output: int) -> None:
    poll = select.poll()
    poll.register(output, 0)  # only what is always told: that the other end is gone
    poll.poll()
    os._exit(ExitStatus.OK)
