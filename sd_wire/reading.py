"""One message that was received, as the request that it is, or as what is wrong with it.

What is wrong is said in three ways. A message that cannot be read at all is `malformed-request`;
one that can be read and is no request is `unknown-request`, with the place in it where that shows;
a request with a value that cannot be meant is `invalid-value`. The id is kept where there is one.

Of two keys with the same name the last counts, as everywhere in JSON. Two keys that name requests
are a mistake, since nobody could say which was meant. Keys that name nothing are ignored.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from sd_wire.bounds import (
    Walk,
    announced_members,
    has_more_members,
    look_over_json,
    may_exceed_json,
    may_exceed_messagepack,
)
from sd_wire.encoding import JSON, MESSAGEPACK
from sd_wire.errors import (
    InvalidValue,
    MalformedRequest,
    RequestTooDeep,
    SdError,
    TooManyValues,
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
    from collections.abc import Generator

    from sd_wire.bounds import Steps
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

_LEVELS = 2  # arrays and objects that a payload stands in; in a batch twice as many
_NAMES = Envelope.__struct_fields__[: Envelope.__struct_fields__.index("id")]


def parse(message: bytes, encoding: Encoding = JSON) -> Received:
    """One message as a request, or as what is wrong with it."""
    if len(message) <= MAX_DEPTH:
        return _decoded(message, encoding)
    may_exceed = may_exceed_json if encoding is JSON else may_exceed_messagepack
    if not may_exceed(message):
        return _decoded(message, encoding)
    steps = reading(message, encoding)
    while True:
        try:
            next(steps)
        except StopIteration as ended:
            received: Received = ended.value
            return received


def reading(message: bytes, encoding: Encoding) -> Generator[None, None, Received]:
    """The same for a long message, a little at a time: each step takes a few milliseconds."""
    yield
    received: Received
    try:
        if encoding is JSON:
            yield from look_over_json(message)
            received = _decoded(message, encoding)
        else:
            walk = Walk()
            yield from walk.over(message)
            received = _decoded(message, encoding)
            yield from _look_over_payloads(received, walk)
    except (RequestTooDeep, TooManyValues) as error:
        yield
        received = Rejected(error, _id_of(message, encoding))
    yield
    return received


def _look_over_payloads(received: Received, walk: Walk) -> Steps:
    """The documents that stand in a request of MessagePack as bytes."""
    body = received.body if isinstance(received, Request) else None
    bodies = [one.body for one in body.requests] if isinstance(body, Batch) else [body]
    depth = 2 * _LEVELS if isinstance(body, Batch) else _LEVELS
    for call in bodies:
        if isinstance(call, Call) and call.payload is not msgspec.UNSET:
            try:
                document = MESSAGEPACK.held(call.payload)
            except msgspec.ValidationError:
                continue  # whoever reads it says so
            yield from walk.over(document, depth)


def _decoded(message: bytes, encoding: Encoding) -> Received:
    try:
        if encoding is JSON and not message.isascii():
            message.decode()  # what is skipped has to be text as well
        try:
            call = encoding.read_call(message)
        except msgspec.ValidationError:  # it may be anything else
            call = ""
        if call.__class__ is CallEnvelope:
            query = call.Query
            body = call.Action if query is msgspec.UNSET else query
            if body is not msgspec.UNSET and (body is not query or call.Action is msgspec.UNSET):
                return Request(body, call.id, call.timeout_ms, call.correlation_id)
        found = encoding.read_request(message)
    except msgspec.ValidationError as error:
        unknown = UnknownRequest(reason=sentence_of(error), pointer=pointer_of(error))
        return Rejected(unknown, _id_of(message, encoding))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return _malformed(message, encoding, error)
    if isinstance(found, str):
        if found in WORDS:
            return Request(found)
        return Rejected(UnknownRequest(reason=f"there is no request {found[:100]!r}", pointer=""))
    return _request_of(found, encoding)


def _request_of(envelope: Envelope, encoding: Encoding) -> Received:
    """The request that the one key with the name of one is."""
    named = [name for name in _NAMES if getattr(envelope, name) is not msgspec.UNSET]
    if len(named) != 1:
        return Rejected(_unclear(named), envelope.id)
    (name,) = named
    if envelope.Batch is not msgspec.UNSET:
        return _batch_of(envelope, envelope.Batch, encoding)
    if name in WORDS:
        return Request(name, envelope.id)
    body = getattr(envelope, name)
    return Request(body, envelope.id, envelope.timeout_ms, envelope.correlation_id)


def _unclear(named: list[str]) -> SdError:
    if not named:
        return UnknownRequest(reason="it has no key that names a request", pointer="")
    reason = f"{' and '.join(named)} are different requests: send one in each message"
    return UnknownRequest(reason=reason, pointer=f"/{named[1]}")


def _batch_of(envelope: Envelope, given: msgspec.Raw, encoding: Encoding) -> Received:
    """All of a batch or nothing: what is wrong in one of its requests is said before any is
    carried out."""
    array = bytes(given)
    if encoding is JSON:
        too_long = has_more_members(array, MAX_PENDING)
    else:
        too_long = announced_members(array) > MAX_PENDING
    if too_long:
        reason = f"at most {MAX_PENDING} requests can be in a batch"
        wrong = InvalidValue(field="Batch", reason=reason, pointer="/Batch")
        return Rejected(wrong, envelope.id)
    try:
        members = encoding.read_batch(given)
    except msgspec.ValidationError as error:
        reason, pointer = sentence_of(error, "Batch"), f"/Batch{pointer_of(error)}"
        return Rejected(UnknownRequest(reason=reason, pointer=pointer), envelope.id)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return _malformed(array, encoding, error, envelope.id)
    requests = []
    for place, member in enumerate(members):
        found = _request_of(member, encoding) if member.Batch is msgspec.UNSET else None
        if isinstance(found, Request) and isinstance(found.body, Call):
            requests.append(found)
            continue
        reason = f"Batch[{place}]: only queries and actions can be in a batch"
        other = UnknownRequest(reason=reason, pointer=f"/Batch/{place}")
        return Rejected(other, envelope.id)
    return Request(Batch(requests), envelope.id, envelope.timeout_ms, envelope.correlation_id)


def _id_of(message: bytes, encoding: Encoding) -> Id:
    """The id of a request that could not be read otherwise, as far as there is one."""
    try:
        return encoding.read_id(message).id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return msgspec.UNSET


def written(request: Request, encoding: Encoding) -> bytes:
    """A request as it may have arrived."""
    if request.id is msgspec.UNSET and isinstance(request.body, str):
        return encoding.frame(request.body)
    return encoding.frame(_members_of(request))


def _members_of(request: Request) -> dict[str, Any]:
    body = request.body
    members: dict[str, Any]
    if isinstance(body, str):
        members = {body: None}
    elif isinstance(body, Call):
        members = {"Query": body}  # or Action: the method decides
    elif isinstance(body, Batch):
        members = {"Batch": [_members_of(one) for one in body.requests]}
    else:
        members = {type(body).__name__: body}
    beside = {name: getattr(request, name) for name in ("id", "timeout_ms", "correlation_id")}
    return members | {name: value for name, value in beside.items() if value is not msgspec.UNSET}


# --- what cannot be read -------------------------------------------------------------------------

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BYTE = re.compile(r"\(byte (\d+)\)$")
_PAIR = 12  # bytes of two escapes
_LONE_SURROGATE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F]"
)


def _malformed(
    message: bytes,
    encoding: Encoding,
    error: msgspec.DecodeError | UnicodeDecodeError,
    request_id: Id = msgspec.UNSET,
) -> Rejected:
    reason = _reason(message, encoding, error)
    return Rejected(MalformedRequest(encoding=encoding.name, reason=reason), request_id)


def _reason(
    message: bytes, encoding: Encoding, error: msgspec.DecodeError | UnicodeDecodeError
) -> str:
    """Why a message cannot be read, in words that help whoever wrote it."""
    if isinstance(error, UnicodeDecodeError):
        place = message.find(error.object) + error.start if encoding is not JSON else error.start
        return f"it is not UTF-8: {error.reason} (byte {place})"
    if not message.strip():
        return "it is empty"
    if encoding is JSON and message.startswith(_BYTE_ORDER_MARK):
        return "it begins with a byte order mark"
    said = str(error)
    half = _half_of_a_pair(message, said) if encoding is JSON else None
    if half is not None:
        return f"half of a surrogate pair is no character (byte {half})"
    if said == "Input data was truncated":
        return "it ends too early"
    return said.partition(" is malformed: ")[2] or said


def _half_of_a_pair(message: bytes, said: str) -> int | None:
    """Where half of a surrogate pair stands, if that is what the decoder stumbled over. It has gone
    on by a few bytes by then; or has come to the end, which it says is too early."""
    at = _BYTE.search(said) if "surrogate" in said else None
    if at is None and said != "Input data was truncated":
        return None
    end = int(at[1]) + _PAIR if at else len(message)
    half = _LONE_SURROGATE.search(message, max(0, end - 3 * _PAIR), end)
    return half.start() if half else None


# --- what a validation error says ----------------------------------------------------------------

_MISSING = re.compile(r"missing required field `([^`]*)`")
_PLACE = re.compile(r" - at `(?:key in )?\$([^`]*)`$")
_MOST = 200  # characters of a sentence: it may repeat what the client has sent


def pointer_of(error: msgspec.ValidationError) -> str:
    """The JSON pointer (RFC 6901) of what a validation error is about.

    msgspec ends its sentence with a path such as `$.sort[0].field`. A field that is missing is
    pointed at by the place where it should be.
    """
    path = _path_of(error).replace("[...]", "")
    return path.replace("[", "/").replace("]", "").replace(".", "/")


def sentence_of(error: msgspec.ValidationError, within: str = "") -> str:
    """What a validation error says, after the place that it says it of: `payload.sort[0].field:
    expected str, got int`. `within`: the name of what was read. Clients without ids have nothing
    but this to tell them where."""
    place = (within + _path_of(error)).lstrip(".")
    said = "it is missing" if _MISSING.search(str(error)) else _PLACE.sub("", str(error))
    said = said[:1].lower() + said[1:_MOST].replace("`", "")
    return f"{place}: {said}" if place else said


def _path_of(error: msgspec.ValidationError) -> str:
    """Where it is, from what was read on: `.sort[0].field`."""
    place, missing = _PLACE.search(str(error)), _MISSING.search(str(error))
    return (place[1] if place else "") + (f".{missing[1]}" if missing else "")
