"""The info file of a thing in the trash: where it was, and when it went there.

    [Trash Info]
    Path=home/ada/a%20note.txt
    DeletionDate=2026-03-01T12:30:00

The path is percent-encoded bytes; the time is local time, as the specification has it. Lines that
are not known are ignored by every program, so ours may carry one more: who put the thing there,
which is how a job that was interrupted knows its own again.
"""

from __future__ import annotations

import os
import re
import time
from datetime import UTC, datetime
from typing import NamedTuple

FIRST_LINE = b"[Trash Info]"
LARGEST = 64 * 1024  # bytes; a path of 4096 bytes takes 12 KiB

_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")


class TrashInfo(NamedTuple):
    """What an info file says. What it does not say properly is None."""

    path: str | None  # as it stands there: absolute, or relative to the trash's surroundings
    deleted_at: datetime | None
    token: str | None  # ours


def percent_encoded(name: str) -> str:
    """A name or path in ASCII, exact to the byte."""
    return "".join(chr(b) if b in _PLAIN else f"%{b:02X}" for b in os.fsencode(name))


def percent_decoded(text: bytes) -> str:
    """The name or path that stands so."""
    return os.fsdecode(_ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), text))


def written(path: str, token: str, now: float) -> bytes:
    """The contents of an info file."""
    date = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(now))
    ours = f"X-Spacedrive={token}\n" if token else ""
    return f"[Trash Info]\nPath={percent_encoded(path)}\nDeletionDate={date}\n{ours}".encode()


def read(text: bytes) -> TrashInfo:
    """What an info file says, whoever wrote it. The first of lines alike counts."""
    lines = text.splitlines()
    if not lines or lines[0].strip() != FIRST_LINE:
        return TrashInfo(None, None, None)
    found: dict[bytes, bytes] = {}
    for line in lines[1:]:
        key, equals, value = line.partition(b"=")
        if equals:
            found.setdefault(key.strip(), value.strip())
    path = percent_decoded(found.get(b"Path", b""))
    token = found.get(b"X-Spacedrive")
    return TrashInfo(
        path=path if _is_sane(path) else None,
        deleted_at=_moment(found.get(b"DeletionDate", b"")),
        token=None if token is None else token.decode("ascii", "replace"),
    )


def _is_sane(path: str) -> bool:
    """Whether a path can be one of a thing that was deleted: nothing may lead out of the trash's
    surroundings by way of '..'."""
    return bool(path) and "\0" not in path and ".." not in path.split("/")


def _moment(text: bytes) -> datetime | None:
    try:
        return datetime.fromisoformat(text.decode("ascii")).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
