"""What this server counts, for Prometheus (its text format, version 0.0.4)."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FORM = "text/plain; version=0.0.4; charset=utf-8"
BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Seconds: upper bounds of the histogram."""


class Metrics:
    """Counted since the start."""

    def __init__(self) -> None:
        self._statuses: dict[int, int] = {}
        self._times = [0] * (len(BOUNDS) + 1)
        self._seconds = 0.0

    def answered(self, status: int, seconds: float) -> None:
        """One HTTP request was answered."""
        self._statuses[status] = self._statuses.get(status, 0) + 1
        self._times[bisect_left(BOUNDS, seconds)] += 1
        self._seconds += seconds

    def text(self, gauges: dict[str, tuple[str, float]]) -> str:
        """All of it, with what is measured now: a name, its help and its value."""
        return "\n".join([*self._requests(), *_gauges(gauges)]) + "\n"

    def _requests(self) -> Iterator[str]:
        name = "spacedrive_graphql_http_requests_total"
        yield f"# HELP {name} HTTP requests by the status of their answers."
        yield f"# TYPE {name} counter"
        for status, count in sorted(self._statuses.items()):
            yield f'{name}{{status="{status}"}} {count}'
        name = "spacedrive_graphql_http_request_seconds"
        yield f"# HELP {name} Time to answer, without streams."
        yield f"# TYPE {name} histogram"
        total = 0
        for bound, count in zip((*map(str, BOUNDS), "+Inf"), self._times, strict=True):
            total += count
            yield f'{name}_bucket{{le="{bound}"}} {total}'
        yield f"{name}_sum {self._seconds:.6f}"
        yield f"{name}_count {total}"


def _gauges(gauges: dict[str, tuple[str, float]]) -> Iterator[str]:
    for name, (about, value) in gauges.items():
        whole = f"spacedrive_graphql_{name}"
        yield f"# HELP {whole} {about}"
        yield f"# TYPE {whole} gauge"
        yield f"{whole} {value:g}"
