"""How hits spread over types, places, ages and sizes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from sd_daemon.core import locations
from sd_daemon.core.files.build import name_of, split_name
from sd_daemon.core.index.walk import DIRECTORY, Subtree, loose
from sd_wire.operations.search import SearchFacets

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from sd_daemon.core.search.sources import Hit

_DAY = 86_400 * 10**9  # nanoseconds
_AGES = ((_DAY, "day"), (7 * _DAY, "week"), (30 * _DAY, "month"), (365 * _DAY, "year"))
_MIB = 1024 * 1024
_SIZES = (
    (0, "empty"),
    (_MIB, "up_to_1_mib"),
    (16 * _MIB, "up_to_16_mib"),
    (128 * _MIB, "up_to_128_mib"),
    (1024 * _MIB, "up_to_1_gib"),
)


def facets(db: sqlite3.Connection, hits: Sequence[Hit], now: int) -> SearchFacets:
    """Counts by extension, by id of the location, by age (the shortest span that holds it) and by
    size. Folders have neither extension nor size."""
    types: Counter[str] = Counter()
    ages: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for _, (_, parent, name, kind, size, mtime, _) in hits:
        ages[_step(_AGES, now - mtime, "older")] += 1
        if kind == DIRECTORY:
            continue
        sizes[_step(_SIZES, size, "larger")] += 1
        extension = split_name(name_of(name, parent))[1]
        if extension is not None:
            types[extension.lower()] += 1
    return SearchFacets(
        file_types=dict(types.most_common()),
        locations=_by_location(db, hits),
        date_ranges=dict(ages.most_common()),
        size_ranges=dict(sizes.most_common()),
    )


def _step(steps: tuple[tuple[int, str], ...], value: int, beyond: str) -> str:
    for most, name in steps:
        if value <= most:
            return name
    return beyond


def _by_location(db: sqlite3.Connection, hits: Sequence[Hit]) -> dict[str, int]:
    """By the innermost location each is in."""
    known = sorted(locations.listed(db), key=lambda one: -len(one.path))
    if len(known) == 1:
        return {str(known[0].uuid): len(hits)} if hits else {}
    trees = [(Subtree(one.path), str(one.uuid)) for one in known]
    folders = Counter(hit.entry[1] or hit.entry[0] for hit in hits)  # a root is in itself
    counts: Counter[str] = Counter()
    for number, path in db.execute(
        "SELECT id, path FROM folders WHERE id IN (SELECT value FROM json_each(?))",
        (msgspec.json.encode(list(folders)).decode(),),
    ):
        for tree, uuid in trees:
            if tree.contains(loose(path)):
                counts[uuid] += folders[number]
                break
    return dict(counts.most_common())
