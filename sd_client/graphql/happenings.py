"""Subscriptions: events, log records, and how one job goes.

What a subscription tells is an Occurrence: the event, and beside it its number, its time and a
cursor. Whoever gives the cursor back as `after` goes on behind it, and misses nothing.
"""

from __future__ import annotations

from inspect import cleandoc
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLDefaultInput,
    GraphQLError,
    GraphQLField,
    GraphQLInt,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLString,
)

from sd_client.graphql.enums import enum_of_names
from sd_client.graphql.inputs import present
from sd_client.graphql.naming import camel
from sd_client.graphql.scalars import DateTime, Long, Uuid
from sd_client.graphql.shapes import documentation_of
from sd_client.occurrences import Gap, Position, UnknownEvent
from sd_wire.errors import JobNotFound
from sd_wire.events import EVENTS, JobUpdate, LogMessage
from sd_wire.messages import CaughtUp, EventFilter, LogFilter
from sd_wire.operations.jobs import GetJob, JobInfo
from sd_wire.types.jobs import JobStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from datetime import datetime

    from sd_client.graphql.inputs import Inputs
    from sd_client.graphql.outputs import Outputs
    from sd_client.graphql.upstream import Info, Upstream
    from sd_client.occurrences import LogRecord, Occurrence
    from sd_client.streams import Subscription

_OVER = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)
_BESIDE: tuple[type[Any], ...] = (Gap, CaughtUp, UnknownEvent)


class Told(NamedTuple):
    """One thing that a subscription tells."""

    value: Any  # what the field resolves to
    library: UUID | None = None
    cursor: str | None = None


class Course:
    """A subscription as the resolver of a field makes it: what to ask the daemon, and how what
    comes is told. `live`: it begins now, so whoever asks the same may share it."""

    def __init__(self, source: Subscription[Any], *, live: bool) -> None:
        self.source = source
        self.live = live

    def tell(self, item: Any) -> Told | None:
        """What the client gets of an item; None for nothing."""
        raise NotImplementedError

    async def __aiter__(self) -> AsyncIterator[Told]:
        async with self.source as source:
            async for item in source:
                if (told := self.tell(item)) is not None:
                    yield told


class Events(Course):
    """Occurrences with their cursors."""

    def tell(self, item: Occurrence) -> Told:
        """Each with its place."""
        cursor = cursor_of(self.source.position)
        return Told((item, cursor), item.library_id, cursor)


class Logs(Course):
    """Records of the daemon's log."""

    def tell(self, item: LogRecord) -> Told | None:
        """The records, without the mark between past and present."""
        record = item.record
        return Told(record, record.library_id) if isinstance(record, LogMessage) else None


class OneJob(Course):
    """A job, to its end: as it stands now, and anew whenever it changes."""

    def __init__(
        self, source: Subscription[Any], job: JobInfo, ask: Callable[[], Awaitable[JobInfo | None]]
    ) -> None:
        super().__init__(source, live=False)
        self._job = job
        self._ask = ask

    async def __aiter__(self) -> AsyncIterator[Told]:
        async with self.source as source:
            standing: JobInfo | None = await self._ask() or self._job
            while standing is not None:
                yield Told(standing)
                if standing.status in _OVER or await source.recv() is None:
                    return
                standing = await self._ask()


def cursor_of(position: Position | None) -> str | None:
    """A place in the order of events as clients keep it."""
    if position is None or position.stream is None:
        return None
    return f"{position.sequence}.{position.stream.hex}"


def position_of(cursor: str) -> Position:
    """The place that a cursor names."""
    number, _, stream = cursor.partition(".")
    try:
        return Position(int(number), UUID(stream))
    except ValueError:
        text = f"{cursor[:60]!r} is no cursor of an event"
        raise GraphQLError(text, extensions={"code": "invalid-cursor"}) from None


class Happenings:
    """The part of one schema that is about what happens."""

    def __init__(self, outputs: Outputs, inputs: Inputs) -> None:
        self._outputs = outputs
        self._inputs = inputs
        self._event = GraphQLInterfaceType(
            "Event",
            {
                "type": GraphQLField(
                    GraphQLNonNull(GraphQLString),
                    resolve=lambda source, _info: type(source).__name__,
                    description="its name",
                )
            },
            resolve_type=lambda value, _info, _type: type(value).__name__,
            description="Something that happened, or (Gap, CaughtUp) where a subscription stands.",
        )
        self._type = enum_of_names(
            "EventType",
            "The events that there are.",
            [(name, documentation_of(cls)) for name, cls in sorted(EVENTS.items())],
        )

    def types(self) -> list[GraphQLNamedType]:
        """Every event: nothing but the interface leads to them."""
        classes: list[type[Any]] = [cls for _, cls in sorted(EVENTS.items())]
        classes += _BESIDE
        return [self._outputs.object(cls, [self._event]) for cls in classes]

    def root(self, library: GraphQLArgument) -> GraphQLObjectType:
        """What can be subscribed to."""
        fields = {
            "events": self._events(library),
            "jobUpdates": self._job(library),
            "logs": self._logs(library),
        }
        return GraphQLObjectType("Subscription", fields, description="What can be watched.")

    def _events(self, library: GraphQLArgument) -> GraphQLField:
        chosen = GraphQLList(GraphQLNonNull(self._type))
        return GraphQLField(
            GraphQLNonNull(self._occurrence()),
            args={
                "library": library,
                "types": GraphQLArgument(
                    chosen, description="which; else all but those that only come by name"
                ),
                **self._inputs.arguments(EventFilter, without=("library_id",)),
                "after": GraphQLArgument(
                    GraphQLString, description="first what came after this cursor"
                ),
                "initial": _flag("first the state as it is now"),
            },
            subscribe=_subscribe_events,
            resolve=lambda told, _info, **_given: told,
            description=cleandoc(
                """What happens, as it happens. Filters that are set must match. With `after` the
                events since then come first; what the daemon no longer has is told as a Gap."""
            ),
        )

    def _job(self, library: GraphQLArgument) -> GraphQLField:
        return GraphQLField(
            GraphQLNonNull(self._outputs.object(JobInfo)),
            args={
                "library": library,
                "jobId": GraphQLArgument(
                    GraphQLNonNull(Uuid), description="the job", out_name="job_id"
                ),
            },
            subscribe=_subscribe_job,
            resolve=lambda told, _info, **_given: told,
            description="How a job goes: its state now and every change, until it is over.",
        )

    def _logs(self, library: GraphQLArgument) -> GraphQLField:
        return GraphQLField(
            GraphQLNonNull(self._outputs.object(LogMessage, [self._event])),
            args={
                "library": library,
                **self._inputs.arguments(LogFilter, without=("library_id",)),
                "last": GraphQLArgument(GraphQLInt, description="first so many older ones"),
                "since": GraphQLArgument(DateTime, description="first those from then on"),
            },
            subscribe=_subscribe_logs,
            resolve=lambda told, _info, **_given: told,
            description="Records of the daemon's log.",
        )

    def _occurrence(self) -> GraphQLObjectType:
        some: dict[str, tuple[Any, str | None]] = {
            "sequence": (GraphQLNonNull(Long), "grows with every event"),
            "time": (DateTime, None),
            "library_id": (Uuid, None),
            "device_id": (Uuid, None),
            "correlation_id": (GraphQLString, "the request that caused it"),
            "initial": (GraphQLNonNull(GraphQLBoolean), "the state at the beginning, no change"),
            "event": (GraphQLNonNull(self._event), "what happened"),
        }
        fields = {
            camel(name): GraphQLField(kind, resolve=_of_occurrence(name), description=about)
            for name, (kind, about) in some.items()
        }
        fields["cursor"] = GraphQLField(
            GraphQLString,
            resolve=lambda told, _info: told[1],
            description="give it as `after` to go on behind this one",
        )
        return GraphQLObjectType(
            "Occurrence", fields, description="An event, and what is known about it."
        )


def _of_occurrence(name: str) -> Callable[[Any, Info], Any]:
    return lambda told, _info: getattr(told[0], name)


def _flag(about: str) -> GraphQLArgument:
    return GraphQLArgument(
        GraphQLNonNull(GraphQLBoolean), default=GraphQLDefaultInput(value=False), description=about
    )


async def _subscribe_events(
    _root: Any,
    info: Info,
    *,
    initial: bool,
    library: str | None = None,
    types: list[str] | None = None,
    after: str | None = None,
    **given: Any,
) -> Course:
    context = info.context
    chosen = EventFilter(await context.upstream.library(library), **present(given))
    after = context.resume or after
    place = None if after is None else position_of(after)
    source = context.upstream.client.subscribe_events(types, chosen, after=place, initial=initial)
    return Events(source, live=after is None and not initial)


async def _subscribe_job(
    _root: Any, info: Info, *, job_id: UUID, library: str | None = None
) -> Course:
    upstream: Upstream = info.context.upstream
    where = await upstream.library(library)

    async def ask() -> JobInfo | None:
        found: JobInfo | None = await upstream.call(GetJob.operation, GetJob(job_id), where)
        return found

    job = await ask()
    if job is None:
        raise JobNotFound(job=job_id, pointer="/jobId")
    chosen = EventFilter(where, str(job_id))
    return OneJob(upstream.client.subscribe_events([JobUpdate.__name__], chosen), job, ask)


async def _subscribe_logs(
    _root: Any,
    info: Info,
    *,
    library: str | None = None,
    last: int | None = None,
    since: datetime | None = None,
    **given: Any,
) -> Course:
    context = info.context
    chosen = LogFilter(await context.upstream.library(library), **present(given))
    source = context.upstream.client.subscribe_logs(chosen, last=last, since=since)
    return Logs(source, live=last is None and since is None)
