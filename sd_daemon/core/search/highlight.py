"""Where in a name the words are that were looked for.

Words are found in the folded name, and shown in the name as it is. Folding a name character by
character says which part of it each character of the folded name comes from. A letter and the
marks that follow it, and the parts of a Korean syllable, are folded as one.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from sd_daemon.core.index.names import fold
from sd_wire.operations.search import TextHighlight

if TYPE_CHECKING:
    from sd_daemon.core.search.text import SearchText


def highlights(text: SearchText, name: str, folded: str) -> list[TextHighlight]:
    """The first place of each word in a name, from left to right, without repeats.

    Positions count characters of `name`. Empty where folding mixes what cannot be told apart.
    """
    spans = []
    for word in text.name_words:
        at = folded.find(word)
        if at >= 0:
            spans.append((at, at + len(word)))
    if spans and not name.isascii():
        origin = _origins(name, folded)
        if origin is None:
            return []
        spans = [(origin[start][0], origin[end - 1][1]) for start, end in spans]
    if len(spans) > 1:
        spans = sorted(set(spans))
    return [TextHighlight("name", name[start:end], start, end) for start, end in spans]


def _origins(name: str, folded: str) -> list[tuple[int, int]] | None:
    """For each character of the folded name, the part of the name it comes from."""
    origin: list[tuple[int, int]] = []
    parts: list[str] = []
    start = 0
    for end in range(1, len(name) + 1):
        if end < len(name) and _belong_together(name[start:end], name[end]):
            continue
        part = fold(name[start:end])
        parts.append(part)
        origin += [(start, end)] * len(part)
        start = end
    return origin if "".join(parts) == folded else None


def _belong_together(cluster: str, char: str) -> bool:
    if unicodedata.combining(char):
        return True
    whole = unicodedata.normalize("NFC", cluster)
    return len(unicodedata.normalize("NFC", whole + char)) == len(whole)
