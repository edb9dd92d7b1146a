"""`sd cp` and `sd mv`: what cp(1) and mv(1) do, by a job that survives everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from sd_client.cli.advice import TAKING
from sd_client.cli.command import command
from sd_client.cli.names import local_path
from sd_client.cli.places import Places, absolute_path, ending, expanded, outright
from sd_client.cli.session import Session, pass_session
from sd_client.cli.text import moment, shown, size
from sd_client.cli.values import TypedPath
from sd_client.cli.waiting import agrees, is_asked, job_options, show_done, show_preview, waited
from sd_wire.errors import FileConflict, KindConflict
from sd_wire.operations.files import (
    ConflictResolution,
    CopyFiles,
    CopyMethod,
    Decision,
    Preview,
    PreviewFiles,
)
from sd_wire.types.files import EntryKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from sd_client.cli.command import Command
    from sd_wire.errors import SdError
    from sd_wire.operations.files import Conflict

LISTED = 10_000  # items of a preview
_WORDS = {EntryKind.DIRECTORY: "folder", EntryKind.FILE: "file", EntryKind.SYMLINK: "link"}


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(
        (
            click.argument(
                "paths", nargs=-1, required=True, type=TypedPath(), metavar="SOURCE... DESTINATION"
            ),
            click.option(
                "-t",
                "--target-directory",
                "into",
                type=TypedPath(folder=True),
                metavar="DIR",
                help="copy into DIR",
            ),
            click.option(
                "-T",
                "--no-target-directory",
                "as_name",
                is_flag=True,
                help="the destination is the new name, also where a folder has it",
            ),
            click.option("-n", "--no-clobber", is_flag=True, help="leave what has the name"),
            click.option("-f", "--force", is_flag=True, help="overwrite it; it goes to the trash"),
            click.option("--keep-both", is_flag=True, help="give the newcomer another name"),
            click.option("-i", "--interactive", is_flag=True, help="ask for each name taken"),
            click.option("-r", "-R", "-a", "-p", "always", is_flag=True, help="is always so"),
            click.option("-v", "--verbose", is_flag=True, help="list what was done"),
            click.option("--dry-run", is_flag=True, help="list what would be done, do nothing"),
            click.option("--verify", is_flag=True, help="read what was written, and compare"),
            click.option(
                "--method",
                type=_method(),
                default="auto",
                metavar="HOW",
                help="auto, atomic or streaming",
            ),
        )
    ):
        function = option(function)
    return job_options(function)


def _method() -> Any:
    return click.Choice([method.value.lower() for method in CopyMethod])


def _declare(name: str, documentation: str, *examples: str, moves: bool) -> Command:
    def run(session: Session, **given: Any) -> None:
        Carrying(session, given, moves=moves).run()

    run.__doc__ = documentation
    return command(name, *examples, hints=TAKING)(_options(pass_session(run)))


class Carrying:
    """One run of the command."""

    def __init__(self, session: Session, given: dict[str, Any], *, moves: bool) -> None:
        self._session = session
        self._given = given
        self._moves = moves
        self._places = Places(session)

    def run(self) -> None:
        """Ask what is to be asked, start the job, wait for it."""
        given = self._given
        if self._session.begun is not None:
            waited(self._session, UUID(self._session.begun), detach=False)
            return
        request = self._request()
        if given["dry_run"]:
            self._show_dry(self._preview(request))
            return
        asks = given["interactive"] or (request.on_conflict is None and is_asked(self._session))
        preview = self._preview(request) if asks or given["verbose"] else None
        if preview is not None and asks:
            request.decisions = self._decisions(preview)
            if given["verbose"] and request.decisions:
                preview = self._preview(request)
        job = self._session.call(request).id
        info = waited(self._session, job, detach=given["detach"])
        if info and given["verbose"] and preview and not self._session.output.json:
            show_done(self._session.output, preview)

    def _show_dry(self, preview: Preview) -> None:
        """What would be done; ends as the command would where a name is taken."""
        show_preview(self._session, preview)
        if self._resolution() is None and preview.conflicts:
            for conflict in preview.conflicts[1:]:
                self._session.output.complain(f"sd: {local_path(conflict.target)} already exists")
            raise _taken(preview)

    def _request(self) -> CopyFiles:
        given = self._given
        sources, destination, into_folder = self._named()
        return CopyFiles(
            self._places.batch(sources),
            self._places.one(destination),
            verify_checksum=given["verify"],
            move_files=self._moves,
            copy_method=CopyMethod(given["method"].capitalize()),
            on_conflict=self._resolution(),
            into_folder=into_folder,
            limits=given["limits"],
        )

    def _named(self) -> tuple[list[str], str, bool | None]:
        """Sources, destination, and whether that is the folder to put them in."""
        words, into = list(self._given["paths"]), self._given["into"]
        if into is not None:
            if self._given["as_name"]:
                raise click.UsageError("-t and -T exclude each other")
            return self._sources(words), absolute_path(into), True
        if len(words) < 2:
            raise click.UsageError(f"a destination is missing behind {words[0]!r}")
        sources = self._sources(words[:-1])
        destination = absolute_path(words[-1]) + ending(words[-1])  # a new name may be any
        if self._given["as_name"]:
            if len(sources) > 1:
                raise click.UsageError("with -T there is one source")
            return sources, destination, False
        return sources, destination, True if len(sources) > 1 else None

    def _sources(self, words: list[str]) -> list[str]:
        return outright(words) if self._moves else expanded(words, ends=True)

    def _resolution(self) -> ConflictResolution | None:
        chosen = [
            resolution
            for option, resolution in (
                ("no_clobber", ConflictResolution.SKIP),
                ("force", ConflictResolution.OVERWRITE),
                ("keep_both", ConflictResolution.AUTO_MODIFY_NAME),
            )
            if self._given[option]
        ]
        if len(chosen) > 1:
            raise click.UsageError("of -n, -f and --keep-both only one")
        return chosen[0] if chosen else None

    def _preview(self, request: CopyFiles) -> Preview:
        return self._session.call(PreviewFiles(copy=request, limit=LISTED))

    def _decisions(self, preview: Preview) -> list[Decision]:
        """What a person says about each name that is taken."""
        if not preview.conflicts:
            return []
        if not is_asked(self._session):
            if self._given["interactive"]:
                raise click.UsageError("-i needs a terminal; say -f or -n instead")
            raise _taken(preview)
        if any(_is_mixed(conflict) for conflict in preview.conflicts):
            raise _taken(preview)
        return [
            Decision(self._places.one(local_path(conflict.target)), _asked(conflict))
            for conflict in preview.conflicts
        ]


def _taken(preview: Preview) -> SdError:
    """What is wrong with names that are taken: a folder and what is none come first."""
    for one in preview.conflicts:
        if _is_mixed(one):
            return KindConflict(
                path=shown(local_path(one.target)),
                there=_WORDS[one.target_kind],
                newcomer=_WORDS[one.source_kind],
                source=shown(local_path(one.source)),
            )
    first = local_path(preview.conflicts[0].target)
    return FileConflict(path=shown(first), count=preview.conflict_count)


def _is_mixed(conflict: Conflict) -> bool:
    """Whether one is a folder and the other is none, so that nothing is overwritten."""
    kinds = (conflict.source_kind, conflict.target_kind)
    return kinds.count(EntryKind.DIRECTORY) == 1


def _asked(conflict: Conflict) -> ConflictResolution:
    there = _described(conflict.target_size, conflict.target_modified_at)
    new = _described(conflict.source_size, conflict.source_modified_at)
    path = shown(local_path(conflict.target))
    yes = agrees(f"overwrite {path} ({there}) with {new}?")
    return ConflictResolution.OVERWRITE if yes else ConflictResolution.SKIP


def _described(count: int, when: Any) -> str:
    return f"{size(count)}, {moment(when.strftime('%Y-%m-%dT%H:%M:%SZ'))}"


_LINKS = (
    "A link is copied as a link; LINK/ is the folder that it leads to, and FOLDER/. what is in it."
)

cp = _declare(
    "cp",
    f"Copy files and folders. The last path is where to: a folder that is there, or the new name"
    f" of the only source. {_LINKS} Where a name is taken a person is asked, and a script ends with"
    f" 6 and nothing is done: say -n, -f, or --keep-both. A folder and what is none never overwrite"
    f" each other.",
    "sd cp report.pdf ~/Documents",
    "sd cp -v 'photo-*.jpg' /mnt/disk/photos",
    "sd cp ~/Pictures /mnt/disk --verify --bandwidth 20M --idle",
    moves=False,
)
mv = _declare(
    "mv",
    "Move or rename files and folders. The last path is where to: a folder that is there, or the"
    " new name of the only source. Where a name is taken a person is asked, and a script ends with"
    " 6 and nothing is done: say -n, -f, or --keep-both. A folder and what is none never overwrite"
    " each other.",
    "sd mv report.pdf ~/Documents",
    "sd mv old-name new-name",
    "sd mv -t ~/Archive 2019 2020",
    moves=True,
)
