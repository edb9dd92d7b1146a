"""How a handler is tied to the operation it serves.

    @handles(ListLibraries)
    async def list_libraries(context: Context, request: ListLibraries) -> list[LibraryInfo]:
        ...

A handler is a few lines: from the request to the core and back. It may be a plain function, which
is answered within the same read of the socket and so must not touch a disk, or a coroutine
function. It raises the errors that its operation declares; anything else is a defect.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import msgspec

from sd_daemon.core.core import Core
from sd_wire.errors import LibraryNotFound, LibraryRequired
from sd_wire.operation import Operation, Permission, Request
from sd_wire.operations.core import ConnectionCounts

if TYPE_CHECKING:
    from sd_daemon.core.library import Library

R = TypeVar("R")
Q = TypeVar("Q", bound=Request[Any])


class Peer(msgspec.Struct):
    """Who is at the other end of a connection, as the kernel says."""

    pid: int
    uid: int
    gid: int
    permission: Permission  # changes with the configuration
    groups: tuple[int, ...] = ()


class Context(msgspec.Struct, gc=False):
    """What a handler may use: the core, the library that was named, and who asks."""

    core: Core
    operation: Operation
    peer: Peer
    counts: ConnectionCounts
    library_id: UUID | None = None
    correlation_id: str | None = None  # goes onto the events that the request causes
    socket: str = ""

    @property
    def library(self) -> Library:
        """The library the request names, or the only open one.

        Raises LibraryNotFound or LibraryRequired.
        """
        libraries = self.core.libraries.open_libraries
        if self.library_id is not None:
            found = libraries.get(self.library_id)
            if found is None:
                raise LibraryNotFound(library=self.library_id, pointer="/library_id")
            return found
        if len(libraries) == 1:
            return next(iter(libraries.values()))
        names = ", ".join(sorted(library.name for library in libraries.values()))
        raise LibraryRequired(
            method=self.operation.method,
            count=len(libraries),
            names=names or "there is none yet; 'sd library create' makes one",
        )


Handler = Callable[[Context, Any], Any]

HANDLERS: dict[str, Handler] = {}
"""Handlers by the name of their operation."""


def handles(
    request: type[Request[R]],
) -> Callable[[Callable[[Context, Q], Awaitable[R] | R]], Callable[[Context, Q], Awaitable[R] | R]]:
    """Tie a handler to the operation that `request` declares."""

    def register(
        handler: Callable[[Context, Q], Awaitable[R] | R],
    ) -> Callable[[Context, Q], Awaitable[R] | R]:
        name = request.operation.name
        if name in HANDLERS:
            raise TypeError(f"two handlers for {name!r}")
        HANDLERS[name] = handler
        return handler

    return register
