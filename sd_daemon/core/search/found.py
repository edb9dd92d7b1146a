"""One page of what a search finds, and how much is looked at for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sd_wire.operations.search import SearchMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sd_daemon.core.search.sources import Hit, Sources


class Breadth(NamedTuple):
    """How much a mode looks at."""

    beginning: int  # hits taken from the index of names, of each sort
    window: int  # of the other hits, how many are ranked, counted into facets and counted exactly
    counted: int | None  # up to where hits beyond the window are counted, None: all, one by one


BREADTHS = {
    SearchMode.FAST: Breadth(64, 300, 0),
    SearchMode.NORMAL: Breadth(250, 1000, 10_000),
    SearchMode.FULL: Breadth(2000, 10_000, None),
}
FURTHEST = 1 << 40
"""Entries: more than there are. SQLite and itertools count no further than 63 bits."""


class Found(NamedTuple):
    """One page of hits, and what is known about the others."""

    page: list[Hit]
    seen: list[Hit]  # what facets are counted over
    total: int  # with those of earlier pages
    is_exact: bool
    more: bool  # whether another page follows
    place: Callable[[int], Any]  # of a hit, by its number in the page: what its cursor holds


def counted(sources: Sources, found: Found, rest: Iterator[Hit], breadth: Breadth) -> Found:
    """The same with a total that takes in what lies beyond the page."""
    if found.is_exact or breadth.counted == 0:
        return found
    if breadth.counted is None:
        return found._replace(total=found.total + sum(1 for _ in rest), is_exact=True)
    return found._replace(total=max(found.total, sources.roughly(breadth.counted) or 0))
