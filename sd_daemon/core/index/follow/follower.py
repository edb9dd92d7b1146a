"""The process that follows the files of one library while something happens to them.

The daemon starts it when inotify has something to tell, and it ends by itself when nothing has
happened for a while. It may be killed at any instant: what it writes are passes like those of a job
(bringing.py), and whoever follows next is told that nobody knows what was missed (`all`).

While a job has the index, events are read all the same, so that the kernel's queue does not
overflow, and are held until the job has ended.
"""

from __future__ import annotations

import os
import select
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from sd_daemon.core.db.connection import (
    DatabaseBusy,
    DatabaseFull,
    failures,
    open_writer,
    transaction,
)
from sd_daemon.core.index.alone import try_lock
from sd_daemon.core.index.follow.bringing import Round
from sd_daemon.core.index.follow.contents import Contents
from sd_daemon.core.index.follow.hints import Hints
from sd_daemon.core.index.follow.messages import Started, Told
from sd_daemon.core.index.follow.places import Place, Places
from sd_daemon.core.index.follow.replay import last_entry
from sd_daemon.core.index.follow.saves import Saves
from sd_daemon.core.index.follow.sweep import Sweep
from sd_daemon.core.index.follow.watches import NO_WATCHES, open_watches
from sd_daemon.core.index.job import check_names_are_utf8
from sd_daemon.core.index.passes import abandon_followed
from sd_daemon.core.index.totals import count
from sd_daemon.core.index.walk import Subtree, exact, join, loose
from sd_daemon.core.jobs.reports import Watched

if TYPE_CHECKING:
    import sqlite3

QUIET_S = 0.05  # without an event, before what was told is looked at
LATEST_S = 0.25  # after the first event
GATHER_S = 0.01  # between two looks for events
LOCKED_S = 0.1  # between two looks whether a job has ended
AGAIN_S = 1.0  # after the database refused
LINGER_S = 10.0  # without anything to do
RECENT_S = 15.0  # for so long a new entry may turn out to be one that was moved
SELDOM = 20  # times as long as a look at everything took, until the next
TRIES = 50  # to find a folder that is on its way
_decode = msgspec.json.Decoder(Told).decode


class FollowContext(Protocol):
    """What a follower says and hears."""

    library_dir: str
    wake: int

    def announce(self) -> None:
        """Have published what waits in the table `announcements`."""

    def safe_point(self) -> None:
        """Raise JobInterrupted if it is to end."""

    def log(self, level: str, message: str, **fields: object) -> None:
        """Write a log record."""

    def heard(self) -> list[bytes]:
        """Messages of the daemon. `wake` can be read when there are some."""

    def following(self, locations: dict[str, Watched], *, opened: bool) -> None:
        """Tell how locations are watched."""

    def caught_up(self, heard: int) -> None:
        """Tell that all is in the index that had happened when so many messages were heard."""


def run_follow(params: dict[str, Any], context: FollowContext) -> dict[str, Any]:
    """Follow until nothing happens any more. Raises DatabaseFailure, JobInterrupted, OSError."""
    check_names_are_utf8(context.library_dir)
    started = msgspec.convert(params, Started)
    file = context.library_dir + "/library.db"
    with failures(file):
        db = open_writer(file)
        try:
            follower = Follower(db, started, context)
            follower.run()
            return {"heard": follower.messages, "worn": follower.is_worn()}
        finally:
            db.close()


class Follower:
    """Follows. `messages` counts what was heard from the daemon and heeded."""

    def __init__(self, db: sqlite3.Connection, started: Started, context: FollowContext) -> None:
        self._db = db
        self._context = context
        self._rules = started.rules
        self._pulse = started.pulse
        self._watches, self._opened, self._obstacle = open_watches(started)
        self._hints = Hints()
        self._taken = Hints()  # what is being done
        self._sweeps: deque[Sweep] = deque()
        self._contents = Contents()
        self._saves = Saves()
        self._told = list(started.told)
        self._all = started.all and started.watch
        self._prepared = False
        self._is_wild = False  # folders are on their way
        self._look_again = False  # at everything, when that may be
        self._sweep_began = self._swept_at = 0.0
        self._left = True  # of a round, for the next
        self._first_at = self._last_at = 0.0  # of the hints that wait
        self._not_before = 0.0
        self._sweep_at = 0.0
        self._busy_at = time.monotonic()
        self._recent: deque[tuple[float, int]] = deque()
        self._tries: dict[int, int] = {}
        self._said: dict[str, Watched] | None = None
        self._marked = 0  # messages, up to one that asks to be told when we have caught up
        self._put_off = False  # a round could not do all of it
        self._strays: set[int] = set()  # folders that are on their way
        self._given_up: set[int] = set()  # of these: nobody waits for them any more
        self.messages = len(started.told)

    def is_worn(self) -> bool:
        """Say whether watches are better made anew."""
        return self._watches is not None and self._watches.table.is_worn()

    def run(self) -> None:
        """Follow until nothing has happened for a while."""
        while True:
            self._wait()
            self._context.safe_point()
            self._hear_daemon()
            self._hear()
            if self._is_due():
                self._work()
            elif time.monotonic() - self._busy_at > LINGER_S and not self._has_work():
                return

    # --- waiting and hearing ---------------------------------------------------------------------

    def _has_work(self) -> bool:
        waiting = self._all or self._look_again
        return bool(waiting or self._told or self._hints or self._sweeps or self._contents)

    def _due_at(self) -> float | None:
        """When there is something to do; None: when something happens."""
        if self._all or self._told or (self._left and not self._sweeps and not self._hints):
            return self._not_before
        times = [self._sweep_at] if self._sweeps else []
        if self._look_again and not self._sweeps:
            times.append(self._swept_at)
        if self._hints:
            times.append(min(self._last_at + QUIET_S, self._first_at + LATEST_S))
        if (seconds := self._contents.due_in()) is not None:
            times.append(time.monotonic() + seconds)
        return max(min(times), self._not_before) if times else None

    def _is_due(self) -> bool:
        due = self._due_at()
        return due is not None and time.monotonic() >= due

    def _wait(self) -> None:
        due = self._due_at()
        until = self._busy_at + LINGER_S if due is None else due
        seconds = min(max(0.0, until - time.monotonic()), self._pulse)
        poll = select.poll()
        poll.register(self._context.wake, select.POLLIN)
        if self._hints or self._watches is None:  # let some events come together
            seconds = min(seconds, GATHER_S if self._watches else seconds)
        else:
            poll.register(self._watches.inotify.fd, select.POLLIN)
        poll.poll(seconds * 1000)

    def _hear_daemon(self) -> None:
        for line in self._context.heard():
            self.messages += 1
            self._told.append(_decode(line))

    def _hear(self) -> Hints:
        """Read all events that are there."""
        if self._watches is None:
            return self._hints
        while events := self._watches.inotify.read():
            now = time.monotonic()
            if not self._hints:
                self._first_at = now
            self._last_at = self._busy_at = now
            self._hints.take_events(events, self._watches.table)
        return self._hints

    # --- working ---------------------------------------------------------------------------------

    def _work(self) -> None:
        lock = try_lock(self._context.library_dir)
        if lock is None:
            self._not_before = time.monotonic() + LOCKED_S
            return
        self._taken = Hints()
        try:
            with failures(self._context.library_dir + "/library.db"):
                self._work_alone()
        except (DatabaseBusy, DatabaseFull) as error:
            self._refused(error)
        finally:
            os.close(lock)
        self._busy_at = time.monotonic()

    def _work_alone(self) -> None:
        places = Places(self._db)
        self._prepare()
        self._heed(places)
        self._take()
        self._bring(places, self._taken)
        self._taken = Hints()
        self._go_on(places)
        self._tell(places)
        self._answer()

    def _refused(self, error: Exception) -> None:
        """The database cannot be written now: nothing is lost by waiting."""
        self._hints.add(self._taken)
        self._not_before = time.monotonic() + AGAIN_S
        self._context.log("warning", "changes of files wait for the database", reason=error)

    def _prepare(self) -> None:
        if self._prepared:
            return
        with transaction(self._db):
            abandon_followed(self._db)
        self._db.execute(
            "CREATE INDEX IF NOT EXISTS entries_inode ON entries (inode) WHERE kind = 0"
        )
        self._prepared = True

    def _heed(self, places: Places) -> None:
        """Do what the daemon wants."""
        for told in self._told:
            if told.rules is not None:
                self._rules = told.rules
            for path in told.look:
                self._look_at(os.fsdecode(path))
            for path in told.mounts:
                self._sweep_mount(places, os.fsdecode(path))
            if told.jobs:
                self._sweep_new(places)
            if told.mark:
                self._marked = self.messages
        self._told.clear()
        self._sweep_again()
        if self._all or self._hints.overflow:
            self._all = self._hints.overflow = False
            self._sweep(0)
            self._contents.add_left(self._db, places)

    def _sweep(self, after: int, path: str | None = None) -> None:
        """Watch all folders above an id, read those that have changed, and then all of them."""
        if not self._sweeps:
            self._sweep_began = time.monotonic()
        last = self._last_folder()
        waiting = (one for one in self._sweeps if one.is_like(after, last, path))
        if any(one.full for one in waiting):
            return  # it has not begun yet: there is no need for another
        if self._watches is not None:
            quick = Sweep(after, last, full=False, path=path)
            place = next((at for at, one in enumerate(self._sweeps) if one.full), None)
            self._sweeps.insert(len(self._sweeps) if place is None else place, quick)
            if path is None:
                self._watches.table.note_watched(last)
        self._sweeps.append(Sweep(after, last, full=True, path=path))

    def _last_folder(self) -> int:
        return int(self._db.execute("SELECT ifnull(max(id), 0) FROM folders").fetchone()[0])

    def _sweep_new(self, places: Places) -> None:
        if self._watches is None:
            return
        self._watches.shortage = None
        self._watches.prune(self._db)
        for place in places.all:  # the root of one may be older than what was watched last
            self._sweeps.appendleft(Sweep(place.entry - 1, place.entry, full=False))
        self._sweep(self._watches.table.watched)

    def _sweep_mount(self, places: Places, point: str) -> None:
        for place in places.all:
            if Subtree(point).contains(place.path):
                self._sweep(0, place.path)
            elif Subtree(place.path).contains(point):
                self._look_at(point)
                self._sweep(0, point)

    def _look_at(self, path: str) -> None:
        """Have a folder looked at; one that is not known, as a name in the one above it."""
        name = ""
        while True:
            query = "SELECT id FROM folders WHERE path = ?"
            row = self._db.execute(query, (exact(path),)).fetchone()
            if row is not None or path in ("/", ""):
                break
            path, _, name = path.rpartition("/")
        if row is None:
            return
        if name:
            self._hints.mark(row[0], name)
        else:
            self._hints.mark_all(row[0])

    def _take(self) -> None:
        """Take the hints that are there, and begin new ones."""
        self._hear()
        self._taken, self._hints = self._hints, self._hints.next(unsettled=bool(self._strays))
        if not self._tries:  # nobody waits for one of them
            self._hints.deleted = set()
        self._first_at = self._last_at = time.monotonic()

    def _bring(self, places: Places, hints: Hints) -> None:
        began = time.monotonic()
        is_sweeping = bool(self._sweeps) and began >= self._sweep_at
        if is_sweeping:  # also while much happens: else it would never come to an end
            sweep = self._sweeps[0]
            if not sweep.step(self._db, places, self._watches or NO_WATCHES, hints):
                self._sweeps.popleft()
                # The longer it took, the longer until it is done once more.
                self._swept_at = began + SELDOM * (began - self._sweep_began)
        if hints or (self._left and not self._sweeps):
            self._bring_hints(places, hints)
        if is_sweeping and sweep.full:  # nobody waits for it: half of the time is for others
            self._sweep_at = 2 * time.monotonic() - began

    def _bring_hints(self, places: Places, hints: Hints) -> None:
        work = Round(
            self._db,
            places,
            self._watches or NO_WATCHES,
            self._rules,
            first_new_id=self._recent_id(),
            announce=self._context.announce,
            hear=self._hear,
            saves=self._saves,
        )
        hold = bool(self._sweeps)
        takes_over = self._left and not hold
        work.run(hints, takes_over=takes_over, hold=hold, lost=self._given_up)
        self._left = work.left or (self._left and hold)
        self._strays = self._on_their_way(work.strays)
        self._calm(places, work)
        self._put_off = self._left or bool(work.again)
        self._contents.add(work.unidentified)
        self._try_again(work.again)

    def _calm(self, places: Places, work: Round) -> None:
        """When all is in its place again that was on its way, count the locations anew: meanwhile
        some of it lay in no folder. And look at everything once, later: so much happened at once
        that something may have been told of a place where it was no more."""
        self._is_wild = self._is_wild or (work.left and not self._sweeps) or bool(self._strays)
        if self._is_wild and not work.left and not work.again:
            self._is_wild = False
            self._look_again = True
            with transaction(self._db):
                for place in places.all:
                    count(self._db, place.number, place.path)

    def _on_their_way(self, strays: set[int]) -> set[int]:
        """Which of the folders that were not found may be found yet. One in a folder that has been
        renamed to where nobody watches is where that is, and goes with it."""
        if not strays:
            return strays
        query = "SELECT path FROM folders WHERE id = ?"
        gone = []
        for parent, name in self._hints.halves():
            row = self._db.execute(query, (parent,)).fetchone()
            if row is not None:
                gone.append(Subtree(join(loose(row[0]), loose(name))))
        found = set()
        for number in strays - self._given_up:
            row = self._db.execute(query, (number,)).fetchone()
            if row is not None and not any(one.contains(loose(row[0])) for one in gone):
                found.add(number)
        return found

    def _sweep_again(self) -> None:
        """Begin to look at everything, if that is due and was not done a moment ago."""
        now = time.monotonic()
        if self._look_again and not self._sweeps and now >= self._swept_at:
            self._look_again = False
            self._sweeps.append(Sweep(0, self._last_folder(), full=True))
            self._sweep_began = now

    def _try_again(self, again: Hints) -> None:
        """Look at folders once more that were on their way; at one that is not to be found for
        long, through all that is around it."""
        for folder in self._given_up:
            again.folders.pop(folder, None)
        self._tries = {folder: self._tries.get(folder, 0) + 1 for folder in again.folders}
        for folder, tries in self._tries.items():
            if tries > TRIES:
                del again.folders[folder]
                self._given_up.add(folder)
                self._all = True
        if again:
            self._hints.add(again)

    def _recent_id(self) -> int:
        """The lowest id that an entry may have that is not older than some seconds."""
        now = time.monotonic()
        self._recent.append((now, last_entry(self._db) + 1))
        seconds = RECENT_S + (now - self._sweep_began if self._left else 0.0)
        while len(self._recent) > 1 and self._recent[1][0] < now - seconds:
            self._recent.popleft()
        return self._recent[0][1]

    def _go_on(self, places: Places) -> None:
        if self._contents.due_in() == 0.0 and not self._sweeps:
            self._contents.identify(self._db, places, self._context.announce)

    # --- telling ---------------------------------------------------------------------------------

    def _tell(self, places: Places) -> None:
        found = {one.uuid: self._watched(places, one) for one in places.all}
        if found != self._said or self._opened:
            self._context.following(found, opened=self._opened)
            self._said = found
            self._opened = False

    def _answer(self) -> None:
        """Who asked is told when what had happened until then is in the index: every round begins
        with all that has happened until then."""
        unsure = self._put_off or self._is_wild or self._look_again or self._hints.halves()
        if self._marked and not (self._sweeps or self._all or unsure):
            self._context.caught_up(self._marked)
            self._marked = 0

    def _watched(self, places: Places, place: Place) -> Watched:
        if self._watches is None:
            return Watched(live=False, periodic=True, reason=self._obstacle)
        if place.is_remote and place.mount is not None:
            reason = f"{place.mount.kind} does not tell what others change there"
            return Watched(live=False, periodic=True, reason=reason)
        remote = places.remote_inside(place)
        if remote is not None:
            reason = f"{remote!a} is on a filesystem that does not tell what others change there"
            return Watched(live=True, periodic=True, reason=reason)
        shortage = self._watches.shortage
        return Watched(live=True, periodic=shortage is not None, reason=shortage)
