"""The GraphQL server beside the daemon's own socket: one question, and many subscriptions."""

from __future__ import annotations

import socket
import sys
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from bench import sources
from bench.daemon import CHECKOUT, call_line, clean_environment
from bench.measures.fanout import run
from bench.measures.rpc import SHAPES, Contender, load
from bench.processes import Server, memory
from bench.results import Goal, Rounds, Sample, Table, number, take_turns
from bench.sources import Pace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.workbench import Workbench

OURS, RAW = "GraphQL: coreStatus", "the socket: core.status"
OVER_US = 700.0
PSS_MIB = 90.0
PACE = Pace(subscribers=1000, rate=100.0)

STATUS = """{ coreStatus {
  version libraryCount libraries { id name } deviceInfo { name os }
  system { pid uptime memoryResident openFiles } jobs { queued running paused }
  clients { connections subscriptions requests } network { running } problems
} }"""
WATCH = """subscription { events(types: [JobUpdate]) {
  sequence cursor event {
    ... on JobUpdate { jobId jobType status progress message libraryId deviceId }
  }
} }"""


def post(query: str, accept: str) -> bytes:
    """A request to the server's Unix socket, where this user needs no token."""
    body = msgspec.json.encode({"query": query})
    head = (
        "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Accept: {accept}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def answer_to(path: str, request: bytes) -> bytes:
    """The whole answer to one request; empty where nobody answers."""
    with socket.socket(socket.AF_UNIX) as made:
        made.settimeout(5)
        try:
            made.connect(path)
            made.sendall(request)
            found = made.recv(1 << 20)
            while b"\r\n\r\n" not in found:
                found += made.recv(1 << 20)
        except OSError:
            return b""
    return found


class Served(NamedTuple):
    """A server of ours."""

    socket: str
    pid: int


@contextmanager
def server(daemon: str, place: Path) -> Iterator[Served]:
    """`sd graphql` beside a daemon, for one block."""
    path = str(place / "graphql.sock")
    command = [str(CHECKOUT / "sd_client" / "cli" / "sd"), "--socket", daemon, "graphql"]
    command += ["--unix", path, "--listen", "127.0.0.1:0", "--token-file", str(place / "token")]
    ready = partial(answer_to, path, post("{ __typename }", "application/json"))
    env = {**clean_environment(), "SD_PYTHON": sys.executable}
    with Server(command, place / "graphql.log", ready=ready, env=env) as process:
        yield Served(path, process.pid)


class Watched(sources.Daemon):
    """Our daemon with the server between it and the subscribers."""

    answer = "text/event-stream"

    def __init__(self, daemon: sources.Daemon, served: Served) -> None:
        self._daemon = daemon
        self._pid = served.pid
        self.socket = served.socket
        self.request = post(WATCH, "text/event-stream")

    def publish(self, pace: Pace) -> Sample:
        """Order it."""
        return self._daemon.publish(pace)

    def memory(self) -> float:
        """Of the server."""
        return memory(self._pid)["rss"]


def measure(bench: Workbench) -> Iterator[Table]:
    """The question, then the subscriptions."""
    with bench.daemon() as daemon, server(daemon.socket, bench.place("graphql")) as served:
        daemon.create_library()
        request = post(STATUS, "application/json")
        head = answer_to(served.socket, request).partition(b"\r\n\r\n")[0]
        asked = Contender(
            served.socket, bench.request_file("graphql", request), head.count(b"\n") + 2
        )
        raw = bench.request_file("status", call_line("query:core.status"))
        turns = {
            RAW: partial(load, bench, Contender(daemon.socket, raw), SHAPES[0], 1.0),
            OURS: partial(load, bench, asked, SHAPES[0], 1.0),
        }
        yield _questions(take_turns(turns, bench.rounds(3, 7)))
    bench.say(f"{PACE.rate:g} events a second, {PACE.subscribers:,} subscriptions")
    rounds = Rounds()
    with (
        sources.ours(bench.place("daemon")) as found,
        server(found["ours"].socket, bench.place("graphql")) as served,
    ):
        pace = PACE._replace(seconds=bench.either(2.0, 5.0))
        for _ in range(bench.rounds(2, 5)):
            rounds.add(OURS, run(bench, Watched(found["ours"], served), pace))
            rounds.add("memory", {"pss": memory(served.pid)["pss"] / 1024})
    yield _subscriptions(rounds)


def _questions(rounds: Rounds) -> Table:
    rows = [
        [name, *(number(rounds.median(name, figure)) for figure in ("rate", "p50", "p99"))]
        for name in rounds.samples
    ]
    over = [
        theirs - ours
        for theirs, ours in zip(rounds.values(OURS, "p50"), rounds.values(RAW, "p50"), strict=True)
    ]
    table = Table("graphql-ask", "One client, one question after the other", rows=rows, columns=[])
    table.columns = ["asked", "req/s", "p50 us", "p99 us"]
    table.samples = rounds.samples
    text = "coreStatus over GraphQL: p50 beyond that of the socket"
    figure = sorted(over)[len(over) // 2]
    table.goals = [Goal(text, OVER_US, figure, "us", at_least=False)]
    return table


def _subscriptions(rounds: Rounds) -> Table:
    lost = max(rounds.values(OURS, "lost"))
    pss = max(rounds.values("memory", "pss"))
    figures = [rounds.median(OURS, figure) for figure in ("rate", "p50", "p99")]
    rows = [["GraphQL over server-sent events", *map(number, [*figures, lost, pss])]]
    columns = ["subscriptions", "deliveries/s", "p50 us", "p99 us", "lost", "PSS MiB"]
    title = f"{PACE.rate:g} events a second, to {PACE.subscribers:,} subscriptions of one server"
    table = Table("graphql-watch", title, columns, rows, samples=rounds.samples)
    table.goals = [
        Goal("1,000 subscriptions at 100 events/s: events lost", 0, lost, "", at_least=False),
        Goal("the GraphQL server with them: PSS", PSS_MIB, pss, "MiB", at_least=False),
    ]
    table.notes = [
        "Events that come within forty milliseconds are written together, which is the delay."
    ]
    return table
