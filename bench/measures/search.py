"""Finding parts of names in the larger tree, beside plocate and fd."""

from __future__ import annotations

import random
import re
import subprocess
import time
from typing import TYPE_CHECKING, NamedTuple

from bench.measures.index import run_updatedb
from bench.results import Goal, Rounds, Sample, Table, number, percentile, times
from bench.trees import some_names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.daemon import MeasuredDaemon
    from bench.workbench import Workbench

LIMIT = 50
_PLAIN = re.compile(r"[A-Za-z0-9]{4,}")
_WARM = 5  # searches before those that count, so that what is measured is not the disk
_FAST, _NORMAL = "ours", "ours, counted and with facets"


class Queries(NamedTuple):
    """What is looked for: beginnings of names, and parts from inside of them."""

    prefix: list[str]
    substring: list[str]


def queries(names: Sequence[str], count: int) -> Queries:
    """Parts of real names, as a person might type them: 4 to 8 letters or digits of a word."""
    dice = random.Random(count)
    prefix, inside = [], []
    for name in names:
        words = _PLAIN.findall(name)
        if words and name.startswith(words[0]):
            prefix.append(words[0][: dice.randint(4, 8)])
        longer = [word for word in words if len(word) > 5]
        if longer:
            word = dice.choice(longer)
            start = dice.randint(1, len(word) - 4)
            inside.append(word[start : start + dice.randint(4, 8)])
    return Queries(prefix[:count], inside[:count])


def _ours(daemon: MeasuredDaemon, mode: str) -> Callable[[str], int]:
    def ask(text: str) -> int:
        payload = {"query": text, "mode": mode, "pagination": {"limit": LIMIT}}
        answer = bytes(daemon.client.call_raw("query:search.files", payload))
        return 0 if b'"results":[]' in answer else len(answer)

    return ask


def _command(command: list[str]) -> Callable[[str], int]:
    def run(text: str) -> int:
        done = subprocess.run(
            [text if word == "{}" else word for word in command],
            capture_output=True,
            timeout=120,
            check=False,
        )
        return len(done.stdout)

    return run


def _time_all(ask: Callable[[str], int], texts: Sequence[str]) -> Sample:
    taken, nothing = [], 0
    for text in texts[:_WARM]:
        ask(text)
    for text in texts:
        began = time.perf_counter()
        size = ask(text)
        taken.append((time.perf_counter() - began) * 1e3)
        nothing += size == 0
    if nothing:
        raise RuntimeError(f"{nothing} of {len(texts)} searches found nothing")
    return {"p50": percentile(taken, 0.5), "p99": percentile(taken, 0.99), "max": max(taken)}


def _contenders(
    bench: Workbench, daemon: MeasuredDaemon
) -> dict[str, tuple[Callable[[str], int], int]]:
    """What to ask, and how many of the queries it gets: the slow ones get fewer."""
    root = bench.tree(bench.large)
    found = {_FAST: (_ours(daemon, "Fast"), 1000), _NORMAL: (_ours(daemon, "Normal"), 1000)}
    updatedb, plocate, fd = (bench.peer(name) for name in ("updatedb", "plocate", "fd"))
    if updatedb and plocate:
        database = bench.place("plocate") / "plocate.db"
        run_updatedb(updatedb, root, database)
        command = [plocate, "-d", str(database), "-i", "-b", "-l", str(LIMIT), "--", "{}"]
        found["plocate"] = (_command(command), 100)
    if fd:
        options = ["-i", "-F", "--hidden", "--no-ignore", "--max-results", str(LIMIT)]
        found["fd"] = (_command([fd, *options, "--", "{}", str(root)]), 5 if bench.quick else 10)
    return found


def measure(bench: Workbench) -> list[Table]:
    """The first fifty, for a few hundred different queries."""
    count = 100 if bench.quick else 400
    texts = queries(some_names(bench.tree(bench.large), count * 4), count)
    rounds = Rounds()
    with bench.indexed(bench.large) as (daemon, _):
        for _ in range(bench.rounds(1, 3)):
            for name, (ask, most) in _contenders(bench, daemon).items():
                bench.say(name)
                for kind in ("prefix", "substring"):
                    rounds.add(f"{kind}: {name}", _time_all(ask, getattr(texts, kind)[:most]))
    return [_table(bench.large, rounds)]


def _table(files: int, rounds: Rounds) -> Table:
    rows = []
    for name in rounds.samples:
        kind = name.partition(":")[0]
        ratio = rounds.ratio(name, f"{kind}: {_FAST}", "p50")
        figures = [number(rounds.median(name, rank)) for rank in ("p50", "p99", "max")]
        rows.append([name, *figures, times(ratio)])
    columns = ["", "p50 ms", "p99 ms", "slowest ms", "takes, of ours"]
    title = f"The first {LIMIT} names of {files:,} that begin with a text, or have it inside"
    table = Table("search", title, columns, rows, samples=rounds.samples)
    table.notes = [
        "Ours is a request from a Python client to the daemon; plocate and fd are commands, so"
        " their figures include starting them. `sd search` as a command is below."
    ]
    table.goals = _goals(rounds)
    return table


def _goals(rounds: Rounds) -> list[Goal]:
    bounds = (("prefix", "p50", 0.3), ("substring", "p50", 1.5), ("substring", "p99", 20.0))
    goals = [
        Goal(
            f"search by {kind}, first {LIMIT}: {rank}",
            bound,
            rounds.median(f"{kind}: {_FAST}", rank),
            "ms",
            at_least=False,
        )
        for kind, rank, bound in bounds
    ]
    goals += [
        Goal(
            f"search by substring: times faster than {peer}",
            1.0,
            rounds.ratio(f"substring: {peer}", f"substring: {_FAST}", "p50"),
        )
        for peer in ("plocate", "fd")
    ]
    return goals
