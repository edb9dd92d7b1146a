"""Two ends and the wire between them, as machines that hypothesis drives.

The first machine sends one end everything that a peer could send, cut anywhere. The second lets a
client and a server talk, with requests on their way in numbers, and counts the answers.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from vectors import meaning

from sd_wire.connection import PING_LINE, ClientConnection, ServerConnection, State
from sd_wire.encoding import ENCODINGS, JSON, MESSAGEPACK, Encoding
from sd_wire.framing import LENGTH_BYTES
from sd_wire.messages import Call, Hello
from sd_wire.reading import Rejected, Request

LIMIT = 200
NO_ID = msgspec.UNSET
MALFORMED = {"rejected": "malformed-request", "pointer": None}

SETTINGS = settings(max_examples=60, stateful_step_count=30, deadline=None)


def call(encoding: Encoding, request_id: int | None, said: str) -> bytes:
    """A call of one method as it goes onto the wire."""
    body = {"Query": {"method": said, "payload": encoding.payload(None)}}
    return encoding.frame(body if request_id is None else {**body, "id": request_id})


def held_by(buffer: Any) -> int:
    """How many bytes a buffer keeps."""
    return len(buffer._rest or b"")


class OneEnd(RuleBasedStateMachine):
    """What a server reads does not depend on how it comes, only on what was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.begin()

    def begin(self) -> None:
        """A new connection."""
        self.wire = ServerConnection(limit=LIMIT)
        self.encoding: Encoding = JSON
        self.fresh = True
        self.underway = bytearray()
        self.expected: list[dict[str, Any]] = []
        self.read: list[dict[str, Any]] = []

    @initialize(frames=st.booleans())
    def maybe_frames(self, frames: bool) -> None:  # noqa: FBT001
        if frames:
            self.a_hello(MESSAGEPACK.name)

    def send(self, data: bytes, means: dict[str, Any]) -> None:
        self.underway += data
        self.expected.append(means)

    @rule(number=st.integers(0, 99), method=st.text(max_size=6))
    def a_call(self, number: int, method: str) -> None:
        asked = {"method": method, "library_id": None, "payload": None}
        self.send(call(self.encoding, number, method), {"call": asked, "id": number})
        self.fresh = False

    @rule()
    def a_word(self) -> None:
        self.send(self.encoding.frame("Ping"), {"word": "Ping"})
        self.fresh = False

    @rule(size=st.integers(0, LIMIT))
    def nonsense(self, size: int) -> None:
        body = b"\xc1" * size
        head = b"" if self.encoding is JSON else size.to_bytes(LENGTH_BYTES, "big")
        end = b"\n" if self.encoding is JSON else b""
        self.send(head + body + end, MALFORMED)
        self.fresh = False

    @rule(size=st.integers(LIMIT + 1, 5 * LIMIT))
    def one_too_long(self, size: int) -> None:
        head = b"" if self.encoding is JSON else size.to_bytes(LENGTH_BYTES, "big")
        end = b"\n" if self.encoding is JSON else b""
        means = {"rejected": "request-too-large", "pointer": None}
        self.send(head + b"x" * size + end, means)
        self.fresh = False

    @rule(name=st.sampled_from(sorted(ENCODINGS)))
    def a_hello(self, name: str) -> None:
        data = self.encoding.frame({"Hello": {"encoding": name}, "id": 1})
        if name == self.encoding.name or self.fresh:
            told = {} if name == JSON.name else {"encoding": name}
            self.send(data, {"hello": told, "id": 1})
            if name != self.encoding.name:
                self.encoding, self.fresh = ENCODINGS[name], False
        else:
            means = {"rejected": "encoding-settled", "pointer": "/Hello/encoding", "id": 1}
            self.send(data, means)

    @precondition(lambda self: self.underway)
    @rule(data=st.data())
    def some_arrives(self, data: st.DataObject) -> None:
        self._arrive(data.draw(st.integers(1, len(self.underway))))

    @rule()
    def all_arrives(self) -> None:
        if self.underway:
            self._arrive(len(self.underway))

    def _arrive(self, count: int) -> None:
        piece = bytes(self.underway[:count])
        del self.underway[:count]
        if piece == PING_LINE and self.wire.takes_a_word():
            self.read.append({"word": "Ping"})
        else:
            self._take(self.wire.receive(piece))

    def _take(self, received: list[Request | Rejected]) -> None:
        self.read += [meaning(one, self.wire.encoding) for one in received]

    @precondition(lambda self: self.underway and self.encoding is JSON)
    @rule()
    def the_last_one_ends_with_the_stream(self) -> None:
        self._arrive(len(self.underway) - 1)
        self._take(self.wire.receive_end())
        if self.read != self.expected:  # an empty line is only one with its LF
            assert [*self.read, MALFORMED] == self.expected
        assert self.wire.state is State.PEER_DONE
        assert self.wire.receive(b'"Ping"\n') == []
        assert self.wire.receive_end() == []
        self.begin()

    @precondition(lambda self: self.encoding is JSON)
    @rule(data=st.data())
    def a_ping_that_is_the_end_of_something_else(self, data: st.DataObject) -> None:
        self.all_arrives()
        begun = data.draw(st.sampled_from([b"", b"{", b"x" * (LIMIT + 1)]))
        means = {
            b"": {"word": "Ping"},
            b"{": MALFORMED,
            b"x" * (LIMIT + 1): {"rejected": "request-too-large", "pointer": None},
        }[begun]
        self.send(begun + PING_LINE, means)
        if begun:
            self._arrive(len(begun))
        self._arrive(len(PING_LINE))
        self.fresh = False

    @rule()
    def closed(self) -> None:
        self.wire.close()
        assert self.wire.receive(bytes(self.underway) + b'"Ping"\n"Ping"\n') == []
        assert self.wire.receive_end() == []
        self.begin()

    @invariant()
    def nothing_is_lost_doubled_or_early(self) -> None:
        assert self.read == self.expected[: len(self.read)]
        # Of what has arrived all is read. One that is too long may be told before its end.
        if not self.underway:
            assert self.read == self.expected

    @invariant()
    def no_more_is_kept_than_may_be(self) -> None:
        assert held_by(self.wire._buffer) <= LIMIT + LENGTH_BYTES

    def teardown(self) -> None:
        if self.underway:
            self._arrive(len(self.underway))
        assert self.read == self.expected


class TwoEnds(RuleBasedStateMachine):
    """Every question gets its own answer, once, whatever overtakes it."""

    def __init__(self) -> None:
        super().__init__()
        self.client = ClientConnection()
        self.server = ServerConnection()
        self.speaks: Encoding = JSON  # what the client writes
        self.to_server = bytearray()
        self.to_client = bytearray()
        self.working: list[Request] = []  # with an id: answered in any order
        self.queue: deque[Request] = deque()  # without: one after the other
        self.asked: dict[int, str] = {}
        self.in_order: deque[str] = deque()
        self.answered: set[int] = set()
        self.number = 0
        self.told_encoding: str | None = None

    @initialize(encoding=st.sampled_from([None, JSON, MESSAGEPACK]), wait=st.booleans())
    def greet(self, encoding: Encoding | None, wait: bool) -> None:  # noqa: FBT001
        if encoding is None:
            return
        self.to_server += JSON.frame({"Hello": {"encoding": encoding.name}, "id": "hello"})
        self.told_encoding = encoding.name
        if wait:
            self.the_server_reads(1.0)
            self.the_client_reads(1.0)
            assert self.client.encoding is encoding
        # Who does not wait sends frames right behind its Hello.
        self.speaks = encoding

    @rule()
    def ask(self) -> None:
        self.number += 1
        self.asked[self.number] = f"m{self.number}"
        self.to_server += call(self.speaks, self.number, f"m{self.number}")

    @rule()
    def ask_in_order(self) -> None:
        self.number += 1
        self.in_order.append(f"m{self.number}")
        self.to_server += call(self.speaks, None, f"m{self.number}")

    @rule(part=st.floats(0.01, 1.0))
    def the_server_reads(self, part: float) -> None:
        for request in self.server.receive(cut(self.to_server, part)):
            assert isinstance(request, Request)
            if isinstance(request.body, Hello):
                welcome = {**WELCOME, "encoding": request.body.encoding}
                self.to_client += JSON.word("Hello", request.id, welcome)
            else:
                (self.queue if request.id is NO_ID else self.working).append(request)

    @precondition(lambda self: self.working)
    @rule(data=st.data())
    def the_server_answers(self, data: st.DataObject) -> None:
        place = data.draw(st.integers(0, len(self.working) - 1))
        self.answer(self.working.pop(place))

    @precondition(lambda self: self.queue)
    @rule()
    def the_server_answers_in_order(self) -> None:
        self.answer(self.queue.popleft())

    def answer(self, request: Request) -> None:
        assert isinstance(request.body, Call)
        encoding = self.server.encoding
        self.to_client += encoding.frame(encoding.done(request.body.method, request.id))

    @rule(part=st.floats(0.01, 1.0))
    def the_client_reads(self, part: float) -> None:
        for reply in self.client.receive(cut(self.to_client, part)):
            if reply.Hello is not NO_ID:
                assert reply.Hello.encoding == self.told_encoding
                self.told_encoding = None
                continue
            held = reply.JsonOk if self.client.encoding is JSON else reply.Ok
            assert isinstance(held, msgspec.Raw | bytes)
            said = self.client.encoding.document_reader(str)(held)
            if reply.id is NO_ID:
                assert said == self.in_order.popleft()
            else:
                assert isinstance(reply.id, int)
                assert said == self.asked.pop(reply.id)

    def teardown(self) -> None:
        self.the_server_reads(1.0)
        for request in (*self.working, *self.queue):
            self.answer(request)
        self.the_client_reads(1.0)
        assert not self.asked
        assert not self.in_order
        assert self.told_encoding is None


def cut(underway: bytearray, part: float) -> bytes:
    """Take a part of what is underway off it."""
    count = max(1, int(len(underway) * part))
    piece = bytes(underway[:count])
    del underway[:count]
    return piece


WELCOME: dict[str, Any] = {
    "version": 1,
    "daemon": "0",
    "instance": None,
    "encodings": list(ENCODINGS),
    "capabilities": [],
    "limits": {},
    "peer": {"pid": 1, "uid": 1, "gid": 1, "permission": "read"},
    "stream": "6f1d3c5e-0000-4000-8000-000000000002",
    "sequence": 0,
}

TestOneEnd = OneEnd.TestCase
TestOneEnd.settings = SETTINGS
TestTwoEnds = TwoEnds.TestCase
TestTwoEnds.settings = SETTINGS
