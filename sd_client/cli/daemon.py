"""`sd start`, `stop`, `restart`, `status`, `enable`, `disable`: the daemon itself.

Start returns when the daemon answers, and fails with the reason when it does not. Stop returns when
the process is gone and its socket with it. Neither sleeps for a time that somebody guessed.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
import time
from typing import BinaryIO

import click
import msgspec

from sd_client.cli.command import command
from sd_client.cli.logfile import tail
from sd_client.cli.manager import NoServiceUnit, Unit, unit_of
from sd_client.cli.output import BELOW
from sd_client.cli.session import Session, pass_session
from sd_client.cli.status_view import status_lines
from sd_wire import places
from sd_wire.errors import (
    ConnectionLost,
    ConnectionRefused,
    DaemonNotRunning,
    ExitStatus,
    SdError,
    ShuttingDown,
)
from sd_wire.operations.core import GetStatus

START_PATIENCE = 60.0  # a large database may have to be recovered first
STOP_PATIENCE = 30.0
STEP = 0.02


_AWAY = (DaemonNotRunning, ConnectionRefused, ConnectionLost, ShuttingDown)


@command("start", "sd start", "sd start --instance test", "sd start --foreground")
@click.option("--foreground", is_flag=True, help="stay here and log to this terminal")
@pass_session
def start(session: Session, *, foreground: bool) -> None:
    """Start the daemon, and return when it answers. A daemon that runs is left as it is.

    Where systemd listens on its socket, systemd starts it.
    """
    unit = None if foreground and not session.system else unit_for(session, "start")
    running = pid_of_running(session) if unit is None else unit.pid() or None
    if running is not None:
        say(session, f"the daemon runs already (pid {running})", running, unit)
        return
    if unit is not None:
        unit.start()
        say(session, f"the daemon is ready (pid {unit.pid()})", unit.pid(), unit)
        return
    arguments = daemon_arguments(session)
    if foreground:
        os.execve(sys.executable, [*arguments, "--foreground-log"], daemon_environment())
    pid = launch(session, arguments)
    say(session, f"the daemon is ready (pid {pid})", pid, unit)


@command("stop", "sd stop", "sd stop --system")
@pass_session
def stop(session: Session) -> None:
    """Stop the daemon, and return when it is gone. What it was doing continues when it is started
    again. Where systemd listens on its socket, that is closed, too: the next client would start
    the daemon again."""
    unit = unit_for(session, "stop")
    ran = halt(session) if unit is None else unit.stop()
    say(session, "the daemon has stopped" if ran else "no daemon was running", None, unit)


@command("restart", "sd restart", "sd restart --system")
@pass_session
def restart(session: Session) -> None:
    """Stop the daemon where it runs, and start it."""
    unit = unit_for(session, "restart")
    if unit is not None:
        unit.restart()
        pid = unit.pid()
    else:
        halt(session)
        pid = launch(session, daemon_arguments(session))
    say(session, f"the daemon is ready (pid {pid})", pid, unit)


@command("enable", "sd enable", "sd enable --system")
@pass_session
def enable(session: Session) -> None:
    """Let the service manager listen for clients, now and from every start on; the first client
    starts the daemon."""
    unit = required_unit(session, "enable")
    unit.enable()
    say(session, "the daemon is started by its first client", unit.pid() or None, unit)


@command("disable", "sd disable", "sd disable --system")
@pass_session
def disable(session: Session) -> None:
    """Stop the daemon, and let nobody start it by connecting any more."""
    unit = required_unit(session, "disable")
    unit.disable()
    say(session, "the daemon is started by 'sd start' only", None, unit)


def unit_for(session: Session, verb: str) -> Unit | None:
    """The unit that is meant; None where the daemon is one's own and has none. Raises
    NoServiceUnit: that of the whole machine is always a service manager's."""
    return required_unit(session, verb) if session.system else unit_of(session)


def required_unit(session: Session, verb: str) -> Unit:
    """The unit that is meant. Raises NoServiceUnit."""
    unit = unit_of(session)
    if unit is None:
        raise NoServiceUnit(socket=session.sockets()[0], verb=verb)
    return unit


def say(session: Session, text: str, pid: int | None, unit: Unit | None) -> None:
    """How it stands now, and who sees to it."""
    manager = None if unit is None else unit.manager
    if session.output.json:
        name = None if unit is None else f"{unit.name}.service"
        session.output.document({"pid": pid, "manager": manager, "unit": name})
    session.output.remark(text if unit is None else f"{text}, by {manager}: {unit.name}.service")


@command("status", "sd status", "sd status --json")
@pass_session
def status(session: Session) -> None:
    """What the daemon is and does right now. Ends with 3 where no daemon runs."""
    raw = session.raw(GetStatus.operation, None)
    if session.output.json:
        session.output.document(raw)
        return
    output = session.output
    lines = status_lines(msgspec.json.decode(raw), terminal=output.terminal, given=output.given)
    session.output.lines(lines)


def daemon_arguments(session: Session) -> list[str]:
    """The command line of the daemon that is meant."""
    arguments = [sys.executable, "-m", "sd_daemon", "--data-dir", session.data_dir]
    if session.instance:
        arguments += ["--instance", session.instance]
    if session.named_socket:
        arguments += ["--socket", session.named_socket]
    return arguments


def daemon_environment() -> dict[str, str]:
    """This environment, so that the daemon is the one of this installation or checkout, and what
    the units of systemd set for its memory."""
    given = {"MALLOC_ARENA_MAX": "1", **os.environ}
    ours = os.path.dirname(os.path.dirname(os.path.abspath(places.__file__)))
    if os.path.basename(ours) in ("site-packages", "dist-packages"):
        return given
    known = os.environ.get("PYTHONPATH")
    return {**given, "PYTHONPATH": f"{ours}:{known}" if known else ours}


def pid_of_running(session: Session) -> int | None:
    """The process that answers, or None where nobody does."""
    try:
        with session.connect() as client:
            return client.call(GetStatus()).system.pid
    except _AWAY:
        return None


def launch(session: Session, arguments: list[str]) -> int:
    """Start a daemon that lives on without us; its process id, once it answers."""
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=complaints,
            stderr=complaints,
            env=daemon_environment(),
            cwd="/",
            start_new_session=True,
        )
        deadline = time.monotonic() + START_PATIENCE
        while time.monotonic() < deadline:
            if answers(session):
                return process.pid
            if process.poll() is not None:
                reason = f"it ended with {process.returncode}"
                raise failed_start(session, complaints, reason, process.returncode)
            time.sleep(STEP)
        raise failed_start(session, complaints, f"it did not answer within {START_PATIENCE:.0f} s")


def answers(session: Session) -> bool:
    """Whether a daemon does its work now. Ping would not tell: it is answered while everything is
    being opened, and that may still fail."""
    try:
        with session.connect(timeout=START_PATIENCE) as client:
            client.call(GetStatus())
    except (SdError, TimeoutError):
        return False
    return True


class StartFailed(SdError):
    """The daemon was started and did not come up."""

    kind = "ConnectionFailed"
    message = "the daemon did not start: {reason}{words}"
    hint = "'sd start --foreground' shows all of it; the log is {log}"


def failed_start(
    session: Session, complaints: BinaryIO, reason: str, status: int | None = None
) -> StartFailed:
    """Why, in the daemon's own last words: those on its standard error, else those in its log.
    The command ends with the status that the daemon ended with, where that says something."""
    complaints.seek(0)
    words = complaints.read().decode("utf-8", "replace").splitlines()[-5:]
    log = places.log_path(session.data_dir, session.instance)
    words = words or tail(log, 5)
    failed = StartFailed(reason=reason, words="".join(BELOW + word for word in words), log=log)
    if status in set(ExitStatus) - {ExitStatus.OK}:
        failed.exit_status = ExitStatus(status)
    return failed


def halt(session: Session) -> bool:
    """Stop the daemon and wait until it is gone; False where none was running."""
    try:
        client = session.connect(timeout=STOP_PATIENCE)
        pid = client.call(GetStatus()).system.pid
    except (DaemonNotRunning, ConnectionRefused):
        return False
    ending = process_handle(pid)
    try:
        client.shutdown()
    except ConnectionLost:  # it was quicker than its answer
        pass
    client.close()
    if not wait_for_end(pid, ending):
        raise StopFailed(pid=pid, patience=int(STOP_PATIENCE))
    return True


class StopFailed(SdError):
    """The daemon was told to end and goes on."""

    kind = "OperationFailed"
    message = "the daemon (pid {pid}) has not ended within {patience} s"
    hint = "'sd logs' shows what it is doing; 'kill {pid}' asks it once more"
    exit_status = ExitStatus.UNAVAILABLE


def process_handle(pid: int) -> int | None:
    """A descriptor that becomes readable when the process ends, where the system has such."""
    if hasattr(os, "pidfd_open"):
        try:
            return os.pidfd_open(pid)
        except OSError:
            return None
    return None


def wait_for_end(pid: int, handle: int | None) -> bool:
    """Whether the process ended in time."""
    if handle is not None:
        try:
            return bool(select.select([handle], [], [], STOP_PATIENCE)[0])
        finally:
            os.close(handle)
    deadline = time.monotonic() + STOP_PATIENCE
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except OSError:
            return True
        time.sleep(STEP)
    return False
