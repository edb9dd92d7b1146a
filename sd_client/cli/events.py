"""`sd events`: what happened, and what happens, as it happens.

It goes on where it was when the daemon was restarted. With --json every line is one JSON document,
as it stands on the wire without the subscription's id. `{"Gap": ...}` stands where events are
missing that the daemon does not have any more, and `{"CaughtUp": ...}` where the past ends.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import click
import msgspec

from sd_client.cli import names
from sd_client.cli.command import command
from sd_client.cli.follow import leave
from sd_client.cli.output import BOLD, DIM, Output
from sd_client.cli.reader import end_with_reader
from sd_client.cli.session import Session, pass_session
from sd_client.cli.text import clock, number
from sd_client.cli.values import AbsolutePath, is_exact
from sd_client.cli.views import flat, show
from sd_client.occurrences import Gap, Position
from sd_wire.messages import CaughtUp, EventFilter
from sd_wire.operations.core import GetStatus, ListEvents
from sd_wire.types.paths import PhysicalPath, SdPath

if TYPE_CHECKING:
    from sd_client.occurrences import Occurrence


class Wanted(TypedDict):
    """Which events, besides their types."""

    job: str | None
    resource: str | None
    path: str | None
    recursive: bool


@command(
    "events",
    "sd events --follow",
    "sd events --follow --type JobProgress --type JobCompleted --json",
    "sd events --after 1200 --path ~/Pictures --recursive",
)
@click.option("-f", "--follow", is_flag=True, help="print events as they happen, until Ctrl-C")
@click.option(
    "--after",
    type=click.IntRange(0),
    metavar="N",
    help="first those that came after the event with this number",
)
@click.option("--initial", is_flag=True, help="first the state as it is now, as events")
@click.option("-t", "--type", "types", multiple=True, metavar="EVENT", help="only this kind")
@click.option("--job", metavar="JOB", help="only of this job")
@click.option(
    "--resource", metavar="TYPE", help="only of this type of resource: file, location, library, ..."
)
@click.option("--path", type=AbsolutePath(), metavar="PATH", help="only of this file or folder")
@click.option("-r", "--recursive", is_flag=True, help="with --path: of all that is in it, too")
@pass_session
def events(
    session: Session,
    types: tuple[str, ...],
    *,
    follow: bool,
    after: int | None,
    initial: bool,
    **wanted: Unpack[Wanted],
) -> None:
    """Print what happens in the daemon: with --follow from now on, with --after what has happened
    since, and with both without a gap between. With none of them, list the kinds of events there
    are. The number of an event is its `sequence` in the lines of --json.

    After Ctrl-C it ends with 130."""
    if not (follow or initial or after is not None):
        if types or any(wanted.values()):
            raise click.UsageError("say which events: --follow, --after N or --initial")
        _list_kinds(session)
        return
    split = [name for word in types for name in word.split(",") if name]
    event_filter = _filter(session, **wanted)
    position = None if after is None else Position(after)
    if follow:
        end_with_reader()
    try:
        with session.connect().subscribe_events(
            split, event_filter, after=position, initial=initial, resume=True
        ) as event_stream:
            for warning in event_stream.warnings:
                session.output.warn(warning)
            for happened in event_stream:
                _print(session.output, happened, after or 0)
                if isinstance(happened.event, CaughtUp) and not follow:
                    return
    except KeyboardInterrupt:
        leave(session)


def _list_kinds(session: Session) -> None:
    raw = session.raw(ListEvents.operation, None)
    if session.output.json:
        session.output.document(raw)
    else:
        show(session.output, "core.events.list", msgspec.json.decode(raw))


def _filter(
    session: Session, job: str | None, resource: str | None, path: str | None, *, recursive: bool
) -> EventFilter | None:
    if recursive and path is None:
        raise click.UsageError("--recursive needs --path")
    library = session.library_id()
    found = names.job_id(session.client, job, library) if job else None
    wanted = EventFilter(
        names.whole_id(library) if library else None,
        None if found is None else str(found),
        resource_type=resource,
        path_scope=None if path is None else _here(session, path),
        include_descendants=recursive or None,
    )
    return None if wanted == EventFilter() else wanted


def _here(session: Session, path: str) -> SdPath:
    slug = session.client.call(GetStatus()).device_info.slug
    if is_exact(path):
        return SdPath(PhysicalPath(slug, path))
    name = os.fsencode(path)
    return SdPath(PhysicalPath(slug, name.decode("utf-8", "replace"), name))


def _print(output: Output, happened: Occurrence, after: int) -> None:
    if output.json:
        output.document(as_on_the_wire(happened))
    elif isinstance(happened.event, Gap):
        output.warn(gap_text(happened.event, after))
    elif not isinstance(happened.event, CaughtUp):
        when = "" if happened.time is None else happened.time.isoformat()
        stamp = output.paint(clock(when), DIM) + " " if when else ""
        name, fields = name_and_fields(happened)
        text = output.safe(fields)
        output.line(f"{stamp}{output.paint(output.safe(name), BOLD)} {text}".rstrip())


def as_on_the_wire(happened: Occurrence) -> dict[str, Any]:
    """The members of an event's line."""
    if isinstance(happened.event, Gap | CaughtUp):
        return {type(happened.event).__name__: happened.event}
    members = {
        "Event": happened.raw,
        "sequence": happened.sequence,
        "time": happened.time,
        "library_id": happened.library_id,
        "device_id": happened.device_id,
        "correlation_id": happened.correlation_id,
    }
    return {**members, "initial": True} if happened.initial else members


def name_and_fields(happened: Occurrence) -> tuple[str, str]:
    """An event for a person: its name, and its fields on one line."""
    found = msgspec.json.decode(happened.raw or b"{}")
    name, fields = (found, {}) if isinstance(found, str) else next(iter(found.items()))
    return name, " ".join(f"{key}={value}" for key, value in flat(fields))


def gap_text(gap: Gap, after: int = 0) -> str:
    """What a gap means, in words, to somebody who asked for what came after a number."""
    if gap.reason == "replaced":
        return "the daemon's data were replaced: what follows is counted anew"
    if gap.reason == "unknown":
        return "the daemon was away: something may be missing here"
    if after > gap.last:
        return f"there was no event {after} yet: the last one is {gap.last}"
    missing = number(gap.last - gap.first + 1, "event")
    return f"up to {missing} missing here: {gap.first} to {gap.last} are not kept any more"
