"""One call, from its method to the bytes of its reply.

`answer` is a coroutine that never raises: whatever happens becomes a reply. It is stepped by the
session, which writes the reply at once where nothing had to be waited for. This is the only place
in the daemon that catches everything.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from sd_daemon.core.log import get_log
from sd_daemon.handlers.handler import Context, Peer
from sd_daemon.server.failures import defect, error_of
from sd_daemon.server.routes import RANK, ROUTES
from sd_wire.errors import InvalidValue, MethodNotFound, PermissionRefused, ReplyTooLarge
from sd_wire.messages import MAX_LINE, Call, Done, failure, line

if TYPE_CHECKING:
    from sd_daemon.core.core import Core
    from sd_wire.connection import Id
    from sd_wire.operations.core import ConnectionCounts

log = get_log(__name__)

_QUOTED = 200  # characters of a client's text that an error or the log repeats


@lru_cache(maxsize=256)
def library_id_of(text: str) -> UUID:
    """A library id in any spelling that a UUID has: upper case, braces, urn:uuid:, no hyphens."""
    try:
        return UUID(text)
    except ValueError:
        raise InvalidValue(
            field="library_id", reason=f"{text[:_QUOTED]!r} is not a UUID", pointer="/library_id"
        ) from None


def refusal(peer: Peer, method: str, permission: str) -> PermissionRefused:
    """Say no, and leave a trace of it."""
    log.warning("a call was refused", method=method, peer_uid=peer.uid, peer_pid=peer.pid)
    return PermissionRefused(uid=peer.uid, method=method, permission=permission)


async def answer(
    core: Core, peer: Peer, counts: ConnectionCounts, socket: str, call: Call, request_id: Id
) -> bytes:
    """Carry out a call and return the line to send back."""
    try:
        route = ROUTES.get(call.method)
        if route is None:
            raise MethodNotFound(method=call.method[:_QUOTED], pointer="/method")
        if RANK[peer.permission] < route.rank:
            raise refusal(peer, call.method, route.operation.permission)
        request = route.read(call.payload)
        context = Context(
            core,
            route.operation,
            peer,
            counts,
            library_id=None if call.library_id is None else library_id_of(call.library_id),
            correlation_id=None if request_id is msgspec.UNSET else str(request_id),
            socket=socket,
        )
        result = route.handler(context, request)
        if route.waits:
            result = await result
        reply = line(Done(result, request_id))
        if len(reply) > MAX_LINE:
            raise ReplyTooLarge(limit=MAX_LINE)
    except Exception as found:
        known = error_of(found, core.data_dir)
        if known is None:
            known = defect(found, call.method[:_QUOTED], peer_pid=peer.pid, request_id=request_id)
        return failure(known, request_id)
    return reply
