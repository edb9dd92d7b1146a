"""The daemon as a program: sockets, signals, and an orderly end.

    start_default_server(socket_path, data_dir, enable_networking)

serves the default instance until it is told to stop, by a signal or by a client.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING

import msgspec

from sd_daemon.core.fileops.trashes import home_trash
from sd_daemon.core.log import get_log
from sd_daemon.host.idle import IdleExit
from sd_daemon.host.limits import connection_limit
from sd_daemon.host.loop_failures import LoopFailures
from sd_daemon.host.notify import Supervisor
from sd_daemon.host.pressure import MemoryPressure
from sd_daemon.host.status import TELLING, Status, describe
from sd_daemon.host.succession import PATIENCE, Inheritance, enter, keeper_for
from sd_daemon.host.vital import Vital
from sd_daemon.host.watchdog import Watchdog
from sd_daemon.host.workers import Workers
from sd_daemon.server.instances import CoreInstanceManager
from sd_daemon.server.listen import Listener, adopt, claim
from sd_wire.errors import SdError
from sd_wire.events import ConfigChanged
from sd_wire.places import socket_path as place_of_socket

if TYPE_CHECKING:
    from sd_daemon.host.logs import Recorder
    from sd_daemon.server.instance import Instance

log = get_log(__name__)

TURN_AWAY_TIME = 3.0  # seconds that a daemon which cannot start tells its clients so
EX_SIGNALLED = 128  # what a shell adds to the number of the signal


class Start(msgspec.Struct, frozen=True):
    """What a daemon is started with."""

    data_dir: str
    instance: str | None = None
    socket_path: str | None = None
    networking: bool = False
    boot: str | None = None  # what the kernel calls this boot, where the manager has said it
    filter: str | None = None  # named by the user, and so stronger than the configuration
    inherited: dict[str | None, socket.socket] = {}
    inheritance: Inheritance = Inheritance({})  # what the process before has left
    pressure: int | None = None  # a descriptor of what tells that memory is short
    idle_exit: float | None = None  # seconds without anything to do, after which it may end


async def start_default_server(
    socket_path: str | None,
    data_dir: str,
    enable_networking: bool = False,  # noqa: FBT001, FBT002
) -> None:
    """Serve the default instance of a data folder until it is told to stop.

    Raises AlreadyRunning, SocketPathTooLong, DataFolderUnusable, FileDamaged.
    """
    await Daemon(Start(data_dir, None, socket_path, enable_networking)).run()


class Daemon:
    """One process with its instances, from the first socket to the last library closed."""

    def __init__(
        self,
        start: Start,
        *,
        recorder: Recorder | None = None,
        supervisor: Supervisor | None = None,
    ) -> None:
        self._start = start
        self._recorder = recorder
        self._supervisor = supervisor or Supervisor.of(os.environ, os.getpid())
        self._attendants: list[Status | IdleExit | Watchdog | MemoryPressure] = []
        self._status: Status | None = None
        self._reloading: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()
        self.instances = CoreInstanceManager(
            start.data_dir,
            networking=start.networking,
            boot=start.boot,
            limit=connection_limit(),
            opened=self._opened,
        )

    async def run(self) -> None:
        """Serve until told to stop."""
        asyncio.get_running_loop().set_exception_handler(LoopFailures())
        self._watch_signals()
        if self._supervisor.listens:
            loop = asyncio.get_running_loop()
            self._status = Status(loop, self._supervisor, self._sentence)
            self._attendants.append(self._status)
            self._watch_records(loop, self._status)
        log.info("daemon starts", pid=os.getpid(), data_dir=self._start.data_dir)
        try:
            with self._supervisor.extending():
                await self._serve()
            log.info("daemon ready", pid=os.getpid(), instances=len(self.instances.instances))
            self._ready()
            self._attend()
            # What is there now stays; the collector need not look at it ever again.
            gc.collect()
            gc.freeze()
            await self._wait()
        finally:
            for attendant in self._attendants:
                attendant.close()
            self._supervisor.stopping("closing libraries")
            with self._supervisor.extending():
                await self._end()
            log.info("daemon stopped", pid=os.getpid())

    async def _serve(self) -> None:
        inheritance = self._start.inheritance
        listeners = await self._listeners()
        self.instances.keeper = keeper_for(self._supervisor, inheritance)
        for name, listener in listeners.items():
            await self.instances.serve(name, listener)
        await enter(inheritance, self.instances, self._supervisor)
        # The default one is opened now, so that what is wrong with it is said where it is started.
        if self._start.instance in self.instances.instances:
            self._supervisor.status(f"opening {self._start.data_dir}")
            try:
                await self.instances.open(self._start.instance)
            except SdError as error:
                await self._turn_away(error)
                raise

    async def _end(self) -> None:
        """Close everything. Told to by the service manager, leave connections to what follows."""
        keeper = self.instances.keeper
        await self.instances.shutdown_all(hand_over=self._stop.is_set() and keeper is not None)
        if keeper is not None:
            keeper.close()
            await self._supervisor.barrier(PATIENCE)

    async def _listeners(self) -> dict[str | None, Listener]:
        start = self._start
        if start.inherited:
            return {name: adopt(sock) for name, sock in start.inherited.items()}
        path = start.socket_path or place_of_socket(start.data_dir, start.instance)
        return {start.instance: await claim(path)}

    async def _turn_away(self, error: SdError) -> None:
        """Let those who connect hear why there is no daemon. Each has the manager start another
        one otherwise, and that as fast as it can."""
        self._supervisor.status(error.text)
        if self._start.inherited and self.instances.capacity.used:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), TURN_AWAY_TIME)

    def _attend(self) -> None:
        """Look after what the service manager wants to know, and whether it is still needed."""
        loop, capacity = asyncio.get_running_loop(), self.instances.capacity
        if self._status is not None:
            capacity.watchers.append(self._status.changed)
        if self._supervisor.watchdog is not None:
            capacity.own_pid = os.getpid()
            vital, workers = Vital(self.instances), Workers(self.instances)
            watchdog = Watchdog(loop, self._supervisor, vital.questions, workers.look)
            watchdog.start()
            self._attendants.append(watchdog)
        if self._start.pressure is not None:
            pressure = MemoryPressure(loop, self._start.pressure, self._forget_pages)
            self._attendants.append(pressure)
        if self._start.idle_exit is not None and self._start.inherited:
            idle = IdleExit(self.instances, self._start.idle_exit, self._nobody_is_there)
            capacity.watchers.append(idle.stirred)
            self._attendants.append(idle)

    async def _forget_pages(self) -> None:
        for instance in self.instances.instances.values():
            if instance.ready:
                await instance.core.forget_pages()

    def _nobody_is_there(self) -> None:
        log.info("nobody is there: ends until somebody comes", seconds=self._start.idle_exit)
        self._stop.set()

    async def _wait(self) -> None:
        ended = [
            asyncio.ensure_future(self._stop.wait()),
            asyncio.ensure_future(self.instances.idle.wait()),
        ]
        await asyncio.wait(ended, return_when=asyncio.FIRST_COMPLETED)
        for waiter in ended:
            waiter.cancel()

    # --- signals -----------------------------------------------------------------------------

    def _watch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)
        loop.add_signal_handler(signal.SIGHUP, self._on_hang_up)

    def _on_signal(self, number: signal.Signals) -> None:
        if self._stop.is_set():
            log.warning("asked to stop a second time: ends at once", signal=number.name)
            os._exit(EX_SIGNALLED + number)
        log.info("asked to stop", signal=number.name)
        self._stop.set()

    def _on_hang_up(self) -> None:
        if self._recorder is not None:
            self._recorder.reopen()
        log.info("log reopened")
        if self._reloading is None or self._reloading.done():
            self._reloading = asyncio.create_task(self._reload())

    async def _reload(self) -> None:
        self._supervisor.reloading("reading the configuration anew")
        for instance in self.instances.instances.values():
            if instance.ready:
                try:
                    await instance.core.reload_config()
                except SdError as error:
                    log.error("the configuration stays as it was", reason=error.text)
        self._ready()

    def _sentence(self) -> str:
        return describe(self.instances, self._recorder.lacks if self._recorder else ())

    def _watch_records(self, loop: asyncio.AbstractEventLoop, status: Status) -> None:
        def changed() -> None:  # in any thread
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(status.changed)

        if self._recorder is not None:
            self._recorder.watch(changed)

    def _ready(self) -> None:
        if self._status is not None:
            self._supervisor.ready(self._status.now())

    # --- logs --------------------------------------------------------------------------------

    def _opened(self, instance: Instance) -> None:
        """A core is there: its clients may watch the log, its configuration says what is in it."""
        recorder, core = self._recorder, instance.core
        home = os.path.expanduser("~")
        core.home_trash = home_trash(sys.platform, os.environ.get("XDG_DATA_HOME"), home)
        if self._status is not None:
            core.bus.subscribe(TELLING, self._status.changed)
        if recorder is None:
            return
        core.reloading, core.log_file = recorder.reopen, recorder.file.path
        core.host_problems = lambda: recorder.lacks
        recorder.feed(instance.logs)
        if instance.settings.name == self._start.instance and self._start.filter is None:
            levels = recorder.levels
            levels.set(core.config.stored.logging.main_filter)
            core.bus.subscribe(
                [ConfigChanged.__name__],
                lambda _: levels.set(core.config.stored.logging.main_filter),
            )
