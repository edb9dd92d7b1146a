"""How a subscription goes on where it was, whatever happened to its connection.

A course says how to subscribe, reads the replies in their order, and knows how far they went. When
the connection was lost, or events had to be dropped because nobody read them, the subscription is
made again from there. Nothing is lost and nothing comes twice; only what the daemon itself does not
keep any more becomes a Gap, once.

Nothing here waits or connects: CoreClient and BlockingClient each drive a course in their own way.
"""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Generic

import msgspec

from sd_client.occurrences import Gap, Item, LogRecord, Occurrence, Position, log_record, occurrence
from sd_wire.events import LogMessage
from sd_wire.messages import (
    CaughtUp,
    EventFilter,
    Lagged,
    LogFilter,
    Range,
    Subscribe,
    Subscribed,
    SubscribeLogs,
)

if TYPE_CHECKING:
    from sd_wire.encoding import Encoding
    from sd_wire.messages import Reply

REMEMBERED = 256
"""The latest log records, by which those that come a second time are known."""


class Course(Generic[Item]):
    """A subscription from its first request to its last reply."""

    end_word: str

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.reached: Position | None = None  # how far it went
        self.behind = False  # it has to be made again, because something was dropped

    def request(self) -> Subscribe | SubscribeLogs:
        """What to send, for the first time or again."""
        raise NotImplementedError

    def read(self, reply: Reply, encoding: Encoding) -> Item | None:
        """The next reply; what it brings for the program, if anything."""
        raise NotImplementedError


class EventCourse(Course[Occurrence]):
    """A subscription to events."""

    end_word = "Unsubscribe"

    def __init__(
        self,
        event_types: list[str] | None,
        event_filter: EventFilter | None,
        after: Position | None,
        *,
        initial: bool,
    ) -> None:
        super().__init__()
        self.reached = after
        self._types = event_types or []
        self._filter = event_filter
        self._initial = initial
        self._state_due = initial and after is None
        self._to_tell = initial or after is not None  # that it caught up; that is told once
        self._told = 0  # up to where it was said what is gone
        self._accepted: Subscribed | None = None

    def request(self) -> Subscribe:
        """From where it was."""
        self.behind = False
        after = self.reached or Position(0)
        return Subscribe(
            self._types,
            self._filter,
            None if self.reached is None else after.sequence,
            after.stream,
            self._initial,  # beside `after` it is for the case that something is gone
        )

    def read(self, reply: Reply, encoding: Encoding) -> Occurrence | None:
        """Events, each once; what is missing; and once, that it caught up."""
        if reply.Event is not msgspec.UNSET:
            return self._event(reply.Event, reply, encoding)
        if reply.CaughtUp is not msgspec.UNSET:
            return self._caught_up(reply.CaughtUp)
        if reply.Lagged is not msgspec.UNSET:
            self._lagged(reply.Lagged)
        if reply.Subscribed is not msgspec.UNSET:
            return self._accept(reply.Subscribed or Subscribed())
        return None

    def _accept(self, accepted: Subscribed) -> Occurrence | None:
        again, self._accepted = self._accepted is not None, accepted
        self.warnings = accepted.warnings
        was, now = self.reached, Position(accepted.sequence, accepted.stream)
        if accepted.stream is None:  # it does not number what it sends, so nothing can be resumed
            self.reached = None
            return Occurrence(Gap(0, 0, "unknown")) if again else None
        if was is None:
            self.reached = None if self._state_due else now
            return None
        replaced = was.stream not in (None, now.stream)
        gone = accepted.gone
        if replaced and gone is None:
            gone = Range(1, now.sequence)
        # What is gone is not passed over here: in between there may be events that are kept.
        self.reached = now if replaced else Position(min(was.sequence, now.sequence), now.stream)
        if gone is None or (gone.last <= self._told and not replaced):
            return None
        self._told = gone.last
        if self._initial:  # the state comes in the place of what is gone
            self.reached = None
            self._state_due = self._to_tell = True
        return Occurrence(Gap(gone.first, gone.last, "replaced" if replaced else "gone"), gone.last)

    def _event(self, raw: msgspec.Raw, reply: Reply, encoding: Encoding) -> Occurrence | None:
        if not reply.initial and not self._advance(reply.sequence):
            return None
        return occurrence(raw, reply, encoding)

    def _caught_up(self, caught_up: CaughtUp) -> Occurrence | None:
        self._state_due = False
        self._advance(caught_up.sequence)
        if not self._to_tell:
            return None
        self._to_tell = False
        return Occurrence(caught_up, caught_up.sequence)

    def _lagged(self, lagged: Lagged) -> None:
        self.behind = True
        self._advance(lagged.after)

    def _advance(self, sequence: int) -> bool:
        """Whether a number is a new one."""
        stream = None if self._accepted is None else self._accepted.stream
        if stream is None:
            return True
        if self.reached is not None and sequence <= self.reached.sequence:
            return False
        if not self._state_due:
            self.reached = Position(sequence, stream)
        return True


class LogCourse(Course[LogRecord]):
    """A subscription to log records. They have no numbers; it goes on by their time, which is the
    time of this machine for both ends."""

    end_word = "UnsubscribeLogs"

    def __init__(
        self, log_filter: LogFilter | None, last: int | None, since: datetime | None
    ) -> None:
        super().__init__()
        self._filter = log_filter
        self._last = last
        self._since = since
        self._to_tell = last is not None or since is not None
        self._begun: datetime | None = None
        self._latest: datetime | None = None
        self._known: deque[tuple[datetime, str, str]] = deque(maxlen=REMEMBERED)
        self._repeated: frozenset[tuple[datetime, str, str]] = frozenset()

    def request(self) -> SubscribeLogs:
        """From where it was."""
        self.behind = False
        if self._begun is None or (self._latest is None and self._to_tell):
            self._begun = datetime.now(UTC)
            return SubscribeLogs(self._filter, self._last, self._since)
        self._repeated = frozenset(self._known)
        return SubscribeLogs(self._filter, None, self._latest or self._begun)

    def read(self, reply: Reply, encoding: Encoding) -> LogRecord | None:
        """Records, each once; and once, that it caught up."""
        if reply.LogMessage is not msgspec.UNSET:
            return self._record(log_record(reply.LogMessage, encoding))
        if reply.CaughtUp is not msgspec.UNSET:
            self._repeated = frozenset()
            tell, self._to_tell = self._to_tell, False
            return LogRecord(reply.CaughtUp) if tell else None
        if reply.Lagged is not msgspec.UNSET:
            self.behind = True
        if reply.LogsSubscribed is not msgspec.UNSET:
            self.warnings = (reply.LogsSubscribed or Subscribed()).warnings
        return None

    def _record(self, found: LogRecord) -> LogRecord | None:
        record = found.record
        assert isinstance(record, LogMessage)
        known = (record.timestamp, record.target, record.message)
        if known in self._repeated:
            return None
        self._known.append(known)
        self._latest = max(self._latest or record.timestamp, record.timestamp)
        return found
