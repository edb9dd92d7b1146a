"""A daemon that publishes when it is told to, as a job inside it would.

    python -m bench.publisher DATA_DIR

It is the real daemon: its instances, its socket, its event loop. What is added is a task that reads
orders from standard input, one JSON object a line, and puts events onto the bus of the default
instance; the answer, on standard output, is what came of it.

A flood publishes 64 events, gives the loop a turn, and waits while subscribers have not kept up.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from sd_daemon.host.daemon import Daemon, Start
from sd_daemon.host.limits import raise_file_limit
from sd_daemon.host.main import new_event_loop
from sd_wire.events import JobUpdate
from sd_wire.types.jobs import JobStatus

if TYPE_CHECKING:
    from sd_daemon.server.instance import Instance

BATCH = 64
STAMP = "@t=%016d"
"""Where a subscriber finds the time of publishing: nanoseconds of the monotonic clock."""

JOB = UUID("c9f0f895-fb98-4b91-8d1c-0f6e5a1b2c3d")
LIBRARY = UUID("8f14e45f-ceea-467f-9b1c-2d6f5d1c4a11")
DEVICE = UUID("45c48cce-2e2d-4fbd-8a2e-6b2f5a0f9c77")


class Order(msgspec.Struct):
    """What is to be published."""

    seconds: float
    rate: float = 0.0  # events per second; 0: as fast as the subscribers take them
    durable: bool = False  # as what happened is published, and not as progress is
    jobs: bool = False  # every event is of a job of its own, so that none stands for another


class Outcome(msgspec.Struct):
    """What was published, and what it cost this process while it did."""

    published: int
    seconds: float
    user_seconds: float
    kernel_seconds: float


def update(ns: int, job: UUID = JOB) -> JobUpdate:
    """The event that all contenders send."""
    return JobUpdate(job, "indexer", JobStatus.RUNNING, 0.5, STAMP % ns, LIBRARY, DEVICE)


class Publisher:
    """Carries out orders in one instance."""

    def __init__(self, instance: Instance, order: Order) -> None:
        self._instance = instance
        self._order = order
        self._published = 0

    async def run(self) -> Outcome:
        """Publish for as long as was ordered."""
        before, began = os.times(), time.monotonic()
        await (self._at_a_rate() if self._order.rate else self._flood())
        after, ended = os.times(), time.monotonic()
        return Outcome(
            self._published,
            ended - began,
            after.user - before.user,
            after.system - before.system,
        )

    def _publish(self, count: int) -> None:
        publish, transient = self._instance.core.bus.publish, not self._order.durable
        for number in range(self._published, self._published + count):
            job = UUID(int=number) if self._order.jobs else JOB
            publish(update(time.monotonic_ns(), job), transient=transient)
        self._published += count

    async def _flood(self) -> None:
        end = time.monotonic() + self._order.seconds
        while time.monotonic() < end:
            self._publish(BATCH)
            await self._instance.core.bus.room()

    async def _at_a_rate(self) -> None:
        began, step = time.monotonic(), 1 / self._order.rate
        while (due := began + self._published * step) < began + self._order.seconds:
            wait = due - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            self._publish(1)


async def _obey(daemon: Daemon) -> None:
    """Carry out orders until there are no more of them."""
    loop = asyncio.get_running_loop()
    decode, encode = msgspec.json.Decoder(Order).decode, msgspec.json.encode
    while order := await loop.run_in_executor(None, sys.stdin.readline):
        instance = daemon.instances.instances[None]
        await instance.open()
        gc.collect()
        outcome = await Publisher(instance, decode(order)).run()
        print(encode(outcome).decode(), flush=True)


async def _serve(data_dir: str) -> None:
    daemon = Daemon(Start(data_dir))
    serving = asyncio.ensure_future(daemon.run())
    obeying = asyncio.ensure_future(_obey(daemon))
    await asyncio.wait({serving, obeying}, return_when=asyncio.FIRST_COMPLETED)
    await daemon.instances.shutdown_all()
    await serving
    obeying.cancel()
    os._exit(0)  # the thread that reads orders would be waited for


def main(data_dir: str) -> None:
    """Serve until standard input ends, or until told to stop."""
    raise_file_limit()
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(_serve(data_dir))


if __name__ == "__main__":
    main(*sys.argv[1:])
