"""What a subscription's filter lets through.

One rule for every event: a field that is set must equal the event's, and an event without such a
field does not match; only Refresh passes all the same. Library and job are looked up in an index
and not compared here; see `fanout`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sd_wire.events import Refresh
from sd_wire.messages import uuid_named

if TYPE_CHECKING:
    from sd_wire.events import Event, Scope
    from sd_wire.messages import EventFilter
    from sd_wire.types.paths import CloudPath, PhysicalPath, SdPath


def lets_pass(wanted: EventFilter, scope: Scope, happened: Event) -> bool:
    """Whether the fields beyond library and job allow this event."""
    if isinstance(happened, Refresh):  # what it makes wrong may be what passed before
        return True
    if wanted.device_id is not None and wanted.device_id != scope.device_id:
        return False
    if wanted.resource_type is not None and wanted.resource_type != scope.resource_type:
        return False
    if wanted.path_scope is None:
        return True
    below = bool(wanted.include_descendants)
    return any(covers(wanted.path_scope, path, below=below) for path in _paths_of(happened))


def is_wanted(wanted: EventFilter, scope: Scope, happened: Event) -> bool:
    """Whether a filter lets an event pass, where there is no index."""
    if wanted.library_id is not None and wanted.library_id != scope.library_id:
        return False
    if wanted.job_id is not None and job_of(wanted) != scope.job_id:
        return False
    return lets_pass(wanted, scope, happened)


def job_of(wanted: EventFilter) -> str | None:
    """The job as events spell it; "", which none has, for what is no id of one."""
    return None if wanted.job_id is None else uuid_named(wanted.job_id) or ""


def has_more(wanted: EventFilter) -> bool:
    """Whether a filter has fields beyond library and job."""
    return (
        wanted.device_id is not None
        or wanted.resource_type is not None
        or wanted.path_scope is not None
    )


def covers(scope: SdPath, path: SdPath, *, below: bool) -> bool:
    """Whether `path` is in the scope: itself, directly in it or (with `below`) anywhere in it."""
    if scope.Physical is not None and path.Physical is not None:
        if scope.Physical.device_slug != path.Physical.device_slug:
            return False
        return _contains(_bytes_of(scope.Physical), _bytes_of(path.Physical), below=below)
    if scope.Cloud is not None and path.Cloud is not None:
        return _covers_cloud(scope.Cloud, path.Cloud, below=below)
    if scope.Content is not None:
        found = path.Content or path.Sidecar
        return found is not None and found.content_id == scope.Content.content_id
    if scope.Sidecar is not None and path.Content is not None:
        return path.Content.content_id == scope.Sidecar.content_id
    return scope.Sidecar is not None and scope.Sidecar == path.Sidecar


def _covers_cloud(scope: CloudPath, path: CloudPath, *, below: bool) -> bool:
    if (scope.service, scope.identifier) != (path.service, path.identifier):
        return False
    return _contains(scope.path.encode(), path.path.encode(), below=below)


def _contains(scope: bytes, path: bytes, *, below: bool) -> bool:
    """By whole names: `photos` contains `photos/x` and not `photos-old/x`."""
    scope, path = scope.rstrip(b"/"), path.rstrip(b"/")
    if scope == path:
        return True
    if below:
        return path.startswith(scope + b"/")
    return path.rpartition(b"/")[0] == scope


def _bytes_of(path: PhysicalPath) -> bytes:
    return path.path_bytes if path.path_bytes is not None else path.path.encode()


def _paths_of(happened: Event) -> list[SdPath]:
    metadata = getattr(happened, "metadata", None)
    paths: list[SdPath] = metadata.affected_paths if metadata is not None else []
    return paths
