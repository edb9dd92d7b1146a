"""From what a request names to an order that can be carried out, or an error that says why not.

Everything here blocks, and looks at the names of the request alone: what is inside the folders is
the job's business.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from sd_daemon.core.fileops.copying.order import CopyOrder, Pair
from sd_daemon.core.fileops.copying.planning import Action, Planner, conflict_of, kind_word, look
from sd_daemon.core.fileops.copying.room import available_at
from sd_daemon.core.fileops.failures import refusal
from sd_daemon.core.fileops.journal import OperationKind
from sd_daemon.core.fileops.targets import itself, outermost, real_path, without_ending
from sd_daemon.core.fileops.trashes import user_name
from sd_daemon.core.paths import shown
from sd_wire.errors import (
    FileConflict,
    InvalidValue,
    NameInvalid,
    NotADirectory,
    NotEnoughSpace,
    PathDenied,
    PathNotFound,
    PathNotWritable,
    SpecialFile,
    TargetInsideSource,
)
from sd_wire.operations.files import ConflictResolution, CopyFiles

if TYPE_CHECKING:
    from sd_daemon.core.fileops.protected import Protected

_DESTINATION = "/payload/destination"
_LONGEST = 255  # bytes of a name
_DENIED = os.strerror(errno.EACCES)


def copy_order(
    request: CopyFiles,
    sources: list[str],
    destination: str,
    decisions: dict[str, ConflictResolution],
    protected: Protected,
) -> CopyOrder:
    """The order for files.copy; all paths as `core.paths` gives them, those of sources and
    destination with their endings. Raises what that declares, but for conflicts: see `check`."""
    if not sources:
        raise InvalidValue(
            field="sources", reason="nothing is named", pointer="/payload/sources/paths"
        )
    names = _named(sources, protected, moves=request.move_files)
    is_folder = os.path.isdir(next(iter(names)))
    into = _is_into(request, destination, len(sources), is_folder=is_folder)
    destination = without_ending(destination)
    folder = os.path.realpath(destination if into else os.path.dirname(destination))
    check_folder(folder, protected)
    if not into:
        check_name(os.path.basename(destination), "destination")
        names = dict.fromkeys(names, os.path.basename(destination))
    decisions = {real_path(path): one for path, one in decisions.items()}
    if "" in names.values():  # what is in a folder goes into this one, whatever is decided
        decisions[folder] = ConflictResolution.OVERWRITE
    resolution = request.on_conflict or ConflictResolution.ABORT
    if request.overwrite and request.on_conflict is None:
        resolution = ConflictResolution.OVERWRITE
    order = CopyOrder(
        kind=OperationKind.MOVE if request.move_files else OperationKind.COPY,
        pairs=[Pair(one, _inside(folder, names[one])) for one in outermost(names)],
        move=request.move_files,
        verify=request.verify_checksum,
        keep_times=request.preserve_timestamps,
        method=request.copy_method,
        resolution=resolution,
        decisions=decisions,
    )
    _check_pairs(order, protected)
    return order


def rename_order(
    target: str, name: str, resolution: ConflictResolution | None, protected: Protected
) -> CopyOrder:
    """The order for files.rename."""
    check_name(name, "new_name")
    source = itself(target, "/payload/target")
    _look_at_source(source, "/payload/target", moves=True)
    protected.check(source, "/payload/target")
    folder = os.path.dirname(source)
    check_folder(folder, protected, "/payload/target")
    order = CopyOrder(
        kind=OperationKind.RENAME,
        pairs=[Pair(source, os.path.join(folder, name))],
        move=True,
        resolution=resolution or ConflictResolution.ABORT,
    )
    if order.target == source:
        raise FileConflict(path=shown(source), count=1, pointer="/payload/new_name")
    _check_pairs(order, protected)
    return order


def move_into_order(folder: str, items: list[str], protected: Protected) -> CopyOrder:
    """The order that moves things into a folder that is to be made at `folder`."""
    pairs = []
    for number, item in enumerate(items):
        source = real_path(item)
        _look_at_source(source, f"/payload/items/{number}", moves=True)
        protected.check(source, f"/payload/items/{number}")
        pairs.append(Pair(source, os.path.join(folder, os.path.basename(source))))
    order = CopyOrder(kind=OperationKind.CREATE, pairs=pairs, move=True, made=folder)
    _check_pairs(order, protected)
    return order


def check_name(name: str, field: str) -> None:
    """Raise NameInvalid for what cannot be the name of a file here."""
    reason = None
    if name in ("", ".", ".."):
        reason = "it is no name"
    elif "/" in name or "\0" in name:
        reason = "it has a character that no name can have"
    else:
        try:
            if len(os.fsencode(name)) > _LONGEST:
                reason = f"it is longer than {_LONGEST} bytes"
        except UnicodeEncodeError:
            reason = "it has characters that no file name can have"
    if reason is not None:
        readable = name.encode("utf-8", "replace").decode()
        raise NameInvalid(name=repr(readable), reason=reason, pointer=f"/payload/{field}")


def check(order: CopyOrder) -> None:
    """Raise KindConflict, DoubledTarget or FileConflict where names are taken and nothing was
    decided about it, NotEnoughSpace where the files that are named are more than there is room
    for."""
    planner = Planner(order)
    conflicts = []
    needed = 0
    for pair in order.pairs:
        first = next(iter(planner.of_pair(pair)), None)
        if first is None:
            continue
        if first.action is Action.ABORT:
            conflicts.append(first)
        there = look(os.path.dirname(first.target))
        is_written = there is not None and there.st_dev != first.found.st_dev
        if is_written and stat.S_ISREG(first.found.st_mode) and first.is_transfer:
            needed += min(first.found.st_size, first.found.st_blocks * 512)
    if conflicts:
        refused = conflict_of(conflicts)
        refused.pointer = _DESTINATION
        raise refused
    folder = os.path.dirname(order.target)
    if needed and needed > available_at(folder):
        available = available_at(folder)
        raise NotEnoughSpace(path=shown(folder), available=available, needed=needed)


def _is_into(request: CopyFiles, destination: str, count: int, *, is_folder: bool) -> bool:
    """Whether the destination is the folder that things go into, and not the new path of the only
    source. That path may have a slash at its end where the source is a folder."""
    if request.into_folder is False and count > 1:
        reason = "several things cannot have one path"
        raise InvalidValue(field="into_folder", reason=reason, pointer="/payload/into_folder")
    if os.path.isdir(destination):
        return request.into_folder is not False
    path = without_ending(destination)
    is_named = request.into_folder is not True and count == 1
    if is_named and (path == destination or (is_folder and not os.path.lexists(path))):
        return False
    if os.path.exists(path):
        raise NotADirectory(path=shown(destination), pointer=_DESTINATION)
    raise PathNotFound(path=shown(destination), pointer=_DESTINATION)


def _named(sources: list[str], protected: Protected, *, moves: bool) -> dict[str, str]:
    """The real paths of what is to be copied or moved, and what each is called in the folder that
    it goes into: nothing where what is in it goes there."""
    names: dict[str, str] = {}
    for number, named in enumerate(sources):
        pointer = f"/payload/sources/paths/{number}"
        if moves:
            source = itself(named, pointer)
            name = os.path.basename(source)
            protected.check(source, pointer)
        else:
            source, name = _to_read(named, pointer)
        _look_at_source(source, pointer, moves=moves)
        names.setdefault(source, name)
    return names


def _to_read(named: str, pointer: str) -> tuple[str, str]:
    """The real path of something that is to be copied, and its name in the folder it goes into,
    which is empty where what is in it goes there. Raises NotADirectory."""
    path = without_ending(named)
    real = real_path(path)
    if path == named or not os.path.lexists(real):
        return real, os.path.basename(path)
    real = os.path.realpath(path)
    if not os.path.isdir(real):
        raise NotADirectory(path=shown(named), pointer=pointer)
    return real, "" if named.endswith("/.") else os.path.basename(path)


def _inside(folder: str, name: str) -> str:
    return os.path.join(folder, name) if name else folder


def _look_at_source(source: str, pointer: str, *, moves: bool) -> None:
    try:
        found = look(source)
    except OSError as error:
        known = refusal(source, error, reading=True)
        known.pointer = pointer
        raise known from None
    if found is None:
        raise PathNotFound(path=shown(source), pointer=pointer)
    is_folder = stat.S_ISDIR(found.st_mode)
    is_content = is_folder or stat.S_ISREG(found.st_mode)
    if not (moves or is_content or stat.S_ISLNK(found.st_mode)):
        raise SpecialFile(path=shown(source), what=f"a {kind_word(found)}", pointer=pointer)
    needed = os.R_OK | (os.X_OK if is_folder else 0)
    if is_content and len(source) < 1000 and not os.access(source, needed):
        user = user_name(os.geteuid())
        raise PathDenied(path=shown(source), reason=_DENIED, user=user, pointer=pointer)


def check_folder(folder: str, protected: Protected, pointer: str = _DESTINATION) -> None:
    """Raise what speaks against putting something into a folder, a real path."""
    protected.check_inside(folder, pointer)
    try:
        is_folder = stat.S_ISDIR(os.stat(folder).st_mode)
        read_only = bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except OSError as error:
        known = refusal(folder, error)
        known.pointer = pointer
        raise known from None
    if not is_folder:
        raise NotADirectory(path=shown(folder), pointer=pointer)
    if read_only or not os.access(folder, os.W_OK | os.X_OK):
        reason = "the filesystem is read-only" if read_only else _DENIED
        user = user_name(os.geteuid())
        raise PathNotWritable(path=shown(folder), reason=reason, user=user, pointer=pointer)


def _check_pairs(order: CopyOrder, protected: Protected) -> None:
    """Raise TargetInsideSource for what would go into itself, PathProtected for what would replace
    what is not to be touched."""
    may_stay = order.resolution is ConflictResolution.AUTO_MODIFY_NAME and not order.move
    for pair in order.pairs:
        inside = f"{pair.target}/".startswith(f"{pair.source}/")
        if inside and not (may_stay and pair.target == pair.source):
            raise _circular(
                pair, "it is that already" if pair.target == pair.source else "that is in it"
            )
        taken = look(pair.target)
        source = look(pair.source)
        if taken is None or source is None:
            continue
        both_folders = stat.S_ISDIR(taken.st_mode) and stat.S_ISDIR(source.st_mode)
        resolution = order.decisions.get(pair.target, order.resolution)
        if resolution is not ConflictResolution.OVERWRITE or both_folders:
            continue
        if f"{pair.source}/".startswith(f"{pair.target}/"):
            raise _circular(pair, "it is in that")
        protected.check(pair.target, _DESTINATION)


def _circular(pair: Pair, why: str) -> TargetInsideSource:
    known = {"source": shown(pair.source), "target": shown(pair.target)}
    return TargetInsideSource(**known, why=why, pointer=_DESTINATION)
