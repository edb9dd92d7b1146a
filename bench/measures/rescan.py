"""Reading an unchanged tree again, beside updatedb again."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from bench.measures.index import run_updatedb
from bench.results import Goal, Rounds, Sample, Table, number, take_turns, times

if TYPE_CHECKING:
    from pathlib import Path

    from bench.daemon import MeasuredDaemon
    from bench.workbench import Workbench

FOLDERS, FULL, UPDATEDB = "ours, changed folders", "ours, every file", "plocate updatedb again"
LOOK = "C: look at every file"


def _ours(daemon: MeasuredDaemon, location: str, *, full: bool) -> Sample:
    began = time.perf_counter()
    report = daemon.wait_for(daemon.rescan(location, full=full), began, step=0.005)
    changes = [report.data[key] for key in ("added", "changed", "moved", "removed")]
    if any(changes):
        raise RuntimeError(f"nothing had changed, and the rescan saw changes: {changes}")
    return {"seconds": report.wall, "engine": float(report.data["seconds"]["total"])}


def _updatedb(program: str, root: Path, database: Path) -> Sample:
    return {"seconds": run_updatedb(program, root, database)["searchable"]}


def _look(bench: Workbench, root: Path) -> Sample:
    return {"seconds": bench.limit("walk", "look", str(root))["seconds"]}


def measure(bench: Workbench) -> list[Table]:
    """The larger tree, in turn."""
    files, root = bench.large, bench.tree(bench.large)
    with bench.indexed(files) as (daemon, location):
        turns = {
            FOLDERS: partial(_ours, daemon, location, full=False),
            FULL: partial(_ours, daemon, location, full=True),
            LOOK: partial(_look, bench, root),
        }
        if updatedb := bench.peer("updatedb"):
            again = partial(_updatedb, updatedb, root, bench.place("updatedb") / "plocate.db")
            again()  # from nothing; what counts is the second time
            turns[UPDATEDB] = again
        _look(bench, root)  # into the cache of the kernel
        rounds = take_turns(turns, bench.rounds(2, 4))
    return [_table(files, rounds)]


def _table(files: int, rounds: Rounds) -> Table:
    rows = [
        [
            name,
            number(rounds.median(name, "seconds")),
            number(rounds.median(name, "engine")),
            "" if name == FOLDERS else times(rounds.ratio(name, FOLDERS, "seconds")),
        ]
        for name in rounds.samples
    ]
    columns = ["", "seconds", "of them in the job itself", "takes, of the first"]
    table = Table("rescan", f"{files:,} files, none changed", columns, rows)
    table.samples = rounds.samples
    seconds = rounds.median(FOLDERS, "seconds")
    per_million = None if seconds is None else seconds * 1e6 / files
    faster = rounds.ratio(UPDATEDB, FOLDERS, "seconds")
    table.goals = [
        Goal("rescan of changed folders, per million files", 0.7, per_million, "s", at_least=False),
        Goal("rescan of changed folders: times faster than updatedb again", 5.0, faster),
    ]
    return table
