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
        self._items = self._bytes = _Rate(self._began, 0)
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
        self._measure(report, now)
        known = report.total or 0
        start, end = _SPANS.get(report.phase, _WHOLE)
        done, whole = (
            (report.size, report.total_size) if report.total_size else (report.completed, known)
        )
        part = min(done / whole, 1.0) if whole else 0.0
        self._highest = max(self._highest, start + (end - start) * part)
        path = None if report.path is None else physical(self._device_slug, report.path)
        return GenericProgress(
            percentage=self._highest,
            phase=report.phase,
            current_path=path,
            message=report.message,
            completion=Completion(report.completed, known, report.size or None, report.total_size),
            performance=self._performance(report, now, max(whole - done, 0)),
        )

    def _performance(self, report: Progress, now: float, left: int) -> Performance:
        """How fast it goes, and when it will be over: `left` are bytes where those are counted."""
        by_bytes = bool(report.total_size)
        rate = self._bytes.now if by_bytes else self._items.now
        return Performance(
            rate=self._items.now,
            estimated_remaining=_duration(left / rate) if left and rate > 0 else None,
            elapsed=_duration(now - self._began),
            error_count=report.errors,
            warning_count=report.warnings,
            bytes_per_second=self._bytes.now if by_bytes else None,
        )

    def _measure(self, report: Progress, now: float) -> None:
        """Follow the rates over the reports of one phase."""
        if report.phase != self._phase:
            self._phase = report.phase
            self._items, self._bytes = (
                _Rate(now, report.completed),
                _Rate(now, report.size),
            )
            return
        self._items.take(now, report.completed)
        self._bytes.take(now, report.size)


class _Rate:
    """How much per second, smoothed."""

    def __init__(self, now: float, count: int) -> None:
        self.now = 0.0
        self._last = (now, count)

    def take(self, now: float, count: int) -> None:
        """Note how far it is now."""
        then, before = self._last
        if now - then < 0.05:
            return
        newest = max(count - before, 0) / (now - then)
        weight = _SMOOTHING if self.now else 1.0
        self.now += weight * (newest - self.now)
        self._last = (now, count)
