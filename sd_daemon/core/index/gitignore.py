"""Which names a Git repository ignores, read from its .gitignore files and info/exclude.

The semantics are Git's: patterns of a deeper file win over those of a higher one, a later line
over an earlier one, `!` takes a name back in, a pattern with a slash other than the last is tied
to the folder of its file, a trailing slash matches folders only, `**` crosses folders. Matching is
by case. What lies in an ignored folder is ignored with it, since the walk never enters it.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

_MOST_FOLDERS = 4096  # remembered at once; a walk needs those above where it is
_MOST_BYTES = 1 << 20  # of one .gitignore


class Pattern(NamedTuple):
    """One line of a .gitignore. `regex` is matched against the path relative to its folder."""

    regex: re.Pattern[str]
    negated: bool
    folders_only: bool


class Layer(NamedTuple):
    """The patterns that hold in one folder, and the layer of the folder above it."""

    folder: str
    patterns: tuple[Pattern, ...]
    above: Layer | None


class GitIgnores:
    """The ignore files met by one walk."""

    def __init__(self) -> None:
        self._layers: dict[str, Layer | None] = {}

    def ignores(self, folder: str, name: str, *, is_folder: bool) -> bool:
        """Say whether `name` in the folder at the path `folder` is ignored by its repository."""
        path = folder.rstrip("/") + "/" + name
        layer = self._layer(folder)
        while layer is not None:
            relative = path[len(layer.folder.rstrip("/")) + 1 :]
            for pattern in reversed(layer.patterns):
                if pattern.folders_only and not is_folder:
                    continue
                if pattern.regex.match(relative):
                    return not pattern.negated
            layer = layer.above
        return False

    def _layer(self, folder: str) -> Layer | None:
        """Return the layer of a folder; None outside of any repository."""
        missing = []
        here = folder
        while here not in self._layers:
            missing.append(here)
            if here in ("/", ""):
                break
            here = here.rpartition("/")[0] or "/"
        if len(self._layers) > _MOST_FOLDERS:
            self._layers.clear()
            missing = _up_to_root(folder)
        for here in reversed(missing):
            self._layers[here] = self._read(here)
        return self._layers[folder]

    def _read(self, folder: str) -> Layer | None:
        above = self._layers.get(folder.rpartition("/")[0] or "/") if folder != "/" else None
        git = folder.rstrip("/") + "/.git"
        if os.path.lexists(git):  # a repository begins here: nothing above it counts
            above = Layer(folder, read_patterns(git + "/info/exclude"), None)
        if above is None:
            return None
        patterns = read_patterns(folder.rstrip("/") + "/.gitignore")
        return Layer(folder, patterns, above) if patterns else above


def _up_to_root(folder: str) -> list[str]:
    folders = [folder]
    while folders[-1] not in ("/", ""):
        folders.append(folders[-1].rpartition("/")[0] or "/")
    return folders


def read_patterns(path: str) -> tuple[Pattern, ...]:
    """Return the patterns of an ignore file, none if it cannot be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ()
    try:
        text = os.fsdecode(os.read(fd, _MOST_BYTES))
    except OSError:
        return ()
    finally:
        os.close(fd)
    found = (parse_pattern(line) for line in text.removeprefix("\ufeff").split("\n"))
    return tuple(pattern for pattern in found if pattern is not None)


def parse_pattern(line: str) -> Pattern | None:
    """Return what a line of an ignore file says, None for a comment or a blank. Pure."""
    line = line.removesuffix("\r")
    while line.endswith(" ") and not line.endswith("\\ "):
        line = line[:-1]
    if not line or line.startswith("#"):
        return None
    negated = line.startswith("!")
    line = line[1:] if negated else line
    folders_only = line.endswith("/")
    line = line.removesuffix("/")
    if not line:
        return None
    anchored = "/" in line
    line = line.removeprefix("/")
    prefix = "" if anchored else r"(?:.*/)?"
    try:
        regex = re.compile(prefix + _translated(line) + r"\Z", re.DOTALL)
    except re.error:  # an unclosed or empty [set]: Git matches nothing by it either
        return None
    return Pattern(regex, negated, folders_only)


def _translated(glob: str) -> str:
    out = []
    at = 0
    while at < len(glob):
        if glob.startswith("**/", at) and (at == 0 or glob[at - 1] == "/"):
            out.append(r"(?:.*/)?")
            at += 3
        elif glob.startswith("/**", at) and at + 3 == len(glob):
            out.append(r"/.+")
            at += 3
        elif glob[at] == "*":
            while glob.startswith("*", at):
                at += 1
            out.append(r"[^/]*")
        elif glob[at] == "[":
            piece, at = _translated_set(glob, at)
            out.append(piece)
        else:
            if glob[at] == "\\" and at + 1 < len(glob):
                at += 1
                out.append(re.escape(glob[at]))
            else:
                out.append(r"[^/]" if glob[at] == "?" else re.escape(glob[at]))
            at += 1
    return "".join(out)


_CLASSES = {
    "[:alnum:]": "a-zA-Z0-9",
    "[:alpha:]": "a-zA-Z",
    "[:blank:]": r" \t",
    "[:digit:]": "0-9",
    "[:lower:]": "a-z",
    "[:punct:]": r"!-/:-@\[-`{-~",
    "[:space:]": r"\s",
    "[:upper:]": "A-Z",
    "[:xdigit:]": "0-9A-Fa-f",
}


def _translated_set(glob: str, at: int) -> tuple[str, int]:
    """Translate the set that begins at `at`; returns it and where the pattern goes on."""
    at += 1
    negated = glob[at : at + 1] in ("!", "^")
    at += negated
    out: list[str] = []
    while at < len(glob) and (glob[at] != "]" or not out):
        for name, chars in _CLASSES.items():
            if glob.startswith(name, at):
                out.append(chars)
                at += len(name)
                break
        else:
            if glob[at] == "\\" and at + 1 < len(glob):
                at += 1
                out.append("\\" + glob[at] if not glob[at].isalnum() else glob[at])
            else:
                out.append("\\" + glob[at] if glob[at] in "\\[]^&~|" else glob[at])
            at += 1
    if at >= len(glob):
        raise re.error("unclosed set")
    return f"(?!/)[{'^' if negated else ''}{''.join(out)}]", at + 1
