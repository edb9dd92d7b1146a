"""One run of the command: which daemon, which library, and where the results go."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sd_client.blocking import BlockingClient
from sd_client.cli.lazy import load
from sd_client.cli.output import Output
from sd_client.reaching import check_owner
from sd_wire import places
from sd_wire.errors import DaemonNotRunning, InvalidInstanceName, SocketPermissionDenied

if TYPE_CHECKING:
    import msgspec

    from sd_client.cli.trace import Trace
    from sd_wire.operation import Operation, Request

R = TypeVar("R")


class Session:
    """What the global options say, and the connection that follows from them."""

    def __init__(self) -> None:
        self.output = Output()
        self.named_socket: str | None = None
        self.system = False  # the daemon of the whole machine is meant
        self.named_data_dir: str | None = None
        self.named_instance: str | None = None
        self.trace = False
        self.begun: str | None = None  # the job that this command has begun already
        self.library: str | None = os.environ.get("SD_LIBRARY") or None
        self._client: BlockingClient | None = None
        self._trace: Trace | None = None

    @property
    def instance(self) -> str | None:
        """The instance that is meant, None for the default one."""
        name = self.named_instance or os.environ.get("SD_INSTANCE") or None
        if name is not None and not places.is_instance_name(name):
            raise InvalidInstanceName(name=name)
        return name

    @property
    def data_dir(self) -> str:
        """The data folder that is meant."""
        return self.named_data_dir or places.default_data_dir(
            sys.platform, os.environ, os.path.expanduser("~")
        )

    def sockets(self) -> list[str]:
        """Where the daemon may be, first to last."""
        of_system = places.system_socket_path(self.instance) if self.system else None
        return places.client_sockets(
            sys.platform,
            os.environ,
            os.path.expanduser("~"),
            socket=self.named_socket or of_system,
            data_dir=self.named_data_dir,
            instance=self.instance,
        )

    def connect(self, timeout: float | None = None) -> BlockingClient:
        """A new connection to the first daemon that is there.

        That of the whole machine, which is tried last, may be for others only: then it is none.
        """
        absent: DaemonNotRunning | None = None
        paths = self.sockets()
        for path in paths:
            client = BlockingClient(path, timeout=timeout)
            try:
                if len(paths) > 1:  # nobody has named it
                    check_owner(path)
                client.connect()
            except DaemonNotRunning as error:
                absent = absent or error
            except SocketPermissionDenied:
                if absent is None:
                    raise
            else:
                self._follow(client)
                return client
        assert absent is not None
        raise absent

    def _follow(self, client: BlockingClient) -> None:
        """With --trace, let everything that is asked bear the id of this run."""
        if self.trace and self._trace is None:
            self._trace = load("sd_client.cli.trace:Trace")(self.output, client.socket_path)
        if self._trace is not None:
            client.correlation_id = self._trace.correlation_id

    @property
    def client(self) -> BlockingClient:
        """The connection of this run, made when it is first needed."""
        if self._client is None:
            self._client = self.connect()
        return self._client

    def library_id(self) -> str | None:
        """The library that --library or SD_LIBRARY names; None leaves it to the daemon."""
        if self.library is None:
            return None
        # Few commands name a library, and what knows about names knows about every operation.
        return str(load("sd_client.cli.names:library_id")(self.client, self.library))

    def call(self, request: Request[R]) -> R:
        """Ask in the library that is meant."""
        return self.client.call(request, library_id=self.library_id())

    def raw(self, operation: Operation, request: Any, library: str | None = None) -> msgspec.Raw:
        """Ask, and take the JSON as it came."""
        return self.client.call_raw(operation.method, request, library or self.library_id())

    def close(self) -> None:
        """End the connection of this run; with --trace, say what came of it."""
        if self._trace is not None:
            self._trace.show()
        if self._client is not None:
            self._client.close()


pass_session = click.make_pass_decorator(Session, ensure=True)
