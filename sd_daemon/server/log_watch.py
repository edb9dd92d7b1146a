"""One subscription to log records: first those of the past, where they are asked for, then live.

The past is read in a thread, a piece at a time, and each piece waits until the client has taken the
one before it. What is recorded meanwhile waits until the past is told.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from sd_daemon.core.log import get_log
from sd_wire.log_history import Chosen, level_named, past
from sd_wire.messages import CaughtUp, Lagged, LogFilter, SubscribeLogs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sd_daemon.core.bus import Bus
    from sd_daemon.server.outbox import Outbox
    from sd_wire.encoding import Encoding
    from sd_wire.events import LogMessage
    from sd_wire.log_history import Part
    from sd_wire.messages import Id

log = get_log(__name__)

PIECE = 64 * 1024  # bytes of the past that are sent at a time
WAITING = 10_000  # records that wait until the past is told
AT_ONCE = 200  # of those, when it is


class LogWatch:
    """A subscription to log records."""

    def __init__(
        self,
        outbox: Outbox,
        encoding: Encoding,
        request_id: Id,
        asked: SubscribeLogs,
        *,
        since: datetime | None = None,
    ) -> None:
        """`since`: where another process has left off. It is not the client's affair."""
        self.since = since
        self.outbox = outbox
        self.asked = asked
        self.missed = 0
        self._encoding = encoding
        self._id = request_id
        wanted = asked.filter or LogFilter()
        self._chosen = Chosen(wanted)
        self._all_levels = level_named(wanted.level) is not None
        self._last = 0  # number of the last record that was offered
        self._waiting: list[bytes] | None = None  # while the past is told
        self._gap = 0  # how many did not fit there
        self._telling: asyncio.Task[None] | None = None
        self._rests = False  # until the client has taken what it was sent
        self._ended = False

    @property
    def wants_past(self) -> bool:
        """Whether there is something to tell before what is live."""
        past = (self.asked.last, self.asked.since, self.since)
        return any(one is not None for one in past)

    @property
    def is_live(self) -> bool:
        """Whether everything before now is told."""
        return self._waiting is None

    # --- what the feed calls -----------------------------------------------------------------

    def begin(self, taken: int, parts: list[Part], bus: Bus) -> None:
        """So many records were counted; those of them that are wanted are in these parts."""
        self._last = taken
        if self.wants_past:
            self._waiting = []
            self._telling = asyncio.get_running_loop().create_task(self._tell_past(parts, bus))

    def offer(self, number: int, record: LogMessage, *, kept: bool) -> None:
        """Take a record, if it came after the beginning and passes the filter."""
        if number <= self._last:
            return
        self.skip_to(number - 1)
        self._last = number
        # Who asked for no level gets what the daemon's own level allows, whoever else watches.
        if (kept or self._all_levels) and record in self._chosen:
            self._send(self._frame(record))

    def skip_to(self, number: int) -> None:
        """The records up to this one did not come, and will not."""
        if number > self._last:
            self._miss(number - self._last)
            self._last = number

    def end(self) -> None:
        """Send nothing more."""
        self._ended = True
        if self._telling is not None and self._rests:
            self._telling.cancel()  # but not while a thread reads: it ends when that is done
        self.outbox.forget(self)

    # --- what the outbox calls ---------------------------------------------------------------

    def gap(self) -> bytes | None:
        """What tells a client that it missed records, if it has a name for this subscription."""
        if self._id is msgspec.UNSET:
            return None
        return self._encoding.word("Lagged", self._id, Lagged(self.missed))

    # --- sending -----------------------------------------------------------------------------

    def _frame(self, record: LogMessage) -> bytes:
        if self._id is msgspec.UNSET:
            return self._encoding.frame({"LogMessage": record})
        return self._encoding.frame({"LogMessage": record, "id": self._id})

    def _send(self, data: bytes) -> None:
        if self._waiting is None:
            self.outbox.put(self, data)
        elif len(self._waiting) < WAITING:
            self._waiting.append(data)
        else:
            self._miss(1)

    def _miss(self, count: int) -> None:
        if self._waiting is None:
            self.outbox.miss(self, count)
        else:
            self._gap += count

    async def _tell_past(self, parts: list[Part], bus: Bus) -> None:
        pieces = self._pieces(parts)
        try:
            while not self._ended:
                piece = await asyncio.to_thread(next, pieces, b"")
                await self._has_room()
                if not piece or self._ended:
                    break
                self.outbox.put(self, piece)
        except OSError as error:
            log.warning("the log could not be read", reason=error.strerror)
        finally:
            for part in parts:
                part.file.close()
        await self._go_live(bus)

    async def _has_room(self) -> None:
        """Return when the client has taken what it was sent."""
        if self._ended:
            return
        self.outbox.flush()
        self._rests = True
        await self.outbox.emptied()
        self._rests = False

    async def _go_live(self, bus: Bus) -> None:
        """Say that the past is told, and tell what has waited for it."""
        await self._has_room()
        if self._id is not msgspec.UNSET and self.since is None and not self._ended:
            said = CaughtUp(bus.sequence)
            self.outbox.put(self, self._encoding.word("CaughtUp", self._id, said))
        while self._waiting and not self._ended:
            piece, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
            await self._has_room()
            self.outbox.put(self, b"".join(piece))
        self._waiting = None
        if self._gap and not self._ended:
            self._miss(self._gap)
        self.outbox.flush()

    def _pieces(self, parts: list[Part]) -> Iterator[bytes]:
        frames: list[bytes] = []
        size = 0
        asked = self.asked
        if self.since is not None:
            asked = SubscribeLogs(asked.filter, since=self.since)
        for record in past(parts, asked):
            frames.append(self._frame(record))
            size += len(frames[-1])
            if size >= PIECE:
                yield b"".join(frames)
                frames.clear()
                size = 0
        if frames:
            yield b"".join(frames)
