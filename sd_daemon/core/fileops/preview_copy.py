"""What files.copy would do, to the letter. Changes nothing."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from sd_daemon.core.fileops.copying.order import CopyOrder
from sd_daemon.core.fileops.copying.planning import Action, Planner, Task, conflict_of
from sd_daemon.core.fileops.copying.room import Needs, available_at
from sd_daemon.core.paths import shown
from sd_wire.operations.files import Conflict, Preview, PreviewItem
from sd_wire.types.files import EntryKind
from sd_wire.types.paths import SdPath, physical

if TYPE_CHECKING:
    from sd_daemon.core.jobs.context import JobContext

_PROBLEMS = 100


def run_preview_copy(params: dict[str, Any], _context: JobContext) -> Any:
    """The same in a process of its own. `params`: order, as CopyOrder.params has it; device_slug;
    limit."""
    order = CopyOrder.of(params["order"])
    found = preview_copy(order, device_slug=params["device_slug"], limit=params["limit"])
    return msgspec.to_builtins(found)


def preview_copy(order: CopyOrder, *, device_slug: str, limit: int) -> Preview:
    """What this order would do. Of what is renamed a folder is one item; of what is copied
    everything in it is."""
    found = _Found(order, device_slug, limit)
    for task in found.planner.tasks():
        found.take(task)
    return found.preview()


class _Found:
    def __init__(self, order: CopyOrder, device_slug: str, limit: int) -> None:
        self.planner = Planner(order)
        self._order = order
        self._slug = device_slug
        self._limit = limit
        self._needs = Needs()
        self._items: list[PreviewItem] = []
        self._conflicts: list[Conflict] = []
        self._counts = {"items": 0, "conflicts": 0, "renamed": 0, "copied": 0}

    def take(self, task: Task) -> None:
        """Count a task, and list it."""
        if task.action is Action.LEAVE:
            return
        if task.taken is not None and task.action is not Action.JOIN:
            self._counts["conflicts"] += 1
            if len(self._conflicts) < self._limit:
                self._conflicts.append(self._conflict(task, task.taken))
        if task.action is Action.ABORT:
            if task.taken is None:  # two that are named: to overwrite would not help
                raise conflict_of([task])
            return
        self._list(task.action, task.source, task.target, task.found)
        if not task.is_transfer:
            return
        renamed = self._needs.add(task, lambda path, one: self._below(task, path, one))
        self._counts["renamed" if renamed else "copied"] += 1

    def preview(self) -> Preview:
        """All of it."""
        extent, needs = self._needs.extent, self._needs.by_device.values()
        problems = [*self.planner.problems, *extent.problems][:_PROBLEMS]
        folder = os.path.dirname(self._order.target)
        enough = all(needed <= available_at(place) for place, needed in needs)
        return Preview(
            items=self._items,
            truncated=self._counts["items"] > len(self._items),
            file_count=extent.files,
            folder_count=extent.folders,
            total_bytes=extent.size,
            conflicts=self._conflicts,
            conflict_count=self._counts["conflicts"],
            available_bytes=available_at(folder) if self._counts["copied"] else None,
            enough_space=enough,
            is_fast=self._order.move and not self._counts["copied"],
            problems=[
                f"{shown(path)} cannot be read: {error.strerror}" for path, error in problems
            ],
        )

    def _below(self, task: Task, path: str, found: os.stat_result) -> None:
        if path != task.source:
            self._list(Action.COPY, path, task.target + path[len(task.source) :], found)

    def _list(self, action: Action, source: str, target: str, found: os.stat_result) -> None:
        self._counts["items"] += 1
        if len(self._items) < self._limit:
            kind = _kind(found)
            size = found.st_size if kind is EntryKind.FILE else 0
            source_path, target_path = self._path(source), self._path(target)
            self._items.append(PreviewItem(str(action), source_path, target_path, kind, size))

    def _conflict(self, task: Task, taken: os.stat_result) -> Conflict:
        there = task.conflict or task.target
        return Conflict(
            source=self._path(task.source),
            target=self._path(there),
            source_size=task.found.st_size,
            target_size=taken.st_size,
            source_modified_at=datetime.fromtimestamp(task.found.st_mtime, UTC),
            target_modified_at=datetime.fromtimestamp(taken.st_mtime, UTC),
            source_kind=_kind(task.found),
            target_kind=_kind(taken),
            resolution=task.resolution,
        )

    def _path(self, path: str) -> SdPath:
        return physical(self._slug, os.fsencode(path))


def _kind(found: os.stat_result) -> EntryKind:
    if stat.S_ISDIR(found.st_mode):
        return EntryKind.DIRECTORY
    return EntryKind.SYMLINK if stat.S_ISLNK(found.st_mode) else EntryKind.FILE
