"""What files.delete would do, to the letter. Changes nothing."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from sd_daemon.core.fileops.erasing import caveats
from sd_daemon.core.fileops.trashes import Trashes
from sd_daemon.core.index.walk import stat_in
from sd_daemon.core.jobs.params import path_of
from sd_daemon.core.paths import shown
from sd_wire.operations.files import Preview, PreviewItem
from sd_wire.types.files import EntryKind
from sd_wire.types.paths import physical

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sd_daemon.core.jobs.context import JobContext

_PROBLEMS = 100


class _Counted:
    """Files, folders and bytes below a path, and what could not be looked at."""

    def __init__(self) -> None:
        self.files = self.folders = self.bytes = 0
        self.problems: list[str] = []
        self._seen: set[tuple[int, int]] = set()

    def take(self, path: str) -> Iterator[tuple[str, os.stat_result]]:
        """Count what is at a path and below it, one after the other, folders first."""
        open_folders: list[str] = []
        found = stat_in(*os.path.split(path))
        yield self._one(path, found, open_folders)
        while open_folders:
            folder = open_folders.pop()
            try:
                entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            except OSError as error:
                self.problems.append(f"{shown(folder)} cannot be read: {error.strerror}")
                continue
            for entry in entries:
                with suppress(FileNotFoundError):
                    yield self._one(entry.path, entry.stat(follow_symlinks=False), open_folders)

    def _one(
        self, path: str, found: os.stat_result, folders: list[str]
    ) -> tuple[str, os.stat_result]:
        if stat.S_ISDIR(found.st_mode):
            self.folders += 1
            folders.append(path)
            return path, found
        self.files += 1
        identity = (found.st_dev, found.st_ino)
        if found.st_nlink == 1 or identity not in self._seen:
            self.bytes += found.st_size
        if found.st_nlink > 1:
            self._seen.add(identity)
        return path, found


def run_preview_delete(params: dict[str, Any], context: JobContext) -> Any:
    """The same in a process of its own. `params`: targets, as encoded_path; permanent, secure;
    device_slug; limit."""
    found = preview_delete(
        [path_of(target) for target in params["targets"]],
        None if params["permanent"] else Trashes(context.home_trash),
        secure=params["secure"],
        device_slug=params["device_slug"],
        limit=params["limit"],
    )
    return msgspec.to_builtins(found)


def preview_delete(
    targets: list[str], trashes: Trashes | None, *, secure: bool, device_slug: str, limit: int
) -> Preview:
    """What deleting these real paths would do; `trashes` is None where it is for good.

    Of what goes into the trash a folder is one item; of what goes for good everything in it is.
    """
    counted = _Counted()
    items: list[PreviewItem] = []
    seen = 0
    warnings: dict[str, None] = {}
    for target in targets:
        held = None if trashes is None else trashes.expect(target)
        if secure:
            warnings.update(dict.fromkeys(caveats(target)))
        for number, (path, found) in enumerate(counted.take(target)):
            if held is not None and number:
                continue
            seen += 1
            if len(items) < limit:
                items.append(_item(path, found, None if held is None else held.files, device_slug))
    return Preview(
        items=items,
        truncated=seen > len(items),
        file_count=counted.files,
        folder_count=counted.folders,
        total_bytes=counted.bytes,
        conflicts=[],
        conflict_count=0,
        available_bytes=None,
        enough_space=True,
        is_fast=trashes is not None,
        problems=[*warnings, *counted.problems[:_PROBLEMS]],
    )


def _item(path: str, found: os.stat_result, files: str | None, device_slug: str) -> PreviewItem:
    kind = EntryKind.FILE
    if stat.S_ISDIR(found.st_mode):
        kind = EntryKind.DIRECTORY
    elif stat.S_ISLNK(found.st_mode):
        kind = EntryKind.SYMLINK
    target = None
    if files is not None:
        target = physical(device_slug, os.fsencode(f"{files}/{os.path.basename(path)}"))
    return PreviewItem(
        action="delete" if files is None else "trash",
        source=physical(device_slug, os.fsencode(path)),
        target=target,
        kind=kind,
        size=found.st_size if kind is EntryKind.FILE else 0,
    )
