"""`sd rm`, `sd rename` and `sd mkdir`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from sd_client.cli.carry import LISTED
from sd_client.cli.command import command
from sd_client.cli.places import Places, absolute_path, outright
from sd_client.cli.session import Session, pass_session
from sd_client.cli.text import number, shown
from sd_client.cli.values import Mode, TypedPath, is_exact
from sd_client.cli.waiting import (
    agrees,
    ask_first,
    counted,
    is_asked,
    job_options,
    show_done,
    show_preview,
    status_of,
    waited,
)
from sd_wire.errors import (
    FileConflict,
    FolderNotEmpty,
    KindConflict,
    PathNotFound,
    TrashUnavailable,
)
from sd_wire.operations.files import (
    ConflictResolution,
    CreateFolder,
    DeleteFiles,
    Preview,
    PreviewFiles,
    RenameFile,
)

if TYPE_CHECKING:
    from sd_wire.types.jobs import JobLimits


@command(
    "rm",
    "sd rm old.txt",
    "sd rm '*.tmp' --dry-run",
    "sd rm -r --permanent build --yes",
    hints={
        PathNotFound: "nothing was deleted; -f passes over what is not there",
        FolderNotEmpty: "-r deletes all that is in it, too",
        TrashUnavailable: "--permanent deletes it for good",
    },
)
@click.argument("paths", nargs=-1, required=True, type=TypedPath(), metavar="PATH...")
@click.option("-r", "-R", "--recursive", is_flag=True, help="folders with all that is in them")
@click.option("--permanent", is_flag=True, help="for good, and not into the trash")
@click.option("--secure", is_flag=True, help="for good: overwrite each file first")
@click.option("-f", "--force", is_flag=True, help="never ask; what is not there is no error")
@click.option("-i", "--interactive", is_flag=True, help="ask for each")
@click.option("--yes", is_flag=True, help="do not ask")
@click.option("-v", "--verbose", is_flag=True, help="list what was done")
@click.option("--dry-run", is_flag=True, help="list what would be done, and do nothing")
@job_options
@pass_session
def rm(
    session: Session,
    paths: tuple[str, ...],
    *,
    recursive: bool,
    permanent: bool,
    secure: bool,
    force: bool,
    interactive: bool,
    yes: bool,
    verbose: bool,
    dry_run: bool,
    detach: bool,
    limits: JobLimits | None,
) -> None:
    """Put files and folders into the trash of their filesystem, from where 'sd undo' and
    'sd trash restore' bring them back. With --permanent they are gone: a person is asked before
    that, a script has to say --yes or -f. What --secure cannot promise it says."""
    found = outright(paths, missing_ok=force)
    if force:
        found = [path for path in found if os.path.lexists(path)]
    if interactive:
        found = _chosen(session, found)
    if not found:
        return
    places = Places(session)
    request = DeleteFiles(
        places.batch(found),
        permanent=permanent or secure,
        recursive=recursive,
        secure=secure,
        limits=limits,
    )
    asks = (permanent or secure) and not (yes or force or interactive)
    preview: Preview | None = None
    if dry_run or verbose or (asks and is_asked(session)):
        preview = session.call(PreviewFiles(delete=request, limit=LISTED))
    if dry_run and preview is not None:
        show_preview(session, preview)
        return
    what = counted(preview) if preview is not None else "this"
    ask_first(session, f"Delete {what} for good?", confirmed=not asks)
    info = waited(session, session.call(request).id, detach=detach)
    if info is None:
        return
    if verbose and preview is not None and not session.output.json:
        show_done(session.output, preview)
    if not request.permanent and info.output is not None:
        count = info.output.data["deleted_count"]
        back = "brings it back" if count == 1 else "brings them back"
        session.output.remark(f"{number(count, 'thing')} went into the trash; 'sd undo' {back}")


def _chosen(session: Session, paths: list[str]) -> list[str]:
    """The paths that a person says yes to."""
    if not is_asked(session):
        raise click.UsageError("-i needs a terminal")
    return [path for path in paths if agrees(f"delete {shown(path)}?")]


@command(
    "rename",
    "sd rename ~/Pictures/img_0001.jpg sunset.jpg",
    hints={
        FileConflict: "-f overwrites it; what was there goes to the trash",
        KindConflict: "move it away first, or choose another name",
    },
)
@click.argument("path", type=TypedPath(), metavar="PATH")
@click.argument("name", metavar="NAME")
@click.option(
    "-f", "--force", is_flag=True, help="overwrite what has the name; it goes to the trash"
)
@pass_session
def rename(session: Session, path: str, name: str, *, force: bool) -> None:
    """Give a file or folder another name in the same folder."""
    found = outright([path])
    if len(found) > 1:
        raise click.UsageError(f"{path!r} is {len(found)} things, not one")
    exact = os.fsencode(name)
    request = RenameFile(
        Places(session).one(found[0]),
        exact.decode("utf-8", "replace"),
        None if is_exact(name) else exact,
        ConflictResolution.OVERWRITE if force else None,
    )
    waited(session, session.call(request).id, detach=False)


_PRESENT = "-p is content with a folder that is there"


@command(
    "mkdir",
    "sd mkdir ~/Pictures/2026",
    "sd mkdir -p a/b/c",
    "sd mkdir -m 700 secret",
    hints={
        FileConflict: lambda fields: _PRESENT if os.path.isdir(fields["path"]) else None,
        PathNotFound: "-p makes the folders above it, too",
    },
)
@click.argument("paths", nargs=-1, required=True, type=TypedPath(), metavar="PATH...")
@click.option(
    "-p", "--parents", is_flag=True, help="folders above it, too; one that is there is fine"
)
@click.option(
    "-m", "--mode", type=Mode(), metavar="MODE", help="its permissions, in octal, as chmod's"
)
@click.option("-v", "--verbose", is_flag=True, help="print each folder that was made")
@pass_session
def mkdir(
    session: Session, paths: tuple[str, ...], *, parents: bool, mode: int | None, verbose: bool
) -> None:
    """Make folders. Where one cannot be made the others are; it ends with the status of the error
    then, or with 1 where there are several kinds."""
    places = Places(session)
    output = session.output
    codes: set[str] = set()
    for path in map(absolute_path, paths):
        if parents and os.path.isdir(path):
            continue
        try:
            made = session.call(_new_folder(places, path, mode, parents=parents))
        except CreateFolder.operation.errors as error:
            output.problem(error)
            codes.add(error.code)
            continue
        if output.json:
            output.document(made)
        elif verbose:
            output.line(output.safe(path))
    if codes:
        status = status_of(codes.pop() if len(codes) == 1 else None)
        click.get_current_context().exit(status)


def _new_folder(places: Places, path: str, mode: int | None, *, parents: bool) -> CreateFolder:
    parent, name = os.path.split(path)
    exact = os.fsencode(name)
    return CreateFolder(
        places.one(parent),
        exact.decode("utf-8", "replace"),
        name_bytes=None if is_exact(name) else exact,
        parents=parents,
        mode=mode,
    )
