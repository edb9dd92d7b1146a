"""Index jobs of a library: what they are given, and what the world is told when they end."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from sd_daemon.core import locations
from sd_daemon.core.cursors import Cursors, Number, is_key, refused
from sd_daemon.core.db.connection import DatabaseFailure
from sd_daemon.core.files.announce import announce_rest
from sd_daemon.core.index.catalogue import RULES
from sd_daemon.core.index.distant import is_distant
from sd_daemon.core.index.job_names import INDEXER, PURGE
from sd_daemon.core.index.passes import abandon
from sd_daemon.core.index.walk import loose
from sd_daemon.core.jobs.params import encoded_path
from sd_daemon.core.jobs.store import from_nanoseconds
from sd_daemon.core.log import get_log
from sd_daemon.core.statistics import statistics_of
from sd_wire.events import (
    FilesIndexed,
    IndexingCompleted,
    IndexingFailed,
    LibraryStatisticsUpdated,
    ResourceChanged,
    ResourceMetadata,
)
from sd_wire.operations.indexing import IndexRule, IndexRules, ListOmissions, Omission, Omissions
from sd_wire.types.jobs import JobStatus
from sd_wire.types.locations import (
    Duration,
    IndexMode,
    Location,
    Scanning,
    ScanProgress,
    ScanState,
    Watching,
)
from sd_wire.types.paths import physical

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from sd_daemon.core.bus import Bus
    from sd_daemon.core.jobs.job import Job
    from sd_daemon.core.jobs.reports import Watched
    from sd_daemon.core.library import Library
    from sd_daemon.core.locations import StoredLocation
    from sd_wire.types.libraries import LibrarySettings

log = get_log(__name__)


def index_params(
    location: StoredLocation,
    settings: LibrarySettings,
    *,
    path: str | None = None,
    full: bool = False,
    recursive: bool = True,
    mode: IndexMode | None = None,
) -> dict[str, Any]:
    """What an index job of a location is given."""
    return {
        "location_id": str(location.uuid),
        "path": encoded_path(path or location.path),
        "mode": str(mode or location.index_mode),
        "scope": "Recursive" if recursive else "Current",
        "full": full,
        "rules": msgspec.to_builtins(settings.indexer),
    }


def purge_params(location: StoredLocation) -> dict[str, Any]:
    """What the job is given that removes the rows of a location that is one no longer."""
    return {"entry": location.entry, "path": encoded_path(location.path)}


def orphan_purges(db: sqlite3.Connection) -> list[dict[str, Any]]:
    """Params of the jobs that remove what belongs to no location (any more)."""
    rows = db.execute(
        "SELECT f.id, f.path FROM entries e JOIN folders f ON f.id = e.id WHERE e.parent = 0"
        " AND e.id NOT IN (SELECT entry FROM locations)"
    )
    return [{"entry": entry, "path": encoded_path(loose(path))} for entry, path in rows]


def jobs_by_location(jobs: Iterable[Job]) -> dict[UUID, Job]:
    """The index job of each location that has one among these, the running one before others."""
    found: dict[UUID, Job] = {}
    for job in jobs:
        if job.name == INDEXER:
            location = UUID(job.params["location_id"])
            if location not in found or job.status is JobStatus.RUNNING:
                found[location] = job
    return found


def as_wire(library: Library, location: StoredLocation, job: Job | None, omitted: int) -> Location:
    """A location as clients see it; `job` is the index job that is queued or runs for it."""
    state: ScanState | Scanning
    if job is not None and job.status is JobStatus.RUNNING:
        state = Scanning(ScanProgress(int(job.fraction * 100)))
    elif job is not None and job.status is JobStatus.PAUSED:
        state = ScanState.PAUSED
    else:
        known = location.scan_state in (ScanState.COMPLETED, ScanState.FAILED)
        state = ScanState(location.scan_state) if known else ScanState.IDLE
    last = location.last_scan_at
    watched = library.watched.get(location.uuid.hex)
    silent = library.silent.get(location.uuid.hex)
    return Location(
        id=location.uuid,
        library_id=library.id,
        sd_path=physical(library.device_slug, os.fsencode(location.path)),
        name=location.name,
        index_mode=location.index_mode,
        scan_interval=_interval(library, watched),
        total_size=location.total_size,
        file_count=location.file_count,
        directory_count=location.directory_count,
        scan_state=state,
        created_at=from_nanoseconds(location.created_at),
        updated_at=from_nanoseconds(location.updated_at),
        last_scan_at=None if last is None else from_nanoseconds(last),
        is_available=silent is None and _is_available(location.path),
        ignore_patterns=[],
        job_policies=location.job_policies,
        omitted_count=omitted,
        error_message=location.error,
        watching=_watching(watched),
        watching_reason=silent or (None if watched is None else watched.reason),
    )


def _is_available(path: str) -> bool:
    """Whether a folder can be read. One on a filesystem that may hang is not touched here: it is
    taken for available until it does not answer."""
    return is_distant(path) or os.access(path, os.R_OK | os.X_OK)


def _watching(watched: Watched | None) -> Watching:
    if watched is None:
        return Watching.OFF
    return Watching.PERIODIC if watched.periodic else Watching.LIVE


def _interval(library: Library, watched: Watched | None) -> Duration | None:
    if watched is None or not watched.periodic or library.scan_interval is None:
        return None
    return Duration(library.scan_interval, 0)


def _location_of(db: sqlite3.Connection, uuid: UUID) -> StoredLocation | None:
    return next((one for one in locations.listed(db) if one.uuid == uuid), None)


async def after_job(library: Library, bus: Bus, job: Job, correlation: str | None) -> None:
    """Note and tell the world what a job that has just ended changed."""
    if job.status is JobStatus.QUEUED:
        return
    await announce_rest(library, bus, correlation, whole=job.status is JobStatus.COMPLETED)
    if job.name not in (INDEXER, PURGE):
        return
    await _clear_up(library, job)
    if job.name == INDEXER:
        uuid = UUID(job.params["location_id"])
        location = await library.database.read(_location_of, uuid)
        if location is not None:
            await _publish_end(library, bus, job, location, correlation)
    if job.status is JobStatus.COMPLETED and bus.wanted(LibraryStatisticsUpdated):
        statistics = await statistics_of(library)
        bus.publish(LibraryStatisticsUpdated(library.id, statistics), correlation)


async def _clear_up(library: Library, job: Job) -> None:
    """What the worker did not come to: to forget a pass that will not be continued, and to put
    down with the location why it failed."""

    def write(db: sqlite3.Connection) -> None:
        if job.status is JobStatus.CANCELLED:
            abandon(db, str(job.id))
        elif job.name == INDEXER:
            locations.note_failure(db, UUID(job.params["location_id"]), job.error or "")

    if job.status in (JobStatus.CANCELLED, JobStatus.FAILED):
        try:
            await library.database.write(write)
        except DatabaseFailure as failure:  # most likely the very reason why the job failed
            log.warning("the end of a job was not noted", job_id=job.id, reason=failure)


async def _publish_end(
    library: Library, bus: Bus, job: Job, location: StoredLocation, correlation: str | None
) -> None:
    if job.status is JobStatus.COMPLETED:
        files, folders = location.file_count, location.directory_count
        completed = IndexingCompleted(location.uuid, files, folders, library.id)
        bus.publish(completed, correlation)
        changed = _changed_entries(job)
        if changed:
            bus.publish(FilesIndexed(library.id, location.uuid, changed), correlation)
    elif job.status is JobStatus.FAILED:
        bus.publish(IndexingFailed(location.uuid, job.error or "", library.id), correlation)
    await publish_changed(library, bus, location, correlation)


def _changed_entries(job: Job) -> int:
    data = job.output.data if job.output and isinstance(job.output.data, dict) else {}
    return sum(int(data.get(key, 0)) for key in ("added", "changed", "moved", "removed"))


async def publish_changed(
    library: Library, bus: Bus, location: StoredLocation, correlation: str | None = None
) -> None:
    """Announce a location as it is now."""
    resource = await asyncio.to_thread(as_wire, library, location, None, 0)  # looks at the disk
    metadata = ResourceMetadata(affected_paths=[resource.sd_path])
    bus.publish(ResourceChanged("location", resource, metadata, library.id), correlation)


# --- what is left out ----------------------------------------------------------------------------


def rules_report(db: sqlite3.Connection, settings: dict[str, bool]) -> IndexRules:
    """Every rule, whether it is on, and how much it left out of this library."""
    counts = dict(
        db.execute("SELECT detail, count(*) FROM omissions WHERE reason = 'rule' GROUP BY detail")
    )
    unreadable = db.execute("SELECT count(*) FROM omissions WHERE reason <> 'rule'").fetchone()[0]
    rules = [
        IndexRule(
            rule.name, rule.toggle, settings[rule.toggle], rule.sentence, counts.get(rule.name, 0)
        )
        for rule in RULES
    ]
    return IndexRules(rules, unreadable)


def omissions_page(
    db: sqlite3.Connection, library: UUID, device_slug: str, request: ListOmissions
) -> Omissions:
    """One page of what is left out, in the order of folders. Raises InvalidValue for a cursor of
    something else."""
    where, params = "WHERE 1", []
    if request.errors_only:
        where += " AND reason <> 'rule'"
    if request.rule is not None:
        where += " AND reason = 'rule' AND detail = ?"
        params.append(request.rule)
    cursors = Cursors(library, request, tuple[Number, Any])
    place = cursors.read()
    if place is not None and not is_key(place[1]):
        raise refused()
    after = "" if place is None else " AND (folder, omissions.name) > (?, ?)"
    total = db.execute(f"SELECT count(*) FROM omissions {where}", params).fetchone()[0]
    rows = db.execute(
        "SELECT folders.path, omissions.name, reason, detail, folder FROM omissions"
        f" JOIN folders ON folders.id = omissions.folder {where}{after}"
        " ORDER BY folder, omissions.name LIMIT ?",
        (*params, *(place or ()), request.limit + 1),
    ).fetchall()
    more = len(rows) > request.limit
    del rows[request.limit :]
    ends = cursors.ends(lambda number: (rows[number][4], rows[number][1]), len(rows), more=more)
    found = [
        Omission(
            physical(device_slug, os.fsencode(os.path.join(loose(folder), loose(name)))),
            reason,
            detail,
        )
        for folder, name, reason, detail, _ in rows
    ]
    return Omissions(found, total, more, *ends)


def settings_of(library: Library) -> dict[str, bool]:
    """The rule settings of a library by name."""
    found: dict[str, bool] = msgspec.to_builtins(library.config.settings.indexer)
    return found
