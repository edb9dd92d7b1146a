"""`sd logs`: the daemon's log, from the daemon where one runs, and where none does from systemd's
journal, if that has it, or else from its files.

All three give the same records in the same form. Followed, it goes on where it was when the daemon
was restarted. With --json every line is one record as it stands on the wire.
"""

from __future__ import annotations

from time import localtime, strftime
from typing import TYPE_CHECKING

import click
import msgspec

from sd_client.cli import names
from sd_client.cli.command import command
from sd_client.cli.lazy import load
from sd_client.cli.logfile import records
from sd_client.cli.moments import Moment
from sd_client.cli.output import BLUE, DIM, RED, YELLOW, Output
from sd_client.cli.reader import end_with_reader
from sd_client.cli.session import Session, pass_session
from sd_client.cli.values import Choice
from sd_wire import places
from sd_wire.errors import ConnectionRefused, DaemonNotRunning, ExitStatus, SdError
from sd_wire.events import LogMessage
from sd_wire.log_line import LEVELS, line_of, rest_of
from sd_wire.messages import LogFilter, SubscribeLogs

if TYPE_CHECKING:
    from datetime import datetime

    from sd_client.blocking import BlockingClient
    from sd_client.cli.journal_log import JournalLog
    from sd_client.cli.manager import Unit

USUAL = 100  # records of the past, where nothing else is said
_COLOURS = {"ERROR": RED, "WARN": YELLOW, "DEBUG": DIM, "TRACE": DIM}


class LogUnreadable(SdError):
    """The log's files cannot be read."""

    kind = "ReadError"
    message = "the log {path} could not be read: {reason}"


class NoJournalReader(SdError):
    """What reads the journal is not installed."""

    kind = "ReadError"
    message = "the package cysystemd, which reads the journal, is not installed"
    hint = "'journalctl -u spacedrive' shows it, with --user if the daemon is your own"


def leave(session: Session) -> None:
    """End the command after Ctrl-C."""
    session.output.remark("stopped watching")
    click.get_current_context().exit(ExitStatus.INTERRUPTED)


class Wanted(msgspec.Struct):
    """What the options say about the records."""

    level: str | None
    target: str | None
    job: str | None
    correlation: str | None


@command(
    "logs",
    "sd logs -n 20",
    "sd logs --follow --level warn",
    "sd logs --since '10 min ago' --target sd_daemon.core.jobs",
    "sd logs --since today --correlation order-7 --json",
    "sd logs --journal --follow",
)
@click.option("-f", "--follow", is_flag=True, help="go on with new records, until Ctrl-C")
@click.option(
    "-n",
    "--lines",
    "count",
    type=click.IntRange(0, 100_000),
    metavar="N",
    help=f"at most so many of the past  [default: {USUAL}; with --since all]",
)
@click.option(
    "--since",
    type=Moment(),
    metavar="TIME",
    help="only from then on: '10 min ago', today, 14:30, '2026-11-23 14:30'",
)
@click.option(
    "--level",
    type=Choice(LEVELS),
    metavar="LEVEL",
    help="this level and graver: error, warn, info, debug, trace",
)
@click.option("--target", metavar="TEXT", help="only of parts of the daemon whose name has this")
@click.option("--job", metavar="JOB", help="only of this job")
@click.option("--correlation", metavar="ID", help="only what requests with this id have caused")
@click.option(
    "--journal", is_flag=True, help="read systemd's journal, whether a daemon runs or not"
)
@pass_session
def logs(
    session: Session,
    *,
    follow: bool,
    count: int | None,
    since: datetime | None,
    level: str | None,
    target: str | None,
    job: str | None,
    correlation: str | None,
    journal: bool,
) -> None:
    """Print the daemon's log: the end of it, and with --follow what is logged from now on, at a
    level below the daemon's own, too. With --library only what concerns that library. While no
    daemon runs, the past is read from systemd's journal if the daemon belongs to systemd, or else
    from its files. After Ctrl-C it ends with 130."""
    wanted = Wanted(level, target, job, correlation)
    asked = SubscribeLogs(None, USUAL if count is None and since is None else count, since)
    if follow:
        end_with_reader()
    try:
        if journal:
            _read_journal(session, wanted, asked, _unit_meant(session), follow=follow)
            return
        try:
            client = session.connect()
        except (DaemonNotRunning, ConnectionRefused):
            _read_past(session, wanted, asked)
            if follow:
                raise
            return
        _read_daemon(session, client, wanted, asked, follow=follow)
    except KeyboardInterrupt:
        leave(session)


def _read_daemon(
    session: Session,
    client: BlockingClient,
    wanted: Wanted,
    asked: SubscribeLogs,
    *,
    follow: bool,
) -> None:
    library = session.library_id()
    job = names.job_id(client, wanted.job, library) if wanted.job else None
    chosen = _filter(wanted, library, None if job is None else str(job))
    with client.subscribe_logs(
        chosen, last=asked.last, since=asked.since, resume=follow
    ) as subscription:
        for warning in subscription.warnings:
            session.output.warn(warning)
        for found in subscription:
            if isinstance(found.record, LogMessage):
                _print(session.output, found.record)
            elif not follow:
                return


def _read_past(session: Session, wanted: Wanted, asked: SubscribeLogs) -> None:
    """What there is without a daemon."""
    try:
        unit: Unit | None = load("sd_client.cli.journal_log:owner_of")(session)
    except ModuleNotFoundError:
        unit = None
    if unit is not None:
        session.output.warn(f"no daemon runs; this is what the journal has of {unit.name}.service")
        _read_journal(session, wanted, asked, unit, follow=False)
        return
    path = places.log_path(session.data_dir, session.instance)
    session.output.warn(f"no daemon runs; this is what is in {path}")
    asked.filter = _filter_of_ids(session, wanted)
    try:
        for record in records(path, asked):
            _print(session.output, record)
    except OSError as error:
        raise LogUnreadable(path=path, reason=error.strerror) from error


def _unit_meant(session: Session) -> Unit:
    try:
        unit: Unit = load("sd_client.cli.journal_log:unit_meant")(session)
    except ModuleNotFoundError as error:
        raise NoJournalReader from error
    return unit


def _read_journal(
    session: Session, wanted: Wanted, asked: SubscribeLogs, unit: Unit, *, follow: bool
) -> None:
    asked.filter = _filter_of_ids(session, wanted)
    log: JournalLog = load("sd_client.cli.journal_log:JournalLog")(unit, asked)
    for record in log.past():
        _print(session.output, record)
    if follow:
        for record in log.live():
            _print(session.output, record)


def _filter_of_ids(session: Session, wanted: Wanted) -> LogFilter:
    """The same where no daemon tells what things are called."""
    library = session.library
    if library is not None and names.whole_id(library) is None:
        session.output.warn(
            "without a daemon a library is known by its whole id only: this is of all"
        )
        library = None
    if wanted.job is not None and names.whole_id(wanted.job) is None:
        raise click.UsageError("without a daemon a job is known by its whole id only")
    return _filter(wanted, library, wanted.job)


def _filter(wanted: Wanted, library: str | None, job: str | None) -> LogFilter:
    return LogFilter(
        library_id=names.whole_id(library) if library else None,
        job_id=job,
        level=wanted.level,
        target=wanted.target,
        correlation_id=wanted.correlation,
    )


# --- looks ---------------------------------------------------------------------------------------


def _print(output: Output, record: LogMessage) -> None:
    if output.json:
        output.document(record)
    elif output.terminal:
        _show(output, record)
    else:
        output.line(line_of(record))


def _show(output: Output, record: LogMessage) -> None:
    """For a person: in the time of this place, and a traceback as lines."""
    trace = record.fields.pop("trace", "")
    target, _, rest = rest_of(record).partition(" ")
    seconds = strftime("%Y-%m-%d %H:%M:%S", localtime(record.timestamp.timestamp()))
    stamp = f"{seconds}.{record.timestamp.microsecond // 1000:03d}"
    grave = output.paint(f"{record.level:5}", _COLOURS.get(record.level, BLUE))
    output.line(f"{output.paint(stamp, DIM)} {grave} {output.paint(target, DIM)} {rest}")
    output.lines(f"    {output.safe(line)}" for line in trace.split("\n") if line)
