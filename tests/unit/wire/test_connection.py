"""Bytes become requests, however they are cut."""

from __future__ import annotations

import itertools
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sd_wire.connection import (
    ClientConnection,
    ServerConnection,
    State,
)
from sd_wire.encoding import JSON
from sd_wire.errors import MalformedRequest, RequestTooLarge
from sd_wire.framing import LineBuffer
from sd_wire.messages import Call
from sd_wire.reading import Rejected, Request, parse, pointer_of, sentence_of

THREE = b'"Ping"\n{"Query":{"method":"query:core.status"},"id":7}\r\n"\xc3\xa9"\n'


def read_in(pieces: list[bytes]) -> list[Request | Rejected]:
    wire = ServerConnection()
    return [received for piece in pieces for received in wire.receive(piece)]


def told(received: list[Request | Rejected]) -> list[str]:
    return [repr(one) for one in received]


def test_three_messages_read_the_same_however_they_are_cut_in_three() -> None:
    whole = told(read_in([THREE]))
    assert len(whole) == 3
    for first in range(len(THREE) + 1):
        for second in range(first, len(THREE) + 1):
            pieces = [THREE[:first], THREE[first:second], THREE[second:]]
            assert told(read_in(pieces)) == whole


def test_three_messages_read_the_same_byte_by_byte() -> None:
    assert told(read_in([bytes([byte]) for byte in THREE])) == told(read_in([THREE]))


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=6))
def test_lines_do_not_depend_on_how_a_stream_is_cut(stream: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    pieces = [stream[a:b] for a, b in itertools.pairwise(places)]
    cut, whole = LineBuffer(limit=50), LineBuffer(limit=50)
    lines = [line for piece in pieces for line in cut.feed(piece)]
    expected = whole.feed(stream)
    assert [line for line in lines if line is not None] == [
        line for line in expected if line is not None
    ]
    assert cut.end() == whole.end()


@given(st.binary(max_size=300))
def test_no_line_makes_the_parser_raise(line: bytes) -> None:
    parse(line)


@pytest.mark.parametrize("deep", [b"[" * 100_000, b'{"a":' * 100_000, b'{"Query":' + b"[" * 9999])
def test_nesting_without_end_is_only_a_bad_request(deep: bytes) -> None:
    assert isinstance(parse(deep), Rejected)


def test_a_line_may_be_as_long_as_the_limit_and_no_longer() -> None:
    wire = ServerConnection(limit=20)
    fits, too_long = b'"' + b"x" * 18 + b'"', b'"' + b"x" * 19 + b'"'
    (first,) = wire.receive(fits + b"\n")
    (second,) = wire.receive(too_long + b"\n")
    assert isinstance(first, Rejected)
    assert not isinstance(first.error, RequestTooLarge)
    assert isinstance(second, Rejected)
    assert isinstance(second.error, RequestTooLarge)


def test_a_line_that_is_too_long_is_reported_once_and_skipped() -> None:
    wire = ServerConnection(limit=10)
    assert wire.receive(b"x" * 10) == []
    (error,) = wire.receive(b"x")
    assert isinstance(error, Rejected)
    assert isinstance(error.error, RequestTooLarge)
    for _ in range(5):
        assert wire.receive(b"y" * 1000) == []
    (after,) = wire.receive(b'still the same line\n"Ping"\n')
    assert after == Request("Ping")


def test_the_end_of_the_stream_ends_the_last_request() -> None:
    wire = ServerConnection()
    assert wire.receive(b'"Ping"\n"Shut') == [Request("Ping")]
    assert wire.receive(b'down"') == []
    assert wire.receive_end() == [Request("Shutdown")]
    assert wire.state is State.PEER_DONE
    assert wire.receive(b'"Ping"\n') == []
    assert wire.receive_end() == []


def test_white_space_after_the_last_request_is_not_another() -> None:
    wire = ServerConnection()
    wire.receive(b'"Ping"\n  \r')
    assert wire.receive_end() == []


def test_a_closed_connection_reads_nothing() -> None:
    wire = ServerConnection()
    wire.close()
    assert wire.receive(b'"Ping"\n') == []
    assert wire.receive_end() == []
    assert repr(wire) == "<ServerConnection closed json>"


def test_the_payload_is_kept_as_it_came() -> None:
    (received,) = read_in([b'{"Query":{"method":"m","payload":{"b": 1,"a":[2]}}}\n'])
    assert isinstance(received, Request)
    assert isinstance(received.body, Call)
    assert bytes(received.body.payload) == b'{"b": 1,"a":[2]}'


@given(st.text(st.sampled_from('a"\\/\n\0\x7f\u00e9\u2028\U0001f600'), max_size=12))
def test_what_is_not_ascii_leaves_as_escapes_and_comes_back(text: str) -> None:
    message = {"JsonOk": [text, "\u00e9"], text: '"'}
    line = JSON.frame(message)
    assert line.isascii()
    assert json.loads(line) == message


def test_a_character_beyond_the_first_plane_is_a_pair() -> None:
    assert JSON.frame("\U0001f600") == b'"\\ud83d\\ude00"\n'


def test_a_client_that_hears_something_else_stops_listening() -> None:
    wire = ClientConnection()
    with pytest.raises(MalformedRequest):
        wire.receive(b"220 mail.example.org ESMTP\n")
    assert wire.state is State.CLOSED


class Inner(msgspec.Struct):
    """Something inside."""

    size: int


class Outer(msgspec.Struct):
    """Something with places to go wrong in."""

    name: str
    parts: list[Inner] = []
    by_name: dict[str, Inner] = {}


@pytest.mark.parametrize(
    ("text", "pointer", "said"),
    [
        (b"{}", "/name", "payload.name: it is missing"),
        (b'{"name":1}', "/name", "payload.name: expected str, got int"),
        (
            b'{"name":"a","parts":[{"size":1},{"size":"x"}]}',
            "/parts/1/size",
            "payload.parts[1].size: expected int, got str",
        ),
        (b'{"name":"a","parts":[{}]}', "/parts/0/size", "payload.parts[0].size: it is missing"),
        (b'{"name":"a","parts":7}', "/parts", "payload.parts: expected array, got int"),
        (
            b'{"name":"a","by_name":{"b":7}}',
            "/by_name",
            "payload.by_name[...]: expected object, got int",
        ),
        (b"[]", "", "payload: expected object, got array"),
    ],
)
def test_what_is_wrong_is_pointed_at_and_named(text: bytes, pointer: str, said: str) -> None:
    with pytest.raises(msgspec.ValidationError) as failed:
        msgspec.json.decode(text, type=Outer)
    assert pointer_of(failed.value) == pointer
    assert sentence_of(failed.value, "payload") == said


def test_a_sentence_does_not_repeat_all_that_a_client_has_sent() -> None:
    long = b"x" * 100_000
    received = parse(b'{"Hello":{"encoding":"' + long + b'"},"id":1}')
    assert isinstance(received, Rejected)
    assert received.error.pointer == "/Hello/encoding"
    assert "Hello.encoding: invalid enum value 'xxx" in received.error.text
    assert len(received.error.text) < 300
