"""From a worker's counts to the progress that clients show: fraction, rate, time left."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sd_wire.types.jobs import Completion, GenericProgress, Performance
from sd_wire.types.locations import Duration
from sd_wire.types.paths import physical

if TYPE_CHECKING:
    from sd_daemon.core.jobs.reports import Progress

# Which part of the whole each phase of an index job fills, as existing clients expect it.
_SPANS = {
    "Discovery": (0.0, 0.05),
    "Processing": (0.05, 0.65),
    "Content Identification": (0.65, 0.97),
    "Finalizing": (0.97, 1.0),
}
_WHOLE = (0.0, 1.0)
_SMOOTHING = 0.3  # weight of the newest rate


def _duration(seconds: float) -> Duration:
    whole = int(seconds)
    return Duration(whole, int((seconds - whole) * 1e9))


class ProgressMeter:
    """Follows one job."""

    def __init__(self, device_slug: str, reached: float = 0.0) -> None:
        """`reached` is how far the job was when it was interrupted; it goes on from there."""
        self._device_slug = device_slug
        self._began = time.monotonic()
        self._phase = ""
        self._last = (self._began, 0)
        self._rate = 0.0
        self._highest = reached
        self._stored = self._began

    def due(self, now: float, interval: float) -> bool:
        """Whether `interval` seconds have passed since this last said so."""
        if now - self._stored < interval:
            return False
        self._stored = now
        return True

    def take(self, report: Progress) -> GenericProgress:
        """The progress after this report. The fraction never goes back."""
        now = time.monotonic()
        rate = self._measure(report, now)
        known = report.total or 0
        start, end = _SPANS.get(report.phase, _WHOLE)
        part = min(report.completed / known, 1.0) if known else 0.0
        self._highest = max(self._highest, start + (end - start) * part)
        left = (known - report.completed) / rate if known and rate > 0 else None
        path = None if report.path is None else physical(self._device_slug, report.path)
        return GenericProgress(
            percentage=self._highest,
            phase=report.phase,
            current_path=path,
            message=report.message,
            completion=Completion(report.completed, known, report.size or None, None),
            performance=Performance(
                rate=rate,
                estimated_remaining=None if left is None else _duration(max(left, 0.0)),
                elapsed=_duration(now - self._began),
                error_count=report.errors,
                warning_count=report.warnings,
            ),
        )

    def _measure(self, report: Progress, now: float) -> float:
        """Items per second, smoothed over the reports of one phase."""
        if report.phase != self._phase:
            self._phase, self._rate, self._last = report.phase, 0.0, (now, report.completed)
            return 0.0
        then, completed = self._last
        if now - then >= 0.05:
            newest = max(report.completed - completed, 0) / (now - then)
            weight = _SMOOTHING if self._rate else 1.0
            self._rate += weight * (newest - self._rate)
            self._last = (now, report.completed)
        return self._rate
