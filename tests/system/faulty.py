"""The daemon with a fault that SIGUSR1 brings about. It is installed only by the tests.

faulty.py FAULT [sd-daemon's options]
"""

from __future__ import annotations

import signal
import sys
import time

sys.path.insert(0, "/usr/lib/spacedrive")

from sd_daemon.core.db.access import Database
from sd_daemon.host import vital
from sd_daemon.host.main import main
from sd_daemon.server.listen import Listener

LONG = 600.0  # seconds
MADE: dict[type, list[object]] = {Database: [], Listener: []}


def remembered(cls: type) -> None:
    """Keep every instance that is made, so that it can be reached from a signal handler."""
    original = cls.__init__

    def init(self: object, *args: object, **more: object) -> None:
        original(self, *args, **more)
        MADE[cls].append(self)

    cls.__init__ = init  # type: ignore[misc]


def block_the_loop(*_: object) -> None:
    """Never come back."""
    time.sleep(LONG)


def wedge_a_thread(*_: object) -> None:
    """Give a writer something that never ends."""
    MADE[Database][0]._writing.submit(sleep_in_a_thread)  # type: ignore[attr-defined]


def sleep_in_a_thread() -> None:
    """What its stack shows."""
    time.sleep(LONG)


def stop_accepting(*_: object) -> None:
    """Leave everybody in the backlog."""
    MADE[Listener][0].rest()  # type: ignore[attr-defined]


def stall_the_disk(*_: object) -> None:
    """Have reads from the disk hang, as they do below a dead cable."""
    vital.read_from_disk = lambda _: time.sleep(LONG)


def refuse_to_start(*_: object) -> None:
    """Nothing: it is slow from the beginning."""


def open_slowly() -> None:
    """Be as slow as a long migration."""
    original = Database.__init__

    def init(self: Database, *args: object, **more: object) -> None:
        time.sleep(2.0)
        original(self, *args, **more)  # type: ignore[arg-type]

    Database.__init__ = init  # type: ignore[method-assign, assignment]


FAULTS = {
    "loop": block_the_loop,
    "worker": wedge_a_thread,
    "accept": stop_accepting,
    "disk": stall_the_disk,
}

if __name__ == "__main__":
    fault = sys.argv.pop(1)
    for one in MADE:
        remembered(one)
    if fault == "slow":
        open_slowly()
    else:
        signal.signal(signal.SIGUSR1, FAULTS[fault])
    sys.exit(main())
