"""What a folder on the disk holds, as far as the rules let it into the index."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from sd_daemon.core.index.listing import UNREADABLE, Listed
from sd_daemon.core.index.mounts import is_loop
from sd_daemon.core.index.rules import WHOLE
from sd_daemon.core.index.walk import DIRECTORY, FILE, KIND_BY_TYPE
from sd_daemon.core.mount_table import PSEUDO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sd_daemon.core.index.rules import Judged, Rules

NOTHING = Listed(0, 0, 0, 0, 0)


class Named:
    """A name in the folder open as `fd`, as far as a rule asks of it what os.DirEntry would tell.

    Raises OSError where DirEntry does, and where the name is not there.
    """

    def __init__(self, fd: int, name: str) -> None:
        self.name = name
        self._found = os.stat(name, dir_fd=fd, follow_symlinks=False)
        self.kind = KIND_BY_TYPE[self._found.st_mode >> 12]

    def is_dir(self, *, follow_symlinks: bool) -> bool:
        """Whether it is a folder itself."""
        return self.kind == DIRECTORY

    def is_file(self, *, follow_symlinks: bool) -> bool:
        """Whether it is a file itself."""
        return self.kind == FILE

    def listed(self) -> Listed:
        """What is compared with the index."""
        return listed(self._found)


def listed(found: os.stat_result) -> Listed:
    """What of a stat is compared with the index."""
    return Listed(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev)


class Omitted(Exception):
    """Everything in the folder being read is left out, by the rule `rule`."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


def is_omitted(
    rules: Rules,
    fd: int,
    path: str,
    entry: Judged,
    note: Callable[[str, str, str], None],
    *,
    chosen: bool,
) -> bool:
    """Judge a suspect name in the folder open as `fd`, and note it if it is left out.

    `note` is told the name, 'rule' or an errno name, and the rule or a sentence.
    Raises Omitted when it shows that the whole folder is to be left out, unless a person chose
    this very folder.
    """
    verdict = rules.judge(fd, path, entry)
    if verdict is None:
        return False
    if verdict not in WHOLE:
        note(entry.name, "rule", verdict)
        return True
    if chosen:
        return False
    raise Omitted(verdict)


def note_error(note: Callable[[str, str, str], None], name: str, error: OSError) -> None:
    """Note a name that could not be looked at ('.': the folder itself)."""
    number = error.errno or 0
    note(name, errno.errorcode.get(number, "EIO"), os.strerror(number))


def list_folder(
    fd: int,
    path: str,
    rules: Rules,
    note: Callable[[str, str, str], None],
    *,
    chosen: bool,
) -> Iterator[tuple[str, int, Listed]]:
    """Yield name, kind and stat of everything in the folder open as `fd`.

    What cannot be looked at is noted, and comes with the kind UNREADABLE. Raises Omitted, OSError.
    """
    with os.scandir(fd) as entries:
        for entry in entries:
            name = entry.name
            if rules.suspect(name) and is_omitted(rules, fd, path, entry, note, chosen=chosen):
                continue
            try:
                found = entry.stat(follow_symlinks=False)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                    note_error(note, name, error)
                    yield name, UNREADABLE, NOTHING
                continue
            yield name, KIND_BY_TYPE[found.st_mode >> 12], listed(found)


def why_barred(
    mounts: dict[str, str], rules: Rules, path: str, found: os.stat_result
) -> tuple[str, str] | None:
    """Return why a mounted folder must not be walked into, as reason and detail, or None."""
    kind = mounts.get(path)
    if kind is None:
        return None
    if kind in PSEUDO and rules.pseudo_filesystems:
        return "rule", "pseudo_filesystem"
    if is_loop(path, found):
        return "ELOOP", "the same folder is already above it"
    return None
