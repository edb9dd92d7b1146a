"""The journal of file operations: operations.db in the library's folder.

A file operation is a list of steps, each of which is one change that other programs see: a name
that appears, that disappears, or that becomes another. The worker writes the steps down before it
begins (`plan`), marks those it is about to take (`intend`), takes them, and marks them `done` with
what proves that the thing there is still the same. Each of these is a commit that survives a power
cut. So after an end at any instant a step is one of three things: planned (the disk shows nothing),
done, or doing, and then the disk tells: whoever takes steps makes each so that its traces say
whether it was taken.

How the inside of a large step is done (a tree that is copied into a hidden folder beside its
target, say) is the business of who does it.

The daemon only reads here: the history, and whether an operation can be undone.
"""

from __future__ import annotations

import os
import time
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from sd_daemon.core.db.connection import failures, open_writer, transaction
from sd_daemon.core.index.walk import exact, loose
from sd_daemon.core.library_files import OPERATIONS_FILE

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator
    from types import TracebackType

KEPT = 1000  # operations that are remembered
_LOOKED_AT = 50_000  # steps, for the trashes that were used
AT_ONCE = 500  # steps that are marked in one transaction


class OperationKind(StrEnum):
    """What an operation is for a person."""

    COPY = "copy"
    MOVE = "move"
    DELETE = "delete"
    RENAME = "rename"
    CREATE = "create"
    RESTORE = "restore"
    EMPTY = "empty"
    RESOLVE = "resolve"
    UNDO = "undo"


class OperationState(StrEnum):
    """Where an operation stands."""

    DOING = "doing"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class StepKind(StrEnum):
    """What a step changes."""

    CREATE = "create"
    MOVE = "move"
    TRASH = "trash"
    REMOVE = "remove"


class StepState(StrEnum):
    """Where a step stands."""

    PLANNED = "planned"
    DOING = "doing"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNDONE = "undone"


class Proof(NamedTuple):
    """By what a thing is known again: still the one that was made, and not changed since."""

    device: int
    inode: int
    size: int
    mtime: int

    @classmethod
    def of(cls, found: os.stat_result) -> Proof:
        """The proof of what has this stat."""
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


class Step(msgspec.Struct):
    """One step. Paths are as os.fsdecode gives them."""

    kind: StepKind
    source: str | None = None
    target: str | None = None
    number: int = 0  # 0: not in the journal yet
    state: StepState = StepState.PLANNED
    proof: Proof | None = None
    detail: str | None = None


_COLUMNS = "number, kind, source, target, state, device, inode, size, mtime, detail"


def _step(row: tuple[object, ...]) -> Step:
    number, kind, source, target, state, device, inode, size, mtime, detail = row
    return Step(
        kind=StepKind(str(kind)),
        source=None if source is None else loose(source),  # type: ignore[arg-type]
        target=None if target is None else loose(target),  # type: ignore[arg-type]
        number=int(str(number)),
        state=StepState(str(state)),
        proof=None if inode is None else Proof(device, inode, size, mtime),  # type: ignore[arg-type]
        detail=None if detail is None else str(detail),
    )


def _stored(path: str | None) -> str | bytes | None:
    return None if path is None else exact(path)


class Journal:
    """The journal as a worker writes it: `with Journal(library_dir) as journal:`.

    Raises the failures of `sd_daemon.core.db.connection`.
    """

    def __init__(self, library_dir: str) -> None:
        self._path = f"{library_dir}/{OPERATIONS_FILE}"
        self._failures = failures(self._path)
        self.db: sqlite3.Connection

    def __enter__(self) -> Journal:
        with self._failures:
            self.db = open_writer(self._path, cache_kib=4096)
            self.db.execute("PRAGMA synchronous=FULL")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.db.close()
        self._failures.__exit__(kind, error, trace)

    def begin_or_continue(
        self,
        job: str,
        kind: OperationKind,
        title: str,
        *,
        undoes: str | None = None,
        lasting: str | None = None,
        boot: str | None = None,
    ) -> Operation:
        """The operation of the job `job`: as it was left, or a new one without steps. `lasting`
        says why it will not be possible to undo it, `boot` is the kernel's name for this boot."""
        with transaction(self.db):
            known = self.db.execute("SELECT 1 FROM operations WHERE id = ?", (job,)).fetchone()
            if known is None:
                self.db.execute(
                    "INSERT INTO operations"
                    " (id, kind, title, state, undoes, lasting, boot, created_at)"
                    " VALUES (?, ?, ?, 'doing', ?, ?, ?, ?)",
                    (job, kind, title, undoes, lasting, boot, time.time_ns()),
                )
            else:  # it may have failed or been cancelled, and is resumed
                self.db.execute(
                    "UPDATE operations SET state = 'doing', finished_at = NULL WHERE id = ?", (job,)
                )
            self._forget_old()
        return Operation(self.db, job, is_new=known is None)

    def known(self, job: str) -> Operation | None:
        """The operation of the job `job`, if there is one."""
        found = self.db.execute("SELECT 1 FROM operations WHERE id = ?", (job,)).fetchone()
        return None if found is None else Operation(self.db, job, is_new=False)

    def _forget_old(self) -> None:
        old = (
            "SELECT id FROM operations WHERE state <> 'doing'"
            f" ORDER BY created_at DESC LIMIT -1 OFFSET {KEPT}"
        )
        self.db.execute(f"DELETE FROM steps WHERE operation IN ({old})")
        self.db.execute(f"DELETE FROM operations WHERE id IN ({old})")


class Operation:
    """One operation in the journal. Every method is one durable commit of its own."""

    def __init__(self, db: sqlite3.Connection, job: str, *, is_new: bool) -> None:
        self._db = db
        self.id = job
        self.is_new = is_new

    @property
    def kind(self) -> OperationKind:
        """What it is for a person."""
        query = "SELECT kind FROM operations WHERE id = ?"
        return OperationKind(self._db.execute(query, (self.id,)).fetchone()[0])

    def plan(self, steps: Iterable[Step]) -> None:
        """Append steps, all of them or none; each gets its number."""
        with transaction(self._db):
            row = self._db.execute(
                "SELECT max(number) FROM steps WHERE operation = ?", (self.id,)
            ).fetchone()
            number = int(row[0] or 0)
            for step in steps:
                number += 1
                step.number = number
                self._insert(step)

    def _insert(self, step: Step) -> None:
        self._db.execute(
            f"INSERT INTO steps (operation, {_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            (
                self.id,
                step.number,
                step.kind,
                _stored(step.source),
                _stored(step.target),
                step.state,
                *(step.proof or (None,) * 4),
                step.detail,
            ),
        )

    def intend(self, steps: Iterable[Step]) -> None:
        """Mark steps as about to be taken, and store where they are to lead."""
        self.save(steps, StepState.DOING)

    def save(self, steps: Iterable[Step], state: StepState) -> None:
        """Store steps as they are now, in this state."""
        with transaction(self._db):
            for step in steps:
                step.state = state
                self._db.execute(
                    "UPDATE steps SET source = ?, target = ?, state = ?, device = ?, inode = ?,"
                    " size = ?, mtime = ?, detail = ? WHERE operation = ? AND number = ?",
                    (
                        _stored(step.source),
                        _stored(step.target),
                        step.state,
                        *(step.proof or (None,) * 4),
                        step.detail,
                        self.id,
                        step.number,
                    ),
                )

    def open_steps(self, limit: int = AT_ONCE) -> list[Step]:
        """The next steps that are not over, in order: those that were being taken first."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM steps WHERE operation = ? AND state IN ('planned', 'doing')"
            " ORDER BY number LIMIT ?",
            (self.id, limit),
        )
        return [_step(row) for row in rows]

    def steps(self, *, backwards: bool = False) -> Iterator[Step]:
        """All steps, in order or the other way round."""
        order = "DESC" if backwards else "ASC"
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM steps WHERE operation = ? ORDER BY number {order}", (self.id,)
        )
        yield from map(_step, rows)

    def count(self, state: StepState) -> int:
        """How many steps are in this state."""
        row = self._db.execute(
            "SELECT count(*) FROM steps WHERE operation = ? AND state = ?", (self.id, state)
        ).fetchone()
        return int(row[0])

    def flushed(self) -> tuple[str | None, int]:
        """In which boot it was begun or last flushed, and up to when what it wrote is on the disk
        even if that boot ended in a power cut (nanoseconds since the epoch)."""
        row = self._db.execute(
            "SELECT boot, flushed_at FROM operations WHERE id = ?", (self.id,)
        ).fetchone()
        return row[0], int(row[1] or 0)

    def note_flush(self, boot: str | None, moment: int) -> None:
        """Note that what was written before `moment` is on the disk."""
        with transaction(self._db):
            self._db.execute(
                "UPDATE operations SET boot = ?, flushed_at = ? WHERE id = ?",
                (boot, moment, self.id),
            )

    def make_lasting(self, reason: str) -> None:
        """Note why it cannot be undone."""
        with transaction(self._db):
            self._db.execute("UPDATE operations SET lasting = ? WHERE id = ?", (reason, self.id))

    def created_at(self) -> int:
        """When it was begun, in nanoseconds since the epoch."""
        row = self._db.execute(
            "SELECT created_at FROM operations WHERE id = ?", (self.id,)
        ).fetchone()
        return int(row[0])

    def finished_at(self) -> int:
        """When it was over, in nanoseconds since the epoch; 0: it is not."""
        row = self._db.execute(
            "SELECT finished_at FROM operations WHERE id = ?", (self.id,)
        ).fetchone()
        return int(row[0] or 0)

    def finish(self, state: OperationState) -> None:
        """Note that the operation is over; of what it undid, the steps that it took back."""
        with transaction(self._db):
            self._db.execute(
                "UPDATE operations SET state = ?, finished_at = ? WHERE id = ?",
                (state, time.time_ns(), self.id),
            )
            self._take_back()

    def _take_back(self) -> None:
        """Mark the steps that this undo took back. Where it undid an undo, what that took back is
        done again, and so on to the first. What is left to take back keeps an operation from being
        undone; a folder that was removed does not, since it may be there again without an undo."""
        reverse, taken, marked = self.id, StepState.DONE, StepState.UNDONE
        while (undone := self._undone_by(reverse)) is not None:
            self._db.execute(
                "UPDATE steps SET state = ?1 WHERE operation = ?2 AND state = ?3 AND"
                " CASE kind WHEN 'remove' THEN source IN (SELECT target FROM steps"
                " WHERE operation = ?4 AND state = ?5 AND source IS NULL)"
                " ELSE target IN (SELECT source FROM steps"
                " WHERE operation = ?4 AND state = ?5) END",
                (marked, undone, taken, reverse, taken),
            )
            self._db.execute(
                "UPDATE operations SET undone_by = CASE WHEN EXISTS (SELECT 1 FROM steps"
                " WHERE operation = ?1 AND state = 'done' AND kind <> 'remove') OR NOT EXISTS"
                " (SELECT 1 FROM steps WHERE operation = ?1 AND state = 'undone')"
                " THEN NULL ELSE ?2 END WHERE id = ?1",
                (undone, reverse),
            )
            reverse, taken, marked = undone, marked, taken

    def _undone_by(self, undo: str) -> str | None:
        row = self._db.execute("SELECT undoes FROM operations WHERE id = ?", (undo,)).fetchone()
        return None if row is None else row[0]


def used_trashes(db: sqlite3.Connection) -> list[str]:
    """The trash folders that something was put into lately."""
    rows = db.execute(
        f"SELECT target FROM steps WHERE kind = 'trash' AND target IS NOT NULL LIMIT {_LOOKED_AT}"
    )
    files = {os.path.dirname(loose(target)) for (target,) in rows}
    return sorted(os.path.dirname(folder) for folder in files if folder.endswith("/files"))
