"""One call, from its method to the bytes of its reply.

`answer` is a coroutine that never raises: whatever happens becomes a reply. It is stepped by the
connection's calls, and its reply written at once where nothing had to be waited for. This is the
only place in the daemon that catches everything.
"""

from __future__ import annotations

import asyncio
import time
from functools import lru_cache
from types import CoroutineType
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from sd_daemon.core.log import CORRELATION, get_log
from sd_daemon.handlers.handler import Context, Peer
from sd_daemon.server.failures import defect, error_of
from sd_daemon.server.routes import RANK, route_of
from sd_wire.encoding import failed
from sd_wire.errors import (
    DeadlineExceeded,
    InvalidValue,
    MethodNotFound,
    PermissionRefused,
    ReplyTooLarge,
    SdError,
)
from sd_wire.messages import MAX_LINE, Call
from sd_wire.operation import Kind, Permission
from sd_wire.reading import Batch

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from sd_daemon.server.instance import Instance
    from sd_wire.encoding import Encoding
    from sd_wire.reading import Request

log = get_log(__name__)

_QUOTED = 200  # characters of a client's text that an error repeats
_UNKNOWN = "an unknown method"


@lru_cache(maxsize=256)
def library_id_of(text: str) -> UUID:
    """A library id in any spelling that a UUID has: upper case, braces, urn:uuid:, no hyphens."""
    try:
        return UUID(text)
    except ValueError:
        raise InvalidValue(
            field="library_id", reason=f"{text[:_QUOTED]!r} is not a UUID", pointer="/library_id"
        ) from None


def refusal(instance: Instance, peer: Peer, method: str, permission: str) -> PermissionRefused:
    """Say no, and leave a trace of it. `method` is a name of ours, not what the client wrote."""
    instance.note_refusal(peer, method)
    return PermissionRefused(uid=peer.uid, method=method, permission=permission)


class BatchRun(msgspec.Struct):
    """Whether a batch may go on."""

    given_up: SdError | None = None  # why the rest of it is not carried out


def kind_of(request: Request) -> Kind:
    """A query, or something that is carried on once it has begun. A batch is what its most
    important member is."""
    if isinstance(request.body, Batch):
        kinds = {kind_of(one) for one in request.body.requests}
        return Kind.ACTION if Kind.ACTION in kinds else Kind.QUERY
    route = route_of(request.body.method) if isinstance(request.body, Call) else None
    return Kind.QUERY if route is None else route.operation.kind


async def answer(
    instance: Instance,
    peer: Peer,
    encoding: Encoding,
    request: Request,
    batch: BatchRun | None,
) -> bytes:
    """Carry out a call, or a batch of them, and return the bytes to send back."""
    try:
        if batch is None:
            result = _begin(instance, peer, encoding, request)
            if result.__class__ is CoroutineType:
                result = await result
            reply = encoding.frame(encoding.done(result, request.id))
        else:
            reply = await _carry_out_all(instance, peer, encoding, request, batch)
        if len(reply) > MAX_LINE:
            raise ReplyTooLarge(limit=MAX_LINE)
    except Exception as found:
        return encoding.failure(_known(found, instance, peer, request), request.id)
    return reply


def _begin(instance: Instance, peer: Peer, encoding: Encoding, request: Request) -> Any:
    """The result of a call, or a coroutine that will have it."""
    call = request.body
    assert isinstance(call, Call)
    route = route_of(call.method)
    if route is None:
        if peer.permission is Permission.NONE:
            raise refusal(instance, peer, _UNKNOWN, Permission.READ)
        raise MethodNotFound(method=call.method[:_QUOTED], pointer="/method")
    if RANK[peer.permission] < route.rank:
        raise refusal(instance, peer, call.method, route.operation.permission)
    wanted = route.read(call.payload, encoding)
    context = Context(
        instance.core,
        route.operation,
        peer,
        instance.counts,
        library_id=None if call.library_id is None else library_id_of(call.library_id),
        correlation_id=_correlation_of(request),
        socket=instance.path,
    )
    return route.handler(context, wanted)


async def _carry_out_all(
    instance: Instance, peer: Peer, encoding: Encoding, request: Request, batch: BatchRun
) -> bytes:
    """One after the other, each with an answer of its own."""
    assert isinstance(request.body, Batch)
    members = request.body.requests
    replies: list[msgspec.Raw] = []
    room = MAX_LINE - _ROOM * len(members)
    for member in members:
        try:
            if batch.given_up is not None:
                raise batch.given_up
            if member.correlation_id is msgspec.UNSET:
                member.correlation_id = _correlation_of(request) or msgspec.UNSET
            result = _begin(instance, peer, encoding, member)
            if result.__class__ is CoroutineType:
                result = await in_time(result, member)
            # Encoded one by one: so the size is known in time, and one that cannot be is its own.
            reply = encoding.body(encoding.done(result, member.id))
            if len(reply) > room:
                raise ReplyTooLarge(limit=MAX_LINE)
        except Exception as found:
            error = _known(found, instance, peer, member)
            reply = encoding.body(failed(error, member.id, detailed=True))
        room -= len(reply)
        replies.append(msgspec.Raw(reply))
    told = {} if request.id is msgspec.UNSET else {"id": request.id}
    return encoding.frame({"Batch": replies, **told})


def _heard(task: asyncio.Task[Any]) -> None:
    """Nobody waits for its end any more, whatever that is: it is no failure of the loop."""
    if not task.cancelled():
        task.exception()


async def in_time(work: Coroutine[Any, Any, Any], member: Request) -> Any:
    """The result of a member of a batch. A query has as long as it was given; an action is brought
    to its end, because the next member may build on it."""
    if member.timeout_ms is msgspec.UNSET or kind_of(member) is Kind.ACTION:
        return await work
    task = asyncio.get_running_loop().create_task(work)
    try:
        await asyncio.wait({task}, timeout=member.timeout_ms / 1000)
        if not task.done():
            raise DeadlineExceeded(milliseconds=member.timeout_ms)
        return task.result()
    finally:
        task.cancel()  # nothing to one that is done
        task.add_done_callback(_heard)


_ROOM = 1024  # bytes that are kept for an error of each member


def _correlation_of(request: Request) -> str | None:
    if request.correlation_id is not msgspec.UNSET:
        return request.correlation_id
    return None if request.id is msgspec.UNSET else str(request.id)


def _known(found: Exception, instance: Instance, peer: Peer, request: Request) -> SdError:
    known = error_of(found, instance.core.data_dir)
    if known is not None:
        return known
    return defect(found, _name_of(request), peer_pid=peer.pid, request_id=request.id)


def _name_of(request: Request) -> str:
    """What the log calls a request. A name that is not ours may hold anything: never that."""
    if not isinstance(request.body, Call):
        return "Batch"
    return _UNKNOWN if route_of(request.body.method) is None else request.body.method


async def traced(request: Request, peer: Peer, work: Coroutine[None, None, bytes]) -> bytes:
    """The same for a request with a correlation id: the log tells its story under that id."""
    CORRELATION.set(_correlation_of(request))
    method = _name_of(request)
    log.info("call begins", method=method, peer_uid=peer.uid, peer_pid=peer.pid)
    began = time.monotonic()
    try:
        return await work
    finally:
        milliseconds = round((time.monotonic() - began) * 1000, 1)
        log.info("call ended", method=method, milliseconds=milliseconds)
