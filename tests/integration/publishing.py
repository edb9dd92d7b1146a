"""A real daemon that publishes when it is told to: `python publishing.py DATA_DIR [SEGMENT_BYTES]`.

Each line of standard input, `FIRST COUNT`, has it publish so many ConfigChanged, of which the field
is the number. The answer, when they are in the journal, is the number of the last.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from running import Daemon as DaemonProcess

from sd_daemon.core import event_journal
from sd_daemon.host.daemon import Daemon, Start
from sd_daemon.host.limits import raise_file_limit
from sd_daemon.host.main import new_event_loop
from sd_wire.events import ConfigChanged

BATCH = 50


class PublishingDaemon(DaemonProcess):
    """Such a daemon, seen from the test."""

    def launch(self, segment_bytes: int = 0) -> PublishingDaemon:
        """Start it; return when it answers."""
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(self.data_dir), str(segment_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.wait_until_it_answers()
        return self

    def order(self, first: int, count: int) -> None:
        """Have it publish."""
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(b"%d %d\n" % (first, count))
        self.process.stdin.flush()

    def done(self) -> bool:
        """Whether all that was ordered last is published, when that is known."""
        assert self.process is not None
        assert self.process.stdout is not None
        return bool(self.process.stdout.readline())

    def publish(self, first: int, count: int) -> None:
        """Have it publish, and wait for that."""
        self.order(first, count)
        assert self.done()

    def end(self) -> None:
        """Close its pipes, too."""
        self.kill()
        for pipe in (self.process.stdin, self.process.stdout) if self.process else ():
            if pipe is not None:
                pipe.close()


async def _obey(daemon: Daemon) -> None:
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        first, count = map(int, line.split())
        bus = (await daemon.instances.instances[None].open()).bus
        for number in range(first, first + count):
            bus.publish(ConfigChanged(str(number)))
            if number % BATCH == 0:
                await bus.room()
        bus.flush()
        print(bus.sequence, flush=True)


async def _serve(data_dir: str) -> None:
    daemon = Daemon(Start(data_dir))
    obeying = asyncio.ensure_future(_obey(daemon))
    await daemon.run()
    obeying.cancel()
    os._exit(0)  # the thread that reads orders would be waited for


def main(data_dir: str, segment_bytes: str) -> None:
    """Serve until told to stop."""
    if int(segment_bytes):
        event_journal.SEGMENT_BYTES = int(segment_bytes)
        event_journal.TOTAL_BYTES = 4 * int(segment_bytes)
    raise_file_limit()
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(_serve(data_dir))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main(*sys.argv[1:])
