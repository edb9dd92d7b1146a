"""Identifying the contents of files that are new or have changed, once they are at rest."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sd_daemon.core.db.connection import transaction
from sd_daemon.core.index.announcements import Announcements
from sd_daemon.core.index.identify import Identification
from sd_daemon.core.index.report import Counts
from sd_daemon.core.index.totals import update_totals
from sd_daemon.core.index.walk import loose

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable

    from sd_daemon.core.index.follow.places import Place, Places

REST_S = 0.5  # without a change, before a file is read
_AT_ONCE = 64


class Contents:
    """Files that are to be identified, and when. Of what was left when the process before ended,
    those are found again that `locations.unidentified` knows of."""

    def __init__(self) -> None:
        self._due: dict[int, float] = {}  # by entry, in the order of the times
        self._left: dict[int, int] = {}  # by location: entries up to this one have been queued

    def __bool__(self) -> bool:
        return bool(self._due or self._left)

    def add(self, entries: Iterable[int]) -> None:
        """Have files identified that have just changed."""
        due = time.monotonic() + REST_S
        for entry in entries:
            self._due.pop(entry, None)
            self._due[entry] = due

    def add_left(self, db: sqlite3.Connection, places: Places) -> None:
        """Have files identified that nobody came to."""
        for place in places.all:
            if place.identifies and not place.is_busy:
                query = "SELECT unidentified FROM locations WHERE id = ?"
                row = db.execute(query, (place.number,)).fetchone()
                self._left[place.number] = row[0] - 1

    def due_in(self) -> float | None:
        """Seconds until there is something to do; None: there is nothing."""
        if self._left:
            return 0.0
        first = next(iter(self._due.values()), None)
        return None if first is None else max(0.0, first - time.monotonic())

    def identify(
        self, db: sqlite3.Connection, places: Places, announce: Callable[[], None]
    ) -> None:
        """Identify a few of those that are due."""
        now = time.monotonic()
        some: list[int] = []
        for entry, due in self._due.items():
            if due > now or len(some) == _AT_ONCE:
                break
            some.append(entry)
        for entry in some:
            del self._due[entry]
        if not some:
            some = self._next_left(db, places)
        for place, entries in _by_place(db, places, some).items():
            _identify(db, place.path, entries, announce)

    def _next_left(self, db: sqlite3.Connection, places: Places) -> list[int]:
        for place in places.all:
            position = self._left.get(place.number)
            if position is None:
                continue
            rows = db.execute(
                "SELECT e.id, f.path FROM entries e NOT INDEXED JOIN folders f ON f.id = e.parent"
                " WHERE e.id > ? AND e.content IS NULL AND e.kind = 0 AND e.size > 0"
                f" ORDER BY e.id LIMIT {_AT_ONCE}",
                (position,),
            ).fetchall()
            if rows:
                self._left[place.number] = rows[-1][0]
                return [row[0] for row in rows if places.of(loose(row[1])) == place]
            del self._left[place.number]
        self._left.clear()
        return []


def _by_place(db: sqlite3.Connection, places: Places, entries: list[int]) -> dict[Place, list[int]]:
    found: dict[Place, list[int]] = {}
    rows = db.execute(
        "SELECT e.id, f.path FROM entries e JOIN folders f ON f.id = e.parent"
        f" WHERE e.id IN ({','.join(map(str, entries))})"
    )
    for entry, path in rows:
        place = places.of(loose(path))
        if place is not None:
            found.setdefault(place, []).append(entry)
    return found


def _identify(
    db: sqlite3.Connection, path: str, some: list[int], announce: Callable[[], None]
) -> None:
    news, counts = Announcements(db, -1, announce), Counts()
    Identification(
        db,
        scan=-1,
        path=path,
        position=0,
        recursive=True,
        counts=counts,
        announcements=news,
        on_saved=lambda _: None,
        only=some,
    ).run()
    if counts.delta_bytes:  # some had changed once more
        with transaction(db):
            update_totals(db, path, counts, recount=False)
    news.tell()
