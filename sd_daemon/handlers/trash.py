"""The trash."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from sd_daemon.core.fileops import trash_listing
from sd_daemon.core.fileops.copying.planning import look, mixed_kinds
from sd_daemon.core.fileops.failures import refusal
from sd_daemon.core.fileops.journal import used_trashes
from sd_daemon.core.fileops.names import EMPTY, RESTORE
from sd_daemon.core.fileops.targets import titled
from sd_daemon.core.fileops.trashes import Trashes
from sd_daemon.core.jobs.params import encoded_path
from sd_daemon.core.paths import resolve, shown
from sd_daemon.handlers.files import protected_of
from sd_daemon.handlers.handler import Context, handles
from sd_daemon.handlers.indexing import submit
from sd_wire.errors import FileConflict, InvalidValue, NotADirectory
from sd_wire.operations.files import ConflictResolution
from sd_wire.operations.trash import EmptyTrash, ListTrash, RestoreTrash, TrashList
from sd_wire.types.jobs import JobReceipt

if TYPE_CHECKING:
    from sd_daemon.core.fileops.protected import Protected
    from sd_daemon.core.fileops.trash import Item
    from sd_daemon.core.fileops.trashes import Trash


async def _trashes(context: Context) -> list[Trash]:
    """Every trash of the daemon's user."""
    used = await context.library.operations.read(used_trashes)
    return await asyncio.to_thread(lambda: Trashes(context.core.home_trash).all(used))


@handles(ListTrash)
async def list_trash(context: Context, request: ListTrash) -> TrashList:
    """What is in the trash."""
    return await asyncio.to_thread(
        trash_listing.page,
        await _trashes(context),
        context.library.id,
        context.library.device_slug,
        request,
    )


@handles(RestoreTrash)
async def restore_trash(context: Context, request: RestoreTrash) -> JobReceipt:
    """Take things out of the trash."""
    library = context.library
    if not request.items:
        raise InvalidValue(field="items", reason="nothing is named", pointer="/payload/items")
    folder = None
    destination = request.destination
    if destination is not None:
        folder = await library.database.read(
            lambda db: resolve(db, destination, library.device_slug, field="destination")
        )
    protected = await protected_of(context)
    trashes = await _trashes(context)

    def plan() -> list[tuple[Item, str]]:
        if folder is not None:
            _check_folder(folder)
        found = trash_listing.find(trashes, request.items)
        pairs = [(item, _target(item, folder)) for item in found]
        _check_targets(pairs, request.on_conflict, protected)
        return pairs

    pairs = await asyncio.to_thread(plan)
    params: dict[str, Any] = {
        "title": titled("Restoring", [item.original or item.path for item, _ in pairs]),
        "items": [
            {"item": encoded_path(item.path), "target": encoded_path(target)}
            for item, target in pairs
        ],
        "on_conflict": request.on_conflict,
    }
    job = await submit(context, library, RESTORE, params, request, request.limits)
    return JobReceipt(job.id, RESTORE)


def _check_folder(folder: str) -> None:
    """Raise unless things can be put into this folder."""
    try:
        is_folder = os.path.isdir(folder)
        os.stat(folder)
    except OSError as error:
        known = refusal(folder, error)
        known.pointer = "/payload/destination"
        raise known from None
    if not is_folder:
        raise NotADirectory(path=shown(folder), pointer="/payload/destination")


def _target(item: Item, folder: str | None) -> str:
    """Where a thing goes. Raises InvalidValue where nothing says that."""
    if folder is not None:
        return os.path.join(folder, item.name)
    if item.original is None:
        reason = f"nothing says where {shown(item.name)} was: name a destination"
        raise InvalidValue(field="destination", reason=reason, pointer="/payload/destination")
    return item.original


def _check_targets(
    pairs: list[tuple[Item, str]], resolution: ConflictResolution | None, protected: Protected
) -> None:
    """Raise KindConflict or FileConflict where names are taken that may not be, PathProtected."""
    taken = [target for _, target in pairs if os.path.lexists(target)]
    if resolution in (None, ConflictResolution.ABORT, ConflictResolution.OVERWRITE):
        for item, target in pairs:
            found, there = look(item.path), look(target)
            if found is not None and there is not None:
                mixed = mixed_kinds(item.original or item.path, found, target, there)
                if mixed is not None:
                    raise mixed
    if resolution is ConflictResolution.OVERWRITE:
        for target in taken:
            protected.check(target)
    elif resolution in (None, ConflictResolution.ABORT) and taken:
        raise FileConflict(path=shown(taken[0]), count=len(taken))


@handles(EmptyTrash)
async def empty_trash(context: Context, request: EmptyTrash) -> JobReceipt:
    """Destroy what is in the trash."""
    everything = request.all or request.older_than_days is not None
    if everything == bool(request.items):
        reason = "name things, or say how old, or all"
        raise InvalidValue(field="items", reason=reason, pointer="/payload/items")
    items = None
    if request.items:
        trashes = await _trashes(context)
        found = await asyncio.to_thread(trash_listing.find, trashes, request.items)
        items = [encoded_path(item.path) for item in found]
    title = "Emptying the trash" if items is None else f"Emptying the trash of {len(items)} things"
    params = {"title": title, "items": items, "older_than_days": request.older_than_days}
    job = await submit(context, context.library, EMPTY, params, request, request.limits)
    return JobReceipt(job.id, EMPTY)
