"""The row of `scans`: where a pass stands, so that it can be continued.

A pass goes through the phases discover, settle, identify, names and is then done, which is when
its row goes. A job that is run again with the same id finds its row and goes on from there.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sd_daemon.core.db.connection import transaction
from sd_daemon.core.index.report import Counts
from sd_daemon.core.index.totals import lower_unidentified, update_totals
from sd_daemon.core.index.walk import loose

if TYPE_CHECKING:
    import sqlite3


FOLLOWING = "follow:"  # as a job: a pass of whoever follows the files; and a location's number


class Pass:
    """One pass that has begun."""

    def __init__(
        self,
        db: sqlite3.Connection,
        row: tuple[int, int, int, str, int, str],
    ) -> None:
        self._db = db
        self.id, self.root, self.first_new_id, self.phase, self.position, stored = row
        self.counts = Counts(stored)

    def enter(self, phase: str, position: int = 0) -> None:
        """Note durably that the last phase is done and `phase` begins, at `position`."""
        self._db.execute(
            "UPDATE scans SET phase = ?, position = ?, counts = ? WHERE id = ?",
            (phase, position, self.counts.stored(), self.id),
        )
        self.phase, self.position = phase, position

    def have_recounted(self) -> None:
        """Note that the totals cannot be told from what the pass counts."""
        self._db.execute("UPDATE scans SET recount = 1 WHERE id = ?", (self.id,))

    def must_recount(self) -> bool:
        """Say whether the totals cannot be told from what the pass counted."""
        row = self._db.execute("SELECT recount FROM scans WHERE id = ?", (self.id,)).fetchone()
        return bool(row[0])

    def forget(self) -> None:
        """Delete the row: the pass is over. The caller holds the transaction, if any."""
        self._db.execute("DELETE FROM scans WHERE id = ?", (self.id,))


def begin_or_continue(db: sqlite3.Connection, job: str, root: int, phase: str = "discover") -> Pass:
    """Return the unfinished pass of the job `job`, or begin one over the folder `root`.

    A new pass takes over what passes that never ended have left in `vanished`.
    """
    columns = "id, root, first_new_id, phase, position, counts"
    query = f"SELECT {columns} FROM scans WHERE job = ?"
    row = db.execute(query, (job,)).fetchone()
    if row is None:
        with transaction(db):
            last = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'entries'").fetchone()
            first_new = (last[0] if last else 0) + 1
            others = db.execute("SELECT min(first_new_id) FROM scans").fetchone()[0]
            db.execute(
                "INSERT INTO scans (job, root, first_new_id, phase, counts, started_at)"
                " VALUES (?, ?, ?, ?, '{}', ?)",
                (job, root, min(first_new, others or first_new), phase, time.time_ns()),
            )
            row = db.execute(query, (job,)).fetchone()
            db.execute("UPDATE vanished SET scan = ?", (row[0],))
    return Pass(db, row)


def begin(db: sqlite3.Connection, job: str, root: int, first_new_id: int) -> Pass:
    """Begin a pass that looks at single names below `root`, and leaves the others alone.

    What passes that were left unfinished have in `vanished` stays theirs: only a pass that sees
    everything may say what became of it. The caller holds the transaction.
    """
    number = db.execute(
        "INSERT INTO scans (job, root, first_new_id, phase, counts, started_at)"
        " VALUES (?, ?, ?, 'discover', '{}', ?)",
        (job, root, first_new_id, time.time_ns()),
    ).lastrowid
    assert number is not None
    return Pass(db, (number, root, first_new_id, "discover", 0, "{}"))


def abandon(db: sqlite3.Connection, job: str) -> None:
    """Forget the unfinished pass of a job that will not be continued.

    What it had found so far stays in the index and in the totals of the locations; the next pass
    takes over what it had not settled, and identifies what it had not identified. The caller holds
    the transaction, if any.
    """
    row = db.execute(
        "SELECT f.path, s.counts, s.recount FROM scans s JOIN folders f ON f.id = s.root"
        " WHERE s.job = ?",
        (job,),
    ).fetchone()
    if row is not None:
        path, counts = loose(row[0]), Counts(row[1])
        update_totals(db, path, counts, recount=bool(row[2]))
        lower_unidentified(db, path, counts.touched)
    db.execute("DELETE FROM scans WHERE job = ?", (job,))


def abandon_followed(db: sqlite3.Connection) -> None:
    """The same for the passes of whoever followed the files and was killed. The caller holds the
    transaction."""
    for (job,) in db.execute(f"SELECT job FROM scans WHERE job LIKE '{FOLLOWING}%'").fetchall():
        abandon(db, job)
