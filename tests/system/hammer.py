"""Clients that do not stop asking while the daemon is restarted under them.

    hammer.py SOCKET SECONDS      as a program in the container; prints one JSON object

One CoreClient makes 500 requests a second; a plain socket asks one request after the other; twenty
subscribers, half of them plain sockets, write down every event. A counter is changed all the time,
each change an event, and at the end everybody must have seen all of them once and in order.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time

sys.path.insert(0, "/usr/lib/spacedrive")
from sd_client.client import CoreClient
from sd_wire.errors import SdError
from sd_wire.operations.config import UpdateAppConfig
from sd_wire.operations.libraries import ListLibraries

RATE = 500
WATCHERS = 10


class Figures:
    """What was seen."""

    def __init__(self) -> None:
        self.requests = 0
        self.failed: list[str] = []
        self.worst = 0.0
        self.ended = 0  # plain connections that the daemon closed
        self.subscribers_ended = 0


async def ask(client: CoreClient, figures: Figures) -> None:
    began = time.monotonic()
    figures.requests += 1
    try:
        await client.call(ListLibraries())
    except SdError as error:
        figures.failed.append(repr(error))
    figures.worst = max(figures.worst, time.monotonic() - began)


async def ask_at_a_rate(client: CoreClient, figures: Figures, until: float) -> None:
    tasks = []
    for due in itertools.count(time.monotonic(), 1 / RATE):
        if due > until:
            break
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        tasks.append(asyncio.create_task(ask(client, figures)))
    await asyncio.gather(*tasks)


async def line_of(reader: asyncio.StreamReader) -> bytes:
    """The next line; none at the end, however the connection ends."""
    try:
        return await reader.readline()
    except OSError:
        return b""


async def ask_plainly(path: str, figures: Figures, until: float) -> None:
    """A client that knows nothing of restarts."""
    reader, writer = await asyncio.open_unix_connection(path)
    while time.monotonic() < until:
        began = time.monotonic()
        figures.requests += 1
        writer.write(b'{"Query":{"method":"query:libraries.list"}}\n')
        line = await line_of(reader)
        if not line:
            figures.ended += 1
            reader, writer = await asyncio.open_unix_connection(path)
        elif not line.startswith(b'{"JsonOk"'):
            figures.failed.append(line.decode())
        figures.worst = max(figures.worst, time.monotonic() - began)


async def change(client: CoreClient, until: float) -> list[str]:
    """Make events, one after the other; those that are sure to have happened."""
    made = []
    for number in itertools.count():
        if time.monotonic() > until:
            return made
        try:
            await client.call(
                UpdateAppConfig(language=f"{number}"), correlation_id=f"change-{number}"
            )
            made.append(f"change-{number}")
        except SdError:
            pass  # it may have happened or not: the subscribers will say
        await asyncio.sleep(0.01)
    return None


async def watch(client: CoreClient, seen: list[str], ready: asyncio.Event) -> None:
    async with client.subscribe_events(["ConfigChanged"]) as events:
        ready.set()
        async for happened in events:
            seen.append(happened.correlation_id or type(happened.event).__name__)


async def watch_plainly(path: str, seen: list[str], ready: asyncio.Event, figures: Figures) -> None:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b'{"Subscribe":{"event_types":["ConfigChanged"]},"id":1}\n')
    await reader.readline()
    ready.set()
    while line := await line_of(reader):
        seen.append(json.loads(line)["correlation_id"])
    figures.subscribers_ended += 1


async def main(path: str, seconds: float) -> None:
    figures = Figures()
    seen: list[list[str]] = [[] for _ in range(2 * WATCHERS)]
    ready = [asyncio.Event() for _ in seen]
    client, changer = CoreClient(path), CoreClient(path)
    watchers = [CoreClient(path) for _ in range(WATCHERS)]
    for one in (client, changer, *watchers):
        await one.connect()
    watching = [
        asyncio.create_task(watch(one, seen[place], ready[place]))
        for place, one in enumerate(watchers)
    ]
    watching += [
        asyncio.create_task(watch_plainly(path, seen[place], ready[place], figures))
        for place in range(WATCHERS, 2 * WATCHERS)
    ]
    await asyncio.gather(*(one.wait() for one in ready))
    print("hammering", flush=True)
    until = time.monotonic() + seconds
    _, _, made = await asyncio.gather(
        ask_at_a_rate(client, figures, until),
        ask_plainly(path, figures, until),
        change(changer, until),
    )
    for _ in range(500):  # the last event is there when everybody has it
        if all(made[-1] in one for one in seen):
            break
        await asyncio.sleep(0.01)
    resumed = seen[:WATCHERS]
    print(
        json.dumps(
            {
                "requests": figures.requests,
                "failed": figures.failed[:5],
                "failures": len(figures.failed),
                "worst_ms": round(figures.worst * 1000),
                "plain_connections_ended": figures.ended,
                "plain_subscribers_ended": figures.subscribers_ended,
                "events": len(made),
                "lost": sum(len(set(made) - set(one)) for one in resumed),
                "doubled": sum(len(one) - len(set(one)) for one in seen),
                "lost_by_plain": sum(len(set(made) - set(one)) for one in seen[WATCHERS:]),
                "agree": all(one == resumed[0] for one in resumed),
            }
        )
    )


asyncio.run(main(sys.argv[1], float(sys.argv[2])))
