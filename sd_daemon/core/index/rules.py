"""Deciding what is left out of the index.

Almost every name is no rule's business, so a name is first looked up (`suspect`); only a suspect
is judged, which may look at the disk. A verdict is the name of a rule. Some rules concern a folder
as a whole and are found out by a name in it: then the folder keeps its entry and everything in it
is left out (`WHOLE`).
"""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from typing import TYPE_CHECKING, Protocol

from sd_daemon.core.index.catalogue import GENERATED, PROOFS, TOGGLES, Proof
from sd_daemon.core.index.gitignore import GitIgnores
from sd_daemon.core.index.kinds import is_image

if TYPE_CHECKING:
    from collections.abc import Container

WHOLE = frozenset(("cache_tag", "python_environment", "own_data"))

_CACHE_SIGNATURE = b"Signature: 8a477f597d28d172789f06886806bc55"
_BYTECODE = re.compile(r".*\.py[co](\.\d+)?\Z", re.DOTALL)
_PREFIXES = (".Trash-", ".nfs", ".fuse_hidden", ".spacedrive-")
_PLACEHOLDER = re.compile(r"\.(nfs[0-9a-f]{16,}|fuse_hidden[0-9a-f]{8,})\Z")
_UNFINISHED = re.compile(r"\.spacedrive-[0-9a-f]{8}-\d+\Z")
_TRASH_OF_USER = re.compile(r"\.Trash-\d+\Z")
_TRASHES = frozenset((".Trash", "Trash", ".Trashes", "$RECYCLE.BIN"))
# What is in the daemon's data folder and in a library's, whatever else there is.
_DATA = ("device.json", "libraries", "events")
_LIBRARY = ("library.json", "library.db")
_MOST_BYTECODE = 100_000  # a __pycache__ with more names than that is not one


class Judged(Protocol):
    """What is asked of a name: os.DirEntry answers it, and so does disk.Named."""

    @property
    def name(self) -> str:
        """Without the folder."""

    def is_dir(self, *, follow_symlinks: bool) -> bool:
        """Whether it is a folder."""

    def is_file(self, *, follow_symlinks: bool) -> bool:
        """Whether it is a regular file."""


class _Everything:
    """Contains every name."""

    def __contains__(self, name: object) -> bool:
        return True


class Rules:
    """The rules one pass follows. Not for use by several threads."""

    def __init__(self, settings: dict[str, bool] | None = None) -> None:
        chosen = {**TOGGLES, **(settings or {})}
        self.settings = {name: bool(chosen[name]) for name in TOGGLES}
        self.pseudo_filesystems = self.settings["no_system_files"]
        self._proofs: dict[str, list[Proof]] = {}
        self._beside = {"CACHEDIR.TAG", "pyvenv.cfg", *_DATA, *_LIBRARY}
        self._names = self._suspects()
        self._patterns = self.settings["no_system_files"]
        self._hidden = self.settings["no_hidden"]
        self._images = self.settings["only_images"]
        self._ignores = GitIgnores() if self.settings["gitignore"] else None
        self._all = self._images or self._ignores is not None
        self.active = bool(self._names) or self._patterns or self._hidden or self._all
        # For a loop that cannot afford a call for each name: those in here, and those that begin
        # with a dot, have to be shown to `suspect`.
        self.suspects: Container[str] = _Everything() if self._all else self._names

    def stored(self) -> str:
        """Return the settings as text, the same for the same settings."""
        return json.dumps(self.settings)

    def _suspects(self) -> frozenset[str]:
        names: set[str] = set()
        if self.settings["no_system_files"]:
            names |= {*_TRASHES, "lost+found", _DATA[0], _LIBRARY[0]}
        if self.settings["no_git"]:
            names.add(".git")
        if self.settings["no_dev_dirs"]:
            names |= {"CACHEDIR.TAG", "pyvenv.cfg", "__pycache__", *GENERATED}
        for proof in PROOFS:
            toggle = "no_git" if proof.rule == "version_control" else "no_dev_dirs"
            if self.settings[toggle]:
                self._beside.update(proof.beside)
                for name in proof.folders:
                    self._proofs.setdefault(name, []).append(proof)
        return frozenset(names | self._proofs.keys())

    def suspect(self, name: str) -> bool:
        """Say whether `name` has to be judged. Cheap: called for every name there is."""
        if name in self._names or self._all:
            return True
        return name[0] == "." and (self._hidden or (self._patterns and name.startswith(_PREFIXES)))

    def proves(self, names: set[str]) -> bool:
        """Say whether what became of one of `names` may change the verdict on a name beside it."""
        if self._ignores is not None and ".gitignore" in names:
            return True
        return not names.isdisjoint(self._beside)

    def judge(self, fd: int, folder: str, entry: Judged) -> str | None:
        """Return the name of the rule that leaves `entry` out, or None.

        `fd` is the open folder that holds it, `folder` its path. A rule in `WHOLE` leaves out
        everything in the folder. What cannot be looked at proves nothing.
        """
        try:
            return self._judge(fd, folder, entry)
        except OSError:
            return None

    def _judge(self, fd: int, folder: str, entry: Judged) -> str | None:
        name = entry.name
        if self._hidden and name[0] == ".":
            return "hidden"
        if self._patterns and _UNFINISHED.match(name):
            return "unfinished"
        is_folder = entry.is_dir(follow_symlinks=False)
        verdict = None
        if is_folder and (name in self._names or name.startswith(".Trash-")):
            verdict = self._judge_folder(fd, folder, name)
        elif not is_folder:
            verdict = self._judge_file(fd, folder, name, entry)
        if verdict is None and self._ignores is not None:
            ignored = self._ignores.ignores(folder, name, is_folder=is_folder)
            verdict = "gitignore" if ignored else None
        return verdict

    def _judge_file(self, fd: int, folder: str, name: str, entry: Judged) -> str | None:
        if name in self._names:
            if name == _DATA[0] and _all_of(fd, _DATA):
                return "own_data"
            if name == _LIBRARY[0] and folder.endswith(".sdlibrary") and _all_of(fd, _LIBRARY):
                return "own_data"
            if name == "CACHEDIR.TAG" and _is_cache_tag(fd):
                return "cache_tag"
            if name == "pyvenv.cfg" and _any_of(fd, (".", "bin/python", "Scripts/python.exe")):
                return "python_environment"
        if self._patterns and _PLACEHOLDER.match(name) and entry.is_file(follow_symlinks=False):
            return "open_but_deleted"
        if self._images and entry.is_file(follow_symlinks=False) and not is_image(name):
            return "not_an_image"
        return None

    def _judge_folder(self, fd: int, folder: str, name: str) -> str | None:
        if self.settings["no_system_files"]:
            if name in _TRASHES or _TRASH_OF_USER.match(name):
                return "trash" if _is_trash(fd, folder, name) else None
            if name == "lost+found":
                return "lost_and_found" if _is_lost_and_found(fd) else None
        if self.settings["no_git"] and name == ".git":
            return "version_control" if _all_of(fd, (".git/HEAD", ".git/objects")) else None
        if self.settings["no_dev_dirs"]:
            if name == "__pycache__" and _only_bytecode(fd):
                return "python_bytecode"
            if name in GENERATED and _is_generated(fd, name):
                return "build_output"
        for proof in self._proofs.get(name, ()):
            if _proven(fd, name, proof):
                return proof.rule
        return None


def _exists(fd: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=fd, follow_symlinks=False)
    except OSError:
        return False
    return True


def _all_of(fd: int, names: tuple[str, ...]) -> bool:
    return all(_exists(fd, name) for name in names)


def _any_of(fd: int, names: tuple[str, ...]) -> bool:
    """Say whether one of `names[1:]` exists in the folder `names[0]`."""
    return any(_exists(fd, f"{names[0]}/{name}") for name in names[1:])


def _proven(fd: int, name: str, proof: Proof) -> bool:
    inside = _any_of(fd, (name, *proof.inside))
    if proof.either and inside:
        return True
    beside = _any_of(fd, (".", *proof.beside))
    if proof.either:
        return beside
    return (inside or not proof.inside) and (beside or not proof.beside)


def _is_cache_tag(fd: int) -> bool:
    """Check the signature that https://bford.info/cachedir/ asks for."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    tag = os.open("CACHEDIR.TAG", flags, dir_fd=fd)
    try:
        return os.read(tag, len(_CACHE_SIGNATURE)) == _CACHE_SIGNATURE
    finally:
        os.close(tag)


def _is_trash(fd: int, folder: str, name: str) -> bool:
    freedesktop = _all_of(fd, (f"{name}/files", f"{name}/info"))
    if name == "Trash":
        return freedesktop and folder.endswith("/.local/share")
    if name == "$RECYCLE.BIN":
        return any(inner.startswith("S-1-") for inner in _names_in(fd, name, 1000))
    if freedesktop:
        return True
    mode = os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode
    if name in (".Trash", ".Trashes"):
        return sys.platform == "darwin" or bool(mode & stat.S_ISVTX)
    return False


def _is_lost_and_found(fd: int) -> bool:
    found = os.stat("lost+found", dir_fd=fd, follow_symlinks=False)
    return found.st_uid == 0 and not os.access("lost+found", os.R_OK | os.X_OK, dir_fd=fd)


def _only_bytecode(fd: int) -> bool:
    names = _names_in(fd, "__pycache__", _MOST_BYTECODE)
    return bool(names) and all(_BYTECODE.match(name) for name in names)


def _is_generated(fd: int, name: str) -> bool:
    """A build tree of CMake or Meson that is not at the same time the source tree."""
    cmake = _all_of(fd, (f"{name}/CMakeCache.txt", f"{name}/CMakeFiles"))
    if cmake and not _exists(fd, f"{name}/CMakeLists.txt"):
        return True
    return _all_of(fd, (f"{name}/meson-private", f"{name}/meson-info", f"{name}/build.ninja"))


def _names_in(fd: int, name: str, most: int) -> list[str]:
    """Return the names in the folder `name`, or none if there are more than `most`."""
    inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
    try:
        names = []
        with os.scandir(inner) as entries:
            for entry in entries:
                names.append(entry.name)
                if len(names) > most:
                    return []
        return names
    finally:
        os.close(inner)
