"""From a change on the disk to the event at a client, beside watchman; a large folder renamed."""

from __future__ import annotations

import json
import os
import socket
import statistics
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from bench import peers
from bench.results import Goal, Rounds, Sample, Table, number, take_turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bench.daemon import MeasuredDaemon
    from bench.workbench import Workbench

OURS, COLD, WATCHMAN = "ours", "ours, after a rest", "watchman subscribe"
QUIET_MS, SETTLE_MS = 50.0, 20.0  # what each waits for before it tells
REST_S = 12.0  # after which nobody follows any more
FILES = 100_000
_PAUSE_S = 0.3


class Lines:
    """A connection that brings lines of JSON."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60.0)
        self.socket.connect(path)
        self._file = self.socket.makefile("rb")

    def send(self, message: object) -> None:
        """One line."""
        self.socket.sendall(json.dumps(message).encode() + b"\n")

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> float:
        """Read up to a line that is wanted; when it came."""
        while True:
            line = self._file.readline()
            if not line:
                raise EOFError
            now = time.perf_counter()
            message = json.loads(line)
            if isinstance(message, dict) and wanted(message):
                return now

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self.socket.close()


@contextmanager
def _watched(bench: Workbench, folder: Path) -> Iterator[tuple[MeasuredDaemon, Lines]]:
    """Our daemon that watches a folder, and a client that follows it."""
    with bench.daemon() as daemon:
        daemon.create_library()
        _, job = daemon.add_location(folder)
        daemon.wait_for(job, time.perf_counter())
        while daemon.ask("query:locations.list")["locations"][0].get("watching") != "live":
            time.sleep(0.05)
        lines = Lines(daemon.socket)
        names = ["EntryCreated", "EntryMoved"]
        lines.send({"Subscribe": {"event_types": names, "filter": None}})
        try:
            yield daemon, lines
        finally:
            lines.close()


@contextmanager
def _watchman(program: str, place: Path, folder: Path) -> Iterator[Lines]:
    """Watchman that watches the same, and a client that has subscribed."""
    (folder / "there at first").write_bytes(b"")
    with peers.watchman(program, place) as (path, _):
        lines = Lines(str(path))
        lines.send(["watch", str(folder)])
        lines.until(lambda reply: "watch" in reply)
        lines.send(["subscribe", str(folder), "bench", {"fields": ["name"]}])
        lines.until(lambda reply: "files" in reply)  # what is there at first
        try:
            yield lines
        finally:
            lines.close()


def _ours(lines: Lines, folder: Path, rest: float, count: int) -> Sample:
    took = []
    for _ in range(count):
        time.sleep(rest)
        name = f"ours-{time.time_ns()}"
        began = time.perf_counter()
        (folder / name).write_bytes(b"x")
        took.append(lines.until(lambda line: "EntryCreated" in (line.get("Event") or {})) - began)
    return _figures(took)


def _theirs(lines: Lines, folder: Path, count: int) -> Sample:
    took = []
    for _ in range(count):
        time.sleep(_PAUSE_S)
        name = f"theirs-{time.time_ns()}"
        began = time.perf_counter()
        (folder / name).write_bytes(b"x")
        took.append(lines.until(partial(_names, name)) - began)
    return _figures(took)


def _names(name: str, line: dict[str, Any]) -> bool:
    return name in line.get("files", ())


def _figures(took: list[float]) -> Sample:
    took.sort()
    return {"p50": statistics.median(took) * 1e3, "p99": took[int(len(took) * 0.99)] * 1e3}


def _renamed(bench: Workbench) -> float | None:
    """Seconds from renaming a folder with very many files to the event."""
    root = bench.place("rename")
    inner = root / "before"
    for number_of in range(100):
        folder = inner / f"{number_of:03}"
        folder.mkdir(parents=True)
        for file in range(FILES // 100):
            os.close(os.open(folder / f"{file}", os.O_CREAT | os.O_WRONLY, 0o600))
    with _watched(bench, root) as (_, lines):
        time.sleep(_PAUSE_S)
        began = time.perf_counter()
        inner.rename(root / "after")
        return lines.until(lambda line: "EntryMoved" in (line.get("Event") or {})) - began


def measure(bench: Workbench) -> list[Table]:
    """One folder each, in turn."""
    count = int(bench.either(20, 100))
    with ExitStack() as stack:
        folder, other = bench.place("watched"), bench.place("watched-too")
        _, lines = stack.enter_context(_watched(bench, folder))
        turns = {
            OURS: partial(_ours, lines, folder, _PAUSE_S, count),
            COLD: partial(_ours, lines, folder, REST_S, 3),
        }
        if program := bench.peer("watchman"):
            theirs = stack.enter_context(_watchman(program, bench.place("watchman"), other))
            turns[WATCHMAN] = partial(_theirs, theirs, other, count)
        rounds = take_turns(turns, bench.rounds(1, 2))
    return [_table(rounds, _renamed(bench))]


def _table(rounds: Rounds, renamed: float | None) -> Table:
    waits = {OURS: QUIET_MS, COLD: QUIET_MS, WATCHMAN: SETTLE_MS}
    rows = [
        [
            name,
            number(waits[name]),
            number(rounds.median(name, "p50")),
            number(rounds.median(name, "p99")),
        ]
        for name in rounds.samples
    ]
    columns = ["", "waits for quiet, ms", "event after, p50, ms", "p99, ms"]
    table = Table("watching", "A new file, until a client is told", columns, rows)
    table.samples = rounds.samples
    table.notes = [
        f"A folder with {FILES:,} files is renamed: EntryMoved comes after {number(renamed)} s."
    ]
    beyond = (rounds.median(OURS, "p50") or 0.0) - QUIET_MS
    table.goals = [
        Goal("change to event, beyond the debounce, p50", 20, beyond, "ms", at_least=False),
        Goal(f"a folder of {FILES:,} files renamed", 1.0, renamed, "s", at_least=False),
    ]
    return table
