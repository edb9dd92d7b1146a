"""Answers while a job indexes, and the job's speed while clients ask."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec

from bench.results import Goal, Rounds, Sample, Table, number, times

if TYPE_CHECKING:
    from pathlib import Path

    from bench.daemon import MeasuredDaemon
    from bench.workbench import Workbench

LOADS = {
    "libraries.list, 1,000 a second": ("list", 1000.0),
    "libraries.list, as fast as it can": ("list", 0.0),
    "search.files, 100 a second": ("search", 100.0),
}
"""What a client asks meanwhile, and how often."""


def _requests(bench: Workbench, library: str) -> dict[str, str]:
    methods = {
        "list": ("query:libraries.list", None),
        "search": ("query:search.files", {"query": "holiday"}),
    }
    return {
        name: bench.request_file(
            f"busy-{name}",
            msgspec.json.encode(
                {"Query": {"method": method, "library_id": library, "payload": payload}}
            )
            + b"\n",
        )
        for name, (method, payload) in methods.items()
    }


class _Job:
    """An index job from nothing, in a library of its own, as often as wanted."""

    def __init__(self, daemon: MeasuredDaemon, root: Path) -> None:
        self._daemon = daemon
        self._root = root
        self._count = 0

    def run(self) -> float:
        """Seconds from the request to the end. The client waits without asking much."""
        daemon = self._daemon
        self._count += 1
        library = daemon.create_library(f"Job {self._count}")
        began = time.perf_counter()
        started = daemon.client.call_raw(
            "action:locations.add.input", {"path": str(self._root), "mode": "Shallow"}, library
        )
        job = msgspec.json.decode(started)["job_id"]
        wall = 0.0
        while True:
            raw = daemon.client.call_raw("query:jobs.info", {"job_id": job}, library)
            info = msgspec.json.decode(raw)
            wall = time.perf_counter() - began
            if info["status"] == "completed":
                break
            if info["status"] in ("failed", "cancelled") or wall > 600:
                raise RuntimeError(f"the job is {info['status']}: {info['error_message']}")
            time.sleep(0.02)
        daemon.ask("action:libraries.delete.input", library_id=library, delete_data=True)
        return wall


def _load(bench: Workbench, socket: str, request: str, rate: float, seconds: float) -> Sample:
    arguments = ["-s", f"{seconds:.2f}", "-w", "0.1"]
    if rate:
        arguments += ["-r", str(rate)]
    return bench.limit("load", *arguments, socket, request)


def _one_round(
    bench: Workbench, daemon: MeasuredDaemon, job: _Job, requests: dict[str, str], rounds: Rounds
) -> None:
    alone = job.run()
    rounds.add("job alone", {"seconds": alone})
    for name, (kind, rate) in LOADS.items():
        still = _load(bench, daemon.socket, requests[kind], rate, bench.either(1.0, 3.0))
        rounds.add(f"{name}: idle", still)
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(job.run)
            meanwhile = _load(bench, daemon.socket, requests[kind], rate, alone)
            rounds.add(f"{name}: job", {"seconds": future.result()})
        rounds.add(f"{name}: busy", meanwhile)


def measure(bench: Workbench) -> list[Table]:
    """Idle, job and both, in turn."""
    root = bench.tree(bench.small)
    rounds = Rounds()
    with bench.daemon() as daemon:
        library = daemon.create_library("Asked")
        daemon.index_fully(root, bench.small)
        requests = _requests(bench, library)
        job = _Job(daemon, root)
        for _ in range(bench.rounds(2, 5)):
            _one_round(bench, daemon, job, requests, rounds)
    return [_table(bench, rounds)]


def _table(bench: Workbench, rounds: Rounds) -> Table:
    rows, goals = [], []
    for name in LOADS:
        idle, busy = f"{name}: idle", f"{name}: busy"
        grown = rounds.ratio(busy, idle, "p99")
        slower = rounds.ratio("job alone", f"{name}: job", "seconds")
        cells = [
            number(rounds.median(one, rank)) for rank in ("p50", "p99") for one in (idle, busy)
        ]
        rows.append([name, *cells, times(grown), times(slower)])
        goals.append(
            Goal(f"{name}: p99 while a job indexes, against idle", 1.5, grown, at_least=False)
        )
        goals.append(Goal(f"{name}: speed the job keeps", 0.95, slower))
    columns = [
        *("one client asks", "p50 us idle", "p50 job", "p99 us idle", "p99 job"),
        *("p99 grows to", "job keeps"),
    ]
    title = f"While a job indexes {bench.small:,} files from nothing"
    table = Table("busy", title, columns, rows, goals=goals, samples=rounds.samples)
    seconds = number(rounds.median("job alone", "seconds"))
    table.notes = [f"Alone, with nobody asking, the job takes {seconds} s to its very end."]
    return table
