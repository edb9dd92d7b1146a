"""The daemon's log as files: what there is to read while no daemon runs."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from sd_wire.log_history import Part, file_names, part_of, past
from sd_wire.log_line import line_of
from sd_wire.messages import SubscribeLogs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sd_wire.events import LogMessage


def records(path: str, asked: SubscribeLogs) -> Iterator[LogMessage]:
    """The records that a daemon would tell of the past, oldest first; none where there is no file.
    Raises OSError where one cannot be read."""
    with ExitStack() as opened:
        parts: list[Part] = []
        for name in file_names(path):
            try:
                file = opened.enter_context(open(name, "rb", buffering=0))
                parts.append(part_of(file))
            except FileNotFoundError:
                continue
        yield from past(parts, asked)


def tail(path: str, count: int) -> list[str]:
    """The last lines of the log."""
    try:
        return [line_of(record) for record in records(path, SubscribeLogs(last=count))]
    except OSError:
        return []
