"""Where an exception came from, without what it says.

The text of an exception can hold anything that a client has sent: a ValueError quotes the value, a
KeyError the key. The log may be read by others than the client, and is sent to whoever reports a
defect. So it tells the way through our code and the sort of failure; an exception's own words only
where they are the interpreter's and name nothing but parts of the program.
"""

from __future__ import annotations

import os
import sqlite3
import traceback

_OURS = (AttributeError, ImportError, NameError, NotImplementedError, RecursionError)


def trace_of(error: BaseException) -> str:
    """The traceback of an exception and of those that led to it."""
    parts: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        frames = "".join(traceback.format_tb(current.__traceback__))
        parts.append(f"Traceback (most recent call last):\n{frames}{_named(current)}")
        current = current.__cause__ or (
            None if current.__suppress_context__ else current.__context__
        )
    return "\n\nafter:\n\n".join(parts)


def _named(error: BaseException) -> str:
    name = type(error).__qualname__
    if isinstance(error, _OURS):
        return f"{name}: {error}"
    if isinstance(error, OSError) and error.errno is not None:
        return f"{name}: {os.strerror(error.errno)}"
    if isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorname", None):
        return f"{name}: {error.sqlite_errorname}"
    return name
