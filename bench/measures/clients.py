"""A call as a Python program sees it: our blocking client beside those of other servers."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from bench import peers
from bench.daemon import clean_environment
from bench.processes import Server, json_output
from bench.results import Goal, Rounds, Sample, Table, number, take_turns, times

if TYPE_CHECKING:
    from bench.workbench import Workbench

CALLERS = str(Path(__file__).parents[1] / "callers.py")


class Caller(NamedTuple):
    """One client: the Python that has it, its kind in callers.py, and its server."""

    python: str
    kind: str
    address: str


NAMES = {
    "ours-ping": "ours: Ping",
    "ours-list": "ours: libraries.list",
    "ours-async": "ours: Ping, asynchronous client",
    "bare": "a bare socket and msgspec: Ping",
    "watchman": "watchman: version (pywatchman, binary encoding)",
    "redis": "Redis: ECHO (redis-py, hiredis)",
    "dbus-bus": "D-Bus: the bus itself (dbus-fast)",
    "dbus": "D-Bus: a service behind the bus (dbus-fast)",
    "grpc": "gRPC over a Unix socket (grpcio)",
}

ASKED = {"ours-ping": "Ping", "ours-list": "libraries.list"}
GOALS = (
    ("watchman", "watchman's client", 1.8),
    ("redis", "redis-py", 3.0),
    ("dbus-bus", "D-Bus, the bus itself", 5.0),
    ("dbus", "D-Bus, a service", 5.0),
    ("grpc", "gRPC", 20.0),
)
"""By how much our blocking client is to be faster."""


def call(caller: Caller, seconds: float) -> Sample:
    """One client for so long."""
    command = [caller.python, CALLERS, caller.kind, caller.address, str(seconds)]
    if caller.python == sys.executable:
        command[1:2] = ["-m", "bench.callers"]
    return msgspec.json.decode(json_output(command, seconds + 60), type=dict[str, float])


def _callers(bench: Workbench, stack: ExitStack) -> list[Caller]:
    """Start every server there is."""
    place = bench.place("clients")
    daemon = stack.enter_context(bench.daemon())
    daemon.create_library()
    kinds = ("ours-ping", "ours-list", "ours-async", "bare")
    found = [Caller(sys.executable, kind, daemon.socket) for kind in kinds]
    python = bench.peer("peers-python")
    if python is None:
        return found
    if watchman := bench.peer("watchman"):
        path, _ = stack.enter_context(peers.watchman(watchman, place))
        found.append(Caller(python, "watchman", str(path)))
    if redis := bench.peer("redis-server"):
        path, _ = stack.enter_context(peers.redis(redis, place))
        found.append(Caller(python, "redis", str(path)))
    if bus := bench.peer("dbus-daemon"):
        address, _ = stack.enter_context(peers.dbus(bus, place))
        log = place / "dbus-service.log"
        _serve(stack, [python, "-u", CALLERS, "dbus", address, "0", "serve"], log, log)
        found += [Caller(python, kind, address) for kind in ("dbus-bus", "dbus")]
    socket = place / "grpc.sock"
    _serve(stack, [python, CALLERS, "grpc", str(socket), "0", "serve"], place / "grpc.log", socket)
    found.append(Caller(python, "grpc", str(socket)))
    return found


def _serve(stack: ExitStack, command: list[str], log: Path, sign: Path) -> None:
    """Start a server of callers.py; it is ready when `sign` is there and, as a log, not empty."""

    def ready() -> bool:
        return sign.exists() and (sign != log or sign.stat().st_size > 0)

    stack.enter_context(Server(command, log, ready=ready, env=clean_environment()))


def measure(bench: Workbench) -> list[Table]:
    """One client at a time, one call after the other."""
    with ExitStack() as stack:
        callers = _callers(bench, stack)
        seconds = bench.either(0.4, 1.0)
        turns = {caller.kind: partial(call, caller, seconds) for caller in callers}
        rounds = take_turns(turns, bench.rounds(3, 5))
    return [_table(rounds)]


def _table(rounds: Rounds) -> Table:
    rows = [
        [
            name,
            number(rounds.median(kind, "rate")),
            number(rounds.median(kind, "p50")),
            number(rounds.median(kind, "p99")),
            times(rounds.ratio("ours-list", kind, "rate")),
        ]
        for kind, name in NAMES.items()
        if rounds.has(kind)
    ]
    columns = ["client", "calls/s", "p50 us", "p99 us", "libraries.list is"]
    table = Table("clients", "Calls of one Python client, one after the other", columns, rows)
    table.samples = rounds.samples
    table.goals = [
        Goal(
            f"{asked} by our blocking client: rate against {text}",
            bound,
            rounds.ratio(ours, theirs, "rate"),
        )
        for theirs, text, bound in GOALS
        for ours, asked in ASKED.items()
    ]
    return table
