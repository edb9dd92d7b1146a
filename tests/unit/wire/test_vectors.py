"""Every vector, read and written by both ends."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from vectors import NO_ID, VECTORS, encoding_of, meaning, message, written

from sd_wire.connection import ClientConnection, ServerConnection
from sd_wire.encoding import JSON, Encoding
from sd_wire.errors import from_wire
from sd_wire.messages import Reply
from sd_wire.reading import Received, Rejected

REQUESTS = [name for name, case in VECTORS.items() if "request" in case]
REPLIES = [name for name, case in VECTORS.items() if "reply" in case]
LINES = [name for name in REQUESTS if encoding_of(VECTORS[name]) is JSON]
REFUSED = [name for name in REQUESTS if "rejected" in VECTORS[name]["means"]]
JSON_KEYS = ("JsonOk", "Error", "id", "details")  # of the members of a batch
FRAMES_HELLO = b'{"Hello":{"encoding":"messagepack"}}\n'


def server_for(case: dict[str, Any]) -> ServerConnection:
    """A server that has agreed to the encoding of a case."""
    wire = ServerConnection()
    if encoding_of(case) is not JSON:
        wire.receive(FRAMES_HELLO)
    return wire


def rest_of(wire: ServerConnection) -> list[Received]:
    """What it has put off, because it is long."""
    found: list[Received] = []
    while wire.has_more:
        found += wire.more()
    return found


def received_by(wire: ServerConnection, data: bytes) -> list[Received]:
    """All requests that these bytes are."""
    return [*wire.receive(data), *rest_of(wire)]


def plain(value: Any, encoding: Encoding) -> Any:
    """What a reply holds, read to the bottom."""
    if isinstance(value, msgspec.Raw | bytes):
        return encoding.document_reader(Any)(value)
    if isinstance(value, list):
        return [plain(one, encoding) for one in value]
    if isinstance(value, Reply):
        names = [name for name in JSON_KEYS if getattr(value, name) is not NO_ID]
        return {name: plain(getattr(value, name), encoding) for name in names}
    return msgspec.to_builtins(value)


@pytest.mark.parametrize("name", REQUESTS)
def test_the_server_reads_what_the_vector_says(name: str) -> None:
    case = VECTORS[name]
    end = b"\n" if name in LINES else b""
    (received,) = received_by(server_for(case), message(case, "request") + end)
    assert meaning(received, encoding_of(case)) == case["means"]


@pytest.mark.parametrize("name", [name for name in LINES if message(VECTORS[name], "request")])
def test_the_end_of_the_stream_ends_a_request_as_well(name: str) -> None:
    case = VECTORS[name]
    wire = ServerConnection()
    assert wire.receive(message(case, "request")) == []
    blank = not message(case, "request").strip()
    found = [*wire.receive_end(), *rest_of(wire)]
    assert [meaning(one) for one in found] == ([] if blank else [case["means"]])


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_request_is_answered_as_the_vector_says(name: str) -> None:
    case = VECTORS[name]
    encoding = encoding_of(case)
    end = b"\n" if encoding is JSON else b""
    (received,) = received_by(server_for(case), message(case, "request") + end)
    assert isinstance(received, Rejected)
    assert encoding.failure(received.error, received.id) == message(case, "reply") + end


@pytest.mark.parametrize("name", [name for name in REPLIES if "answer" in VECTORS[name]])
def test_the_server_writes_what_the_vector_says(name: str) -> None:
    case = VECTORS[name]
    encoding = encoding_of(case)
    end = b"\n" if encoding is JSON else b""
    assert written(case["answer"], encoding) == message(case, "reply") + end


@pytest.mark.parametrize("name", [name for name in REPLIES if "reads" in VECTORS[name]])
def test_the_client_reads_what_the_vector_says(name: str) -> None:
    case = VECTORS[name]
    encoding = encoding_of(case)
    wire = ClientConnection()
    if encoding is not JSON:
        wire.receive(message(VECTORS["hello"], "reply") + b"\n")
    (reply,) = wire.receive(message(case, "reply") + (b"\n" if encoding is JSON else b""))
    expected = case["reads"]
    value = plain(getattr(reply, expected["key"]), encoding)
    assert value == expected["value"]
    assert reply.id == expected.get("id", NO_ID)
    for fact, known in expected.get("facts", {}).items():
        assert msgspec.to_builtins(getattr(reply, fact)) == known
    if "code" in expected:
        assert isinstance(reply.details, msgspec.Struct)
        ((kind, text),) = value.items()
        assert from_wire(kind, text, reply.details).code == expected["code"]


def test_every_case_is_used() -> None:
    assert set(VECTORS) == {*REQUESTS, *REPLIES}
    unanswered = [name for name in REPLIES if not {"answer", "reads"} & set(VECTORS[name])]
    assert set(unanswered) <= set(REFUSED)
