"""The daemon's log as systemd's journal has it: the records of its unit, from whichever runs.

The package cysystemd reads the journal's files, so that there is no need of a text that somebody
else has formatted. It is loaded here and nowhere else. What to know about it: a condition on one
field twice means both; it gives a field of more than 64 KiB cut off unless told not to; a byte that
is not UTF-8 comes as a question mark, which is why the daemon spells such bytes; the last entry is
missed by who seeks the tail and goes back, and found from a time that never comes; and where
nothing may be read, it finds nothing and does not say so.
"""

from __future__ import annotations

import glob
import os
import select
from typing import TYPE_CHECKING

from cysystemd.reader import JournalOpenMode, JournalReader, Rule

from sd_client.cli import names
from sd_client.cli.manager import Unit
from sd_wire import places
from sd_wire.errors import SdError
from sd_wire.log_entry import record_from
from sd_wire.log_history import Chosen
from sd_wire.messages import LogFilter, SubscribeLogs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cysystemd.reader import JournalEntry

    from sd_client.cli.session import Session
    from sd_wire.events import LogMessage

FOLDERS = ("/var/log/journal", "/run/log/journal")
NEVER = 1 << 62  # microseconds


class JournalUnreadable(SdError):
    """The journal is there, for others."""

    kind = "PermissionDenied"
    message = "you may not read the journal of {unit}"
    hint = "members of the group systemd-journal may: sudo usermod -a -G systemd-journal $USER"


class NoJournal(SdError):
    """The journal cannot be read, or there is none."""

    kind = "ReadError"
    message = "the journal cannot be read: {reason}"


# --- whose ---------------------------------------------------------------------------------------


def owner_of(session: Session) -> Unit | None:
    """The unit that owns a socket of the daemon that is meant, and has written into the journal
    what we may read."""
    owners = (unit for unit, path in _units(session) if unit.listens_on(path))
    return next((unit for unit in owners if _wrote(unit)), None)


def unit_meant(session: Session) -> Unit:
    """The unit whose socket is there; or the first that has written something; or the first."""
    units = _units(session)
    there = (unit for unit, path in units if os.path.exists(path))
    wrote = (unit for unit, _ in units if _wrote(unit))
    return next(there, None) or next(wrote, None) or units[0][0]


def _units(session: Session) -> list[tuple[Unit, str]]:
    name = f"spacedrive@{session.instance}" if session.instance else "spacedrive"
    system = places.system_socket_path(session.instance)
    return [(Unit(name, user=path != system), path) for path in session.sockets()]


def _wrote(unit: Unit) -> bool:
    try:
        log = JournalLog(unit, SubscribeLogs(LogFilter()))
    except SdError:
        return False
    return log.last() is not None


def _may_read(unit: Unit) -> bool:
    """Whether there is a file for what it writes that is for us. A person's records are in the
    system's file where journald keeps only that one."""
    names = ["system.journal", *([f"user-{os.getuid()}.journal"] if unit.user else [])]
    files = (file for at in FOLDERS for name in names for file in glob.glob(f"{at}/*/{name}"))
    return any(os.access(file, os.R_OK) for file in files)


# --- what ----------------------------------------------------------------------------------------


class JournalLog:
    """The wanted records of one unit."""

    def __init__(self, unit: Unit, asked: SubscribeLogs) -> None:
        """Raises JournalUnreadable, NoJournal."""
        if not any(glob.glob(f"{at}/*") for at in FOLDERS):
            raise NoJournal(reason="this machine keeps none")
        if not _may_read(unit):
            raise JournalUnreadable(unit=f"{unit.name}.service")
        self._asked = asked
        self._chosen = Chosen(asked.filter or LogFilter())
        self._reader = JournalReader()
        try:
            self._reader.open(JournalOpenMode.LOCAL_ONLY)
            self._reader.data_threshold = 0
            for field, value in _conditions(unit, asked.filter or LogFilter()):
                self._reader.add_filter(Rule(field, value))
            self._descriptor: int = self._reader.fd  # from now on it tells of what is new
        except SystemError as error:  # this is how it raises what the system says
            raise NoJournal(reason=error.args[0]) from error

    def last(self) -> LogMessage | None:
        """The last record."""
        self._reader.seek_realtime_usec(NEVER)
        return next(self._backwards(), None)

    def past(self) -> Iterator[LogMessage]:
        """The records that are asked for, oldest first. Raises NoJournal."""
        try:
            first = self._go_to_first()
            if first is not None:
                yield first
            yield from self._forwards()
        except SystemError as error:
            raise NoJournal(reason=error.args[0]) from error

    def live(self) -> Iterator[LogMessage]:
        """What is recorded from the end of the past on, for ever."""
        while True:
            yield from self._forwards()
            select.select([self._descriptor], [], [])
            self._reader.process_events()

    def _go_to_first(self) -> LogMessage | None:
        """Stand before the first wanted record, or on it: then it is the result."""
        last, since = self._asked.last, self._asked.since
        if last is None and since is not None:
            self._reader.seek_realtime_usec(int(since.timestamp() * 1_000_000))
            return None
        self._reader.seek_realtime_usec(NEVER)
        if not last and self._reader.previous() is not None:
            return None
        for number, record in enumerate(self._backwards(), 1):
            if number == last:
                return record
        if since is None:
            self._reader.seek_head()
        return None

    def _backwards(self) -> Iterator[LogMessage]:
        since = None if self._asked.since is None else self._asked.since.timestamp()
        while (entry := self._reader.previous()) is not None:
            if since is not None and entry.get_realtime_sec() < since:
                return  # it was recorded before journald had it
            record = self._record(entry)
            if record is not None:
                yield record

    def _forwards(self) -> Iterator[LogMessage]:
        while (entry := self._reader.next()) is not None:
            record = self._record(entry)
            if record is not None:
                yield record

    def _record(self, entry: JournalEntry) -> LogMessage | None:
        fields = {name: text for name, text in entry.data.items() if isinstance(text, str)}
        record = record_from(fields)
        since = self._asked.since
        if record is None or (since is not None and record.timestamp < since):
            return None
        return record if record in self._chosen else None


def _conditions(unit: Unit, wanted: LogFilter) -> Iterator[tuple[str, str]]:
    """What the journal has an index of."""
    if unit.user:
        yield "_SYSTEMD_USER_UNIT", f"{unit.name}.service"
        yield "_UID", str(os.getuid())
    else:
        yield "_SYSTEMD_UNIT", f"{unit.name}.service"
    job = None if wanted.job_id is None else names.whole_id(wanted.job_id)
    if job is not None:
        yield "JOB_ID", str(job)
    if wanted.library_id is not None:
        yield "LIBRARY_ID", str(wanted.library_id)
    if wanted.correlation_id is not None:
        yield "CORRELATION_ID", wanted.correlation_id
