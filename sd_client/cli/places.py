"""Paths that are typed for a file operation, and paths as the daemon takes them.

The shell expands patterns. One that arrives here, since it was quoted or no shell was there, is
expanded here where nothing has that very name.
"""

from __future__ import annotations

import glob
import os
from typing import TYPE_CHECKING

from sd_client.cli.values import AbsolutePath, is_exact
from sd_wire.errors import PathNotFound
from sd_wire.operations.core import GetStatus
from sd_wire.types.paths import PathInput, SdPathBatch, physical

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sd_client.cli.session import Session


def expanded(words: Iterable[str], *, missing_ok: bool = False) -> list[str]:
    """The absolute paths that the words name. Raises PathNotFound for a pattern that nothing
    matches, unless that is fine."""
    found: list[str] = []
    for word in words:
        path = _absolute(word)
        if os.path.lexists(path) or not glob.has_magic(word):
            found.append(path)
            continue
        matches = sorted(glob.glob(os.path.expanduser(word), recursive=True))
        if not matches and not missing_ok:
            raise PathNotFound(path=word)
        found += [_absolute(match) for match in matches]
    return found


def _absolute(word: str) -> str:
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
