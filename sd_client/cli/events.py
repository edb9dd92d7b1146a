"""`sd events`: what happens, as it happens.

With --json every line is one JSON document, as it stands on the wire without the request's id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from sd_client.cli import names
from sd_client.cli.command import command
from sd_client.cli.follow import followed, leave, say_gap
from sd_client.cli.output import BOLD, DIM, Output
from sd_client.cli.session import Session, pass_session
from sd_client.cli.text import clock
from sd_client.cli.views import flat, show
from sd_wire.messages import EventFilter
from sd_wire.operations.core import ListEvents

if TYPE_CHECKING:
    from uuid import UUID

    from sd_wire.messages import Reply


@command(
    "events",
    "sd events --follow",
    "sd events --follow --type JobProgress --type JobCompleted --json",
)
@click.option("-f", "--follow", is_flag=True, help="print events as they happen, until Ctrl-C")
@click.option("-t", "--type", "types", multiple=True, metavar="EVENT", help="only this kind")
@click.option("--job", metavar="JOB", help="only of this job")
@click.option("--resource", metavar="TYPE", help="only of this type of resource")
@pass_session
def events(
    session: Session, types: tuple[str, ...], *, follow: bool, job: str | None, resource: str | None
) -> None:
    """Print what happens in the daemon. Without --follow, list the kinds of events there are.
    After Ctrl-C it ends with 130."""
    if not follow:
        raw = session.raw(ListEvents.operation, None)
        if session.output.json:
            session.output.document(raw)
        else:
            show(session.output, "core.events.list", msgspec.json.decode(raw))
        return
    wanted = _event_filter(session, job, resource)
    split = [name for word in types for name in word.split(",") if name]
    try:
        for reply in followed(session, lambda client: client.subscribe(split, wanted)):
            if reply is None:
                say_gap(session)
            elif reply.Lagged is not msgspec.UNSET:
                say_gap(session, reply.Lagged.missed)
            else:
                _print_event(session.output, reply)
    except KeyboardInterrupt:
        leave(session)


def _event_filter(session: Session, job: str | None, resource: str | None) -> EventFilter | None:
    library = session.library_id()
    if library is None and job is None and resource is None:
        return None
    found = names.job_id(session.client, job, library) if job else None
    chosen: UUID | None = names.whole_id(library) if library else None
    return EventFilter(chosen, None if found is None else str(found), resource_type=resource)


def _print_event(output: Output, reply: Reply) -> None:
    if reply.Event is msgspec.UNSET:
        return
    when = reply.time.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if reply.time else ""
    if output.json:
        output.document(
            {
                "Event": reply.Event,
                "sequence": reply.sequence,
                "time": when or None,
                "library_id": reply.library_id,
                "correlation_id": reply.correlation_id,
            }
        )
        return
    found = msgspec.json.decode(reply.Event)
    name, fields = (found, {}) if isinstance(found, str) else next(iter(found.items()))
    text = output.safe(" ".join(f"{key}={value}" for key, value in flat(fields)))
    stamp = output.paint(clock(when), DIM) + " " if when else ""
    output.line(f"{stamp}{output.paint(output.safe(name), BOLD)} {text}".rstrip())
