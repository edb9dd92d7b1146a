"""The protocol without its transport: bytes in, messages out, and the other way round.

Neither end opens a socket, reads a clock or runs a loop here. A server gives what it received to
`ServerConnection.receive`, gets a list of requests, and writes the bytes that its `encoding` makes
of its replies. A client does the reverse with `ClientConnection`.

What may follow what:

    state        message from the peer              end of data from the peer
    ---------    -------------------------------    ---------------------------------------
    NEW          Hello: NEW, or OPEN where it       what is left is a last request;
                 changes the encoding; all else,    PEER_DONE
                 also nonsense: OPEN
    OPEN         requests; stays OPEN               the same
    PEER_DONE    (cannot come)                      stays
    CLOSED       ignored                            stays

A connection begins with lines of JSON. Only in NEW, before anything else, can Hello ask for
MessagePack; it is answered in JSON, and everything after it, both ways, is in frames. So neither
end can be in doubt: nothing that is answered in JSON stands between that Hello and its answer.

A request ends with LF, or with the peer's half-close. A half-closed peer gets its answers and then
a close, unless it has a subscription: then it stays until either side closes. Answers to requests
without ids come in the order of those requests.

A message that is too long is reported once, when its limit is passed, and then skipped to its end;
the connection lives on. So does it after one that cannot be read: the next starts afresh.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from sd_wire.encoding import ENCODINGS, JSON, Encoding
from sd_wire.errors import EncodingSettled, MalformedRequest, RequestTooLarge, SdError
from sd_wire.messages import MAX_LINE, Call, Hello, Reply
from sd_wire.reading import Received, Rejected, Request, parse, reading

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence


class State(StrEnum):
    """Where a connection stands, as one end sees it."""

    NEW = "new"  # nothing was asked yet but who we are
    OPEN = "open"
    PEER_DONE = "peer-done"  # the peer has said all it will say, and still listens
    CLOSED = "closed"


AT_ONCE = 256
"""Requests that are read before somebody else has a turn."""

LONG = 256 * 1024
"""Bytes of a message that is read a little at a time, with turns for others in between."""

Message = bytes | SdError | None
"""What is to be read: None is one that was too long, an error one that was refused on its way."""

_NEW, _OPEN = State.NEW, State.OPEN  # asked for with each request
PING_LINE = b'"Ping"\n'
_PING_WORD = b'"Ping"'
_PING = Request("Ping")


class ServerConnection:
    """The daemon's end of one connection."""

    __slots__ = ("_buffer", "_put_off", "_reading", "encoding", "state")

    def __init__(self, limit: int = MAX_LINE) -> None:
        self.encoding: Encoding = JSON
        self._buffer = JSON.buffer(limit)
        self._put_off: deque[Message] | None = None  # messages of an open connection
        self._reading: Generator[None, None, Received] | None = None  # of the first of these
        self.state = State.NEW

    def __repr__(self) -> str:
        return f"<ServerConnection {self.state} {self.encoding.name}>"

    @classmethod
    def resumed(cls, state: State, encoding: str) -> ServerConnection:
        """One that another process has begun, and that stands there."""
        made = cls()
        made.state = state
        made.encoding = ENCODINGS[encoding]
        made._buffer = made.encoding.buffer()
        return made

    @property
    def rest(self) -> bytes | None:
        """What has arrived of a request that is not complete; None where that is not known."""
        return self._buffer.rest

    @property
    def holds(self) -> bool:
        """Whether something has arrived that is not read yet."""
        return self._buffer.underway or self._put_off is not None

    @property
    def arriving(self) -> int:
        """Bytes of a request that is not complete."""
        return self._buffer.held

    @property
    def held(self) -> int:
        """Bytes of what has arrived and is not read yet."""
        waiting = sum(len(one) for one in self._put_off or () if isinstance(one, bytes))
        return self._buffer.held + waiting

    def refuse(self, error: SdError) -> list[Received]:
        """Keep nothing of the request that is arriving, and answer it with an error in its turn."""
        self._buffer.skip()
        self.state = _OPEN if self.state is _NEW else self.state  # that was no greeting
        return self._some_of([error]) if self._put_off is not None else [Rejected(error)]

    @property
    def has_more(self) -> bool:
        """Whether requests are complete that `receive` has not given yet."""
        return self._put_off is not None

    def receive(self, data: bytes) -> list[Received]:
        """The requests that are complete now, as far as they are not too many at once: see
        `has_more`. A second call never repeats one."""
        if self.state is _OPEN:
            messages = self._buffer.feed(data)
            if self._put_off is None and len(messages) == 1:  # the usual case
                message = messages[0]
                if message is not None and len(message) <= LONG:
                    return [self._settled(parse(message, self.encoding))]
            return self._some_of(messages)
        return self._begin(data) if self.state is _NEW else []

    def more(self) -> list[Received]:
        """The next of the requests that were put off."""
        return self._some_of([])

    def _some_of(self, messages: Sequence[Message]) -> list[Received]:
        waiting = self._put_off or deque()
        waiting.extend(messages)
        some: list[Received] = []
        while waiting and len(some) < AT_ONCE:
            message = waiting.popleft()
            if isinstance(message, bytes) and len(message) > LONG:
                received = self._read_on(message)
                if received is None:
                    waiting.appendleft(message)
                    break
            else:
                received = self._read(message)
            some.append(self._settled(received))
        self._put_off = waiting or None
        return some

    def _read_on(self, message: bytes) -> Received | None:
        """Go on with a long message by one step: None while it is not read to its end."""
        if self._reading is None:
            self._reading = reading(message, self.encoding)
        try:
            next(self._reading)
        except StopIteration as ended:
            self._reading = None
            received: Received = ended.value
            return received
        return None

    def takes_a_word(self) -> bool:
        """Let a line that is a bare word be answered without being received: said by whoever has
        seen that one read brought exactly that. Not where it would be part of something else."""
        if self._buffer.underway or self.encoding is not JSON or self._put_off is not None:
            return False
        if self.state is _NEW:
            self.state = _OPEN
        return self.state is _OPEN

    def receive_end(self, *, gone: bool = False) -> list[Received]:
        """The peer will send nothing more: a last request without LF, if there is one. Not where
        it is `gone`: what it was about to say is not known then."""
        if self.state not in (State.NEW, State.OPEN):
            return []
        fresh, self.state = self.state is State.NEW, State.PEER_DONE
        rest = self._buffer.end()
        if gone or rest is None or not rest.strip():
            return []
        if self._put_off is not None or _is_long(rest):
            self._put_off = self._put_off or deque()
            self._put_off.append(rest)
            return []
        received = self._read(rest)
        return [received if fresh else self._settled(received)]

    def close(self) -> None:
        """Nothing is read from here on."""
        self.state = State.CLOSED

    def _read(self, message: Message) -> Received:
        if isinstance(message, bytes):
            return _PING if message == _PING_WORD else parse(message, self.encoding)
        if message is None:
            return Rejected(RequestTooLarge(limit=self._buffer.limit))
        return Rejected(message)

    def _begin(self, data: bytes) -> list[Received]:
        """Read line by line, because after a Hello the rest may not be lines any more."""
        received: list[Received] = []
        while data and self.state is State.NEW:
            end = data.find(b"\n") + 1 or len(data)
            first, data = data[:end], data[end:]
            for message in self._buffer.feed(first):
                if _is_long(message):  # no greeting is
                    self.state = State.OPEN
                    received += self._some_of([message])
                    continue
                request = self._read(message)
                received.append(request)
                self._greet(request)
        return received + self.receive(data) if data else received

    def _greet(self, received: Received) -> None:
        body = received.body if isinstance(received, Request) else None
        if not isinstance(body, Hello):
            self.state = State.OPEN
        elif body.encoding != self.encoding.name:
            self.state = State.OPEN
            self.encoding = ENCODINGS[body.encoding]
            self._buffer = self.encoding.buffer(self._buffer.limit)

    def _settled(self, received: Received) -> Received:
        """A request of an open connection: what it is encoded in cannot be changed any more."""
        if received.__class__ is not Request or received.body.__class__ is Call:
            return received
        body = received.body
        if isinstance(body, Hello) and body.encoding != self.encoding.name:
            error = EncodingSettled(encoding=self.encoding.name, pointer="/Hello/encoding")
            return Rejected(error, received.id)
        return received


def _is_long(message: Message) -> bool:
    return isinstance(message, bytes) and len(message) > LONG


class ClientConnection:
    """A client's end of one connection: replies in, requests out by its `encoding`."""

    __slots__ = ("_buffer", "encoding", "state")

    def __init__(self, limit: int = MAX_LINE) -> None:
        self.encoding: Encoding = JSON
        self._buffer = JSON.buffer(limit)
        self.state = State.NEW

    def receive(self, data: bytes) -> list[Reply]:
        """The replies that are complete now. Bare words come as a Reply with that key. An answer to
        Hello that agrees to another encoding is followed.

        Raises MalformedRequest where the peer does not speak this protocol; the connection is
        CLOSED then.
        """
        replies: list[Reply] = []
        while data and self.state is State.NEW:
            end = data.find(b"\n") + 1 or len(data)
            first, data = data[:end], data[end:]
            for reply in self._read_all(first):
                replies.append(reply)
                self._greet(reply)
        if data and self.state is State.OPEN:
            replies += self._read_all(data)
        return replies

    def _greet(self, reply: Reply) -> None:
        welcome = reply.Hello
        if welcome is msgspec.UNSET:
            self.state = State.OPEN
        elif welcome.encoding != self.encoding.name:
            self.state = State.OPEN
            self.encoding = ENCODINGS[welcome.encoding]
            self._buffer = self.encoding.buffer(self._buffer.limit)

    def _read_all(self, data: bytes) -> list[Reply]:
        replies = []
        for message in self._buffer.feed(data):
            if message is None:
                self.state = State.CLOSED
                raise RequestTooLarge(limit=self._buffer.limit)
            replies.append(self._read(message))
        return replies

    def _read(self, message: bytes) -> Reply:
        try:
            found = self.encoding.read_reply(message)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            self.state = State.CLOSED
            raise MalformedRequest(encoding=self.encoding.name, reason=str(error)) from error
        if isinstance(found, Reply):
            return found
        reply = Reply()
        if found in Reply.__struct_fields__:
            setattr(reply, found, None)
        return reply
