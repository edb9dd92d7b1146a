"""Paths that are typed for a file operation, and paths as the daemon takes them.

The shell expands patterns. One that arrives here, since it was quoted or no shell was there, is
expanded here where nothing has that very name.
"""

from __future__ import annotations

import glob
import os
from typing import TYPE_CHECKING

import click

from sd_client.cli.text import shown
from sd_client.cli.values import AbsolutePath, is_exact
from sd_wire.errors import PathNotFound
from sd_wire.operations.core import GetStatus
from sd_wire.types.paths import PathInput, SdPathBatch, physical

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sd_client.cli.session import Session


def expanded(words: Iterable[str], *, missing_ok: bool = False, ends: bool = False) -> list[str]:
    """The absolute paths that the words name; with `ends` as they end, see `ending`. Raises
    PathNotFound for a pattern that nothing matches, unless that is fine."""
    found: list[str] = []
    for word in words:
        path = absolute_path(word)
        matches = [word]
        if glob.has_magic(word) and not os.path.lexists(path):
            matches = sorted(glob.glob(os.path.expanduser(word), recursive=True))
            if not matches and not missing_ok:
                raise PathNotFound(path=word)
        found += [absolute_path(match) + (ending(match) if ends else "") for match in matches]
    return found


def ending(word: str) -> str:
    """What the daemon reads at the end of a path: a slash says that it is a folder, /. that what
    is in it is meant."""
    if word.rstrip("/").rpartition("/")[2] in (".", ".."):
        return "/."
    return "/" if word.endswith("/") and word.strip("/") else ""


def outright(words: Iterable[str], **settings: bool) -> list[str]:
    """The same for what is to be moved or deleted: that is no folder which is only named as the one
    that one is in."""
    found = expanded(words, ends=True, **settings)
    for path in found:
        if path.endswith("/."):
            raise click.UsageError(f"{shown(path[:-2])} goes by its own name only, not by . or ..")
    return found


def absolute_path(word: str) -> str:
    """The path that a word names as it stands, pattern or not."""
    return AbsolutePath().convert(word, None, None)


class Places:
    """Puts paths into requests. Asks the daemon what this device is called if it has to."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._slug: str | None = None

    def one(self, path: str) -> PathInput:
        """A path, with its exact bytes where text cannot say them."""
        if is_exact(path):
            return path
        if self._slug is None:
            self._slug = self._session.call(GetStatus()).device_info.slug
        return physical(self._slug, os.fsencode(path))

    def batch(self, paths: Iterable[str]) -> SdPathBatch:
        """Several of them."""
        return SdPathBatch([self.one(path) for path in paths])
