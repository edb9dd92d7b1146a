"""How hits spread over types, places, ages and sizes."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from sd_daemon.core import locations
from sd_daemon.core.files.build import name_of, split_name
from sd_daemon.core.index.walk import DIRECTORY, Subtree
from sd_wire.operations.search import SearchFacets

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from sd_daemon.core.search.restrict import Candidate
    from sd_daemon.core.search.sources import Hit

_DAY = 86_400 * 10**9  # nanoseconds
_MIB = 1024 * 1024
# A value belongs to the first bound that it does not exceed.
_AGES = (_DAY, 7 * _DAY, 30 * _DAY, 365 * _DAY)
_AGE_NAMES = ("day", "week", "month", "year", "older")
_SIZES = (0, _MIB, 16 * _MIB, 128 * _MIB, 1024 * _MIB)
_SIZE_NAMES = (
    *("empty", "up_to_1_mib", "up_to_16_mib"),
    *("up_to_128_mib", "up_to_1_gib", "larger"),
)


def facets(db: sqlite3.Connection, hits: Sequence[Hit], now: int) -> SearchFacets:
    """Counts by extension, by id of the location, by age (the shortest span that holds it) and by
    size. Folders have neither extension nor size."""
    found = [hit.entry for hit in hits]
    files = [entry for entry in found if entry[3] != DIRECTORY]
    extensions = Counter(split_name(name_of(entry[2], entry[1]))[1] for entry in files)
    types: Counter[str] = Counter()
    for extension, count in extensions.items():
        if extension is not None:
            types[extension.lower()] += count
    ages = Counter(bisect_left(_AGES, now - entry[5]) for entry in found)
    sizes = Counter(bisect_left(_SIZES, entry[4]) for entry in files)
    return SearchFacets(
        file_types=dict(types.most_common()),
        locations=_by_location(db, found),
        date_ranges={_AGE_NAMES[step]: count for step, count in sorted(ages.items())},
        size_ranges={_SIZE_NAMES[step]: count for step, count in sorted(sizes.items())},
    )


def _by_location(db: sqlite3.Connection, found: list[Candidate]) -> dict[str, int]:
    """By the innermost location each is in."""
    known = sorted(locations.listed(db), key=lambda one: -len(one.path))
    if len(known) == 1 and found:
        return {str(known[0].uuid): len(found)}
    if not (known and found):
        return {}
    cases: list[str] = []
    values: list[str | bytes] = []
    for number, location in enumerate(known):
        tree = Subtree(location.path)
        cases.append(f"WHEN {tree.where('f.path')} THEN {number}")
        values += tree.params
    folders = [entry[1] or entry[0] for entry in found]  # a root is in itself
    rows = db.execute(
        f"SELECT CASE {' '.join(cases)} END AS location, count(*) FROM json_each(?)"
        " CROSS JOIN folders f ON f.id = json_each.value GROUP BY location ORDER BY 2 DESC",
        [*values, msgspec.json.encode(folders).decode()],
    )
    return {str(known[number].uuid): count for number, count in rows if number is not None}
