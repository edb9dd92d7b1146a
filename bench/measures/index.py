"""From nothing to searchable: a tree indexed by us, by C and SQLite, updatedb and watchman."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from functools import partial
from typing import TYPE_CHECKING

from bench import peers
from bench.processes import ChildMemory, memory, peak_rss
from bench.results import Goal, Rounds, Sample, Table, number, take_turns, times
from bench.trees import WAYPOINT, waypoints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bench.daemon import MeasuredDaemon
    from bench.workbench import Workbench

OURS, LIMIT, UPDATEDB, WATCHMAN = "ours", "C walk + SQLite", "plocate updatedb", "watchman"
_LOOK_EVERY_S = 0.02
_PATIENCE_S = 600.0
_READING = ("discovery", "processing")


def updatedb_command(program: str, root: Path, database: Path) -> list[str]:
    """Read a tree into a plocate database, leaving nothing out."""
    options = {"--prunepaths": "", "--prunenames": "", "--prunefs": "", "--prune-bind-mounts": "no"}
    command = [program, "--require-visibility", "no", "-U", str(root), "-o", str(database)]
    for key, value in options.items():
        command += [key, value]
    return command


def run_updatedb(program: str, root: Path, database: Path) -> Sample:
    """Seconds, and the most memory it had in KiB."""
    began = time.perf_counter()
    process = subprocess.Popen(updatedb_command(program, root, database))
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"updatedb ended with {process.returncode}")
    return {"searchable": wall, "rss": usage.ru_maxrss}


# --- ours -------------------------------------------------------------------------------------


def _waypoints_found(daemon: MeasuredDaemon) -> int:
    payload = {"query": WAYPOINT, "pagination": {"limit": 1}}
    return int(daemon.ask("query:search.files", **payload)["total_found"])


def _watch_job(daemon: MeasuredDaemon, job: str, wanted: int, began: float) -> Sample:
    """When every waypoint can be found, and when every entry is in with its metadata."""
    seen: Sample = {}
    search_at = 0.0
    while len(seen) < 2:
        if "searchable" not in seen and time.perf_counter() > search_at:
            asked = time.perf_counter()
            if _waypoints_found(daemon) == wanted:
                seen["searchable"] = time.perf_counter() - began
            # To look is work as well: no more than a fifth of a core goes into it.
            search_at = time.perf_counter() + 4 * (time.perf_counter() - asked)
        info = daemon.ask("query:jobs.info", job_id=job)
        phase = ((info["generic_progress"] or {}).get("phase") or "Discovery").lower()
        over = info["status"] in ("completed", "failed", "cancelled")
        if "full" not in seen and (over or phase not in _READING):
            seen["full"] = time.perf_counter() - began
        if over and "searchable" not in seen and _waypoints_found(daemon) != wanted:
            raise RuntimeError("the job is over and not every file is found")
        if time.perf_counter() - began > _PATIENCE_S:
            raise TimeoutError("the names were not searchable in time")
        time.sleep(_LOOK_EVERY_S)
    return seen


def _ours(bench: Workbench, root: Path, files: int) -> Sample:
    os.sync()
    with bench.daemon(keep_as=files) as daemon:
        daemon.create_library()
        before = memory(daemon.pid)["rss"]
        with ChildMemory(daemon.pid) as worker:
            began = time.perf_counter()
            _, job = daemon.add_location(root)
            seen = _watch_job(daemon, job, waypoints(files), began)
            report = daemon.wait_for(job, began, step=0.05)
        grown = max(0.0, peak_rss(daemon.pid) - before)
    if report.data["location"]["files"] != files:
        raise RuntimeError(f"{report.data['location']['files']} of {files} files were indexed")
    engine = report.phase("discover") + report.phase("settle")
    return {
        **seen,
        "full": max(seen.values()),
        "done": report.wall,
        "engine": engine,
        "names": report.phase("names"),
        "rss": worker.peak,
        "daemon": grown,
    }


# --- the others -------------------------------------------------------------------------------


def _limit(bench: Workbench, root: Path) -> Sample:
    os.sync()
    place = bench.place("limit")
    sample = bench.limit("walk", "store", str(root), str(place / "limit.db"))
    shutil.rmtree(place)
    return {"full": sample["seconds"], "rss": sample["rss_kib"]}


def _updatedb(bench: Workbench, program: str, root: Path) -> Sample:
    os.sync()
    place = bench.place("updatedb")
    sample = run_updatedb(program, root, place / "plocate.db")
    shutil.rmtree(place)
    return sample


def _ask_watchman(path: Path, *words: object) -> dict[str, object]:
    with socket.socket(socket.AF_UNIX) as made:
        made.settimeout(_PATIENCE_S)
        made.connect(str(path))
        with made.makefile("rwb") as stream:
            stream.write(json.dumps(words).encode() + b"\n")
            stream.flush()
            answer: dict[str, object] = json.loads(stream.readline())
    if "error" in answer:
        raise RuntimeError(f"watchman: {answer['error']}")
    return answer


class _Crawl:
    """Watchman's crawl of a tree. Where it refuses (it needs an inotify watch per folder), the
    reason is kept and it is not asked again."""

    def __init__(self, bench: Workbench, program: str, root: Path, files: int) -> None:
        self._bench = bench
        self._program = program
        self._root = root
        self._wanted = waypoints(files)
        self.refusal: str | None = None

    def __call__(self) -> Sample:
        """Seconds until its answer is complete; nothing where it refuses."""
        if self.refusal is not None:
            return {}
        os.sync()
        place = self._bench.place("watchman")
        try:
            with peers.watchman(self._program, place) as (path, server):
                began = time.perf_counter()
                found = self._crawl(path)
                wall = time.perf_counter() - began
                rss = peak_rss(server.pid)
        except (RuntimeError, OSError) as error:
            self.refusal = str(error)
            return {}
        if found != self._wanted:
            raise RuntimeError(f"watchman found {found} of {self._wanted} waypoints")
        return {"searchable": wall, "full": wall, "rss": rss}

    def _crawl(self, path: Path) -> int:
        query = {
            "expression": ["match", f"{WAYPOINT}*", "basename"],
            "fields": ["name"],
            "sync_timeout": int(_PATIENCE_S * 1000),
        }
        _ask_watchman(path, "watch", str(self._root))
        found = _ask_watchman(path, "query", str(self._root), query)["files"]
        assert isinstance(found, list)
        return len(found)


# --- together ---------------------------------------------------------------------------------


def _measure_tree(bench: Workbench, files: int, rounds: int) -> Table:
    root = bench.tree(files)
    bench.say(f"indexing {files:,} files")
    bench.limit("walk", "look", str(root))  # into the cache of the kernel
    turns: dict[str, Callable[[], Sample]] = {
        OURS: partial(_ours, bench, root, files),
        LIMIT: partial(_limit, bench, root),
    }
    if updatedb := bench.peer("updatedb"):
        turns[UPDATEDB] = partial(_updatedb, bench, updatedb, root)
    crawl = None
    if watchman := bench.peer("watchman"):
        turns[WATCHMAN] = crawl = _Crawl(bench, watchman, root, files)
    table = _table(files, take_turns(turns, rounds))
    if crawl is not None and crawl.refusal is not None:
        table.notes.append(f"watchman did not index this tree: {crawl.refusal}")
    return table


def measure(bench: Workbench) -> Iterator[Table]:
    """The smaller tree often, the larger one seldom."""
    small = _measure_tree(bench, bench.small, bench.rounds(2, 5))
    small.name = "index-small"
    yield small
    large = _measure_tree(bench, bench.large, bench.rounds(1, 2))
    large.name = "index-large"
    yield large


def _table(files: int, rounds: Rounds) -> Table:
    rows = []
    for name in rounds.samples:
        seconds = [number(rounds.median(name, one)) for one in ("searchable", "full", "done")]
        base = "searchable" if name == UPDATEDB else "full"
        rss = rounds.median(name, "rss")
        peak = "-" if rss is None else number(rss / 1024)
        ratio = "" if name == OURS else times(rounds.ratio(OURS, name, base))
        rows.append([name, *seconds, peak, ratio])
    columns = [
        *("", "all names searchable s", "with metadata, durable s", "job over s"),
        *("peak MiB", "ours takes"),
    ]
    table = Table(f"index-{files}", f"{files:,} files, from nothing", columns, rows)
    table.samples = rounds.samples
    table.notes = [_inside(rounds)]
    table.goals = _goals(files, rounds)
    return table


def _inside(rounds: Rounds) -> str:
    """What our job says of itself."""
    engine, names = rounds.median(OURS, "engine"), rounds.median(OURS, "names")
    grown = (rounds.median(OURS, "daemon") or 0) / 1024
    return (
        f"Of ours, reading and storing took {number(engine)} s, and the index that makes parts of"
        f" names quick to find {number(names)} s behind it; the peak is of the worker process,"
        f" while the daemon itself grew by {number(grown)} MiB. updatedb is compared by names."
    )


def _goals(files: int, rounds: Rounds) -> list[Goal]:
    names = rounds.ratio(OURS, UPDATEDB, "searchable")
    engine = [
        sample["engine"] / other["full"]
        for sample, other in zip(rounds.samples[OURS], rounds.samples[LIMIT], strict=True)
    ]
    of_limit = rounds.ratio(OURS, LIMIT, "full")
    crawl = rounds.ratio(OURS, WATCHMAN, "full")
    rss = (rounds.median(OURS, "rss") or 0) / 1024
    text = f"{files:,} files"
    return [
        Goal(f"{text}: time until names are searchable, of updatedb's", 0.5, names, at_least=False),
        Goal(f"{text}: time of a full index, of C's", 1.5, of_limit, at_least=False),
        Goal(
            f"{text}: the same without starting the worker (its own clock), of C's",
            1.5,
            sorted(engine)[len(engine) // 2],
            at_least=False,
        ),
        Goal(f"{text}: time of a full index, of watchman's crawl", 0.85, crawl, at_least=False),
        Goal(f"{text}: most memory of the indexer", 120, rss, unit="MiB", at_least=False),
    ]
