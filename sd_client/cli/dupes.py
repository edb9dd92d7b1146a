"""`sd dupes`: files with the same content, and leaving one of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sd_client.cli import names
from sd_client.cli.command import command
from sd_client.cli.names import local_path
from sd_client.cli.places import Places, expanded
from sd_client.cli.session import Session, pass_session
from sd_client.cli.text import number, size
from sd_client.cli.values import Bytes, Choice, TypedPath
from sd_client.cli.waiting import ask_first, job_options, waited
from sd_wire.operations.duplicates import (
    DuplicateGroup,
    Keep,
    ListDuplicates,
    Resolution,
    ResolveDuplicates,
)
from sd_wire.types.files import ContentKind

if TYPE_CHECKING:
    from uuid import UUID

    from sd_wire.types.jobs import JobLimits


@command("list", "sd dupes", "sd dupes list --min-size 1M --location Pictures")
@click.option("--location", metavar="LOCATION", help="only among the files of one location")
@click.option("--min-size", type=Bytes(), default=1, metavar="SIZE", help="only files so large")
@click.option("--kind", type=Choice.of(ContentKind), metavar="KIND", help="only of this kind")
@click.option(
    "-n", "--limit", type=click.IntRange(1, 10_000), default=20, help="groups  [default: 20]"
)
@pass_session
def list_command(
    session: Session, *, location: str | None, min_size: int, kind: str | None, limit: int
) -> None:
    """List files with the same content, most wasted first. Large files are compared by samples
    here; 'sd dupes resolve' compares them byte for byte."""
    where = None
    if location is not None:
        where = names.location_id(session.client, location, session.library_id())
    chosen = None if kind is None else ContentKind(kind)
    found = session.call(ListDuplicates(where, min_size, chosen, limit))
    output = session.output
    if output.json:
        output.document(found)
        return
    for group in found.groups:
        output.lines(_lines(session, group))
    if not found.groups:
        output.remark("no two files have the same content")
    else:
        total = number(found.total_groups, "group")
        output.remark(f"{total}, {size(found.total_wasted_bytes)} wasted")


def _lines(session: Session, group: DuplicateGroup) -> list[str]:
    output = session.output
    paths = [local_path(file.sd_path) for file in group.files]
    if not output.terminal:
        return ["\t".join([group.content_hash, str(group.size), path]) for path in paths]
    head = f"{group.content_hash}  {number(group.count)} x {size(group.size)}"
    lines = [f"{head}, {size(group.wasted_bytes)} wasted"]
    for file, path in zip(group.files, paths, strict=True):
        lines.append(output.safe(f"  {path}{' (hard link)' if file.linked else ''}"))
    return lines


@command(
    "resolve",
    "sd dupes resolve ~/Pictures --dry-run",
    "sd dupes resolve ~/Pictures --keep newest",
    "sd dupes resolve ~ --keep-in ~/Originals --action hardlink --yes",
)
@click.argument("within", type=TypedPath(folder=True), metavar="DIR")
@click.option(
    "--keep",
    type=Choice.of(Keep),
    default=None,
    metavar="WHICH",
    help="oldest, newest or shortest-path  [default: oldest]",
)
@click.option(
    "--keep-in", type=TypedPath(folder=True), metavar="DIR", help="keep every one in this folder"
)
@click.option(
    "--keep-file",
    "keep_files",
    multiple=True,
    type=TypedPath(),
    metavar="PATH",
    help="keep this one",
)
@click.option(
    "--action",
    type=Choice.of(Resolution),
    default="trash",
    help="what happens to the others  [default: trash]",
)
@click.option(
    "--group",
    "groups",
    multiple=True,
    metavar="HASH",
    help="only this group, as 'sd dupes' names it",
)
@click.option("--min-size", type=Bytes(), default=1, metavar="SIZE", help="only files so large")
@click.option("--dry-run", is_flag=True, help="compare and list, and change nothing")
@click.option("--yes", is_flag=True, help="do not ask before links are made")
@job_options
@pass_session
def resolve(session: Session, /, within: str, **given: Any) -> None:
    """Leave one of each group of files in DIR that have the same content. Every file is compared
    byte for byte with the one that stays before anything is done to it, and the last one is never
    touched. What goes into the trash can come back; before links are made a person is asked, and a
    script has to say --yes."""
    limits: JobLimits | None = given["limits"]
    places = Places(session)
    keep, folder = _which(given)
    request = ResolveDuplicates(
        contents=_contents(session, given["groups"]),
        within=places.one(expanded([within])[0]),
        keep=keep,
        keep_folder=None if folder is None else places.one(expanded([folder])[0]),
        keep_files=[places.one(path) for path in expanded(given["keep_files"])],
        action=Resolution(given["action"]),
        min_size=given["min_size"],
        dry_run=given["dry_run"],
        limits=limits,
    )
    destroys = request.action is not Resolution.TRASH and not request.dry_run
    question = "Replace files by links to others with the same content?"
    ask_first(session, question, confirmed=given["yes"] or not destroys)
    info = waited(session, session.call(request).id, detach=given["detach"])
    if info is None or info.output is None or session.output.json:
        return
    _report(session, info.output.data)


def _which(given: dict[str, Any]) -> tuple[Keep, str | None]:
    said = [name for name in ("keep", "keep_in", "keep_files") if given[name]]
    if len(said) > 1:
        raise click.UsageError("of --keep, --keep-in and --keep-file only one")
    if given["keep_in"]:
        return Keep.IN_FOLDER, given["keep_in"]
    if given["keep_files"]:
        return Keep.NAMED, None
    keep = Keep(given["keep"] or Keep.OLDEST)
    if keep in (Keep.IN_FOLDER, Keep.NAMED):
        raise click.UsageError("say --keep-in DIR or --keep-file PATH")
    return keep, None


def _contents(session: Session, groups: tuple[str, ...]) -> list[UUID]:
    """The ids of the groups that are named by their hash or the beginning of that."""
    if not groups:
        return []
    known = session.call(ListDuplicates(limit=10_000)).groups
    found = []
    for word in groups:
        matching = [one for one in known if one.content_hash.startswith(word.lower())]
        if len(matching) != 1:
            count = len(matching) or "no"
            raise click.UsageError(f"{count} groups have a hash that begins with {word!r}")
        found.append(matching[0].content_id)
    return found


def _report(session: Session, data: dict[str, Any]) -> None:
    output = session.output
    for item in data["items"]:
        path, kept = (one["path"] for one in (item["path"], item["keep"]))
        output.line(output.safe(f"{path} = {kept}"))
    for spared in data["skipped"]:
        output.remark(f"left: {spared['path']}: {spared['reason']}")
    count, saved = number(data["resolved_count"], "file"), size(data["potential_savings"])
    if data["dry_run"]:
        output.remark(f"nothing was done; it would be {count} ({saved})")
    else:
        output.remark(f"{count} ({saved})")
