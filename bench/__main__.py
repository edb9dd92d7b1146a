"""Measure: `python -m bench [--quick] [--json FILE] [NAME ...]`.

Names are the modules of bench/measures; all of them without a name. `python -m bench report FILE`
writes the tables of a stored run into docs/performance.md.
"""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
import time
import traceback
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import msgspec

from bench import report
from bench.compiled import CompilerMissing
from bench.machine import conditions, machine
from bench.measures import MEASURES
from bench.processes import raise_file_limit
from bench.results import Results
from bench.workbench import Workbench

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.results import Table

DEFAULT_WORK = Path("/tmp/spacedrive-bench")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure the daemon beside its limits and its peers.",
        epilog="`python -m bench report FILE` writes docs/performance.md from a stored run.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MEASURES))
    parser.add_argument("--quick", action="store_true", help="smaller trees, fewer rounds")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often contenders take turns")
    parser.add_argument("--json", metavar="FILE", help="store the figures, too")
    parser.add_argument(
        "--work", type=Path, default=DEFAULT_WORK, help=f"folder for trees ({DEFAULT_WORK})"
    )
    return parser


def _measure(name: str, bench: Workbench) -> Iterable[Table]:
    module = importlib.import_module(f"bench.measures.{name}")
    purpose = (module.__doc__ or name).splitlines()[0]
    print(f"{name}: {purpose}", flush=True)
    tables: Iterable[Table] = module.measure(bench)
    return tables


def _run(bench: Workbench, names: Sequence[str], results: Results) -> None:
    """Run the measurements. One that fails is noted, and the next begins."""
    for name in names:
        try:
            for table in _measure(name, bench):
                results.tables.append(table)
                print("\n" + report.table_text(table), flush=True)
        except CompilerMissing as error:
            results.failures[name] = str(error)
        except Exception as error:
            traceback.print_exc()
            results.failures[name] = f"{type(error).__name__}: {error}"


def _leave(number: int, _frame: object) -> NoReturn:
    """SIGTERM unwinds, so that every process we started is ended."""
    raise SystemExit(128 + number)


def main(argv: Sequence[str]) -> int:
    """Measure, print and store. Returns 1 where a measurement failed."""
    if argv[:1] == ["report"]:
        return report.main(argv[1:])
    given = _parser().parse_args(argv)
    unknown = set(given.names) - set(MEASURES)
    if unknown:
        print(f"no such measurement: {', '.join(unknown)}; there are {', '.join(MEASURES)}")
        return 2
    signal.signal(signal.SIGTERM, _leave)
    raise_file_limit()
    if warning := conditions():
        print(f"note: {warning}")
    began = time.monotonic()
    now = datetime.now().astimezone().isoformat(" ", "minutes")
    results = Results(machine(), now, given.quick)
    bench = Workbench(given.work.absolute(), quick=given.quick, rounds=given.rounds)
    try:
        _run(bench, given.names or list(MEASURES), results)
    finally:
        bench.close()
        results.seconds = time.monotonic() - began
        results.missing = bench.missing
        if given.json:
            stored = msgspec.json.format(msgspec.json.encode(results), indent=1)
            Path(given.json).write_bytes(stored)
    print("\n" + report.whole_text(results))
    return 1 if results.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
