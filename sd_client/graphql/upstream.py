"""The daemon behind this server: one connection, over which everything goes.

Calls and subscriptions of all HTTP clients share it, each with an id. What one GraphQL operation
asks by id, such as the job of each of a hundred rows, is collected and goes as one Batch.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from uuid import UUID

from sd_client.graphql.failures import refusal
from sd_wire.errors import InvalidValue, LibraryNotFound, PermissionRefused, SdError
from sd_wire.operation import Permission
from sd_wire.operations.core import Describe
from sd_wire.operations.libraries import ListLibraries

if TYPE_CHECKING:
    from graphql import GraphQLResolveInfo

    from sd_client.client import CoreClient
    from sd_wire.operation import Operation, Request

BATCH = 256
"""Calls in one Batch. More go as several, which the daemon answers one after the other."""

_RANK = list(Permission)


class Upstream:
    """What resolvers ask."""

    def __init__(
        self,
        client: CoreClient,
        permission: Permission = Permission.ADMIN,
        *,
        introspection: bool = True,
    ) -> None:
        """`permission` is the most that anybody may do through this server; without
        `introspection` nobody is told what there is."""
        self.client = client
        self.introspection = introspection
        self.permission = permission
        self.messages = 0  # to the daemon, for calls

    async def call(
        self,
        operation: Operation,
        request: Request[Any],
        library: UUID | None,
        cause: str | None = None,
    ) -> Any:
        """Ask the daemon, with `cause` as correlation id. Raises what the operation declares."""
        self.allow(operation)
        await self.reach()
        self.messages += 1
        return await self.client.call(request, library_id=library, correlation_id=cause)

    async def reach(self) -> None:
        """Make sure that there is a connection. One attempt, so that whoever asks while the daemon
        is away is told at once; raises DaemonNotRunning and its kin."""
        if not self.client.connected:
            await self.client.connect()

    def allow(self, operation: Operation) -> None:
        """Raise where nobody may do this here."""
        if operation.request is Describe and not self.introspection:
            raise refusal("introspection-refused", "this server keeps the contract to itself")
        if _RANK.index(operation.permission) > _RANK.index(self.permission):
            daemon = self.client.daemon
            raise PermissionRefused(
                uid="unknown" if daemon is None else daemon.peer.uid,
                method=operation.method,
                permission=operation.permission,
            )

    async def library(self, named: str | None) -> UUID | None:
        """The library of an id or a name; None leaves it to the daemon."""
        if named is None:
            return None
        try:
            return UUID(named)
        except ValueError:
            pass
        await self.reach()
        found = [one.id for one in await self.client.call(ListLibraries()) if one.name == named]
        if len(found) > 1:
            reason = f"{len(found)} libraries are called {named!r}: give an id"
            raise InvalidValue(field="library", reason=reason)
        if not found:
            raise LibraryNotFound(library=named)
        return found[0]


class Wanted(NamedTuple):
    """One thing that is asked for by its id."""

    operation: Operation
    library: UUID | None
    value: Any


class Loads:
    """What one GraphQL operation asks by id: each once, and all that is known to be wanted at the
    same time in one message."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._found: dict[Wanted, asyncio.Future[Any]] = {}
        self._waiting: list[Wanted] = []
        self._sending: set[asyncio.Task[None]] = set()

    def load(self, wanted: Wanted) -> asyncio.Future[Any]:
        """The result to come."""
        if wanted not in self._found:
            loop = asyncio.get_running_loop()
            self._found[wanted] = loop.create_future()
            if not self._waiting:
                loop.call_soon(self._send)
            self._waiting.append(wanted)
        return self._found[wanted]

    def _send(self) -> None:
        """Everything that resolvers wanted in this turn of the loop."""
        waiting, self._waiting = self._waiting, []
        for library in dict.fromkeys(one.library for one in waiting):
            mine = [one for one in waiting if one.library == library]
            for start in range(0, len(mine), BATCH):
                sending = asyncio.ensure_future(self._batch(mine[start : start + BATCH], library))
                self._sending.add(sending)
                sending.add_done_callback(self._sending.discard)

    async def _batch(self, wanted: list[Wanted], library: UUID | None) -> None:
        try:
            for one in wanted:
                self._upstream.allow(one.operation)
            await self._upstream.reach()
            self._upstream.messages += 1
            requests = [one.operation.request(one.value) for one in wanted]
            results = await self._upstream.client.batch(requests, library_id=library)
        except SdError as error:
            results = [error] * len(wanted)
        for one, result in zip(wanted, results, strict=True):
            future = self._found[one]
            if future.done():  # whoever asked has gone
                continue
            if isinstance(result, SdError):
                future.set_exception(result)
            else:
                future.set_result(result)


class Context:
    """One GraphQL operation under way."""

    def __init__(
        self,
        upstream: Upstream,
        library: UUID | None = None,
        resume: str | None = None,
        cause: str | None = None,
    ) -> None:
        self.upstream = upstream
        self.cause = cause  # what the client calls its request
        self.resume = resume  # the cursor that a client saw last
        self.loads = Loads(upstream)
        self.libraries: dict[str | int, UUID | None] = {}  # by the key of the root field
        self.library = library  # of the event that is told
        self.known: dict[str | int, Any] = {}  # results that are there, or why they are not


Info: TypeAlias = "GraphQLResolveInfo[Context]"
"""What a resolver is told about where it is."""
