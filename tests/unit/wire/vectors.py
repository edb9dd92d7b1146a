"""The vectors: bytes and their meaning, one file per case.

A request is a text, or a list of parts: texts, `{"hex": ...}` for bytes that no text can have, and
`{"times": n, "of": text}` for what would be long. What has the encoding "messagepack" is a frame in
hexadecimal, or in such parts of it, the four bytes of its length included.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec

from sd_wire.encoding import ENCODINGS, JSON, Encoding
from sd_wire.errors import SdError
from sd_wire.messages import Call, Cancel, Done, Hello, Packed, Reply, Subscribe, SubscribeLogs
from sd_wire.reading import Batch, Rejected, Request

VECTORS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text("ascii"))
    for path in sorted((Path(__file__).parents[2] / "vectors").glob("*.json"))
}
NO_ID = msgspec.UNSET

_BODIES = get_type_hints(Reply)
_KEYS = {Subscribe: "subscribe", SubscribeLogs: "subscribe_logs", Hello: "hello", Cancel: "cancel"}


def encoding_of(case: dict[str, Any]) -> Encoding:
    """What a case is encoded in."""
    return ENCODINGS[case.get("encoding", "json")]


def message(case: dict[str, Any], end: str) -> bytes:
    """The request or the reply of a case as it goes over the wire, without an LF."""
    given = case[end]
    whole = b"".join(_part(part) for part in ([given] if isinstance(given, str) else given))
    return whole if encoding_of(case) is JSON else bytes.fromhex(whole.decode())


def _part(part: str | dict[str, Any]) -> bytes:
    if isinstance(part, str):
        return part.encode()
    if "hex" in part:
        return bytes.fromhex(part["hex"])
    return str(part["of"]).encode() * int(part["times"])


# --- requests ------------------------------------------------------------------------------------


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


def meaning(received: Request | Rejected, encoding: Encoding = JSON) -> dict[str, Any]:
    """A request in the words of the vectors."""
    told: dict[str, Any] = {} if received.id is NO_ID else {"id": received.id}
    if isinstance(received, Rejected):
        pointer = received.error.pointer
        return {"rejected": received.error.code, "pointer": pointer, **told}
    for name in ("timeout_ms", "correlation_id"):
        if getattr(received, name) is not NO_ID:
            told[name] = getattr(received, name)
    body = received.body
    if isinstance(body, Batch):
        return {"batch": [meaning(one, encoding) for one in body.requests], **told}
    if isinstance(body, Call):
        read = encoding.document_reader(Any)
        payload = None if body.payload is NO_ID else msgspec.to_builtins(read(body.payload))
        call = {"method": body.method, "library_id": body.library_id, "payload": payload}
        return {"call": call, **told}
    if isinstance(body, str):
        return {"word": body, **told}
    return {_KEYS[type(body)]: said(body), **told}


# --- replies -------------------------------------------------------------------------------------


def written(answer: dict[str, Any], encoding: Encoding) -> bytes:
    """The bytes that an answer in the words of the vectors becomes."""
    request_id = answer.get("id", NO_ID)
    if "word" in answer:
        body = answer.get("body")
        value = None if body is None else msgspec.convert(body, _body_of(answer["word"]))
        return encoding.word(answer["word"], request_id, value)
    if "result" in answer:
        done: Done | Packed = encoding.done(answer["result"], request_id)
        return encoding.frame(done)
    if "error" in answer:
        cls = SdError.catalogue[answer["error"]]
        error = cls(pointer=answer["pointer"], **answer["fields"])
        return encoding.failure(error, request_id)
    return encoding.frame(answer["raw"])


def _body_of(word: str) -> Any:
    """The struct that stands behind the key of a reply."""
    (found,) = (one for one in get_args(_BODIES[word]) if isinstance(one, type(msgspec.Struct)))
    return found
