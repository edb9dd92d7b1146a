"""`sd ls` and `sd info`: a folder and a file, from the index if it knows them, or from the disk.

Both work without a daemon. Where the answer comes from the disk they say so on standard error, for
the disk knows nothing of content identities and duplicates.
"""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
import msgspec

from sd_client.cli import names
from sd_client.cli.command import command
from sd_client.cli.places import Places
from sd_client.cli.session import Session, pass_session
from sd_client.cli.tables import facts, table
from sd_client.cli.text import path_of
from sd_client.cli.values import AbsolutePath, Choice, is_exact
from sd_client.cli.views import CHILDREN, file_name, flat
from sd_wire.errors import (
    ConnectionLost,
    ConnectionRefused,
    DaemonNotRunning,
    LibraryRequired,
    NotADirectory,
    PathDenied,
    PathNotFound,
    PathNotIndexed,
    SdError,
)
from sd_wire.operations.files import DirectorySort, ListDirectory

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = 1000
_FROM_DISK = (ConnectionLost, ConnectionRefused, DaemonNotRunning, LibraryRequired, PathNotIndexed)


@command("ls", "sd ls ~/Pictures", "sd ls ~/Downloads --sort size --limit 10")
@click.argument("path", type=AbsolutePath(folder=True), default=".")
@click.option("-l", "--long", "detailed", is_flag=True, help="with sizes and times, in a pipe too")
@click.option(
    "-a/-A",
    "--hidden/--no-hidden",
    default=True,
    help="with names that begin with a dot  [default: with]",
)
@click.option(
    "--sort",
    type=Choice.of(DirectorySort),
    default="name",
    metavar="FIELD",
    help="name, modified, size or type",
)
@click.option("-n", "--limit", type=int, metavar="NUMBER", help="how many at most; all by default")
@pass_session
def ls(
    session: Session, path: str, *, detailed: bool, hidden: bool, sort: str, limit: int | None
) -> None:
    """List a folder, folders first: as the index has it, or as it is on the disk where it is not
    indexed or no daemon runs."""
    try:
        files = _indexed(session, path, sort, hidden=hidden, limit=limit)
    except _FROM_DISK as error:
        files = _on_disk(path, sort, hidden=hidden, limit=limit)
        _say_so(session, error)
    output = session.output
    if output.json:
        output.document({"files": files, "total_count": len(files), "has_more": False})
    elif output.terminal or detailed:
        table(output, CHILDREN, files)
    else:
        output.lines(file_name(file) for file in files)


def _indexed(
    session: Session, path: str, sort: str, *, hidden: bool, limit: int | None
) -> list[dict[str, Any]]:
    files: list[dict[str, Any]] = []
    request = ListDirectory(
        Places(session).one(path),
        limit=PAGE if limit is None else min(limit, PAGE),
        include_hidden=hidden,
        sort_by=DirectorySort(sort),
        folders_first=True,
    )
    while True:
        page = msgspec.json.decode(session.raw(ListDirectory.operation, request))
        files += page["files"]
        request.cursor = page["next_cursor"]
        if not page["has_more"] or not request.cursor or (limit and len(files) >= limit):
            return files[:limit]


def _say_so(session: Session, error: SdError) -> None:
    why = "it is not in the index" if isinstance(error, PathNotIndexed) else error.text
    session.output.remark(f"sd: read from the disk: {why}")


def _on_disk(path: str, sort: str, *, hidden: bool, limit: int | None) -> list[dict[str, Any]]:
    try:
        found = [entry for entry in os.scandir(path) if hidden or not entry.name.startswith(".")]
    except OSError as error:
        raise _reason(error, path) from error
    files = list(_described(found))
    keys: dict[str, Any] = {
        "name": lambda file: file_name(file).casefold(),
        "modified": lambda file: file["modified_at"],
        "size": lambda file: file["size"],
        "type": lambda file: (file["extension"] or "", file_name(file).casefold()),
    }
    files.sort(key=keys[sort], reverse=sort in ("modified", "size"))
    files.sort(key=lambda file: file["kind"] != "Directory")
    return files[:limit]


def _described(entries: list[os.DirEntry[str]]) -> Iterator[dict[str, Any]]:
    for entry in entries:
        try:
            yield describe(entry.path, entry.stat(follow_symlinks=False))
        except FileNotFoundError:  # it went while we looked
            continue


def _reason(error: OSError, path: str) -> SdError:
    if isinstance(error, FileNotFoundError):
        return PathNotFound(path=path)
    if isinstance(error, NotADirectoryError):
        return NotADirectory(path=path)
    return PathDenied(path=path, reason=error.strerror, user=os.geteuid())


def describe(path: str, status: os.stat_result) -> dict[str, Any]:
    """What the disk says of an entry, in the fields of a File."""
    exact = os.fsencode(path)
    text = exact.decode("utf-8", "replace")
    fields: dict[str, Any] = {"device_slug": "", "path": text}
    if not is_exact(path):
        fields["path_bytes"] = msgspec.to_builtins(exact)
    name = os.path.basename(text)
    stem, dot, extension = name.rpartition(".")
    mode = status.st_mode
    folder = stat.S_ISDIR(mode)
    kind = "Directory" if folder else "Symlink" if stat.S_ISLNK(mode) else "File"
    has_extension = bool(stem and dot and not folder)
    return {
        "sd_path": {"Physical": fields},
        "kind": kind,
        "name": stem if has_extension else name,
        "extension": extension.lower() if has_extension else None,
        "size": status.st_size,
        "modified_at": _iso(status.st_mtime),
        "accessed_at": _iso(status.st_atime),
        "inode": status.st_ino,
        "is_local": True,
    }


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@command("info", "sd info ~/Pictures/sunset.jpg", "sd info report.pdf --json")
@click.argument("path", type=AbsolutePath())
@pass_session
def info(session: Session, path: str) -> None:
    """Print all that is known about one file or folder; of one that is not indexed, what the disk
    says."""
    output = session.output
    try:
        request = names.by_path(path)
        found = msgspec.json.decode(session.raw(request.operation, request))
        if found is None:
            raise PathNotIndexed(path=path)
    except _FROM_DISK as error:
        try:
            found = describe(path, os.lstat(path))
        except OSError as reason:
            raise _reason(reason, path) from reason
        _say_so(session, error)
    if output.json:
        output.document(found)
        return
    pairs = [pair for pair in flat(found) if pair[0] != "sd_path"]
    facts(output, [("path", path_of(found["sd_path"])), *pairs])
