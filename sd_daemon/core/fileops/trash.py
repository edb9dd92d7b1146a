"""The trash: to put things there, to see what is there, to take things out, to be rid of them.

By the freedesktop.org specification 1.0; where the trashes are is the business of `trashes`. A
thing in a trash is named by its path there, its *item*: {trash}/files/{name}.

Whoever keeps a journal takes the steps one by one, so that an end at any instant leaves a trace:

    item = choose(trash, path)          nothing is on the disk yet: write it down
    reserve(trash, item, path, token)   the info file, complete and durable
    fill(item, path)                    the rename: the thing is in the trash
    settle(item, path)                  both folders are durable

`put` is all of that for whoever does not. Of a thing that was to go there, `state_of` says how far
it came.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from sd_daemon.core.fileops import trash_sizes, trashinfo
from sd_daemon.core.fileops.rename import flush_folder, rename_new
from sd_daemon.core.index.walk import open_folder

if TYPE_CHECKING:
    from collections.abc import Container, Iterator
    from datetime import datetime

    from sd_daemon.core.fileops.trashes import Trash, Trashes

SUFFIX = ".trashinfo"
EXPUNGED = "expunged"  # where things are while they are being destroyed, as GIO has it
STALE_S = 60  # an info file without a thing is younger while another program fills it
_LONGEST = 255 - len(SUFFIX)  # bytes of a name
_NUMBERS = 20  # that are tried before one is drawn


class Item(NamedTuple):
    """A thing in a trash."""

    trash: Trash
    path: str  # where it is
    original: str | None  # where it was; None where no info file tells
    deleted_at: datetime | None
    stat: os.stat_result

    @property
    def name(self) -> str:
        """The name it had."""
        return os.path.basename(self.original or self.path)


class State(Enum):
    """How far a thing came that was to go into the trash."""

    NOTHING = "nothing"
    RESERVED = "reserved"  # its info file is there
    FILLED = "filled"  # it is in the trash


def info_of(item: str) -> str:
    """The info file of an item."""
    files, name = os.path.split(item)
    return f"{os.path.dirname(files)}/info/{name}{SUFFIX}"


def is_item(path: str) -> bool:
    """Whether a path is that of an item with an info file, there or gone: in the folder `files` of
    a trash, which is called as the specification says and has `info` beside it. Other folders of
    that name are a person's."""
    folder, files = os.path.split(os.path.dirname(path))
    above, name = os.path.split(folder)
    is_trash = name == "Trash" or name.startswith(".Trash-") or os.path.basename(above) == ".Trash"
    return files == "files" and is_trash and os.path.isdir(f"{folder}/info")


# --- in ------------------------------------------------------------------------------------------


def put(path: str, trashes: Trashes, token: str = "") -> str:
    """Put what is at `path` into the trash of its filesystem; the item it has become.

    `token` is kept in the info file. Raises TrashUnavailable, OSError.
    """
    real = trashes.real(path)
    trash = trashes.holding(path)
    while True:
        item = choose(trash, real)
        try:
            reserve(trash, item, real, token)
        except FileExistsError:
            continue
        try:
            fill(item, real)
        except BaseException as error:
            release(item)
            if isinstance(error, FileExistsError):
                continue
            raise
        settle(item, real)
        return item


def choose(trash: Trash, path: str, taken: Container[str] = ()) -> str:
    """A free item for the thing at `path`, none of those `taken`. Raises OSError."""
    name = os.path.basename(path)
    for number in range(1, _NUMBERS):
        item = f"{trash.files}/{_numbered(name, number)}"
        if item in taken or os.path.lexists(item):
            continue
        if trash.plain or not os.path.lexists(info_of(item)):
            return item
    return f"{trash.files}/{_numbered(name, int.from_bytes(os.urandom(6), 'big'))}"


def _numbered(name: str, number: int) -> str:
    """`name`, `name.2`, ...: with the extension last, and short enough for its info file."""
    stem, extension = os.path.splitext(name)
    end = f".{number}{extension}" if number > 1 else extension
    while stem and len(os.fsencode(stem + end)) > _LONGEST:
        stem = stem[:-1]
    while len(os.fsencode(stem + end)) > _LONGEST:
        end = end[:-1]
    return stem + end


def reserve(trash: Trash, item: str, path: str, token: str = "", *, flush: bool = True) -> None:
    """Write the info file of what is at `path`, a real path, and goes to `item`.

    Raises FileExistsError where someone else took the name meanwhile; OSError. Without `flush` it
    is for the caller to make it durable before `fill`.
    """
    if trash.plain:
        return
    text = trashinfo.written(trash.recorded(path), token, time.time())
    fd = os.open(info_of(item), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        try:
            while text:
                text = text[os.write(fd, text) :]
            if flush:
                os.fsync(fd)
        finally:
            os.close(fd)
        if flush:
            flush_folder(trash.info)
    except BaseException:
        release(item)
        raise


def release(item: str) -> None:
    """Take back what `reserve` wrote."""
    with suppress(FileNotFoundError):
        os.unlink(info_of(item))


def fill(item: str, path: str) -> None:
    """Move what is at `path`, a real path, into the trash.

    Raises FileExistsError where something is at `item` already, OSError (EXDEV where a border
    that nobody can see lies between).
    """
    folder, name = os.path.split(path)
    source = open_folder(folder)
    try:
        rename_new(name, item, source_fd=source)
    finally:
        os.close(source)


def settle(item: str, path: str) -> None:
    """Make durable that a thing went from `path` to `item`."""
    flush_folder(os.path.dirname(item))
    with suppress(FileNotFoundError):
        flush_folder(os.path.dirname(path))


def state_of(item: str, token: str) -> State:
    """How far the thing came that was to become `item` with this token."""
    if token_of(item) != token:
        return State.NOTHING
    return State.FILLED if os.path.lexists(item) else State.RESERVED


def token_of(item: str) -> str | None:
    """The token that an item was put in the trash with."""
    return _info(item).token


# --- what is there -------------------------------------------------------------------------------


def _info(item: str) -> trashinfo.TrashInfo:
    try:
        fd = os.open(info_of(item), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return trashinfo.TrashInfo(None, None, None)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return trashinfo.TrashInfo(None, None, None)
        return trashinfo.read(os.read(fd, trashinfo.LARGEST))
    except OSError:
        return trashinfo.TrashInfo(None, None, None)
    finally:
        os.close(fd)


def look(trash: Trash, item: str) -> Item:
    """What is at an item of this trash. Raises OSError."""
    found = os.lstat(item)
    if trash.plain:
        return Item(trash, item, None, None, found)
    info = _info(item)
    original = None if info.path is None else os.path.join(trash.top, info.path)
    return Item(trash, item, original, info.deleted_at, found)


def items(trash: Trash) -> Iterator[Item]:
    """Everything in a trash, also what no info file belongs to; in no order.

    What cannot be looked at, or goes meanwhile, is passed over.
    """
    try:
        names = os.listdir(trash.files)
    except OSError:
        return
    for name in names:
        with suppress(OSError):
            yield look(trash, f"{trash.files}/{name}")


# --- out -----------------------------------------------------------------------------------------


def restore(item: str, target: str) -> None:
    """Move an item out of the trash to `target`, where nothing may be.

    Raises FileExistsError, OSError (EXDEV where `target` is on another filesystem). The info file
    goes last: an end in between leaves one without a thing, which `tidy` removes.
    """
    folder, name = os.path.split(target)
    there = open_folder(os.path.realpath(folder))
    try:
        rename_new(item, name, target_fd=there)
        os.fsync(there)
    finally:
        os.close(there)
    flush_folder(os.path.dirname(item))
    forget(item)


def forget(item: str) -> None:
    """Remove what the trash still says about an item that is not there any more."""
    if is_item(item):
        release(item)


def expunged(item: str, name: str) -> str:
    """Where an item goes to be destroyed, under this name."""
    files = os.path.dirname(item)
    return f"{os.path.dirname(files)}/{EXPUNGED}/{name}" if is_item(item) else f"{files}/{name}"


def expunge(item: str, name: str) -> str:
    """Take an item out of the trash to be destroyed; where it is now. From here on no program
    shows it, though its info file is there until `forget`. Raises OSError."""
    gone = expunged(item, name)
    if is_item(item):
        with suppress(FileExistsError):
            os.mkdir(os.path.dirname(gone), 0o700)
    rename_new(item, gone)
    return gone


def tidy(trash: Trash) -> None:
    """Remove info files whose things are gone, sizes of such things, a list of sizes that was left
    half written, and the folder for what is being destroyed if it is empty."""
    with suppress(OSError):
        os.rmdir(f"{trash.folder}/{EXPUNGED}")
    with suppress(OSError):
        os.unlink(f"{trash.folder}/{trash_sizes.PARTIAL}")
    try:
        names = [name for name in os.listdir(trash.info) if name.endswith(SUFFIX)]
    except OSError:
        return
    for name in names:
        item = f"{trash.files}/{name.removesuffix(SUFFIX)}"
        with suppress(OSError):
            young = time.time() - os.lstat(info_of(item)).st_mtime < STALE_S
            if not young and not os.path.lexists(item):
                forget(item)
    trash_sizes.prune(trash.folder)


def is_border(error: OSError) -> bool:
    """Whether this is what the kernel says where a rename would cross to another filesystem."""
    return error.errno == errno.EXDEV
