"""Clients that do not stop asking while a package is installed under them.

    crowd.py SOCKET ENOUGH THREADS WATCHERS      as a program in the container; prints JSON

THREADS plain sockets, each in a thread of its own, ask one request after the other, and know
nothing of restarts: a connection that ends is a failure. WATCHERS subscribers, half of them plain
sockets and half CoreClients, write down every event. A counter is changed all the time, each change
an event. When the file ENOUGH is there, everybody must have seen every change once and in order.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import socket
import sys
import threading
import time

sys.path.insert(0, "/usr/lib/spacedrive")
from sd_client.client import CoreClient
from sd_wire.errors import SdError
from sd_wire.operations.config import UpdateAppConfig

QUESTION = b'{"Query":{"method":"query:core.status"}}\n'
SUBSCRIBE = b'{"Subscribe":{"event_types":["ConfigChanged"]},"id":1}\n'
LIMIT = 1 << 20


class Asker(threading.Thread):
    """A client that asks until it is told that it is enough."""

    def __init__(self, path: str, enough: threading.Event) -> None:
        super().__init__()
        self._path, self._enough = path, enough
        self.requests, self.failed, self.worst = 0, [], 0.0
        self.daemons = set()

    def run(self) -> None:
        """Ask; note what goes wrong, and connect anew."""
        while not self._enough.is_set():
            with socket.socket(socket.AF_UNIX) as sock:
                try:
                    sock.connect(self._path)
                    self._ask(sock)
                except (OSError, ValueError, KeyError) as error:
                    self.failed.append(repr(error))

    def _ask(self, sock: socket.socket) -> None:
        answers = sock.makefile("rb")
        while not self._enough.is_set():
            began = time.monotonic()
            self.requests += 1
            sock.sendall(QUESTION)
            status = json.loads(answers.readline())["JsonOk"]
            self.daemons.add((status["version"], status["system"]["started_at"]))
            self.worst = max(self.worst, time.monotonic() - began)


async def change(client: CoreClient, enough: str) -> list[str]:
    """Make events until it is enough; those that are sure to have happened."""
    made = []
    for number in itertools.count():
        if os.path.exists(enough):
            return made
        name = f"change-{number}"
        try:
            await client.call(UpdateAppConfig(language=f"{number}"), correlation_id=name)
            made.append(name)
        except SdError:
            pass  # it may have happened or not: the subscribers will say
        await asyncio.sleep(0.02)
    return None


async def watch(path: str, seen: list[str], ready: asyncio.Event) -> None:
    """A subscriber that finds its place again by itself."""
    client = CoreClient(path)
    await client.connect()
    async with client.subscribe_events(["ConfigChanged"]) as events:
        ready.set()
        async for happened in events:
            seen.append(happened.correlation_id or type(happened.event).__name__)


async def watch_plainly(path: str, seen: list[str], ready: asyncio.Event) -> None:
    """A subscriber that has but one connection."""
    reader, writer = await asyncio.open_unix_connection(path, limit=LIMIT)
    writer.write(SUBSCRIBE)
    await reader.readline()
    ready.set()
    while line := await reader.readline():
        seen.append(json.loads(line)["correlation_id"])


async def main(path: str, enough: str, threads: str, watchers: str) -> None:
    """Begin, wait for the end, say what was seen."""
    stop = threading.Event()
    seen: list[list[str]] = [[] for _ in range(int(watchers))]
    ready = [asyncio.Event() for _ in seen]
    kinds = itertools.cycle((watch, watch_plainly))
    watching = [
        asyncio.create_task(kind(path, one, began))
        for kind, one, began in zip(kinds, seen, ready, strict=False)
    ]
    changer = CoreClient(path)
    await changer.connect()
    await asyncio.gather(*(one.wait() for one in ready))
    askers = [Asker(path, stop) for _ in range(int(threads))]
    for one in askers:
        one.start()
    print("hammering", flush=True)
    made = await change(changer, enough)
    stop.set()
    for one in askers:
        await asyncio.to_thread(one.join)
    for _ in range(1000):  # the last event is there when everybody has it
        if all(made[-1] in one for one in seen):
            break
        await asyncio.sleep(0.01)
    failed = [failure for one in askers for failure in one.failed]
    print(
        json.dumps(
            {
                "requests": sum(one.requests for one in askers),
                "failures": len(failed),
                "failed": failed[:5],
                "worst_ms": round(max(one.worst for one in askers) * 1000),
                "daemons": len(set().union(*(one.daemons for one in askers))),
                "events": len(made),
                "lost": sum(len(set(made) - set(one)) for one in seen),
                "lost_by": {
                    place: sorted(set(made) - set(one), key=made.index)[:: max(1, len(made) - 1)]
                    for place, one in enumerate(seen)
                    if set(made) - set(one)
                },
                "doubled": sum(len(one) - len(set(one)) for one in seen),
                "agree": all(one == seen[0] for one in seen),
                "ended": sum(one.done() for one in watching),
            }
        ),
        flush=True,
    )


asyncio.run(main(*sys.argv[1:]))
