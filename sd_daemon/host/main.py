"""`sd-daemon`: the command that service managers and `sd start` run."""

from __future__ import annotations

import sd_daemon.host.loops  # noqa: F401 - before anything that imports asyncio

# isort: split
import asyncio
import faulthandler
import logging
import os
import sys
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from sd_daemon.core.late import load
from sd_daemon.core.log import get_log
from sd_daemon.host import pressure
from sd_daemon.host.daemon import Daemon, Start
from sd_daemon.host.inherit import inherited_sockets
from sd_daemon.host.limits import raise_file_limit
from sd_daemon.host.logs import DEFAULT_FILTER, Recorder, journal_of, log_file, set_up
from sd_daemon.host.notify import Supervisor
from sd_daemon.host.options import plainly
from sd_wire.errors import ExitStatus, InvalidInstanceName, SdError
from sd_wire.places import default_data_dir, is_instance_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

if sys.platform == "darwin":  # elsewhere it would only cost the memory of ctypes
    from sd_daemon.host.launchd import activated_socket

new_event_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
try:
    import uvloop
except ImportError:
    pass  # the same code runs on the standard loop, at 0.6 of the speed
else:
    new_event_loop = uvloop.new_event_loop

log = get_log(__name__)


def boot_id(environ: Mapping[str, str]) -> str | None:
    """The kernel's name for this boot as the service unit tells it, which hides /proc/sys from us;
    spelled as it is there."""
    try:
        return str(UUID(environ.get("SD_BOOT_ID", "")))
    except ValueError:
        return None


def _given(words: Sequence[str]) -> dict[str, Any]:
    """The options by their keys."""
    plain = plainly(words)
    if plain is not None:
        return plain
    parsed = load("sd_daemon.host.command_line:command_line")().parse_args(words)
    return dict(vars(parsed))


def read_start(argv: Sequence[str] | None) -> tuple[Start, bool]:
    """What the command line and the environment ask for, and whether to log to the terminal.

    Raises InvalidInstanceName.
    """
    given = _given(sys.argv[1:] if argv is None else argv)
    instance = given["instance"] or os.environ.get("SD_INSTANCE") or None
    if instance is not None and not is_instance_name(instance):
        raise InvalidInstanceName(name=instance)
    home = os.path.expanduser("~")
    data_dir = given["data_dir"] or default_data_dir(sys.platform, os.environ, home)
    inherited, inheritance = inherited_sockets(os.environ, os.getpid(), instance)
    if sys.platform == "darwin" and (sock := activated_socket(instance or "default")):
        inherited[instance] = sock
    start = Start(
        data_dir=os.path.abspath(data_dir),
        instance=instance,
        socket_path=os.path.abspath(given["socket"]) if given["socket"] else None,
        networking=given["networking"],
        boot=boot_id(os.environ),
        filter=os.environ.get("SD_LOG") or None,
        inherited=inherited,
        inheritance=inheritance,
        idle_exit=given["idle_exit"],
    )
    return start, given["foreground_log"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the daemon until it is told to stop. Returns the exit status."""
    # What hangs or breaks below Python shows where. The manager's watchdog ends us by SIGABRT.
    if sys.stderr is not None:
        faulthandler.enable()
    supervisor = Supervisor.of(os.environ, os.getpid())
    journal = journal_of(os.environ)
    try:
        start, terminal = read_start(argv)
        recorder = set_up(
            log_file(start.data_dir, start.instance, os.environ),
            start.filter or DEFAULT_FILTER,
            terminal=terminal,
            journal=journal,
        )
        raise_file_limit()
        start = msgspec.structs.replace(start, pressure=pressure.opened(os.environ))
        _run(start, recorder, supervisor)
    except SdError as error:
        supervisor.status(error.text)
        logs = logging.root.hasHandlers()
        if logs:
            log.error("daemon not started", reason=error.text, code=error.code)
        if journal is None or not logs:  # or else the journal would have it twice
            print(f"sd-daemon: {error.text}", file=sys.stderr)
            if error.advice:
                print(f"  {error.advice}", file=sys.stderr)
        return int(error.exit_status)
    return int(ExitStatus.OK)


def _run(start: Start, recorder: Recorder, supervisor: Supervisor) -> None:
    async def serve() -> None:
        if recorder.journal is not None:
            recorder.journal.attach(asyncio.get_running_loop())
        await Daemon(start, recorder=recorder, supervisor=supervisor).run()
        # Everything is closed. A thread that hangs in a dead network mount would now keep the
        # process from ending, since the interpreter waits for all of its threads.
        logging.shutdown()
        os._exit(ExitStatus.OK)

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(serve())
