"""The protocol without its transport: bytes in, messages out, and the other way round.

Neither end opens a socket, reads a clock or runs a loop here. A server gives what it received to
`ServerConnection.receive`, gets a list of requests, and writes the bytes that `sd_wire.messages`
makes of its replies. A client does the reverse with `ClientConnection`.

What may follow what:

    state        data                     end of data from the peer
    ---------    ---------------------    -------------------------------------------
    OPEN         requests; stays OPEN     what is left is a last request; PEER_DONE
    PEER_DONE    (cannot come)            stays
    CLOSED       ignored                  stays

A request ends with LF, or with the peer's half-close. A half-closed peer gets its answers and then
a close, unless it has a subscription: then it stays until either side closes. Answers to requests
without ids come in the order of those requests.

A line that is too long is reported once, when its limit is passed, and then skipped to its LF; the
connection lives on. So does it after a line that cannot be read: LF always starts afresh.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any

import msgspec

from sd_wire.errors import MalformedRequest, RequestTooLarge, SdError, UnknownRequest
from sd_wire.messages import MAX_LINE, WORDS, Call, Envelope, Reply, RequestId
from sd_wire.messages import Subscribe as SubscribeBody
from sd_wire.messages import SubscribeLogs as SubscribeLogsBody

Id = RequestId | msgspec.UnsetType


class Request(msgspec.Struct, gc=False):
    """A request that was read. `body` is a Call, a Subscribe, a SubscribeLogs, or one of WORDS."""

    body: Call | SubscribeBody | SubscribeLogsBody | str
    id: Id = msgspec.UNSET


class Rejected(msgspec.Struct):
    """A line that is not a request, and what to answer to it."""

    error: SdError
    id: Id = msgspec.UNSET


Received = Request | Rejected


class State(StrEnum):
    """Where a connection stands, as one end sees it."""

    OPEN = "open"
    PEER_DONE = "peer-done"  # the peer has said all it will say, and still listens
    CLOSED = "closed"


class LineBuffer:
    """Cuts a stream into lines. Cheap when a read is exactly one line, which is the usual case.

    `limit` is in bytes. Lines beyond it come out as None, once each, and cost no more memory than
    the limit: what lies between the limit and the LF is thrown away as it comes.
    """

    __slots__ = ("_rest", "_skipping", "limit")

    def __init__(self, limit: int = MAX_LINE) -> None:
        self.limit = limit
        self._rest: bytearray | None = None
        self._skipping = False

    def feed(self, data: bytes) -> list[bytes | None]:
        """The complete lines, without their LF."""
        if self._rest is None and not self._skipping and data.find(b"\n") == len(data) - 1:
            return [data[:-1] if len(data) - 1 <= self.limit else None] if data else []
        first, *others = data.split(b"\n")
        if not others:
            return self._keep(first)
        *complete, rest = others
        lines: list[bytes | None] = self._finish(first)
        lines.extend(line if len(line) <= self.limit else None for line in complete)
        lines.extend(self._keep(rest))
        return lines

    def end(self) -> bytes | None:
        """What is left after the last LF, or None where nothing is."""
        rest, self._rest = self._rest, None
        return bytes(rest) if rest else None

    def _finish(self, piece: bytes) -> list[bytes | None]:
        if self._skipping:
            self._skipping = False
            return []
        rest, self._rest = self._rest, None
        line = bytes(rest) + piece if rest else piece
        return [line if len(line) <= self.limit else None]

    def _keep(self, rest: bytes) -> list[bytes | None]:
        if not rest or self._skipping:
            return []
        # One growing buffer and not a list of pieces: a peer that sends byte by byte would
        # otherwise cost thirty times the length of its line.
        if self._rest is None:
            self._rest = bytearray(rest)
        else:
            self._rest += rest
        if len(self._rest) <= self.limit:
            return []
        self._rest = None
        self._skipping = True
        return [None]


PING_LINE = b'"Ping"\n'
_PING_WORD = b'"Ping"'
_PING = Request("Ping")
_decode = msgspec.json.Decoder(Envelope | str).decode
_decode_any = msgspec.json.Decoder().decode
_CALLS = ("JsonQuery", "JsonAction")
_UNITS = ("Ping", "Shutdown", "Unsubscribe", "UnsubscribeLogs")


def _id_of(line: bytes) -> Id:
    """The id of a request that could not be read otherwise, as far as there is one."""
    try:
        found = _decode_any(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return msgspec.UNSET
    request_id = found.get("id") if isinstance(found, dict) else None
    if isinstance(request_id, (int, str)) and not isinstance(request_id, bool):
        return request_id
    return msgspec.UNSET


def _rest_of_envelope(envelope: Envelope) -> Request | None:
    """The requests that come less often than Query and Action."""
    for name in _CALLS:
        call = getattr(envelope, name)
        if call is not msgspec.UNSET:
            return Request(call, envelope.id)
    if envelope.Subscribe is not msgspec.UNSET:
        return Request(envelope.Subscribe, envelope.id)
    if envelope.SubscribeLogs is not msgspec.UNSET:
        return Request(envelope.SubscribeLogs, envelope.id)
    for name in _UNITS:
        if getattr(envelope, name) is not msgspec.UNSET:
            return Request(name, envelope.id)
    return None


def parse(line: bytes) -> Received:
    """One line as a request, or as what is wrong with it."""
    try:
        found = _decode(line)
    except msgspec.ValidationError as error:
        return Rejected(UnknownRequest(reason=str(error), pointer=pointer_of(error)), _id_of(line))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Rejected(MalformedRequest(reason=str(error)))
    if isinstance(found, str):
        if found in WORDS:
            return Request(found)
        return Rejected(UnknownRequest(reason=f"there is no request {found!r}"))
    if found.Query is not msgspec.UNSET:
        return Request(found.Query, found.id)
    if found.Action is not msgspec.UNSET:
        return Request(found.Action, found.id)
    request = _rest_of_envelope(found)
    if request is not None:
        return request
    return Rejected(UnknownRequest(reason="it has no key that names a request"), found.id)


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


class ServerConnection:
    """The daemon's end of one connection."""

    __slots__ = ("_lines", "state")

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._lines = LineBuffer(limit)
        self.state = State.OPEN

    def __repr__(self) -> str:
        return f"<ServerConnection {self.state}>"

    def receive(self, data: bytes) -> list[Received]:
        """The requests that are complete now. A second call never repeats one."""
        if self.state is not State.OPEN:
            return []
        lines = self._lines.feed(data)
        if len(lines) == 1 and lines[0] is not None:  # the usual case, spared a comprehension
            return [parse(lines[0])]
        return [self._read(line) for line in lines]

    def receive_end(self) -> list[Received]:
        """The peer will send nothing more: a last request without LF, if there is one."""
        if self.state is not State.OPEN:
            return []
        self.state = State.PEER_DONE
        rest = self._lines.end()
        return [] if rest is None or not rest.strip() else [self._read(rest)]

    def close(self) -> None:
        """Nothing is read from here on."""
        self.state = State.CLOSED

    def _read(self, line: bytes | None) -> Received:
        if line is None:
            return Rejected(RequestTooLarge(limit=self._lines.limit))
        return _PING if line == _PING_WORD else parse(line)


_decode_reply = msgspec.json.Decoder(Reply | str).decode


class ClientConnection:
    """A client's end of one connection: replies in, requests out by `sd_wire.messages.line`."""

    __slots__ = ("_lines", "state")

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._lines = LineBuffer(limit)
        self.state = State.OPEN

    def receive(self, data: bytes) -> list[Reply]:
        """The replies that are complete now. Bare words come as a Reply with that key.

        Raises MalformedRequest where the peer does not speak this protocol; the connection is
        CLOSED then.
        """
        replies = []
        for line in self._lines.feed(data):
            if line is None:
                self.state = State.CLOSED
                raise RequestTooLarge(limit=self._lines.limit)
            replies.append(self._read(line))
        return replies

    def _read(self, line: bytes) -> Reply:
        try:
            found = _decode_reply(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            self.state = State.CLOSED
            raise MalformedRequest(reason=str(error)) from error
        if isinstance(found, Reply):
            return found
        reply = Reply()
        fields: dict[str, Any] = dict.fromkeys(Reply.__struct_fields__)
        if found in fields:
            setattr(reply, found, None)
        return reply
