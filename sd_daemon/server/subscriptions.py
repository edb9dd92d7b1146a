"""What one client watches: its subscriptions to events and to log records."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from sd_daemon.server.catch_up import CatchUp
from sd_daemon.server.handover import KeptWatch
from sd_daemon.server.log_watch import LogWatch
from sd_daemon.server.watch import EventWatch
from sd_wire.errors import InvalidValue, TooManySubscriptions
from sd_wire.messages import MAX_PENDING, Id, Range, Subscribe, Subscribed, SubscribeLogs
from sd_wire.subscribing import Own, warnings_of

if TYPE_CHECKING:
    from sd_daemon.server.instance import Instance
    from sd_daemon.server.outbox import Outbox
    from sd_wire.encoding import Encoding


class Subscriptions:
    """The subscriptions of one connection."""

    def __init__(self, instance: Instance, encoding: Encoding, outbox: Outbox) -> None:
        self._instance = instance
        self._encoding = encoding
        self._outbox = outbox
        self._catching_up: dict[EventWatch, CatchUp] = {}
        self._watches: dict[tuple[str, Id], EventWatch | LogWatch] = {}
        self.version = 0  # another number whenever there are other subscriptions

    def __len__(self) -> int:
        return len(self._watches)

    def begin(self, wanted: Subscribe | SubscribeLogs, request_id: Id) -> bytes:
        """Begin a subscription; one with the same id, or also without any, is replaced."""
        kind = "logs" if isinstance(wanted, SubscribeLogs) else "events"
        self.version += 1
        if len(self._watches) >= MAX_PENDING and (kind, request_id) not in self._watches:
            return self._encoding.failure(TooManySubscriptions(limit=MAX_PENDING), request_id)
        if isinstance(wanted, SubscribeLogs):
            return self._begin_logs(wanted, request_id)
        if wanted.after is not None and request_id is msgspec.UNSET:
            reason = "a subscription without an id cannot be told what is gone"
            error = InvalidValue(field="after", reason=reason, pointer="/Subscribe/after")
            return self._encoding.failure(error, request_id)
        self._remove("events", request_id)
        watch = EventWatch(self._outbox, self._encoding, request_id, wanted)
        self._watches["events", request_id] = watch
        self._instance.counts.subscriptions += 1
        if request_id is msgspec.UNSET:
            return self._encoding.word("Subscribed", request_id) + self._start(watch, None)
        self._instance.core.bus.flush()  # so that all numbers up to here are in the journal
        gone = self._gone(wanted)
        bus = self._instance.core.bus
        device = self._instance.core.device
        warnings = warnings_of(wanted, Own(device.id, device.slug))
        said = Subscribed(bus.stream, bus.sequence, gone, warnings)
        return self._encoding.word("Subscribed", request_id, said) + self._start(watch, gone)

    def _gone(self, wanted: Subscribe) -> Range | None:
        """What is not there any more of what is asked for."""
        bus = self._instance.core.bus
        if wanted.after is None:
            return None
        if wanted.stream not in (None, bus.stream) or wanted.after > bus.sequence:
            return Range(1, max(bus.sequence, 1))  # that is another history than this one
        gone = None if bus.journal is None else bus.journal.gone_after(wanted.after, bus.sequence)
        return None if gone is None else Range(gone.first, gone.last)

    def _start(self, watch: EventWatch, gone: Range | None) -> bytes:
        """Let a subscription begin: what more is said at once."""
        instance, asked = self._instance, watch.request
        after = instance.core.bus.sequence
        if asked.after is not None and asked.stream in (None, instance.core.bus.stream):
            after = min(after, asked.after)
        # The history is enough where it is whole; what is gone of it only the state can replace.
        initial = asked.initial and (asked.after is None or gone is not None)
        if not initial and asked.after is None:
            instance.fanout.add(watch)
            return b""
        catch_up = CatchUp(instance.core, instance.fanout, watch, after=after, initial=initial)
        self._catching_up[watch] = catch_up
        return catch_up.begin()

    def _begin_logs(self, wanted: SubscribeLogs, request_id: Id) -> bytes:
        watch = LogWatch(self._outbox, self._encoding, request_id, wanted)
        self._remove("logs", request_id)
        self._watches["logs", request_id] = watch
        said = self._instance.logs.add(watch)
        self._instance.counts.subscriptions += 1
        told = None if request_id is msgspec.UNSET else said
        return self._encoding.word("LogsSubscribed", request_id, told)

    def end(self, word: str, request_id: Id) -> bytes:
        """End the subscription with this id, if there is one."""
        kind, reply = (
            ("events", "Unsubscribed") if word == "Unsubscribe" else ("logs", "LogsUnsubscribed")
        )
        self._remove(kind, request_id)
        return self._encoding.word(reply, request_id)

    @property
    def are_behind(self) -> bool:
        """Whether one is being told of the past, or the client does not read."""
        told = any(not one.is_live for one in self._watches.values() if isinstance(one, LogWatch))
        return told or bool(self._behind()) or not self._outbox.open

    def _behind(self) -> list[CatchUp]:
        return [one for one in self._catching_up.values() if not one.is_over]

    def halt(self) -> None:
        """Send nothing more of the past: that is for the process that follows."""
        for catch_up in self._behind():
            catch_up.end()

    def hand_over(self) -> list[KeptWatch] | None:
        """The subscriptions for the process that follows; None where it could not go on with all
        of them. What they asked of the past is told, or ours to know from here on."""
        if not self._outbox.open:
            return None
        kept = []
        for (_, request_id), watch in self._watches.items():
            if isinstance(watch, LogWatch):
                if not watch.is_live:
                    return None
                kept.append(KeptWatch(request_id, logs=SubscribeLogs(watch.asked.filter)))
                continue
            asked = Subscribe(watch.request.event_types, watch.request.filter)
            one = KeptWatch(request_id, events=asked)
            catch_up = self._catching_up.get(watch)
            if catch_up is not None and not catch_up.is_over:
                if catch_up.rest is None:
                    return None
                one.after, one.is_told = catch_up.rest
            kept.append(one)
        return kept

    def resume(self, kept: KeptWatch) -> bytes:
        """Go on with what another process has begun, where it has left off."""
        self._instance.counts.subscriptions += 1
        self.version += 1
        left_off = self._instance.left_off
        if kept.logs is not None:
            since = datetime.fromtimestamp(left_off.log_time / 1e6, UTC)
            log_watch = LogWatch(self._outbox, self._encoding, kept.id, kept.logs, since=since)
            self._watches["logs", kept.id] = log_watch
            self._instance.logs.add(log_watch)
            return b""
        watch = EventWatch(self._outbox, self._encoding, kept.id, kept.events or Subscribe())
        self._watches["events", kept.id] = watch
        after = left_off.event if kept.after is None else kept.after
        core, fanout = self._instance.core, self._instance.fanout
        catch_up = CatchUp(core, fanout, watch, after=after, resumes=not kept.is_told)
        self._catching_up[watch] = catch_up
        return catch_up.begin()

    def hold(self) -> None:
        """The client reads slower than it is sent to."""
        self._outbox.held = True
        self._instance.fanout.fell_behind(self._outbox)

    def flush(self) -> None:
        """Write what waits."""
        self._outbox.flush()

    def go_on(self) -> None:
        """It has caught up."""
        self._outbox.held = False
        self._outbox.flush()
        if not self._outbox.held:
            self._instance.fanout.caught_up(self._outbox)

    def close(self) -> None:
        """The client is gone."""
        for kind, request_id in tuple(self._watches):
            self._remove(kind, request_id)
        self._instance.fanout.caught_up(self._outbox)

    def _remove(self, kind: str, request_id: Id) -> None:
        watch = self._watches.pop((kind, request_id), None)
        if watch is not None:
            self.version += 1
            if isinstance(watch, LogWatch):
                self._instance.logs.remove(watch)
            else:
                catch_up = self._catching_up.pop(watch, None)
                if catch_up is not None:
                    catch_up.end()
                self._instance.fanout.remove(watch)
            self._instance.counts.subscriptions -= 1
