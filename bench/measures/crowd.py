"""The same requests while ten thousand other clients are connected and say nothing."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench.compiled import program
from bench.measures.rpc import LIST, PING, SHAPES, Contender, Shape, load
from bench.processes import memory
from bench.results import Goal, Rounds, Table, number, times

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.daemon import MeasuredDaemon
    from bench.workbench import Workbench

CROWD = 10_000
_PATIENCE_S = 120


@contextmanager
def _crowd(socket: str, request: str) -> Iterator[None]:
    """Ten thousand connections, for one block."""
    command = [program("hold"), socket, request, str(CROWD)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        try:
            if holder.stdout.readline() != b"held %d\n" % CROWD:
                raise RuntimeError(f"the daemon did not take {CROWD} connections")
            yield
        finally:
            holder.stdin.close()
            try:
                holder.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                holder.kill()


def _one_round(
    bench: Workbench, daemon: MeasuredDaemon, rounds: Rounds, shapes: tuple[Shape, ...]
) -> None:
    seconds = bench.either(0.5, 1.0)
    ping, asked = bench.request_file("ping", PING), bench.request_file("list", LIST)
    contender = Contender(daemon.socket, asked)
    for shape in shapes:
        rounds.add(f"{shape.name}, alone", load(bench, contender, shape, seconds))
    before = memory(daemon.pid)["rss"]
    with _crowd(daemon.socket, ping):
        each = (memory(daemon.pid)["rss"] - before) / CROWD
        rounds.add("memory", {"kib": each})
        for shape in shapes:
            rounds.add(f"{shape.name}, crowd", load(bench, contender, shape, seconds))


def measure(bench: Workbench) -> list[Table]:
    """With and without the crowd, in turn, each round with a daemon of its own, since the memory
    of connections that have gone is used again."""
    rounds = Rounds()
    for _ in range(bench.rounds(2, 5)):
        with bench.daemon() as daemon:
            daemon.create_library()
            _one_round(bench, daemon, rounds, SHAPES)
    return [_table(rounds)]


def _table(rounds: Rounds) -> Table:
    rows, goals = [], []
    for shape in SHAPES:
        alone, crowd = f"{shape.name}, alone", f"{shape.name}, crowd"
        kept = rounds.ratio(crowd, alone, "rate")
        rates = [number(rounds.median(name, "rate")) for name in (alone, crowd)]
        p99s = [number(rounds.median(name, "p99")) for name in (alone, crowd)]
        rows.append([shape.name, *rates, times(kept), *p99s])
        text = f"libraries.list, {shape.name}, {CROWD:,} others connected: rate kept"
        goals.append(Goal(text, 0.9, kept))
    each = rounds.median("memory", "kib")
    goals.append(Goal("memory of an idle connection", 2.0, each, "KiB", at_least=False))
    columns = ["libraries.list", "req/s alone", "in the crowd", "kept", "p99 us alone", "p99 crowd"]
    title = f"With {CROWD:,} idle connections open"
    table = Table("crowd", title, columns, rows, goals=goals, samples=rounds.samples)
    table.notes = [f"Each idle connection takes {number(each)} KiB of the daemon's memory."]
    return table
