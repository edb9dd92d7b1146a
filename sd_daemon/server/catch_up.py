"""What a subscription is told before what is live: the history after a number, or the state.

The history is read from the journal in a thread, a slice at a time, and each waits until the client
has taken the one before it. When the end of the journal is reached, the subscription becomes live
in the same turn of the loop: nothing can happen in between, so there is no gap and no double.

The state is gathered, and told as it was at a number; what came after that number is history. It is
gathered again, a few times, when something has happened meanwhile. Under constant change it never
is quiet: then the client gets events of what the state has already. Each gives a full state, and
the latest counts.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from sd_daemon.core.bus import Published
from sd_daemon.core.current_state import current_state
from sd_daemon.core.event_segments import JournalReader
from sd_daemon.core.log import get_log
from sd_daemon.server.filters import is_wanted
from sd_wire.event_text import text_of

if TYPE_CHECKING:
    from sd_daemon.core.core import Core
    from sd_daemon.core.event_journal import EventJournal
    from sd_daemon.core.event_segments import Part
    from sd_daemon.server.fanout import Fanout
    from sd_daemon.server.watch import EventWatch

log = get_log(__name__)

GATHERINGS = 3  # of the state, before it is told although something has happened meanwhile
PIECE = 64 * 1024  # bytes of the state that are sent at a time


class CatchUp:
    """Brings one subscription from the past into the present."""

    def __init__(
        self,
        core: Core,
        fanout: Fanout,
        watch: EventWatch,
        *,
        after: int,
        initial: bool = False,
        resumes: bool = False,
    ) -> None:
        """History from `after` on; `initial`: the state instead. `resumes`: what another process
        has begun, so that its client is not told that it has caught up."""
        self._core = core
        self._fanout = fanout
        self._watch = watch
        self._after = after
        self._initial = initial
        self._resumes = resumes
        self._lost_before = core.bus.sequence  # what is gone up to here was said already
        self._task: asyncio.Task[None] | None = None
        self._reached = None if initial else after
        self.is_over = False  # and the subscription live

    def begin(self) -> bytes:
        """Begin. Where there is nothing to tell it is over at once, and this is what is said."""
        self._core.bus.flush()
        journal = self._core.bus.journal
        if not self._initial and (journal is None or journal.last <= self._after):
            return self._go_live()
        self._task = asyncio.get_running_loop().create_task(self._run())
        return b""

    @property
    def rest(self) -> tuple[int, bool] | None:
        """What another process would have to tell: the events after this number, and whether that
        the client has caught up. None while it is not known: the state is half told."""
        return None if self._reached is None else (self._reached, not self._resumes)

    def end(self) -> None:
        """The subscription has ended, or somebody else goes on with it."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        try:
            if self._initial:
                await self._tell_state()
            if self._core.bus.journal is not None:
                await self._tell_history(self._core.bus.journal)
            self._watch.outbox.write(self._go_live())
        except Exception as error:
            log.error("a subscription could not be brought up to date", error=error)
            self._watch.outbox.give_up()

    def _go_live(self) -> bytes:
        """Everything is told: from here on it is sent what happens."""
        self._fanout.add(self._watch)
        self.is_over = True
        return b"" if self._resumes else self._watch.caught_up(self._core.bus.sequence)

    async def _send(self, data: bytes, position: int | None = None) -> None:
        """Write, and return when the client has taken it. `position`: where it is then."""
        outbox = self._watch.outbox
        await outbox.emptied()
        if data:
            outbox.write(data)
        if position is not None:
            self._watch.sent = self._reached = position
        await outbox.emptied()

    # --- the state -------------------------------------------------------------------------------

    async def _tell_state(self) -> None:
        bus, watch = self._core.bus, self._watch
        for _ in range(GATHERINGS):
            self._after = self._lost_before = bus.sequence
            now = datetime.now(UTC)
            found = await current_state(self._core, watch.names, watch.wanted.library_id)
            if bus.kept <= self._after:
                break
        lines: list[bytes] = []
        size = 0
        for happened in found:
            known = Published(
                self._after, now, happened, text_of(happened), bus.device_id, initial=True
            )
            if is_wanted(watch.wanted, known.scope, happened):
                lines.append(watch.line(known))
                size += len(lines[-1])
            if size > PIECE:
                await self._send(b"".join(lines))
                lines, size = [], 0
        await self._send(b"".join(lines))
        watch.sent = self._reached = self._after

    # --- the history -----------------------------------------------------------------------------

    async def _tell_history(self, journal: EventJournal) -> None:
        """Send what the journal has. On return the loop's turn still is that in which its end was
        found."""
        reader = JournalReader(journal, max(self._after, _oldest(journal)))
        try:
            while True:
                self._core.bus.flush()
                part = await self._next_part(reader, journal)
                if part is None:
                    break
                data = await asyncio.to_thread(self._read, reader, part)
                await self._send(data, reader.position)
        finally:
            reader.close()

    async def _next_part(self, reader: JournalReader, journal: EventJournal) -> Part | None:
        """What to read next. Where something is gone since the client was told what is, that is
        said in its place."""
        before = reader.position
        try:
            part = reader.next_part()
        except OSError as error:
            log.error("events cannot be read", reason=error)
            await self._tell_missed(reader.position - before, before)
            return await self._next_part(reader, journal)
        if part is not None and part.start == 0 and (oldest := _oldest(journal)) > before:
            await self._tell_missed(oldest - before, before)
        if part is None:
            self._tell_lost(journal)
        return part

    async def _tell_missed(self, count: int, after: int) -> None:
        """Say that events are gone before they could be sent."""
        await self._watch.outbox.emptied()
        self._say_missed(count, after)
        self._reached = after + count

    def _tell_lost(self, journal: EventJournal) -> None:
        """Say what the disk has refused meanwhile."""
        lost = journal.lost_after(self._lost_before)
        if lost:
            count = sum(one.last - one.first + 1 for one in lost)
            self._say_missed(count, lost[0].first - 1)

    def _say_missed(self, count: int, after: int) -> None:
        line = self._watch.lagged(count, after)
        if line:
            self._watch.outbox.write(line)
        else:
            self._watch.outbox.give_up()

    def _read(self, reader: JournalReader, part: Part) -> bytes:
        lines = []
        for kept in reader.read(part):
            try:
                lines.append(self._watch.line_of_kept(kept))
            except (KeyError, msgspec.MsgspecError) as error:  # of another version of the daemon
                log.warning(
                    "an event of earlier makes no sense", sequence=kept.sequence, reason=error
                )
        return b"".join(lines)


def _oldest(journal: EventJournal) -> int:
    return journal.segments[0].after if journal.segments else 0
