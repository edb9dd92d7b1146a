"""Results as Markdown: printed, and written between the markers of a document."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bench.results import Goal, Results, Table, number, times

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DOCUMENT = Path(__file__).parents[1] / "docs/performance.md"
_BLOCK = re.compile(r"(<!-- bench:([a-z0-9-]+) -->\n).*?(<!-- /bench -->)", re.DOTALL)


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, figures to the right."""
    lines = [_row(columns), _row(["---"] + ["---:"] * (len(columns) - 1))]
    lines.extend(_row(row) for row in rows)
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _figure(goal: Goal, value: float | None) -> str:
    return times(value) if goal.unit == "x" else number(value, goal.unit)


def goal_row(goal: Goal) -> list[str]:
    """A goal, its bound, the figure, and whether it was reached."""
    bound = ("at least " if goal.at_least else "at most ") + _figure(goal, goal.bound)
    verdict = {True: "yes", False: "**no**", None: "not measured"}[goal.reached]
    return [goal.text, bound, _figure(goal, goal.figure), verdict]


def table_text(table: Table) -> str:
    """A table with its title and notes."""
    parts = [f"**{table.title}**\n", markdown_table(table.columns, table.rows)]
    parts.extend(f"{note}\n" for note in table.notes)
    return "\n".join(parts)


def goals_text(tables: Iterable[Table]) -> str:
    """All goals in one table."""
    rows = [goal_row(goal) for table in tables for goal in table.goals]
    return markdown_table(["goal", "bound", "measured", "reached"], rows)


def machine_text(results: Results) -> str:
    """Where and when it was measured."""
    mode = "quick" if results.quick else "full"
    rows = [
        *results.machine.items(),
        ("run", f"{mode}, {results.began}, {results.seconds / 60:.0f} minutes"),
    ]
    text = markdown_table(["machine", ""], [list(row) for row in rows]).replace("---:", "---")
    for name, how in results.missing.items():
        text += f"\n{name} was not installed ({how}) and is missing below.\n"
    return text


def whole_text(results: Results) -> str:
    """Everything, as it is printed at the end of a run."""
    parts = [machine_text(results), *(table_text(table) for table in results.tables)]
    if any(table.goals for table in results.tables):
        parts.append(goals_text(results.tables))
    parts.extend(f"FAILED {name}: {why}\n" for name, why in results.failures.items())
    return "\n".join(parts)


def write_into(document: str, results: Results) -> str:
    """The document with each marked place filled anew. A table that was not measured in this run
    leaves its place as it was; a place nobody knows is an error.

    A place begins with `<!-- bench:NAME -->` and ends with `<!-- /bench -->`. NAME is a table's,
    or `machine`, or `goals`.
    """
    texts = {table.name: table_text(table) for table in results.tables}
    texts["machine"] = machine_text(results)
    texts["goals"] = goals_text(results.tables)

    def fill(match: re.Match[str]) -> str:
        text = texts.pop(match[2], None)
        return match[0] if text is None else f"{match[1]}\n{text}\n{match[3]}"

    written = _BLOCK.sub(fill, document)
    if texts:
        raise LookupError(f"the document has no place for {', '.join(texts)}")
    return written


def load(path: str) -> Results:
    """The results that `--json` stored."""
    return msgspec.json.decode(Path(path).read_bytes(), type=Results)


def main(paths: Sequence[str]) -> int:
    """`python -m bench report FILE...`: fill docs/performance.md. Later files win."""
    if not paths:
        print("usage: python -m bench report FILE...")
        return 2
    results = [load(path) for path in paths]
    whole = results[-1]
    by_name = {table.name: table for one in results for table in one.tables}
    whole.tables = list(by_name.values())
    whole.seconds = sum(one.seconds for one in results)
    DOCUMENT.write_text(write_into(DOCUMENT.read_text("utf-8"), whole), "utf-8")
    print(f"wrote {DOCUMENT}")
    return 0
