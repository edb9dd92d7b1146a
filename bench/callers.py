"""One client asks one thing in a loop, with the Python client that its server recommends.

    python callers.py KIND ADDRESS SECONDS [serve]

Runs by itself (with the Python of bench/build/peers for the peers), imports nothing of this
project except for the kinds `ours-...`, and writes JSON: calls per second and the time of a call
in microseconds. With `serve` it is the other end, for those that need one written in Python.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

TEXT = '{"method":"query:libraries.list","library_id":null}'
BUS_NAME = "org.example.Measured"
BUS_PATH = "/org/example/Measured"
WARM_S = 0.2


class Times:
    """How long each call took, from the end of the warm-up to the end."""

    def __init__(self, seconds: float) -> None:
        now = time.perf_counter()
        self._from, self._end = now + WARM_S, now + WARM_S + seconds
        self._taken: list[float] = []

    def add(self, began: float, ended: float) -> bool:
        """Note a call; returns whether there is time for another."""
        if began >= self._from:
            self._taken.append(ended - began)
        return ended < self._end

    def report(self) -> str:
        """The JSON to write."""
        taken = sorted(self._taken)
        ranks = {"p50": 0.5, "p99": 0.99, "p999": 0.999}
        figures = {name: taken[int(len(taken) * rank)] * 1e6 for name, rank in ranks.items()}
        return json.dumps({"rate": len(taken) / sum(taken), **figures})


def in_a_loop(call: Callable[[], object], seconds: float) -> None:
    """Measure a call that blocks."""
    times, clock = Times(seconds), time.perf_counter
    while True:
        began = clock()
        call()
        if not times.add(began, clock()):
            break
    print(times.report())


async def in_an_async_loop(call: Callable[[], Awaitable[object]], seconds: float) -> None:
    """Measure a call that is awaited."""
    times, clock = Times(seconds), time.perf_counter
    while True:
        began = clock()
        await call()
        if not times.add(began, clock()):
            break
    print(times.report())


def ours_ping(address: str, seconds: float) -> None:
    """Our blocking client, Ping."""
    from sd_client.blocking import BlockingClient

    with BlockingClient(address, timeout=20) as client:
        in_a_loop(client.ping, seconds)


def ours_list(address: str, seconds: float) -> None:
    """Our blocking client, libraries.list with its result as structs."""
    from sd_client.blocking import BlockingClient
    from sd_wire.operations.libraries import ListLibraries

    with BlockingClient(address, timeout=20) as client:
        in_a_loop(lambda: client.call(ListLibraries()), seconds)


def ours_async(address: str, seconds: float) -> None:
    """Our asynchronous client, Ping."""
    from sd_client.client import CoreClient

    async def run() -> None:
        async with CoreClient(address) as client:
            await in_an_async_loop(client.ping, seconds)

    asyncio.run(run())


def bare(address: str, seconds: float) -> None:
    """A socket and msgspec, nothing else: what a client in Python can reach."""
    import socket

    import msgspec

    decode, request = msgspec.json.Decoder(str).decode, b'"Ping"\n'
    with socket.socket(socket.AF_UNIX) as made:
        made.connect(address)

        def call() -> object:
            made.sendall(request)
            return decode(made.recv(65536))

        in_a_loop(call, seconds)


def watchman(address: str, seconds: float) -> None:
    """pywatchman with its binary encoding."""
    import pywatchman

    client = pywatchman.client(
        sockpath=address, transport="local", sendEncoding="bser", recvEncoding="bser"
    )
    in_a_loop(lambda: client.query("version"), seconds)


def redis(address: str, seconds: float) -> None:
    """redis-py with hiredis: the same text there and back."""
    import redis as package

    client = package.Redis(unix_socket_path=address)
    in_a_loop(lambda: client.echo(TEXT), seconds)


def grpc(address: str, seconds: float) -> None:
    """grpcio over the same kind of socket, JSON as payload."""
    import grpc as package

    channel = package.insecure_channel(f"unix:{address}")
    call = channel.unary_unary("/measured/Echo")
    body = TEXT.encode()
    in_a_loop(lambda: json.loads(call(body, timeout=20)), seconds)


def grpc_serve(address: str, _: float) -> None:
    """The other end."""
    from concurrent.futures import ThreadPoolExecutor

    import grpc as package

    handler = package.method_handlers_generic_handler(
        "measured", {"Echo": package.unary_unary_rpc_method_handler(lambda body, _: body)}
    )
    server = package.server(ThreadPoolExecutor(2), handlers=[handler])
    server.add_insecure_port(f"unix:{address}")
    server.start()
    server.wait_for_termination()


def dbus(address: str, seconds: float) -> None:
    """dbus-fast to a service behind the bus, as clients of desktop services do."""
    _dbus(address, seconds, BUS_NAME, BUS_PATH, "org.example.Measured", "Echo")


def dbus_bus(address: str, seconds: float) -> None:
    """dbus-fast to the bus itself: one hop less than any service."""
    name, path = "org.freedesktop.DBus", "/org/freedesktop/DBus"
    _dbus(address, seconds, name, path, "org.freedesktop.DBus.Peer", "Ping")


def _dbus(address: str, seconds: float, name: str, path: str, interface: str, member: str) -> None:
    from dbus_fast import Message, MessageType
    from dbus_fast.aio import MessageBus

    text = {"signature": "s", "body": [TEXT]} if member == "Echo" else {}

    async def run() -> None:
        bus = await MessageBus(bus_address=address).connect()

        async def call() -> None:
            message = Message(
                destination=name, path=path, interface=interface, member=member, **text
            )
            reply = await bus.call(message)
            if reply is None or reply.message_type is MessageType.ERROR:
                raise RuntimeError(f"D-Bus: {reply and reply.error_name}")

        await in_an_async_loop(call, seconds)

    asyncio.run(run())


def dbus_serve(address: str, _: float) -> None:
    """The service behind the bus."""
    from dbus_fast import Message, MessageType
    from dbus_fast.aio import MessageBus

    def answer(message: Any) -> Any:
        if message.message_type is MessageType.METHOD_CALL and message.member == "Echo":
            return Message.new_method_return(message, "s", message.body)
        return None

    async def run() -> None:
        bus = await MessageBus(bus_address=address).connect()
        bus.add_message_handler(answer)
        await bus.request_name(BUS_NAME)
        print("serving", flush=True)
        await bus.wait_for_disconnect()

    asyncio.run(run())


KINDS: dict[str, Callable[[str, float], None]] = {
    "ours-ping": ours_ping,
    "ours-list": ours_list,
    "ours-async": ours_async,
    "bare": bare,
    "watchman": watchman,
    "redis": redis,
    "grpc": grpc,
    "dbus": dbus,
    "dbus-bus": dbus_bus,
}
SERVERS = {"grpc": grpc_serve, "dbus": dbus_serve}


def main(kind: str, address: str, seconds: str, role: str = "") -> None:
    """Measure, or serve."""
    (SERVERS if role == "serve" else KINDS)[kind](address, float(seconds))


if __name__ == "__main__":
    main(*sys.argv[1:])
