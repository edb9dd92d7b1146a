"""`sd logs`, and how a stream is followed.

It goes on where it was when the daemon was restarted.
With --json every line is one JSON document, as it stands on the wire without the request's id.
"""

from __future__ import annotations

from typing import Any

import click
import msgspec

from sd_client.cli import names
from sd_client.cli.command import command
from sd_client.cli.logfile import tail
from sd_client.cli.output import BLUE, DIM, RED, YELLOW, Output
from sd_client.cli.session import Session, pass_session
from sd_client.cli.text import clock
from sd_client.cli.values import Choice
from sd_wire import places
from sd_wire.errors import ConnectionLost, ConnectionRefused, DaemonNotRunning, ExitStatus
from sd_wire.messages import LogFilter
from sd_wire.operations.core import GetStatus

LEVELS = ("ERROR", "WARN", "INFO", "DEBUG", "TRACE")
_COLOURS = {"ERROR": RED, "WARN": YELLOW, "DEBUG": DIM, "TRACE": DIM}


def leave(session: Session) -> None:
    """End the command after Ctrl-C."""
    session.output.remark("stopped watching")
    click.get_current_context().exit(ExitStatus.INTERRUPTED)


@command("logs", "sd logs -n 20", "sd logs --follow --level warn")
@click.option("-f", "--follow", is_flag=True, help="go on with new records, until Ctrl-C")
@click.option(
    "-n",
    "--lines",
    "count",
    type=click.IntRange(0),
    default=100,
    help="how many lines of the past  [default: 100]",
)
@click.option(
    "--level",
    type=Choice(LEVELS),
    metavar="LEVEL",
    help="this level and graver: error, warn, info, debug, trace",
)
@click.option("--target", metavar="NAME", help="only of this part of the daemon")
@click.option("--job", metavar="JOB", help="only of this job")
@pass_session
def logs(
    session: Session,
    *,
    follow: bool,
    count: int,
    level: str | None,
    target: str | None,
    job: str | None,
) -> None:
    """Print the daemon's log: the end of its file, and with --follow what is logged from now on.
    The past can be read while no daemon runs. After Ctrl-C it ends with 130."""
    wanted = LogFilter(job_id=_job_text(session, job), level=level, target=target)
    live = session.connect().subscribe_logs(wanted, resume=True) if follow else ()
    try:
        last = _print_past(session, wanted, count)
        for record in live:
            if record.raw is not None:
                _print_record(session.output, record.raw, last)
    except KeyboardInterrupt:
        leave(session)


def _job_text(session: Session, job: str | None) -> str | None:
    return str(names.job_id(session.client, job, session.library_id())) if job else None


def _log_file(session: Session) -> str:
    try:
        return session.client.call(GetStatus()).system.log_file
    except (ConnectionLost, ConnectionRefused, DaemonNotRunning):
        return places.log_path(session.data_dir, session.instance)


def _print_past(session: Session, wanted: LogFilter, count: int) -> str:
    """Print the end of the file; the time of the last line in it."""
    path = _log_file(session)
    lines = tail(path, count if wanted == LogFilter() else count * 50)
    chosen = [line for line in lines if _passes(line, wanted)][-count:] if count else []
    if not lines:
        session.output.remark(f"there is nothing in {path}")
    for line in chosen:
        _print_line(session.output, line)
    return lines[-1].split(" ", 1)[0] if lines else ""


def _passes(line: str, wanted: LogFilter) -> bool:
    """Whether a line of the file is one the daemon would send for this filter."""
    _, level, target, rest = ([*line.split(None, 3), "", "", "", ""])[:4]
    if wanted.level and level in LEVELS and LEVELS.index(level) > LEVELS.index(wanted.level):
        return False
    if wanted.target and target != wanted.target and not target.startswith(wanted.target + "."):
        return False
    return wanted.job_id is None or wanted.job_id in rest


def _print_line(output: Output, line: str) -> None:
    when, level, target, rest = ([*line.split(None, 3), "", "", "", ""])[:4]
    if output.json:
        members = {"timestamp": when, "level": level, "target": target, "message": rest}
        output.document(members)
    else:
        _print_parts(output, (when, level, target, rest))


def _print_record(output: Output, raw: msgspec.Raw, last: str) -> None:
    record: dict[str, Any] = msgspec.json.decode(raw)
    when = record["timestamp"]
    if when <= last:  # the file had it already
        return
    if output.json:
        output.document(raw)
        return
    fields = " ".join(f"{name}={text}" for name, text in (record.get("fields") or {}).items())
    rest = f"{record['message']} {fields}".rstrip()
    _print_parts(output, (when, record["level"], record["target"], rest))


def _print_parts(output: Output, parts: tuple[str, str, str, str]) -> None:
    if not output.terminal:
        output.line(" ".join((parts[0], f"{parts[1]:5}", parts[2], parts[3])))
        return
    when, level, target, rest = map(output.safe, parts)
    stamp = clock(when) if when[10:11] == "T" else when
    grave = output.paint(f"{level:5}", _COLOURS.get(level, BLUE))
    output.line(f"{output.paint(stamp, DIM)} {grave} {output.paint(target, DIM)} {rest}")
