"""Bytes and their meaning, one file per case, read by both ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sd_wire.connection import ClientConnection, ServerConnection
from sd_wire.encoding import JSON
from sd_wire.errors import SdError, from_wire
from sd_wire.messages import Call, Done, Subscribe, SubscribeLogs
from sd_wire.reading import Rejected, Request

VECTORS = {
    path.stem: json.loads(path.read_text("ascii"))
    for path in sorted((Path(__file__).parents[2] / "vectors").glob("*.json"))
}
NO_ID = msgspec.UNSET


def requests() -> list[str]:
    return [name for name, case in VECTORS.items() if "request" in case]


def replies() -> list[str]:
    return [name for name, case in VECTORS.items() if "reply" in case]


def said(body: msgspec.Struct) -> dict[str, Any]:
    """The fields of a request that have not their defaults, also further in."""
    usual = {
        field.name: field.default
        for field in msgspec.structs.fields(body)
        if field.default is not msgspec.NODEFAULT
    }
    found: dict[str, Any] = {}
    for name in body.__struct_fields__:
        value = getattr(body, name)
        if isinstance(value, msgspec.Struct):
            value = said(value)
        if name not in usual or value != usual[name]:
            found[name] = msgspec.to_builtins(value)
    return found


def meaning(received: Request | Rejected) -> dict[str, Any]:
    """A request in the words of the vectors."""
    told = {} if received.id is NO_ID else {"id": received.id}
    if isinstance(received, Rejected):
        pointer = received.error.pointer or None
        return {"rejected": received.error.code, "pointer": pointer, **told}
    body = received.body
    if isinstance(body, Call):
        payload = None if body.payload is NO_ID else json.loads(bytes(body.payload))
        call = {"method": body.method, "library_id": body.library_id, "payload": payload}
        return {"call": call, **told}
    if isinstance(body, Subscribe):
        return {"subscribe": said(body), **told}
    if isinstance(body, SubscribeLogs):
        return {"subscribe_logs": said(body), **told}
    return {"word": body, **told}


def written(answer: dict[str, Any]) -> bytes:
    """The line that an answer in the words of the vectors becomes."""
    request_id = answer.get("id", NO_ID)
    if "word" in answer:
        return JSON.word(answer["word"], request_id)
    if "result" in answer:
        return JSON.frame(Done(answer["result"], request_id))
    if "error" in answer:
        cls = SdError.catalogue[answer["error"]]
        return JSON.failure(cls(pointer=answer["pointer"], **answer["fields"]), request_id)
    return JSON.frame(answer["raw"])


@pytest.mark.parametrize("name", requests())
def test_the_server_reads_what_the_vector_says(name: str) -> None:
    case = VECTORS[name]
    (received,) = ServerConnection().receive(case["request"].encode() + b"\n")
    assert meaning(received) == case["means"]


@pytest.mark.parametrize("name", [name for name in requests() if VECTORS[name]["request"]])
def test_the_end_of_the_stream_ends_a_request_as_well(name: str) -> None:
    case = VECTORS[name]
    wire = ServerConnection()
    assert wire.receive(case["request"].encode()) == []
    (received,) = wire.receive_end()
    assert meaning(received) == case["means"]


@pytest.mark.parametrize("name", replies())
def test_the_server_writes_what_the_vector_says(name: str) -> None:
    case = VECTORS[name]
    assert written(case["answer"]) == case["reply"].encode("ascii") + b"\n"


@pytest.mark.parametrize("name", replies())
def test_the_client_reads_what_the_vector_says(name: str) -> None:
    case = VECTORS[name]
    (reply,) = ClientConnection().receive(case["reply"].encode("ascii") + b"\n")
    expected = case["reads"]
    value = getattr(reply, expected["key"])
    if isinstance(value, msgspec.Raw):
        value = json.loads(bytes(value))
    assert value == expected["value"]
    assert reply.id == expected.get("id", NO_ID)
    if "code" in expected:
        assert isinstance(reply.details, msgspec.Struct)
        ((kind, text),) = value.items()
        assert from_wire(kind, text, reply.details).code == expected["code"]
