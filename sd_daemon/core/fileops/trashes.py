"""Where the trashes are: one in the home folder, and one or two on each other filesystem.

By the freedesktop.org specification 1.0: $XDG_DATA_HOME/Trash for what is on the same filesystem;
elsewhere $top/.Trash/$uid, if an administrator made a .Trash there that is no symbolic link and has
the sticky bit, or else $top/.Trash-$uid. Nothing is ever copied from one filesystem to another.

$top is where a filesystem begins. That is a mount point, but so is a bind mount (over whose border
no rename goes although both sides have the same st_dev), and a subvolume of btrfs begins where
st_dev changes without any mount.

On macOS there is one trash, ~/.Trash, without info files.
"""

from __future__ import annotations

import errno
import os
import pwd
import stat
import sys
import threading
from typing import TYPE_CHECKING, NamedTuple

from sd_daemon.core.index.walk import open_folder, stat_folder
from sd_daemon.core.mount_table import PSEUDO, linux_mounts
from sd_daemon.core.paths import shown
from sd_wire.errors import TrashUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ANSWER_S = 1.0  # what a distant filesystem gets to say that it is there

_PRIVATE = 0o700


class Trash(NamedTuple):
    """One trash folder. Paths are as os.fsdecode gives them."""

    folder: str  # real path: no symbolic link on the way
    top: str  # what relative paths in its info files are relative to
    is_home: bool
    plain: bool = False  # without info files

    @property
    def files(self) -> str:
        """The folder with what was deleted."""
        return self.folder if self.plain else f"{self.folder}/files"

    @property
    def info(self) -> str:
        """The folder with the info files."""
        return f"{self.folder}/info"

    def recorded(self, path: str) -> str:
        """A path as its info file has it."""
        if self.is_home:
            return path
        return path[len(self.top.rstrip("/")) + 1 :]


def home_trash(platform: str, data_home: str | None, home: str) -> str | None:
    """The trash of a user's home folder, which need not exist yet; None for a user without home.

    `data_home` is what XDG_DATA_HOME says, if it does.
    """
    if platform == "darwin":
        return f"{home}/.Trash" if os.path.isdir(home) else None
    if data_home and data_home.startswith("/"):
        return f"{data_home}/Trash"
    return f"{home}/.local/share/Trash" if os.path.isdir(home) else None


def user_name(uid: int) -> str:
    """The name of a user, or the number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


class Trashes:
    """The trashes of this process's user. Looks at the mount table once, when it is made."""

    def __init__(self, home: str | None) -> None:
        """`home` is what `home_trash` says."""
        self._uid = os.geteuid()
        self._mounts = [mount for mount in linux_mounts() if mount.kind not in PSEUDO]
        self._points = {os.fsdecode(mount.point) for mount in self._mounts}
        self._home = None if home is None else self._at_home(home)
        self._tops: dict[str, str] = {}

    def _at_home(self, home: str) -> Trash:
        real = os.path.realpath(home)
        plain = sys.platform == "darwin"
        return Trash(real, os.path.dirname(real), is_home=True, plain=plain)

    def real(self, path: str) -> str:
        """The path of a thing with every symbolic link on the way to it followed, but not the
        thing itself, if it is one."""
        folder, name = os.path.split(path)
        return os.path.join(os.path.realpath(folder), name)

    def holding(self, path: str) -> Trash:
        """The trash for what is at this path, ready to take it.

        Raises TrashUnavailable, and FileNotFoundError where the folder of the path is gone.
        """
        return self._first(path, self._make)

    def expect(self, path: str) -> Trash:
        """The trash that `holding` would most likely find. Makes nothing; raises the same."""
        return self._first(path, self._could_make)

    def _first(self, path: str, prepare: Callable[[Trash], None]) -> Trash:
        top = self.top_of(os.path.dirname(self.real(path)))
        if self._home is not None and self.top_of(_existing(self._home.folder)) == top:
            choices = [self._home]
        elif self._home is not None and self._home.plain:
            raise TrashUnavailable(path=shown(path), reason=f"there is none on {shown(top)}")
        else:
            own = Trash(f"{top.rstrip('/')}/.Trash-{self._uid}", top, is_home=False)
            choices = [one for one in (self._shared(top), own) if one is not None]
        for trash in choices:
            try:
                prepare(trash)
            except OSError as error:
                if trash is choices[-1]:
                    raise self._unavailable(path, trash, error) from error
            else:
                return trash
        raise AssertionError  # there is at least one choice

    def _make(self, trash: Trash) -> None:
        """Make the folders of a trash that are missing. Raises OSError where they cannot be, or
        are not this user's."""
        if trash.is_home:
            os.makedirs(trash.folder, mode=_PRIVATE, exist_ok=True)
        else:
            _make_folder(trash.folder)
            self._check(trash)
        if not trash.plain:
            _make_folder(trash.files)
            _make_folder(trash.info)

    def _could_make(self, trash: Trash) -> None:
        there = _existing(trash.folder)
        if there == trash.folder and not trash.is_home:
            self._check(trash)
        if not os.access(there, os.W_OK | os.X_OK):
            read_only = os.statvfs(there).f_flag & os.ST_RDONLY
            code = errno.EROFS if read_only else errno.EACCES
            raise OSError(code, os.strerror(code), there)

    def _unavailable(self, path: str, own: Trash, error: OSError) -> TrashUnavailable:
        if self._home is None:
            reason = f"the user {user_name(self._uid)}, who would own it, has no home folder, and "
            reason += f"{shown(own.folder)} cannot be made: {error.strerror}"
            return TrashUnavailable(path=shown(path), reason=reason)
        reason = f"{shown(own.folder)} cannot be used: {error.strerror}"
        return TrashUnavailable(path=shown(path), reason=reason)

    def _shared(self, top: str) -> Trash | None:
        """The trash in what an administrator made for all users, if that can be trusted."""
        folder = f"{top.rstrip('/')}/.Trash"
        try:
            found = os.lstat(folder)
        except OSError:
            return None
        if not stat.S_ISDIR(found.st_mode) or not found.st_mode & stat.S_ISVTX:
            return None
        return Trash(f"{folder}/{self._uid}", top, is_home=False)

    def _check(self, trash: Trash) -> None:
        """Raise OSError unless the trash is this user's own folder."""
        found = os.lstat(trash.folder)
        if not stat.S_ISDIR(found.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, "it is not a folder", trash.folder)
        if found.st_uid != self._uid:
            owner = user_name(found.st_uid)
            raise PermissionError(errno.EPERM, f"it belongs to {owner}", trash.folder)

    def top_of(self, folder: str) -> str:
        """Where the filesystem begins that a folder (a real path) is on. Raises OSError."""
        known = self._tops.get(folder)
        if known is not None:
            return known
        device = stat_folder(folder).st_dev
        here = folder
        while here != "/" and here not in self._points:
            above = os.path.dirname(here)
            if stat_folder(above).st_dev != device:
                break
            here = above
        if len(self._tops) < 10_000:
            self._tops[folder] = here
        return here

    def all(self, used: Iterable[str] = ()) -> list[Trash]:
        """Every trash that is there, the one at home first. A filesystem that somebody else has to
        answer for is left out while it does not answer.

        `used` are trash folders that something was put into: a subvolume of btrfs has one, and is
        not in the mount table.
        """
        found = [] if self._home is None else [self._home]
        distant = {os.fsdecode(mount.point) for mount in self._mounts if mount.may_hang}
        for point in sorted(self._points):
            if point in distant and not _answers(point):
                continue
            own = Trash(f"{point.rstrip('/')}/.Trash-{self._uid}", point, is_home=False)
            found += [trash for trash in (self._shared(point), own) if trash is not None]
        found += [Trash(folder, _top_of_trash(folder), is_home=False) for folder in used]
        seen: set[tuple[int, int]] = set()
        return [trash for trash in found if self._is_there(trash, seen)]

    def _is_there(self, trash: Trash, seen: set[tuple[int, int]]) -> bool:
        """Whether there is one, and not the same that another mount of the filesystem has shown."""
        try:
            if not trash.is_home:
                self._check(trash)
            found = os.stat(trash.files)
        except OSError:
            return False
        identity = (found.st_dev, found.st_ino)
        known = identity in seen
        seen.add(identity)
        return not known


def _top_of_trash(folder: str) -> str:
    """What relative paths are relative to in a trash that is not at home."""
    above = os.path.dirname(folder)
    return os.path.dirname(above) if os.path.basename(above) == ".Trash" else above


def _answers(point: str) -> bool:
    """Whether a filesystem says anything at all. A thread that waits for one that is away for good
    is left behind."""
    asked = threading.Thread(target=os.path.lexists, args=(point,), daemon=True)
    asked.start()
    asked.join(ANSWER_S)
    return not asked.is_alive()


def _existing(folder: str) -> str:
    """The folder, or the nearest above it that exists."""
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return folder


def _make_folder(path: str) -> None:
    try:
        os.mkdir(path, _PRIVATE)
    except FileExistsError:
        os.close(open_folder(path))  # refuses a symbolic link
