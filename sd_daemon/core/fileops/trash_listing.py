"""All trashes of a user as one list. Everything here blocks."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import msgspec

from sd_daemon.core.cursors import Cursors
from sd_daemon.core.fileops import trash_sizes
from sd_daemon.core.fileops.trash import Item, items
from sd_daemon.core.hashes import blake2b
from sd_daemon.core.paths import shown
from sd_wire.errors import InvalidValue, TrashItemNotFound
from sd_wire.operations.trash import TrashItem, TrashList
from sd_wire.types.files import EntryKind
from sd_wire.types.paths import physical

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from sd_daemon.core.fileops.trashes import Trash
    from sd_wire.operations.trash import ListTrash

_NEVER = datetime(1, 1, 1, tzinfo=UTC)  # where nothing says when
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]
DEFAULT_PAGE = 1000


def item_id(item: Item) -> str:
    """What an item is called on the wire: another thing in the same place has another id."""
    when = "" if item.deleted_at is None else item.deleted_at.isoformat()
    parts = [item.path, item.original or "", when]
    text = "\0".join(parts).encode("utf-8", "surrogateescape")
    return blake2b(text, digest_size=8, person=b"sd trash item").hexdigest()


def _key(item: Item, identity: str) -> tuple[datetime, str]:
    return item.deleted_at or _NEVER, identity


def everything(trashes: Iterable[Trash]) -> dict[str, Item]:
    """All items of these trashes by their id, the latest first."""
    found = {item_id(item): item for trash in trashes for item in items(trash)}
    ordered = sorted(found.items(), key=lambda pair: _key(pair[1], pair[0]), reverse=True)
    return dict(ordered)


def find(trashes: Iterable[Trash], wanted: Sequence[str]) -> list[Item]:
    """The items with these ids, each once, or with the beginnings of these. Raises
    TrashItemNotFound, and InvalidValue where a beginning is that of several."""
    known = everything(trashes)
    found: dict[str, Item] = {}
    for number, identity in enumerate(wanted):
        pointer = f"/payload/items/{number}"
        meant = [identity] if identity in known else _beginning(identity, known)
        if not meant:
            raise TrashItemNotFound(item=shown(identity), pointer=pointer)
        if len(meant) > 1:
            reason = f"{len(meant)} things in the trash have ids that begin with {identity!r}"
            raise InvalidValue(field="items", reason=reason, pointer=pointer)
        found[meant[0]] = known[meant[0]]
    return list(found.values())


def _beginning(identity: str, known: dict[str, Item]) -> list[str]:
    return [one for one in known if len(identity) >= 4 and one.startswith(identity)]


def page(
    trashes: Iterable[Trash], library: UUID, device_slug: str, request: ListTrash
) -> TrashList:
    """One page of what is in the trash. Raises InvalidValue for a cursor of something else."""
    cursors = Cursors(library, request, tuple[_Moment, str])
    known = everything(trashes)
    rest = list(known.items())
    after = cursors.read()
    if after is not None:
        rest = [(one, item) for one, item in rest if _key(item, one) < after]
    chosen = rest[: request.limit or DEFAULT_PAGE]
    sizes: dict[str, dict[str, int]] = {}
    listed = [_as_wire(one, item, device_slug, sizes) for one, item in chosen]
    more = len(rest) > len(chosen)
    ends = cursors.ends(
        lambda number: _key(chosen[number][1], chosen[number][0]), len(chosen), more=more
    )
    return TrashList(listed, len(known), more, *ends)


def _as_wire(
    identity: str, item: Item, device_slug: str, sizes: dict[str, dict[str, int]]
) -> TrashItem:
    mode = item.stat.st_mode
    kind = EntryKind.FILE
    size = item.stat.st_size
    if stat.S_ISLNK(mode):
        kind = EntryKind.SYMLINK
    elif stat.S_ISDIR(mode):
        kind = EntryKind.DIRECTORY
        size = _folder_size(item, sizes)
    original = item.original
    return TrashItem(
        id=identity,
        name=shown(item.name),
        original_path=None if original is None else physical(device_slug, os.fsencode(original)),
        deleted_at=item.deleted_at,
        size=size,
        kind=kind,
        path=physical(device_slug, os.fsencode(item.path)),
        trash=physical(device_slug, os.fsencode(item.trash.folder)),
    )


def _folder_size(item: Item, sizes: dict[str, dict[str, int]]) -> int:
    """What a folder takes up: as its trash remembers it, or else as it is found out now."""
    folder = item.trash.folder
    if folder not in sizes:
        sizes[folder] = trash_sizes.known(folder)
    size = sizes[folder].get(os.path.basename(item.path))
    return trash_sizes.measure(item.path)[1] if size is None else size
