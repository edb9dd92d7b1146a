"""Requests over the socket by a client in C, beside an echo in C, Redis and watchman."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from bench import peers
from bench.compiled import program
from bench.daemon import call_line
from bench.results import Goal, Rounds, Sample, Table, number, take_turns, times

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.workbench import Workbench

PING = b'"Ping"\n'
LIST = call_line("query:libraries.list")


class Shape(NamedTuple):
    """How a load comes: so many clients, each with so many requests under way."""

    name: str
    clients: int
    depth: int


SHAPES = (
    Shape("1 client", 1, 1),
    Shape("8 clients", 8, 1),
    Shape("64 clients", 64, 1),
    Shape("1 client, 64 pipelined", 1, 64),
)


class Contender(NamedTuple):
    """A server, what it is asked, and how many lines its answer has."""

    socket: str
    request: str
    lines: int = 1


def load(bench: Workbench, contender: Contender, shape: Shape, seconds: float) -> Sample:
    """One run of the load generator."""
    return bench.limit(
        "load",
        *("-c", str(shape.clients), "-d", str(shape.depth), "-l", str(contender.lines)),
        *("-s", str(seconds), contender.socket, contender.request),
    )


def _echo_of(request: bytes) -> bytes:
    return b"*2\r\n$4\r\nECHO\r\n$%d\r\n%s\r\n" % (len(request) - 1, request[:-1])


def _contenders(bench: Workbench, stack: ExitStack) -> dict[str, Contender]:
    """Start every server there is."""
    place = bench.place("rpc")
    ping, list_ = bench.request_file("ping", PING), bench.request_file("list", LIST)
    daemon = stack.enter_context(bench.daemon())
    daemon.create_library()
    echo = str(stack.enter_context(peers.echo(program("echo"), place)))
    found = {
        "C echo, Ping": Contender(echo, ping),
        "Ping": Contender(daemon.socket, ping),
        "C echo, libraries.list": Contender(echo, list_),
        "libraries.list": Contender(daemon.socket, list_),
    }
    if redis := bench.peer("redis-server"):
        path, _ = stack.enter_context(peers.redis(redis, place))
        request = bench.request_file("redis", _echo_of(LIST))
        found["Redis ECHO"] = Contender(str(path), request, lines=2)
    if watchman := bench.peer("watchman"):
        path, _ = stack.enter_context(peers.watchman(watchman, place))
        request = bench.request_file("watchman", b'["version"]\n')
        found["watchman version"] = Contender(str(path), request)
    return found


def measure(bench: Workbench) -> Iterator[Table]:
    """One table per shape of load."""
    with ExitStack() as stack:
        contenders = _contenders(bench, stack)
        seconds = bench.either(0.5, 1.0)
        for shape in SHAPES:
            bench.say(shape.name)
            turns = {
                name: partial(load, bench, contender, shape, seconds)
                for name, contender in contenders.items()
            }
            yield _table(shape, take_turns(turns, bench.rounds(3, 7)))


def _table(shape: Shape, rounds: Rounds) -> Table:
    rows = []
    for name in rounds.samples:
        limit = f"C echo, {name}"
        rows.append(
            [
                name,
                number(rounds.median(name, "rate")),
                number(rounds.median(name, "p50")),
                number(rounds.median(name, "p99")),
                times(rounds.ratio(name, limit, "rate")) if rounds.has(limit) else "",
            ]
        )
    title = f"{shape.name}: requests per second, and the time of an answer"
    columns = ["server", "req/s", "p50 us", "p99 us", "of the C echo"]
    table = Table(f"rpc-{shape.clients}-{shape.depth}", title, columns, rows)
    table.samples = rounds.samples
    table.goals = _goals(shape, rounds)
    return table


def _goals(shape: Shape, rounds: Rounds) -> list[Goal]:
    bound = 0.13 if shape.depth > 1 else 0.6 if shape.clients == 1 else 0.4
    goals = [
        Goal(
            f"{asked}, {shape.name}: rate against the C echo",
            bound,
            rounds.ratio(asked, f"C echo, {asked}", "rate"),
        )
        for asked in ("Ping", "libraries.list")
    ]
    if shape.clients > 1 or shape.depth > 1:
        goals.append(
            Goal(
                f"libraries.list, {shape.name}: rate against watchman version",
                4.0 if shape.depth > 1 else 1.4,
                rounds.ratio("libraries.list", "watchman version", "rate"),
            )
        )
    return goals
