"""What happened to single entries. How many are announced is said at ResourceChangedBatch.

These name no path that a filter could compare; with a `path_scope` ask for ResourceChangedBatch
and ResourceDeleted.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec

from sd_wire.events.event import Event, event
from sd_wire.operation import doc


@event()
class EntryCreated(Event):
    """An entry is new in the index. As a file it is in the ResourceChangedBatch that follows."""

    library_id: UUID
    entry_id: UUID


@event()
class EntryModified(Event):
    """An entry has another size, time or inode than before; a folder also when a name in it came
    or went. As a file it is in the ResourceChangedBatch that follows."""

    library_id: UUID
    entry_id: UUID


@event()
class FilesModified(Event):
    """Files, and no folders, are different from before: those of the EntryModified that come before
    it, by their absolute and readable paths."""

    library_id: UUID
    paths: list[str]


@event()
class EntryDeleted(Event):
    """An entry is gone. As a file it is in the ResourceDeleted that follows."""

    library_id: UUID
    entry_id: UUID


@event()
class EntryMoved(Event):
    """An entry has another name or lies in another folder, and keeps its id, content and tags.

    When a folder is moved, what is inside moves with it, keeps its ids and is not announced: ask
    again for what is known below `old_path`. To replace the beginning of its path is not enough
    where another folder has taken the old place at the same time.

    The paths are absolute and readable; where a name is not UTF-8 its exact bytes are in the
    `affected_paths` of the ResourceChangedBatch that follows.
    """

    library_id: UUID
    entry_id: UUID
    old_path: str
    new_path: str


class FileOperation(StrEnum):
    """What a file operation did."""

    COPY = "Copy"
    MOVE = "Move"
    DELETE = "Delete"
    RENAME = "Rename"
    CREATE = "Create"  # ours, as what follows
    RESTORE = "Restore"
    UNDO = "Undo"


@event()
class FileOperationCompleted(Event):
    """A file operation is over, and what it did can be seen on the disk. The index follows: see
    EntryCreated, EntryMoved, EntryDeleted."""

    library_id: UUID
    operation: FileOperation
    affected_files: int
    job_id: Annotated[UUID | None, doc("the job that did it")] = None  # ours


class ChangedPath(msgspec.Struct):
    """Where something changed: absolute and readable."""

    path: str


class RenamedPath(msgspec.Struct):
    """From where to where: absolute and readable."""

    from_: str = msgspec.field(name="from")
    to: str


class RawChange(msgspec.Struct, omit_defaults=True):
    """Exactly one of them: `{"Create":{"path":P}}`, `{"Rename":{"from":P,"to":P}}`."""

    Create: ChangedPath | None = None
    Modify: ChangedPath | None = None
    Remove: ChangedPath | None = None
    Rename: RenamedPath | None = None


@event(noisy=True, asked_for=True)
class FsRawChange(Event):
    """A file or folder was made, changed, removed or renamed. The same is told by EntryCreated and
    its like, and by ResourceChangedBatch, with more; this comes only to who names it, and is not
    kept."""

    library_id: UUID
    kind: RawChange
