"""One message that was received, as the request that it is, or as what is wrong with it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from sd_wire.encoding import JSON
from sd_wire.errors import (
    MalformedRequest,
    RequestTooDeep,
    SdError,
    TooManyRequests,
    UnknownRequest,
)
from sd_wire.messages import (
    MAX_DEPTH,
    MAX_PENDING,
    WORDS,
    Call,
    CallEnvelope,
    Cancel,
    Envelope,
    Hello,
    Id,
    Subscribe,
    SubscribeLogs,
)

if TYPE_CHECKING:
    from sd_wire.encoding import Encoding


class Request(msgspec.Struct, gc=False):
    """A request that was read. `body` is what it asks for, or one of WORDS."""

    body: Call | Subscribe | SubscribeLogs | Hello | Cancel | Batch | str
    id: Id = msgspec.UNSET
    timeout_ms: int | msgspec.UnsetType = msgspec.UNSET
    correlation_id: str | msgspec.UnsetType = msgspec.UNSET


class Batch(msgspec.Struct):
    """Calls that come together, are made one after the other and answered together."""

    requests: list[Request]


class Rejected(msgspec.Struct):
    """A message that is not a request, and what to answer to it."""

    error: SdError
    id: Id = msgspec.UNSET


Received = Request | Rejected

_CALLS = ("Query", "Action", "JsonQuery", "JsonAction")
_OTHERS = ("Subscribe", "SubscribeLogs", "Hello", "Cancel")


def parse(message: bytes, encoding: Encoding = JSON) -> Received:
    """One message as a request, or as what is wrong with it."""
    try:
        if len(message) > 2 * MAX_DEPTH and encoding is JSON and _is_too_deep(message):
            return Rejected(RequestTooDeep(limit=MAX_DEPTH))
        call = encoding.read_call(message)
        if call.__class__ is CallEnvelope:
            body = call.Query if call.Query is not msgspec.UNSET else call.Action
            if body is not msgspec.UNSET:
                return Request(body, call.id, call.timeout_ms, call.correlation_id)
        found = encoding.read_request(message)
    except msgspec.ValidationError as error:
        unknown = UnknownRequest(reason=sentence_of(error), pointer=pointer_of(error))
        return Rejected(unknown, _id_of(message, encoding))
    except RecursionError:  # MessagePack, where nothing is counted beforehand
        return Rejected(RequestTooDeep(limit=MAX_DEPTH))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Rejected(MalformedRequest(encoding=encoding.name, reason=str(error)))
    if isinstance(found, str):
        if found in WORDS:
            return Request(found)
        return Rejected(UnknownRequest(reason=f"there is no request {found[:100]!r}"))
    return _request_in(found)


def _request_in(envelope: Envelope) -> Received:
    """The request that an object is."""
    for name in (*_CALLS, *_OTHERS):
        body = getattr(envelope, name)
        if body is not msgspec.UNSET:
            return Request(body, envelope.id, envelope.timeout_ms, envelope.correlation_id)
    for name in sorted(WORDS):
        if getattr(envelope, name) is not msgspec.UNSET:
            return Request(name, envelope.id)
    if envelope.Batch is not msgspec.UNSET:
        return _batch_of(envelope, envelope.Batch)
    return Rejected(UnknownRequest(reason="it has no key that names a request"), envelope.id)


def _batch_of(envelope: Envelope, members: list[Envelope]) -> Received:
    """All of a batch or nothing: what is wrong in one of its requests is said before any is
    carried out."""
    if len(members) > MAX_PENDING:
        return Rejected(TooManyRequests(limit=MAX_PENDING, pointer="/Batch"), envelope.id)
    requests = []
    for place, member in enumerate(members):
        found = _request_in(member)
        if isinstance(found, Request) and isinstance(found.body, Call):
            requests.append(found)
            continue
        reason = "only queries and actions can be in a batch"
        wrong = UnknownRequest(reason=reason, pointer=f"/Batch/{place}")
        return Rejected(wrong, envelope.id)
    return Request(Batch(requests), envelope.id, envelope.timeout_ms, envelope.correlation_id)


def _id_of(message: bytes, encoding: Encoding) -> Id:
    """The id of a request that could not be read otherwise, as far as there is one."""
    try:
        found = encoding.read_any(message)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return msgspec.UNSET
    request_id = found.get("id") if isinstance(found, dict) else None
    if isinstance(request_id, (int, str)) and not isinstance(request_id, bool):
        return request_id
    return msgspec.UNSET


# --- depth ---------------------------------------------------------------------------------------

_ESCAPES = re.compile(rb"\\.", re.DOTALL)
_TEXTS = re.compile(rb'"[^"]*"')
_UNIMPORTANT = bytes(set(range(256)) - set(b'[]{}"'))


def _is_too_deep(line: bytes) -> bool:
    """Whether arrays and objects stand in each other deeper than MAX_DEPTH.

    The decoder has a limit of its own that keeps it safe; where that lies depends on the Python.
    """
    if line.count(b"[") + line.count(b"{") <= MAX_DEPTH:
        return False
    if b"\\" in line:
        line = _ESCAPES.sub(b"", line)
    depth = 0
    for byte in _TEXTS.sub(b"", line.translate(None, _UNIMPORTANT)):
        if byte in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif byte in b"]}":
            depth -= 1
    return False


# --- what a validation error says ----------------------------------------------------------------

_MISSING = re.compile(r"missing required field `([^`]*)`")
_PLACE = re.compile(r" - at `(?:key in )?\$([^`]*)`$")


def pointer_of(error: msgspec.ValidationError) -> str:
    """The JSON pointer (RFC 6901) of what a validation error is about.

    msgspec ends its sentence with a path such as `$.sort[0].field`. A field that is missing is
    pointed at by the place where it should be.
    """
    text = str(error)
    place = _PLACE.search(text)
    path = place[1] if place else ""
    pointer = path.replace("[...]", "").replace("[", "/").replace("]", "").replace(".", "/")
    missing = _MISSING.search(text)
    return f"{pointer}/{missing[1]}" if missing else pointer


def sentence_of(error: msgspec.ValidationError) -> str:
    """What a validation error says, without the path that `pointer_of` tells."""
    return _PLACE.sub("", str(error))
