"""`sd trash`: what was deleted, and what becomes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from sd_client.cli.advice import TAKING
from sd_client.cli.command import command
from sd_client.cli.names import ambiguous, local_path
from sd_client.cli.places import Places, expanded
from sd_client.cli.session import Session, pass_session
from sd_client.cli.tables import Column, table
from sd_client.cli.text import moment, number, path_of, size
from sd_client.cli.values import TypedPath, absolute
from sd_client.cli.waiting import ask_first, job_options, waited
from sd_wire.errors import InvalidValue, TrashItemNotFound
from sd_wire.operations.files import ConflictResolution
from sd_wire.operations.trash import EmptyTrash, ListTrash, RestoreTrash, TrashItem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from sd_wire.types.jobs import JobLimits

COLUMNS = [
    Column("ID", lambda row: row["id"][:8]),
    Column("DELETED", lambda row: moment(row["deleted_at"]) if row["deleted_at"] else ""),
    Column("SIZE", lambda row: size(row["size"]), right=True),
    Column("WHERE IT WAS", lambda row: _place(row), gives_way=True),
]


def _place(row: dict[str, Any]) -> str:
    path = path_of(row["original_path"]) if row["original_path"] else f"? {row['name']}"
    return path + ("/" if row["kind"] == "Directory" else "")


def _everything(session: Session) -> list[TrashItem]:
    request = ListTrash()
    items: list[TrashItem] = []
    while True:
        page = session.call(request)
        items += page.items
        request.cursor = page.next_cursor
        if not page.has_more:
            return items


def meant(session: Session, words: Sequence[str]) -> list[TrashItem]:
    """The items that the words name: by id, by the beginning of one, by where a thing was (the
    latest, where several were there), or by its name where only one has it."""
    known = _everything(session)
    return [_meant(word, known) for word in words]


def _meant(word: str, known: list[TrashItem]) -> TrashItem:
    path = absolute(word)
    for item in known:
        if item.id == word or (item.original_path and local_path(item.original_path) == path):
            return item
    found = [item for item in known if item.name == word]
    found = found or [item for item in known if len(word) >= 4 and item.id.startswith(word)]
    if len(found) > 1:
        listed = [(item.id, _described(item)) for item in found]
        raise ambiguous(f"{word!r} is {len(found)} things in the trash, say which", listed)
    if not found:
        raise TrashItemNotFound(item=word)
    return found[0]


def _described(item: TrashItem) -> str:
    place = item.name if item.original_path is None else local_path(item.original_path)
    when = item.deleted_at
    return place if when is None else f"{place}, deleted {moment(when.isoformat())}"


@command("list", "sd trash", "sd trash list --json")
@pass_session
def list_command(session: Session) -> None:
    """List what is in the trash of every mounted filesystem, the latest first; also what other
    programs put there."""
    items = msgspec.to_builtins(_everything(session))
    if session.output.json:
        session.output.document({"items": items, "total_count": len(items)})
        return
    table(session.output, COLUMNS, items)
    if not items:
        session.output.remark("the trash is empty")


@command(
    "restore",
    "sd trash restore ~/Documents/report.pdf",
    "sd trash restore 3f2a --to /tmp",
    hints={**TAKING, InvalidValue: "--to DIR says where it goes"},
)
@click.argument("items", nargs=-1, required=True, metavar="ITEM...")
@click.option(
    "--to", type=TypedPath(folder=True), metavar="DIR", help="a folder to put them in instead"
)
@click.option("-n", "--no-clobber", is_flag=True, help="leave what has the name")
@click.option("-f", "--force", is_flag=True, help="overwrite it; it goes to the trash")
@click.option("--keep-both", is_flag=True, help="give what comes back another name")
@job_options
@pass_session
def restore(
    session: Session,
    items: tuple[str, ...],
    *,
    to: str | None,
    no_clobber: bool,
    force: bool,
    keep_both: bool,
    detach: bool,
    limits: JobLimits | None,
) -> None:
    """Take things out of the trash, back to where they were. ITEM is the path that a thing had, its
    name, or its id or the beginning of that."""
    resolution = None
    if no_clobber + force + keep_both > 1:
        raise click.UsageError("of -n, -f and --keep-both only one")
    if no_clobber:
        resolution = ConflictResolution.SKIP
    elif force:
        resolution = ConflictResolution.OVERWRITE
    elif keep_both:
        resolution = ConflictResolution.AUTO_MODIFY_NAME
    request = RestoreTrash(
        [item.id for item in meant(session, items)],
        None if to is None else Places(session).one(expanded([to])[0]),
        resolution,
        limits,
    )
    waited(session, session.call(request).id, detach=detach)


@command("empty", "sd trash empty", "sd trash empty --older 30 --yes", "sd trash empty 3f2a")
@click.argument("items", nargs=-1, metavar="ITEM...")
@click.option("--older", type=click.IntRange(0), metavar="DAYS", help="what is older than that")
@click.option("--yes", is_flag=True, help="do not ask")
@job_options
@pass_session
def empty(
    session: Session,
    items: tuple[str, ...],
    *,
    older: int | None,
    yes: bool,
    detach: bool,
    limits: JobLimits | None,
) -> None:
    """Destroy what is in the trash: everything, what is older, or the things that are named as for
    'sd trash restore'. A person is asked before, a script has to say --yes."""
    if items and older is not None:
        raise click.UsageError("name things, or say --older")
    chosen = meant(session, items)
    if items:
        what = number(len(chosen), "thing")
    else:
        count = number(len(_everything(session)), "thing") if older is None else "what"
        what = count if older is None else f"what is older than {number(older, 'day')}"
    ask_first(session, f"Destroy {what} in the trash for good?", confirmed=yes)
    request = EmptyTrash(
        [item.id for item in chosen], older, all=not items and older is None, limits=limits
    )
    waited(session, session.call(request).id, detach=detach)
