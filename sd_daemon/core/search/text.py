"""What a person typed, taken apart into words that names must contain.

A word with slashes is the end of a path: "photos/img" stands for names that begin with "img" in
folders whose path ends with "photos".
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from sd_daemon.core.index.names import fold

_TRIGRAM = 3
_MOST_TRIGRAMS = 12  # more only cost time: what is left is looked at anyway
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class PathEnd(NamedTuple):
    """The folded end of a path: how the path of the folder ends, and how the name begins."""

    folder: str
    name: str


class SearchText:
    """The words of a query, folded.

    `parts` occur in the name, `ends` are ends of paths, `name_words` occur in every name that fits.
    `phrase` is all that is looked for in the name. `blank` says that nothing was typed; `hopeless`
    that no name can have what was typed.
    """

    __slots__ = ("_ascii", "_letters", "blank", "ends", "hopeless", "name_words", "parts", "phrase")

    def __init__(self, query: str) -> None:
        # A name that is not UTF-8 is folded with U+FFFD in it, and so is a query that quotes one.
        typed = _LONE_SURROGATE.sub("\ufffd", query).split()
        words = [folded for word in typed if (folded := fold(word))]
        self.ends = [PathEnd(*_split(word)) for word in words if "/" in word]
        self.parts = [word for word in words if "/" not in word]
        self.phrase = " ".join([end.name for end in self.ends if end.name] + self.parts)
        self.blank = not typed
        self.hopeless = bool(typed) and (not words or "\0" in query)
        self.name_words = [end.name for end in self.ends if end.name] + self.parts
        self._ascii = [word for word in self.name_words if word.isascii()]
        others = "".join(word for word in self.name_words if not word.isascii())
        self._letters = frozenset(unicodedata.normalize("NFKD", others))

    def fits_name(self, folded: str) -> bool:
        """Say whether a folded name has every part, and begins as every path's end says."""
        for part in self.parts:
            if part not in folded:
                return False
        return not self.ends or all(folded.startswith(end.name) for end in self.ends)

    def may_fit(self, name: str | bytes) -> bool:
        """Say of a name that is not of ASCII whether folding it is worth the while.

        Whatever folds to a word has the same letters when it is taken apart, and the marks among
        them, which folding drops, are not of ASCII. This takes a quarter of the time of folding.
        """
        text = name if isinstance(name, str) else name.decode("utf-8", "replace")
        apart = unicodedata.normalize("NFKD", text.casefold())
        apart = unicodedata.normalize("NFKD", apart.casefold())
        if not self._letters.issubset(apart):
            return False
        if not self._ascii:
            return True
        plain = apart.encode("ascii", "ignore").decode().lower()
        return all(word in plain for word in self._ascii)

    def fits_folder(self, folder: str | bytes) -> bool:
        """Say whether the path of a folder ends as every path's end says."""
        path = fold(folder).rstrip("/")
        return all(path.endswith(end.folder) for end in self.ends)

    def trigrams(self) -> list[str]:
        """Trigrams that every name that fits has; none where all words are too short.

        They cover each word without overlap, but for the last: fewer lists to read, at the price
        of a few candidates more.
        """
        return _covering(self.name_words)

    def folder_trigrams(self) -> list[str]:
        """Trigrams that the name of the folder has in which everything lies that fits."""
        return _covering([end.folder.rpartition("/")[2] for end in self.ends])


def match_expression(trigrams: list[str]) -> str:
    """The FTS5 query for names that have all these trigrams."""
    return " AND ".join('"' + trigram.replace('"', '""') + '"' for trigram in trigrams)


def _split(word: str) -> tuple[str, str]:
    folder, _, name = word.rpartition("/")
    return folder, name


def _covering(words: list[str]) -> list[str]:
    found: dict[str, None] = {}
    for word in words:
        last = len(word) - _TRIGRAM
        if last >= 0:
            for at in (*range(0, last, _TRIGRAM), last):
                found[word[at : at + _TRIGRAM]] = None
    trigrams = list(found)
    step = -(-len(trigrams) // _MOST_TRIGRAMS) or 1
    return trigrams[::step]
