"""What a daemon costs while nobody asks anything: memory and wake-ups."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from bench import peers
from bench.processes import cpu_seconds, memory, wake_ups
from bench.results import Goal, Rounds, Table, number

if TYPE_CHECKING:
    from bench.workbench import Workbench

OURS, FRESH = "ours, {:,} files indexed", "ours, nothing indexed yet"
_SETTLE_S = 5.0


def _servers(bench: Workbench, stack: ExitStack) -> dict[str, int]:
    """Start all; their process ids."""
    place = bench.place("idle")
    daemon, _ = stack.enter_context(bench.indexed(bench.small))
    fresh = stack.enter_context(bench.daemon())
    fresh.create_library()
    daemon.client.close()
    fresh.client.close()
    found = {OURS.format(bench.small): daemon.pid, FRESH: fresh.pid}
    if redis := bench.peer("redis-server"):
        _, server = stack.enter_context(peers.redis(redis, place))
        found["redis-server"] = server.pid
    if watchman := bench.peer("watchman"):
        _, server = stack.enter_context(peers.watchman(watchman, place))
        found["watchman, nothing watched"] = server.pid
    return found


def measure(bench: Workbench) -> list[Table]:
    """All of them idle at the same time."""
    seconds = bench.either(10.0, 20.0)
    rounds = Rounds()
    with ExitStack() as stack:
        servers = _servers(bench, stack)
        time.sleep(_SETTLE_S)
        for _ in range(bench.rounds(1, 2)):
            before = {pid: (wake_ups(pid), cpu_seconds(pid)) for pid in servers.values()}
            time.sleep(seconds)
            for name, pid in servers.items():
                woken, spent = before[pid]
                sample = {
                    "wakes": (wake_ups(pid) - woken) / seconds,
                    "cpu": (cpu_seconds(pid) - spent) / seconds * 1e3,
                }
                rounds.add(name, sample | memory(pid))
    return [_table(bench, rounds)]


def _table(bench: Workbench, rounds: Rounds) -> Table:
    def mebibytes(name: str, figure: str) -> float:
        return (rounds.median(name, figure) or 0) / 1024

    rows = [
        [
            name,
            *(number(mebibytes(name, figure)) for figure in ("rss", "pss", "own")),
            number(rounds.median(name, "wakes")),
            number(rounds.median(name, "cpu")),
        ]
        for name in rounds.samples
    ]
    columns = [
        *("", "resident MiB", "proportional MiB", "unshared MiB"),
        *("wake-ups/s", "ms of processor per s"),
    ]
    table = Table("idle", "A daemon that has nothing to do", columns, rows)
    table.samples = rounds.samples
    ours = OURS.format(bench.small)
    wakes = rounds.median(ours, "wakes")
    table.goals = [
        Goal("idle daemon: memory", 28, mebibytes(ours, "rss"), "MiB", at_least=False),
        Goal("idle daemon: wake-ups", 1.0, wakes, "per s", at_least=False),
    ]
    return table
