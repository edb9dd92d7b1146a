"""How deep a message is and how many values it has: counted here without reading it, and held
against what a reader finds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sd_wire import bounds
from sd_wire.bounds import PIECE, Walk, has_more_members, look_over_json
from sd_wire.connection import LONG, ServerConnection
from sd_wire.encoding import JSON
from sd_wire.errors import RequestTooDeep, TooManyValues
from sd_wire.reading import Rejected, Request, parse

if TYPE_CHECKING:
    from sd_wire.bounds import Steps

TEXTS = st.text(st.sampled_from('ab[]{},"\\\u00e9\u0001'), max_size=8)
PLAIN = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
DOCUMENTS = st.recursive(
    PLAIN | TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=40,
)


def depth_of(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max(map(depth_of, inner), default=0) if isinstance(value, list | dict) else 0


def values_of(value: Any) -> int:
    if not isinstance(value, list | dict):
        return 0
    inner = list(value.values() if isinstance(value, dict) else value)
    return max(1, len(inner)) + sum(map(values_of, inner))


def passes(steps: Steps) -> bool:
    try:
        for _ in steps:
            pass
    except (RequestTooDeep, TooManyValues):
        return False
    return True


@given(
    document=st.lists(DOCUMENTS, max_size=5),
    piece=st.sampled_from((1, 2, 3, 7, 64)),
    indent=st.sampled_from((None, 1)),
    ascii_only=st.booleans(),
)
def test_both_encodings_are_counted_as_a_reader_counts(
    document: Any, piece: int, indent: int | None, *, ascii_only: bool
) -> None:
    depth, values = depth_of(document), values_of(document)
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only).encode()
    packed = msgspec.msgpack.encode(document)
    for spare_levels, spare_values in ((0, 0), (-1, 0), (0, -1)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bounds, "PIECE", piece)
            patch.setattr(bounds, "MAX_DEPTH", depth + spare_levels)
            patch.setattr(bounds, "MAX_VALUES", values + spare_values)
            fits = not spare_levels and not spare_values
            assert passes(look_over_json(text)) is fits
            assert passes(Walk().over(packed)) is fits


@given(packed=st.binary(max_size=60))
def test_what_is_no_messagepack_is_left_to_the_decoder(packed: bytes) -> None:
    assert passes(Walk().over(packed))


def test_a_list_is_counted_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "PIECE", 3)
    assert has_more_members(b'[{"a,":[1,2,3]},"],",{},4]', 3)
    assert not has_more_members(b'[{"a,":[1,2,3]},"],",{},4]', 4)


# --- long messages -------------------------------------------------------------------------------


def long_line(beside: bytes) -> bytes:
    return b'{"Ping":null,"x":"' + b"y" * (8 * PIECE) + b'"' + beside + b"}\n"


def test_a_long_message_is_read_a_little_at_a_time_and_keeps_its_place() -> None:
    wire = ServerConnection()
    wire.receive(b'"Ping"\n')
    data = long_line(b',"id":1') + b'{"Ping":null,"id":2}\n' + long_line(b',"id":3')
    turns = [wire.receive(data[:PIECE]), wire.receive(data[PIECE:])]
    assert not wire.takes_a_word(), "it would overtake"
    turns.append(wire.receive(b'{"Ping":null,"id":4}\n'))
    while wire.has_more:
        turns.append(wire.more())
    assert [one.id for turn in turns for one in turn] == [1, 2, 3, 4]
    assert len(turns) > 2 * 8
    assert wire.takes_a_word()


@pytest.mark.parametrize("greeting", [b"", b'"Ping"\n'])
def test_a_long_rest_is_read_a_little_at_a_time_as_well(greeting: bytes) -> None:
    wire = ServerConnection()
    answered = len(wire.receive(greeting))
    assert answered == bool(greeting)
    assert wire.receive(long_line(b',"id":1')[:-1]) == []
    assert wire.receive_end() == []
    turns = []
    while wire.has_more:
        turns.append(wire.more())
    assert [one.id for turn in turns for one in turn] == [1]
    assert len(turns) > 8


def test_no_greeting_is_long() -> None:
    wire = ServerConnection()
    beside = b',"x":"' + b"y" * LONG + b'"'
    found = wire.receive(b'{"Hello":{"encoding":"messagepack"}' + beside + b"}\n")
    while wire.has_more:
        found += wire.more()
    (received,) = found
    assert isinstance(received, Rejected)
    assert received.error.code == "encoding-settled"
    assert wire.encoding is JSON


def test_long_messages_are_what_short_ones_are() -> None:
    for text in (b'{"Ping":null,"id":1,"x":[%s]}', b'{"Query":{"method":"m","id":[%s]},"id":1}'):
        short, long = parse(text % b"1"), parse(text % (b"1," * LONG + b"1"))
        assert isinstance(short, Request)
        assert isinstance(long, Rejected)
        assert (long.id, long.error.code) == (1, "too-many-values")
        assert parse(text % (b'"' + b"1" * LONG + b'"')) == short
