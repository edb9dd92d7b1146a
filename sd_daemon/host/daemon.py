"""The daemon as a program: sockets, signals, and an orderly end.

    start_default_server(socket_path, data_dir, enable_networking)

serves the default instance until it is told to stop, by a signal or by a client.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
from typing import TYPE_CHECKING

import msgspec

from sd_daemon.core.log import get_log
from sd_daemon.host.limits import connection_limit
from sd_daemon.host.loop_failures import LoopFailures
from sd_daemon.host.notify import Supervisor
from sd_daemon.server.instances import CoreInstanceManager
from sd_daemon.server.listen import Listener, adopt, claim
from sd_wire.events import ConfigChanged
from sd_wire.places import socket_path as place_of_socket

if TYPE_CHECKING:
    from sd_daemon.host.logs import Recorder
    from sd_daemon.server.instance import Instance

log = get_log(__name__)

EX_SIGNALLED = 128  # what a shell adds to the number of the signal


class Start(msgspec.Struct, frozen=True):
    """What a daemon is started with."""

    data_dir: str
    instance: str | None = None
    socket_path: str | None = None
    networking: bool = False
    filter: str | None = None  # named by the user, and so stronger than the configuration
    inherited: dict[str | None, socket.socket] = {}


async def start_default_server(
    socket_path: str | None,
    data_dir: str,
    enable_networking: bool = False,  # noqa: FBT001, FBT002
) -> None:
    """Serve the default instance of a data folder until it is told to stop.

    Raises AlreadyRunning, SocketPathTooLong, DataFolderUnusable.
    """
    await Daemon(Start(data_dir, None, socket_path, enable_networking)).run()


class Daemon:
    """One process with its instances, from the first socket to the last library closed."""

    def __init__(
        self,
        start: Start,
        *,
        recorder: Recorder | None = None,
    ) -> None:
        self._start = start
        self._recorder = recorder
        self._supervisor = Supervisor.of(os.environ, os.getpid())
        self._stop = asyncio.Event()
        self.instances = CoreInstanceManager(
            start.data_dir,
            networking=start.networking,
            limit=connection_limit(),
            opened=self._opened,
        )

    async def run(self) -> None:
        """Serve until told to stop."""
        asyncio.get_running_loop().set_exception_handler(LoopFailures())
        self._watch_signals()
        log.info("daemon starts", pid=os.getpid(), data_dir=self._start.data_dir)
        try:
            await self._serve()
            log.info("daemon ready", pid=os.getpid(), instances=len(self.instances.instances))
            self._supervisor.ready(f"serving {self._start.data_dir}")
            # What is there now stays; the collector need not look at it ever again.
            gc.collect()
            gc.freeze()
            await self._wait()
        finally:
            self._supervisor.stopping("closing libraries")
            await self.instances.shutdown_all()
            log.info("daemon stopped", pid=os.getpid())

    async def _serve(self) -> None:
        for name, listener in (await self._listeners()).items():
            await self.instances.serve(name, listener)
        # The default one is opened now, so that what is wrong with it is said where it is started.
        if self._start.instance in self.instances.instances:
            await self.instances.open(self._start.instance)

    async def _listeners(self) -> dict[str | None, Listener]:
        start = self._start
        if start.inherited:
            return {name: adopt(sock) for name, sock in start.inherited.items()}
        path = start.socket_path or place_of_socket(start.data_dir, start.instance)
        return {start.instance: await claim(path)}

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

    # --- logs --------------------------------------------------------------------------------

    def _opened(self, instance: Instance) -> None:
        """A core is there: its clients may watch the log, its configuration says what is in it."""
        recorder, core = self._recorder, instance.core
        if recorder is None:
            return
        recorder.feed(instance.logs)
        if instance.settings.name == self._start.instance and self._start.filter is None:
            levels = recorder.levels
            levels.set(core.config.stored.logging.main_filter)
            core.bus.subscribe(
                [ConfigChanged.__name__],
                lambda _: levels.set(core.config.stored.logging.main_filter),
            )
