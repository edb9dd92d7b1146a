"""The identity of contents of small files, beside reading them only and b3sum."""

from __future__ import annotations

import os
import subprocess
import time
from functools import partial
from typing import TYPE_CHECKING

from bench.results import Goal, Rounds, Sample, Table, number, take_turns, times

if TYPE_CHECKING:
    from pathlib import Path

    from bench.workbench import Workbench

OURS, LIMIT, B3SUM = "ours", "C: open, read, close", "find and b3sum"


def _ours(bench: Workbench, root: Path, files: int) -> Sample:
    """The phase of the job that reads contents and stores what they are, durably."""
    os.sync()
    with bench.daemon() as daemon:
        daemon.create_library()
        _, report = daemon.index(root, "Content")
    identified = report.data["identified"]
    if identified != files:
        raise RuntimeError(f"{identified} of {files} files were identified")
    return {"seconds": report.phase("identify")}


def _limit(bench: Workbench, root: Path) -> Sample:
    return {"seconds": bench.limit("walk", "read", str(root))["seconds"]}


def _b3sum(program: str, root: Path) -> Sample:
    began = time.perf_counter()
    find = subprocess.Popen(["find", str(root), "-type", "f", "-print0"], stdout=subprocess.PIPE)
    command = ["xargs", "-0", program]
    done = subprocess.run(
        command, stdin=find.stdout, stdout=subprocess.DEVNULL, timeout=600, check=False
    )
    if find.wait() or done.returncode:
        raise RuntimeError("find or b3sum failed")
    return {"seconds": time.perf_counter() - began}


def measure(bench: Workbench) -> list[Table]:
    """All files of the smaller tree, in turn."""
    files, root = bench.small, bench.tree(bench.small)
    bench.limit("walk", "read", str(root))  # into the cache of the kernel
    turns = {OURS: partial(_ours, bench, root, files), LIMIT: partial(_limit, bench, root)}
    if b3sum := bench.peer("b3sum"):
        turns[B3SUM] = partial(_b3sum, b3sum, root)
    rounds = take_turns(turns, bench.rounds(2, 5))
    size = bench.limit("walk", "look", str(root))["bytes"] / files
    return [_table(files, size, rounds)]


def _table(files: int, size: float, rounds: Rounds) -> Table:
    rows = []
    for name in rounds.samples:
        seconds = rounds.median(name, "seconds") or 0
        ratio = "" if name == OURS else times(rounds.ratio(name, OURS, "seconds"))
        rows.append([name, number(seconds), number(files / seconds), ratio])
    title = f"Contents of {files:,} files of {size / 1000:.1f} kB on average, from the cache"
    columns = ["", "seconds", "files/s", "speed of ours"]
    table = Table("identity", title, columns, rows, samples=rounds.samples)
    table.goals = [
        Goal(
            "content identity of small files: speed against reading only",
            0.5,
            rounds.ratio(LIMIT, OURS, "seconds"),
        ),
        Goal(
            "content identity of small files: speed against b3sum",
            1.3,
            rounds.ratio(B3SUM, OURS, "seconds"),
        ),
    ]
    return table
