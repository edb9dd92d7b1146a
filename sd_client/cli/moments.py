"""A time as a person gives it: '10 min ago', 'today', '14:30', '2026-11-23 14:30'."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from typing import Any

import click

_UNITS = {
    "s": 1,
    "sec": 1,
    "second": 1,
    "m": 60,
    "min": 60,
    "minute": 60,
    "h": 3600,
    "hour": 3600,
    "d": 86400,
    "day": 86400,
    "w": 604800,
    "week": 604800,
}
_AGO = re.compile(r"(\d+(?:\.\d+)?) *([a-z]+?)s?(?: +ago)?")
_DAYS = {"today": 0, "yesterday": 1}


class Moment(click.ParamType):  # type: ignore[type-arg]
    """A moment of the past. What has no zone is meant in the local one."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """The moment in UTC."""
        if isinstance(value, datetime):
            return value
        try:
            return moment(str(value), datetime.now().astimezone()).astimezone(UTC)
        except (ValueError, OverflowError, OSError):
            self.fail(
                f"{value!r} is no time; try '10 min ago', 'today', '14:30', '2026-11-23 14:30'",
                param,
                ctx,
            )


def moment(text: str, now: datetime) -> datetime:
    """What a text means at this moment. Raises ValueError, OverflowError."""
    words = text.strip().lower()
    if words == "now":
        return now
    ago = _AGO.fullmatch(words)
    if ago and ago[2] in _UNITS:
        return now - timedelta(seconds=float(ago[1]) * _UNITS[ago[2]])
    today = datetime.combine(now.date(), time())
    if words in _DAYS:
        return (today - timedelta(days=_DAYS[words])).astimezone()
    try:
        found = datetime.combine(now.date(), time.fromisoformat(words))
    except ValueError:
        found = datetime.fromisoformat(text.strip())
    return found if found.tzinfo else found.astimezone()
