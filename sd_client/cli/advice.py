"""What to do about an error, in the words of the command line.

An error of the contract says what to do in the words of the contract: fields and operations. Where
an option does it, the command says so instead. What every command shares is here; what is said by
one command only, that command declares.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sd_client.cli.text import size
from sd_wire.errors import (
    DoubledTarget,
    FileConflict,
    InvalidValue,
    KindConflict,
    LibraryRequired,
    NotEnoughSpace,
    PathNotIndexed,
    SdError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Advice = str | Callable[[Mapping[str, str]], str | None]
    Hints = Mapping[type[SdError], Advice]


def _library(fields: Mapping[str, str]) -> str:
    if fields["count"] == "0":
        return "'sd library create NAME' makes one"
    return f"say which with --library: {fields['names']}"


def _taken(fields: Mapping[str, str]) -> str:
    count = int(fields["count"])
    more = f" ({count:,} names are taken)" if count > 1 else ""
    return (
        "-f overwrites (what was there goes to the trash), -n leaves it, --keep-both gives the"
        f" newcomer another name{more}"
    )


def _is_missing(fields: Mapping[str, str]) -> bool:
    """Whether the path of an error is rather a slip."""
    return fields["path"].startswith("/") and not os.path.lexists(fields["path"])


def _not_indexed(fields: Mapping[str, str]) -> str | None:
    return None if _is_missing(fields) else PathNotIndexed.hint


EVERYWHERE: Hints = {
    LibraryRequired: _library,
    PathNotIndexed: _not_indexed,
}
TAKING: Hints = {
    FileConflict: _taken,
    KindConflict: "move it away first; or -n leaves it, --keep-both gives the newcomer"
    " another name",
    DoubledTarget: "do one after the other; or -n takes the first, --keep-both gives the second"
    " another name",
}
"""Of a command that gives names, and has options for those that are taken."""


def sentence_for(error: SdError, *, names_fields: bool) -> str:
    """What is wrong. Fields and operations are named to those only who named them."""
    if isinstance(error, LibraryRequired):
        count = error.fields["count"]
        return "no library is open" if count == "0" else f"{count} libraries are open"
    if isinstance(error, NotEnoughSpace):
        available, needed = (size(int(error.fields[one])) for one in ("available", "needed"))
        return f"{error.fields['path']} has room for {available}, and {needed} are needed"
    if isinstance(error, PathNotIndexed) and _is_missing(error.fields):
        return f"{error.fields['path']} does not exist, and is not in the index"
    if isinstance(error, InvalidValue) and not names_fields:
        return error.fields["reason"]
    return error.text


def hint_for(error: SdError, hints: Hints) -> str | None:
    """What the command says to do, else what the error says, or None."""
    found = hints.get(type(error)) or EVERYWHERE.get(type(error))
    if found is None:
        return error.advice
    return found if isinstance(found, str) else found(error.fields)
