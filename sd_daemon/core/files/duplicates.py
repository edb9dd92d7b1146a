"""Files with the same content, from the index.

Hard links of one file take no space of their own, so they count as one: what is wasted are the
inodes beyond the first. That costs a look at each of the files in question, and is done only for
those whose content more than one entry has.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from sd_daemon.core import locations
from sd_daemon.core.cursors import Cursors, Number
from sd_daemon.core.files.build import moment
from sd_daemon.core.index.identity_text import id_to_text
from sd_daemon.core.index.walk import Subtree, join, loose
from sd_daemon.core.paths import content_uuid
from sd_wire.operations.duplicates import (
    Duplicate,
    DuplicateGroup,
    DuplicateList,
    ListDuplicates,
)
from sd_wire.types.files import CONTENT_KINDS
from sd_wire.types.paths import physical

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator

    from sd_daemon.core.ids import EntryIds

DEFAULT_PAGE = 100
FILES_LISTED = 100  # of a group

# Entries are counted along the index by content, or below one folder along that of its names.
_EVERYWHERE = """
SELECT content, count(*) FROM entries INDEXED BY entries_content WHERE content IS NOT NULL
GROUP BY content HAVING count(*) > 1
"""
_WITHIN = """
SELECT e.content, count(*) FROM folders f NOT INDEXED CROSS JOIN entries e ON e.parent = f.id
WHERE {inside} AND e.content IS NOT NULL GROUP BY e.content HAVING count(*) > 1
"""
# Few files have several names. To find those takes one pass over the table in its own order; to
# look at each file in question, in the order of contents, would take several times as long.
_GROUPS = """
WITH several (content, entries) AS MATERIALIZED ({several}),
linked (inode) AS MATERIALIZED (
    SELECT inode FROM entries NOT INDEXED WHERE content IS NOT NULL
    GROUP BY inode HAVING count(*) > 1
), surplus (content, entries) AS MATERIALIZED (
    SELECT content, sum(names - 1) FROM (
        SELECT e.content, count(*) AS names FROM entries e NOT INDEXED
        CROSS JOIN folders f ON f.id = e.parent
        WHERE (SELECT count(*) FROM linked) AND e.inode IN linked AND e.content IS NOT NULL{inside}
        GROUP BY e.content, f.device, e.inode HAVING names > 1
    ) GROUP BY content
), groups (content, kind, size, files, wasted) AS MATERIALIZED (
    SELECT c.id, c.kind, c.size, s.entries - ifnull(p.entries, 0) AS files,
        (s.entries - ifnull(p.entries, 0) - 1) * c.size
    FROM several s CROSS JOIN contents c ON c.id = s.content
    LEFT JOIN surplus p ON p.content = c.id
    WHERE c.size >= ? AND (? IS NULL OR c.kind = ?) AND files > 1
)
SELECT content, kind, size, files, totals.* FROM groups,
    (SELECT count(*), ifnull(sum(wasted), 0) FROM groups) AS totals
WHERE wasted < ? OR (wasted = ? AND content > ?)
ORDER BY wasted DESC, content LIMIT ?
"""
_FIRST = (2**63 - 1, 0)
_FILES = """
SELECT e.id, f.path, e.name, e.size, e.mtime, f.device, e.inode
FROM entries e JOIN folders f ON f.id = e.parent
WHERE e.content = ?{inside} ORDER BY e.mtime, e.id
"""


class Group(NamedTuple):
    """A content that several files have."""

    content: int
    kind: int
    size: int
    files: int

    @property
    def wasted(self) -> int:
        """Bytes that all but one of them take."""
        return self.size * (self.files - 1)


class Copy(NamedTuple):
    """A file of a group, as the index knows it."""

    entry: int
    path: str
    size: int
    mtime: int
    device: int
    inode: int


class Groups(NamedTuple):
    """Groups, the most wasted first, and what all of them come to."""

    found: list[Group]
    total: int
    wasted: int


def groups(
    db: sqlite3.Connection,
    *,
    min_size: int,
    kind: int | None = None,
    within: str | None = None,
    after: tuple[int, int] = _FIRST,
    limit: int = -1,
) -> Groups:
    """The groups behind `after`, which is the wasted bytes and the content of one."""
    several, inside = _EVERYWHERE, ""
    below: tuple[str | bytes, ...] = ()
    if within is not None:
        subtree = Subtree(within)
        several = _WITHIN.format(inside=subtree.where("f.path"))
        inside, below = f" AND {subtree.where('f.path')}", subtree.params
    query = _GROUPS.format(several=several, inside=inside)
    wasted, content = after
    chosen = (max(min_size, 1), kind, kind, wasted, wasted, content, limit)
    rows = db.execute(query, (*below, *below, *chosen)).fetchall()
    if not rows:
        return Groups([], 0, 0)
    return Groups([Group(*row[:4]) for row in rows], rows[0][4], rows[0][5])


def copies(db: sqlite3.Connection, content: int, within: str | None = None) -> Iterator[Copy]:
    """The files of a group, those that were changed last at the end."""
    inside, params = "", (content,)
    if within is not None:
        below = Subtree(within)
        inside = f" AND {below.where('f.path')}"
        params = (content, *below.params)  # type: ignore[assignment]
    for entry, folder, name, size, mtime, device, inode in db.execute(
        _FILES.format(inside=inside), params
    ):
        yield Copy(entry, join(loose(folder), loose(name)), size, mtime, device, inode)


def page(
    db: sqlite3.Connection, ids: EntryIds, device_slug: str, request: ListDuplicates
) -> DuplicateList:
    """One page of the groups. Raises LocationNotFound, InvalidValue for a cursor of something
    else."""
    within = None
    if request.location_id is not None:
        within = locations.get(db, request.location_id).path
    kind = None if request.kind is None else CONTENT_KINDS.index(request.kind)
    cursors = Cursors(ids.library_id, request, tuple[Number, Number])
    after = cursors.read() or _FIRST
    limit = request.limit or DEFAULT_PAGE
    found = groups(
        db, min_size=request.min_size, kind=kind, within=within, after=after, limit=limit + 1
    )
    chosen = found.found[:limit]
    more = len(found.found) > limit
    ends = cursors.ends(
        lambda number: (chosen[number].wasted, chosen[number].content), len(chosen), more=more
    )
    return DuplicateList(
        groups=[_as_wire(db, ids, device_slug, one, within) for one in chosen],
        total_groups=found.total,
        total_wasted_bytes=found.wasted,
        has_more=more,
        next_cursor=ends.next_cursor,
        cursors=ends.cursors,
    )


def _as_wire(
    db: sqlite3.Connection, ids: EntryIds, device_slug: str, group: Group, within: str | None
) -> DuplicateGroup:
    return DuplicateGroup(
        content_id=content_uuid(group.content),
        content_hash=id_to_text(group.content),
        kind=CONTENT_KINDS[group.kind],
        size=group.size,
        count=group.files,
        wasted_bytes=group.wasted,
        files=list(_files(ids, device_slug, copies(db, group.content, within))),
    )


def _files(ids: EntryIds, device_slug: str, found: Iterable[Copy]) -> Iterator[Duplicate]:
    seen: set[tuple[int, int]] = set()
    for number, one in enumerate(found):
        if number == FILES_LISTED:
            return
        path = physical(device_slug, os.fsencode(one.path))
        linked = (one.device, one.inode) in seen
        seen.add((one.device, one.inode))
        yield Duplicate(ids.to_uuid(one.entry), path, moment(one.mtime), linked)
