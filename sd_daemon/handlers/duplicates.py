"""Duplicates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sd_daemon.core.fileops.names import RESOLVE
from sd_daemon.core.files import duplicates
from sd_daemon.core.files.find import indexed_folder
from sd_daemon.core.jobs.params import encoded_path
from sd_daemon.core.paths import resolve
from sd_daemon.handlers.handler import Context, handles
from sd_daemon.handlers.indexing import submit
from sd_wire.errors import InvalidValue
from sd_wire.operations.duplicates import (
    DuplicateList,
    Keep,
    ListDuplicates,
    ResolveDuplicates,
)
from sd_wire.types.jobs import JobReceipt

if TYPE_CHECKING:
    import sqlite3


@handles(ListDuplicates)
async def list_duplicates(context: Context, request: ListDuplicates) -> DuplicateList:
    """Files with the same content."""
    library = context.library
    return await library.database.read(duplicates.page, library.ids, library.device_slug, request)


@handles(ResolveDuplicates)
async def resolve_duplicates(context: Context, request: ResolveDuplicates) -> JobReceipt:
    """Leave one of each group."""
    library = context.library
    _check(request)

    def read(db: sqlite3.Connection) -> dict[str, Any]:
        slug = library.device_slug
        named = [
            resolve(db, path, slug, field=f"keep_files.{number}")
            for number, path in enumerate(request.keep_files)
        ]
        folder = within = None
        if request.keep_folder is not None:
            folder = resolve(db, request.keep_folder, slug, field="keep_folder")
            indexed_folder(db, folder, field="keep_folder")
        if request.within is not None:
            within = resolve(db, request.within, slug, field="within")
            indexed_folder(db, within, field="within")
        return {
            "keep_files": [encoded_path(path) for path in named],
            "keep_folder": None if folder is None else encoded_path(folder),
            "within": None if within is None else encoded_path(within),
        }

    paths = await library.database.read(read)
    opened = context.core.libraries.open_libraries.values()
    own = [context.core.data_dir, *[one.path for one in opened]]
    params = {
        "title": "Resolving duplicates",
        "contents": [str(one) for one in request.contents],
        "keep": request.keep,
        "action": request.action,
        "min_size": request.min_size,
        "dry_run": request.dry_run,
        "own": [encoded_path(path) for path in own],
        **paths,
    }
    job = await submit(context, library, RESOLVE, params, request, request.limits)
    return JobReceipt(job.id, RESOLVE)


def _check(request: ResolveDuplicates) -> None:
    """Raise InvalidValue where the request does not say all."""
    needed = {
        "contents": bool(request.contents) or request.within is not None,
        "keep_folder": request.keep is not Keep.IN_FOLDER or request.keep_folder is not None,
        "keep_files": request.keep is not Keep.NAMED or bool(request.keep_files),
    }
    for field, is_there in needed.items():
        if not is_there:
            reason = "it is needed" if field != "contents" else "name groups, or a folder (within)"
            raise InvalidValue(field=field, reason=reason, pointer=f"/payload/{field}")
