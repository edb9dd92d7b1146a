"""Questions about what files contain, over all of a library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sd_daemon.core import locations
from sd_daemon.core.files.build import FileBuilder
from sd_daemon.core.index.walk import Subtree
from sd_wire.operations.files import ContentKindStat, ContentKindStats, UniqueFiles
from sd_wire.types.files import CONTENT_KINDS

if TYPE_CHECKING:
    import sqlite3
    from uuid import UUID

    from sd_daemon.core.ids import EntryIds

# Contents are counted along their index first, so each kind is looked up once per content.
_COUNT_KINDS = """
SELECT c.kind, sum(n.files)
FROM (SELECT content, count(*) AS files FROM entries WHERE content IS NOT NULL GROUP BY content) n
JOIN contents c ON c.id = n.content GROUP BY c.kind ORDER BY 2 DESC, 1
"""

# First the contents of the location, each once, then of those the ones that nothing outside has:
# so a content with many copies is looked at as often as it has copies, not that often squared.
_UNIQUE = """
WITH own (content) AS (
    SELECT DISTINCT e.content FROM folders f JOIN entries e ON e.parent = f.id
    WHERE {inside} AND e.content IS NOT NULL
), alone (content) AS (
    SELECT content FROM own WHERE NOT EXISTS (
        SELECT 1 FROM entries e JOIN folders f ON f.id = e.parent
        WHERE e.content = own.content AND NOT {inside}
    )
)
SELECT e.id, count(*) OVER (), sum(e.size) OVER ()
FROM alone JOIN entries e ON e.content = alone.content ORDER BY e.size DESC, e.id LIMIT ?
"""


def content_kind_stats(db: sqlite3.Connection) -> ContentKindStats:
    """How many identified files are of which kind, the most frequent first."""
    stats = [
        ContentKindStat(CONTENT_KINDS[kind], CONTENT_KINDS[kind].value, files)
        for kind, files in db.execute(_COUNT_KINDS)
    ]
    return ContentKindStats(stats, sum(stat.file_count for stat in stats))


def unique_to_location(
    db: sqlite3.Connection,
    ids: EntryIds,
    device_slug: str,
    location_id: UUID,
    limit: int,
) -> UniqueFiles:
    """The files of a location whose content no file outside it has, the largest first.

    Copies of each other inside the location are all listed. Raises LocationNotFound.
    """
    inside = Subtree(locations.get(db, location_id).path)
    query = _UNIQUE.format(inside=inside.where("f.path"))
    rows = db.execute(query, (*inside.params, *inside.params, limit)).fetchall()
    if not rows:
        return UniqueFiles([], 0, 0)
    files = FileBuilder(db, ids, device_slug).by_numbers([row[0] for row in rows])
    return UniqueFiles(files, rows[0][1], rows[0][2])
