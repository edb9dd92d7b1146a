"""Copying and moving, beside cp, rsync and rclone, which take turns with the daemon.

Ours is timed from the request to the answer that says that the job is over: its worker is started,
what it does is in the journal, the copy is on the disk. Of the others only `cp, then sync` waits
for the disk. They run as nice as our workers do, or a busy machine would decide.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from bench.daemon import clean_environment
from bench.measures.cli import SD, run
from bench.results import Goal, Rounds, Sample, Table, number, take_turns, times

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.daemon import MeasuredDaemon
    from bench.workbench import Workbench

OURS, VERIFIED, CP = "ours", "ours, verified", "cp -a"
SYNCED, RSYNC, RCLONE = "cp -a, then sync", "rsync -a", "rclone copy"
_NICE = ("nice", "-n", "10")
BIG_BYTES = 2 * 1024**3
FEW, MANY, MOVED = 13_500, 60_000, 100_000


class _Target:
    """Where every contender copies to; it is empty each time."""

    def __init__(self, place: Path) -> None:
        self.folder = place / "target"

    def fresh(self) -> Path:
        """The folder, empty, with nothing left to be written by anybody."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        os.sync()
        return self.folder


def _ours(daemon: MeasuredDaemon, source: Path, target: _Target, *, verify: bool) -> Sample:
    folder = target.fresh()
    began = time.perf_counter()
    job = _begin(daemon, source, folder, verify_checksum=verify)
    report = daemon.wait_for(job, began, step=0.003)
    if report.data["failed_count"]:
        raise RuntimeError(f"not all was copied: {report.data['failures'][:3]}")
    return {"seconds": report.wall}


def _begin(daemon: MeasuredDaemon, source: Path, folder: Path, **more: bool) -> str:
    receipt = daemon.ask(
        "action:files.copy.input",
        sources={"paths": [str(source)]},
        destination=str(folder),
        **more,
    )
    return str(receipt["id"])


def _theirs(command: list[str], source: Path, target: _Target, *, sync: bool = False) -> Sample:
    folder = target.fresh()
    name = str(folder / source.name) if command[-1] == "copy" and source.is_dir() else str(folder)
    began = time.perf_counter()
    subprocess.run([*_NICE, *command, str(source), name], check=True, capture_output=True)
    if sync:
        subprocess.run(["sync", "-f", str(folder)], check=True)
    return {"seconds": time.perf_counter() - began}


def _compare(
    bench: Workbench, daemon: MeasuredDaemon, source: Path, place: Path, rounds: int
) -> Rounds:
    target = _Target(place)
    turns = {
        OURS: partial(_ours, daemon, source, target, verify=False),
        CP: partial(_theirs, ["cp", "-a"], source, target),
        SYNCED: partial(_theirs, ["cp", "-a"], source, target, sync=True),
        VERIFIED: partial(_ours, daemon, source, target, verify=True),
    }
    if rsync := bench.peer("rsync"):
        turns[RSYNC] = partial(_theirs, [rsync, "-a", "--whole-file"], source, target)
    if rclone := bench.peer("rclone"):
        options = [rclone, "--config", "/dev/null", "--links", "copy"]
        turns[RCLONE] = partial(_theirs, options, source, target)
    subprocess.run(["cp", "-a", source, target.fresh()], check=True)  # into the kernel's cache
    taken = take_turns(turns, rounds)
    shutil.rmtree(target.folder)
    return taken


def measure(bench: Workbench) -> Iterator[Table]:
    """One small file, a big one, many small ones on a disk and in memory, a move; and answers
    meanwhile."""
    with bench.daemon() as daemon:
        daemon.create_library()
        big = bench.scratch / "big"
        size = int(bench.either(BIG_BYTES // 4, BIG_BYTES))
        _write_big(big, size)
        disk = bench.place("copying")
        yield _one(bench, daemon, disk)
        rounds = _compare(bench, daemon, big, disk, bench.rounds(3, 6))
        yield _table("copy-big", f"One file of {size / 1024**3:.1f} GiB", rounds)
        yield _while_copying(bench, daemon, big, disk)
        big.unlink()
        for files in (FEW,) if bench.quick else (FEW, MANY):
            source = bench.tree(files)
            rounds = _compare(bench, daemon, source, disk, bench.rounds(2, 5))
            title = f"{files:,} small files on the disk"
            yield _table(f"copy-{files}", title, rounds, small=True)
        if memory := _in_memory(bench):
            try:
                rounds = _compare(bench, daemon, memory / "tree", memory, bench.rounds(3, 6))
                title = f"{FEW:,} small files in memory (tmpfs)"
                yield _table("copy-memory", title, rounds, small=True)
            finally:
                shutil.rmtree(memory)
        yield _moves(bench, daemon, disk)


def _one(bench: Workbench, daemon: MeasuredDaemon, disk: Path) -> Table:
    """What a job costs that has nearly nothing to do, as a request and as a command."""
    source, target = bench.scratch / "one", _Target(disk)
    source.write_bytes(b"x" * 1000)
    env = {**clean_environment(), "SD_SOCKET": daemon.socket, "SD_PYTHON": sys.executable}

    def command(*words: str) -> Sample:
        return run([*words, str(source), str(target.fresh())], env)

    def request() -> Sample:
        return {"ms": _ours(daemon, source, target, verify=False)["seconds"] * 1e3}

    def synced() -> Sample:
        return {"ms": _theirs(["cp", "-a"], source, target, sync=True)["seconds"] * 1e3}

    turns = {
        OURS: request,
        "sd cp": partial(command, SD, "cp"),
        CP: partial(command, shutil.which("cp") or "/bin/cp", "-a"),
        SYNCED: synced,
    }
    rounds = take_turns(turns, bench.rounds(9, 31))
    shutil.rmtree(target.folder)
    rows = [
        [
            name,
            number(min(rounds.values(name, "ms"))),
            number(rounds.median(name, "ms")),
            "" if name == OURS else times(rounds.ratio(name, OURS, "ms")),
        ]
        for name in rounds.samples
    ]
    columns = ["", "best ms", "median ms", "takes, of ours"]
    table = Table("copy-one", "One file of a kilobyte", columns, rows, samples=rounds.samples)
    table.goals = [
        Goal("one small file: a request", 100, rounds.median(OURS, "ms"), "ms", at_least=False)
    ]
    return table


def _write_big(path: Path, size: int) -> None:
    with path.open("wb") as file:
        while size > 0:
            size -= file.write(os.urandom(min(size, 1 << 24)))


def _in_memory(bench: Workbench) -> Path | None:
    memory = bench.memory("copying")
    if memory is not None:
        subprocess.run(["cp", "-a", bench.tree(FEW), memory / "tree"], check=True)
    return memory


def _table(name: str, title: str, rounds: Rounds, *, small: bool = False) -> Table:
    rows = [
        [
            one,
            number(rounds.median(one, "seconds")),
            "" if one == OURS else times(rounds.ratio(one, OURS, "seconds")),
        ]
        for one in rounds.samples
    ]
    table = Table(name, title, ["", "seconds", "takes, of ours"], rows, samples=rounds.samples)
    table.goals = [
        Goal(f"{title}: as fast as cp -a", 1.0, rounds.ratio(CP, OURS, "seconds")),
        Goal(
            f"{title}: verified, against cp -a",
            1.7,
            rounds.ratio(VERIFIED, CP, "seconds"),
            at_least=False,
        ),
    ]
    if small:
        table.goals += [
            Goal(f"{title}: times faster than rsync", 3.0, rounds.ratio(RSYNC, OURS, "seconds")),
            Goal(f"{title}: times faster than rclone", 5.0, rounds.ratio(RCLONE, OURS, "seconds")),
        ]
    return table


def _while_copying(bench: Workbench, daemon: MeasuredDaemon, big: Path, disk: Path) -> Table:
    """How long a client waits while a big file is copied, and while nothing is."""
    request = msgspec.json.encode({"Query": {"method": "query:libraries.list", "payload": None}})
    file = bench.request_file("copying-list", request + b"\n")
    rounds, target = Rounds(), _Target(disk)
    asked = ["-r", "1000", "-w", "0.1"]
    for _ in range(bench.rounds(3, 8)):
        rounds.add("idle", bench.limit("load", "-s", "1.0", *asked, daemon.socket, file))
        target.fresh()
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(_ours, daemon, big, target, verify=False)
            rounds.add("copying", bench.limit("load", "-s", "1.0", *asked, daemon.socket, file))
            future.result()
    rows = [
        [one, *(number(rounds.median(one, rank)) for rank in ("p50", "p99"))]
        for one in rounds.samples
    ]
    title = "libraries.list, 1,000 a second, while a file is copied"
    table = Table("copy-busy", title, ["", "p50 us", "p99 us"], rows, samples=rounds.samples)
    grown = rounds.ratio("copying", "idle", "p99")
    table.goals = [Goal("p99 while a file is copied, against idle", 1.5, grown, at_least=False)]
    return table


def _moves(bench: Workbench, daemon: MeasuredDaemon, disk: Path) -> Table:
    """A tree of a hundred thousand files into another folder, and back, and so on."""
    files = int(bench.either(FEW, MOVED))
    tree = bench.tree(files)
    one, other = bench.work / "moved-here", bench.work / "moved-there"
    one.mkdir(exist_ok=True)
    other.mkdir(exist_ok=True)
    rounds = Rounds()
    place = one / tree.name
    tree.rename(place)
    try:
        for _ in range(bench.rounds(3, 6)):
            for folder in (other, one):
                began = time.perf_counter()
                job = _begin(daemon, place, folder, move_files=True)
                rounds.add(OURS, {"seconds": daemon.wait_for(job, began, step=0.002).wall})
                place = folder / tree.name
    finally:
        place.rename(tree)
        one.rmdir()
        other.rmdir()
    seconds = rounds.median(OURS, "seconds")
    title = f"A folder with {files:,} files is moved on one filesystem"
    table = Table("copy-move", title, ["", "seconds"], [[OURS, number(seconds)]])
    table.samples = rounds.samples
    table.goals = [Goal(title, 1.0, seconds, "s", at_least=False)]
    return table
