"""Extensions of names, in SQL.

An extension is what follows the last dot of a name, unless that dot is its first or last character.
SQLite has no function for that, and one of ours would be called back into Python, under the
interpreter's lock, for each row of a large scan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sd_daemon.core.index.kinds import EXTENSIONS
from sd_wire.types.files import CONTENT_KINDS, ContentKind

if TYPE_CHECKING:
    from collections.abc import Iterable

# The extension of e.name in lower case, '' for none. Only for sorting a folder: over many rows it
# costs five times as much as `having_extension`. A name that is not UTF-8 counts as having none.
EXTENSION = (
    "CASE WHEN typeof(e.name) = 'blob' OR instr(substr(e.name, 2), '.') = 0 THEN '' ELSE"
    " lower(substr(e.name, 1 + length(rtrim(e.name, replace(e.name, '.', ''))))) END"
)

# For a name that begins with a dot and has no other. The end of a name is cast to text because a
# name that is not UTF-8, and so a blob, may well have a readable extension.
_HAS_ONE = "instr(substr(CAST(e.name AS TEXT), 2), '.')"


def having_extension(extensions: Iterable[str]) -> tuple[str, list[str]]:
    """A condition for e.name to have one of these extensions, and its values.

    Case does not matter for letters of ASCII. Compares the ends of names, one length at a time.
    """
    by_length: dict[int, list[str]] = {}
    for extension in extensions:
        by_length.setdefault(len(extension), []).append(f".{extension}")
    conditions, values = [], []
    for length, ends in by_length.items():
        marks = ", ".join("?" * len(ends))
        end = f"CAST(substr(e.name, -{length + 1}) AS TEXT)"
        conditions.append(f"{end} COLLATE NOCASE IN ({marks})")
        values += ends
    return f"(({' OR '.join(conditions) or '0'}) AND {_HAS_ONE})", values


def extensions_of(kinds: Iterable[ContentKind]) -> list[str]:
    """The extensions, in lower case, that stand for one of these kinds of content."""
    numbers = {CONTENT_KINDS.index(kind) for kind in kinds}
    return sorted({name.lower() for name, (kind, _) in EXTENSIONS.items() if kind in numbers})
