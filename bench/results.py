"""What was measured: samples by round, tables for people, and goals with what came of them."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Sample = dict[str, float]
"""Figures of one contender in one round, by name."""


class Goal(msgspec.Struct):
    """A figure that was to be reached, and the one that was."""

    text: str
    bound: float
    figure: float | None  # None where a peer is missing
    unit: str = "x"
    at_least: bool = True

    @property
    def reached(self) -> bool | None:
        """Whether it was; None if it could not be measured."""
        if self.figure is None:
            return None
        if self.at_least:
            return self.figure >= self.bound
        return self.figure <= self.bound


class Table(msgspec.Struct):
    """One table of docs/performance.md. Cells are text, the first column is a label."""

    name: str
    title: str
    columns: list[str]
    rows: list[list[str]] = []
    notes: list[str] = []
    goals: list[Goal] = []
    samples: dict[str, list[Sample]] = {}  # by contender, round for round


class Results(msgspec.Struct):
    """One run of the whole, as `--json` stores it."""

    machine: dict[str, str]
    began: str
    quick: bool
    seconds: float = 0.0
    tables: list[Table] = []
    missing: dict[str, str] = {}  # peers that were not there, and how to install them
    failures: dict[str, str] = {}  # measures that ended in an error


class Rounds:
    """Samples of several contenders that took turns."""

    def __init__(self, samples: dict[str, list[Sample]] | None = None) -> None:
        self.samples: dict[str, list[Sample]] = samples or {}

    def add(self, contender: str, sample: Sample) -> None:
        """One more round of a contender."""
        self.samples.setdefault(contender, []).append(sample)

    def has(self, contender: str) -> bool:
        """Whether there is any sample of it."""
        return bool(self.samples.get(contender))

    def values(self, contender: str, figure: str) -> list[float]:
        """A figure, round by round."""
        return [one[figure] for one in self.samples.get(contender, []) if figure in one]

    def median(self, contender: str, figure: str) -> float | None:
        """The median of a figure over the rounds."""
        found = self.values(contender, figure)
        return statistics.median(found) if found else None

    def ratio(self, contender: str, other: str, figure: str) -> float | None:
        """The median of the ratios of each round: what a machine that changes its speed between
        rounds cannot falsify."""
        pairs = zip(self.values(contender, figure), self.values(other, figure), strict=False)
        ratios = [ours / theirs for ours, theirs in pairs if theirs]
        return statistics.median(ratios) if ratios else None


def take_turns(contenders: Mapping[str, Callable[[], Sample]], rounds: int) -> Rounds:
    """Measure all contenders once per round. Every other round goes backwards, so that none of
    them always comes after the same one."""
    taken = Rounds()
    names = list(contenders)
    for number in range(rounds):
        for name in names if number % 2 == 0 else reversed(names):
            taken.add(name, contenders[name]())
    return taken


def number(value: float | None, unit: str = "") -> str:
    """A figure as a person reads it: three digits that count, thousands apart."""
    if value is None:
        return "-"
    if abs(value) >= 100:
        text = f"{value:,.0f}"
    elif abs(value) >= 10:
        text = f"{value:.1f}"
    elif abs(value) >= 1:
        text = f"{value:.2f}"
    else:
        text = f"{value:.3g}"
    return f"{text} {unit}".strip()


def times(value: float | None) -> str:
    """A ratio."""
    return "-" if value is None else f"{value:.2f}x"


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
