"""Commands from start to end: `sd` beside a bare interpreter and other commands."""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench.daemon import CHECKOUT, clean_environment
from bench.measures.index import run_updatedb
from bench.measures.search import LIMIT
from bench.results import Goal, Rounds, Sample, Table, number, take_turns, times

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.workbench import Workbench

SD = str(CHECKOUT / "sd_client/cli/sd")
BARE = "python -I -S -c pass"
WORD = "harbour"
_HELLO = {
    "a Python command with argparse": "import argparse; argparse.ArgumentParser().parse_args()",
    "a Python command with click": "import click; click.command()(lambda: None)(standalone_mode=0)",
    "a Python command with asyncio and msgspec": "import asyncio, msgspec",
}


def run(command: list[str], env: Mapping[str, str]) -> Sample:
    """Milliseconds from the start of a command to its end. Raises RuntimeError if it fails."""
    silent = [
        (os.POSIX_SPAWN_OPEN, number, os.devnull, flags, 0)
        for number, flags in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY))
    ]
    began = time.perf_counter()
    pid = os.posix_spawn(command[0], command, env, file_actions=silent)
    _, status = os.waitpid(pid, 0)
    taken = (time.perf_counter() - began) * 1e3
    if status:
        ended = os.waitstatus_to_exitcode(status)
        raise RuntimeError(f"{' '.join(command)} ended with {ended}")
    return {"ms": taken}


def _quick_ones(bench: Workbench) -> dict[str, list[str]]:
    """Commands that take milliseconds."""
    found = {
        BARE: [sys.executable, "-I", "-S", "-c", "pass"],
        "sd status": [SD, "status"],
        f"sd search {WORD}": [SD, "search", WORD],
        "sd --version": [SD, "--version"],
        "sd --help": [SD, "--help"],
    }
    found |= {name: [sys.executable, "-c", code] for name, code in _HELLO.items()}
    for peer, words in {
        "git": ["--version"],
        "redis-cli": ["--version"],
        "watchman": ["--version"],
    }.items():
        if path := bench.peer(peer):
            found[" ".join([peer, *words])] = [path, *words]
    return found


def _searches(bench: Workbench) -> dict[str, list[str]]:
    """The same search by each command, of the larger tree."""
    root = str(bench.tree(bench.large))
    found = {f"sd search {WORD}": [SD, "search", WORD]}
    updatedb, plocate, fd = (bench.peer(name) for name in ("updatedb", "plocate", "fd"))
    if updatedb and plocate:
        database = bench.place("plocate") / "plocate.db"
        run_updatedb(updatedb, Path(root), database)
        found["plocate"] = [plocate, "-d", str(database), "-ibl", str(LIMIT), WORD]
    if fd:
        options = ["-iF", "--hidden", "--no-ignore", "--max-results", str(LIMIT)]
        found["fd"] = [fd, *options, WORD, root]
        found["fd, all of them"] = [fd, "-iF", "--hidden", "--no-ignore", WORD, root]
    return found


def measure(bench: Workbench) -> list[Table]:
    """One start of each command per round."""
    with bench.indexed(bench.large) as (daemon, _):
        env = {
            **clean_environment(),
            "SD_DATA_DIR": str(daemon.data_dir),
            "SD_PYTHON": sys.executable,
        }
        turns = {name: partial(run, command, env) for name, command in _quick_ones(bench).items()}
        starts = take_turns(turns, bench.rounds(11, 41))
        turns = {name: partial(run, command, env) for name, command in _searches(bench).items()}
        searches = take_turns(turns, bench.rounds(2, 5))
    return [_starts_table(starts), _searches_table(bench.large, searches)]


def _starts_table(rounds: Rounds) -> Table:
    rows = [
        [
            name,
            number(min(rounds.values(name, "ms"))),
            number(rounds.median(name, "ms")),
            times(rounds.ratio(name, BARE, "ms")),
        ]
        for name in rounds.samples
    ]
    columns = ["command", "best ms", "median ms", "takes, of the bare interpreter"]
    table = Table("cli", "Commands, from start to end", columns, rows, samples=rounds.samples)
    fastest = min(rounds.median(name, "ms") or 0 for name in _HELLO)
    status = rounds.median("sd status", "ms") or 1
    search = rounds.ratio(f"sd search {WORD}", BARE, "ms")
    table.goals = [
        Goal(
            f"sd status: time, of {BARE}",
            1.15,
            rounds.ratio("sd status", BARE, "ms"),
            at_least=False,
        ),
        Goal("sd status: times faster than the quickest Python command", 1.0, fastest / status),
        Goal(f"sd search {WORD}: time, of {BARE}", 3.0, search, at_least=False),
    ]
    return table


def _searches_table(files: int, rounds: Rounds) -> Table:
    ours = f"sd search {WORD}"
    rows = [
        [name, number(rounds.median(name, "ms")), times(rounds.ratio(name, ours, "ms"))]
        for name in rounds.samples
    ]
    title = f"One search by command, in {files:,} files"
    table = Table("cli-search", title, ["command", "median ms", "takes, of ours"], rows)
    table.samples = rounds.samples
    table.goals = [
        Goal(f"{ours}: times faster than fd", 1.0, rounds.ratio("fd", ours, "ms")),
    ]
    return table
