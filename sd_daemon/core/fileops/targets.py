"""What a request names, as paths that a job can work on. Everything here blocks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sd_daemon.core.fileops.erasing import is_empty_folder
from sd_daemon.core.fileops.failures import refusal
from sd_daemon.core.index.walk import stat_in
from sd_daemon.core.paths import shown
from sd_wire.errors import FolderNotEmpty, InvalidValue, NotADirectory

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sd_daemon.core.fileops.protected import Protected
    from sd_daemon.core.fileops.trashes import Trashes


def real_path(path: str) -> str:
    """The path with the symbolic links on the way to a thing followed, and not the thing."""
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder), name)


def without_ending(named: str) -> str:
    """The path of what is named with an ending (see `core.paths.ending`)."""
    return named.removesuffix("/.").rstrip("/") or "/"


def itself(named: str, pointer: str) -> str:
    """The real path of a thing that is to be moved or deleted itself. Raises NotADirectory where a
    slash at the end says that it is a folder, and it is none, or a link to one."""
    path = without_ending(named)
    real = real_path(path)
    if (
        path != named
        and os.path.lexists(real)
        and (os.path.islink(real) or not os.path.isdir(real))
    ):
        raise NotADirectory(path=shown(named), pointer=pointer)
    return real


def outermost(paths: Iterable[str]) -> list[str]:
    """The paths in their order, each once, without those that are inside another of them."""
    named = set(paths)
    kept: dict[str, None] = {}
    for path in paths:
        above = os.path.dirname(path)
        while above not in named and above != "/":
            above = os.path.dirname(above)
        if above not in named or path == "/":
            kept[path] = None
    return list(kept)


def targets_to_delete(paths: list[str], protected: Protected) -> list[str]:
    """The things to delete, which come with their endings, as real paths. Raises InvalidValue for
    none, PathProtected, PathNotFound, PathNotWritable, NotADirectory."""
    if not paths:
        reason = "nothing is named"
        raise InvalidValue(field="targets", reason=reason, pointer="/payload/targets/paths")
    found = []
    for number, path in enumerate(paths):
        pointer = f"/payload/targets/paths/{number}"
        real = itself(path, pointer)
        protected.check(real, pointer)
        try:
            stat_in(*os.path.split(real))
            _may_write(os.path.dirname(real))
        except OSError as error:
            known = refusal(path, error)
            known.pointer = pointer
            raise known from None
        found.append(real)
    return outermost(found)


def _may_write(folder: str) -> None:
    """Raise OSError where no name can be taken out of a folder."""
    if len(folder) < 1024 and not os.access(folder, os.W_OK | os.X_OK):
        if os.statvfs(folder).f_flag & os.ST_RDONLY:
            raise OSError(30, "the filesystem is read-only", folder)
        raise PermissionError(13, "Permission denied", folder)


def check_removable(targets: list[str], *, recursive: bool) -> None:
    """Raise FolderNotEmpty for a folder with something in it, unless that is meant."""
    if recursive:
        return
    for target in targets:
        if os.path.isdir(target) and not os.path.islink(target) and not is_empty_folder(target):
            raise FolderNotEmpty(path=shown(target))


def check_trash(targets: list[str], trashes: Trashes) -> None:
    """Raise TrashUnavailable where a target has no trash to go to. Makes none."""
    folders = {os.path.dirname(target): target for target in reversed(targets)}
    for target in folders.values():
        trashes.expect(target)


def titled(what: str, paths: list[str]) -> str:
    """What an operation on these is called in the history, such as `Deletion of a.txt`."""
    if len(paths) == 1:
        return f"{what} of {shown(os.path.basename(paths[0]) or paths[0])}"
    return f"{what} of {len(paths)} things"
