"""Searches that begin with what fits best.

Only so many hits are ranked: those whose name begins with what was typed, and of the others the
newest, which is the window. The rest follows in the order in which it comes by itself. Where a hit
belongs must not change while somebody reads page after page. So a cursor says how far names were
taken, where the window ended, which entry was the newest, and what time it was: by that each hit
has its place whatever else comes and goes. Entries that are newer are in no later page.

A fast search has the beginnings alone in front, so that a page of them needs nothing else.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import msgspec

from sd_daemon.core.cursors import Number, refused
from sd_daemon.core.search import found as pages
from sd_daemon.core.search.found import FURTHEST, Found, counted
from sd_daemon.core.search.rank import ranked
from sd_daemon.core.search.sources import LastNamed, Stretch
from sd_wire.operation import LARGEST
from sd_wire.operations.search import SearchMode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sd_daemon.core.search.rank import Ranked
    from sd_daemon.core.search.sources import Hit, Sources
    from sd_daemon.core.search.text import SearchText
    from sd_wire.operations.search import SearchFiles


class Horizon(msgspec.Struct, array_like=True):
    """What the order of a search depends on beside the hits."""

    now: Number  # nanoseconds since the epoch
    newest: Number  # entries.id
    names: list[LastNamed | None]  # where each part of the index of names ended
    window: list[Number] | None  # place of its last hit; None: not read yet; []: all are in it


class Rank(msgspec.Struct, array_like=True):
    """Where among those that are ranked a hit is."""

    late: bool  # behind the beginnings
    value: float
    folded: str
    number: Number

    @property
    def key(self) -> tuple[float, str, int]:
        """As `ranked` has it."""
        return self.value, self.folded, self.number


class Place(msgspec.Struct, array_like=True):
    """Where a hit is. One of `rank` and `beyond` is set."""

    passed: Annotated[int, msgspec.Meta(ge=0, le=LARGEST)]  # hits up to it, as they were counted
    horizon: Horizon
    rank: Rank | None
    beyond: list[Number] | None  # the place of one that is not ranked


class Relevance:
    """One page of one search."""

    def __init__(
        self,
        sources: Sources,
        text: SearchText,
        request: SearchFiles,
        place: Place | None,
        now: int,
    ) -> None:
        """`place`: where an earlier page ended. Raises InvalidValue where that is none."""
        self._sources = sources
        self._text = text
        self._is_fast = request.mode is SearchMode.FAST
        self._breadth = pages.BREADTHS[request.mode]
        self._first = min(request.pagination.offset, FURTHEST)
        self._last = self._first + request.pagination.limit
        self._before = place.passed if place else 0
        self._place = place
        self._now = place.horizon.now if place else now
        self._newest = place.horizon.newest if place else None
        self._window = place.horizon.window if place else None
        self._parts = 0  # of the index of names that were read
        for numbers in (place.beyond, self._window) if place else ():
            if numbers and len(numbers) != sources.width:
                raise refused()

    def found(self) -> Found:
        """The page."""
        if self._place is not None and self._place.beyond:
            return self._unranked(self._place.beyond)
        best = ranked(self._text, self._best(), self._now) if self._is_fast else []
        early = self._behind(best, late=False)
        if len(early) > self._last:  # what comes next in this order cannot change the page
            total = self._before + len(early)
            return self._found(early, early, [], [])._replace(total=total, is_exact=False)
        window, rest = self._read_window()
        if self._is_fast:
            head = ranked(self._text, _without(window, [one[-1] for one in best]), self._now)
        else:
            first = self._best() if self._window else []
            head = ranked(self._text, first + _without(window, first), self._now)
        known = {one[-1].number for one in (*best, *head)}
        shown = early + self._behind(head, late=True)
        return self._with_rest(
            early,
            shown,
            [one[-1] for one in best + head],
            (hit for hit in rest if hit.number not in known),
        )

    def _with_rest(
        self, early: list[Ranked], shown: list[Ranked], seen: list[Hit], rest: Iterator[Hit]
    ) -> Found:
        """A page of what is ranked, and of what follows it."""
        start = max(0, self._first - len(shown))
        room = self._last - max(self._first, len(shown))
        beyond = list(islice(rest, start, start + max(0, room)))
        follows = next(rest, None) is not None
        found = self._found(early, shown, beyond, seen)
        reached = max(len(shown), self._first + len(found.page)) + follows
        found = found._replace(
            total=self._before + reached, is_exact=not follows, more=found.more or follows
        )
        return counted(self._sources, found, rest, self._breadth)

    def _unranked(self, beyond: list[int]) -> Found:
        """A page of what is not ranked."""
        known = {hit.number for hit in self._best()}
        stretch = Stretch(self._newest, beyond=beyond)
        rest = (hit for hit in self._sources.hits(stretch) if hit.number not in known)
        return self._with_rest([], [], [], rest)

    def _best(self) -> list[Hit]:
        """Hits whose name begins with what was typed."""
        phrase = self._text.phrase
        if self._place is not None:
            horizon = self._place.horizon
            return self._sources.beginning_again(phrase, horizon.names, horizon.newest)
        found, self._parts = self._sources.beginning(phrase, self._breadth.beginning)
        return found

    def _read_window(self) -> tuple[list[Hit], Iterator[Hit]]:
        """The hits of the window, and those beyond it."""
        if self._window is None:
            hits = self._sources.hits(Stretch(self._newest))
            window = list(islice(hits, self._breadth.window))
            is_full = len(window) == self._breadth.window
            self._window = self._sources.place(window[-1]) if is_full else []
            return window, hits
        inside = Stretch(self._newest, down_to=self._window or None)
        window = list(self._sources.hits(inside))
        if not self._window:
            return window, iter(())
        return window, self._sources.hits(Stretch(self._newest, beyond=self._window))

    def _behind(self, hits: list[Ranked], *, late: bool) -> list[Ranked]:
        """What of this comes after the place."""
        rank = self._place.rank if self._place else None
        if rank is None or late > rank.late:
            return hits
        if rank.late > late:
            return []
        return hits[bisect_right(hits, rank.key, key=lambda one: one[:3]) :]

    def _found(
        self, early: list[Ranked], shown: list[Ranked], beyond: list[Hit], seen: list[Hit]
    ) -> Found:
        """The page, when it is known what stands on it."""
        head = shown[self._first : self._last]

        def place_of(number: int) -> Place:
            passed = self._before + self._first + number + 1
            if number >= len(head):
                at = self._sources.place(beyond[number - len(head)])
                return Place(passed, self._horizon, None, at)
            value, folded, negated, _ = head[number]
            late = not self._is_fast or self._first + number >= len(early)
            return Place(passed, self._horizon, Rank(late, value, folded, negated), None)

        page = [one[-1] for one in head] + beyond
        more = len(shown) > self._last
        return Found(
            page, seen, self._before + len(shown), is_exact=True, more=more, place=place_of
        )

    @cached_property
    def _horizon(self) -> Horizon:
        if self._place is not None:
            return msgspec.structs.replace(self._place.horizon, window=self._window)
        sources, limit = self._sources, self._breadth.beginning
        names = sources.last_named(self._text.phrase, limit, self._parts)
        return Horizon(self._now, sources.newest(), names, self._window)


def _without(hits: Iterable[Hit], others: Iterable[Hit]) -> list[Hit]:
    known = {hit.number for hit in others}
    return [hit for hit in hits if hit.number not in known]
