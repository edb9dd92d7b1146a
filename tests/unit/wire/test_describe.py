"""What the contract says of itself, against what really stands on the wire."""

from __future__ import annotations

import contextlib
import json
from functools import cache
from typing import Any

import jsonschema
import msgspec
import pytest
from msgspec import inspect as kinds
from vectors import VECTORS, encoding_of, message

from sd_wire import messages
from sd_wire.describe import DIALECT, contract, contract_of
from sd_wire.encoding import JSON
from sd_wire.errors import MethodNotFound, SdError
from sd_wire.events import EVENTS, Event, body
from sd_wire.messages import MAX_LINE, Done, EventFacts
from sd_wire.operation import CATALOGUE, Operation
from sd_wire.words import fields_of, kind_of

OPERATIONS = sorted(CATALOGUE.values(), key=lambda operation: operation.name)
FULL, SPARSE = True, False


@cache
def document() -> Any:
    """The contract as a client gets it."""
    return json.loads(JSON.document(contract()))


@cache
def validator(schema: str) -> jsonschema.Draft202012Validator:
    """What checks a value by a schema of the contract, which comes as JSON."""
    whole = {**json.loads(schema), "$schema": DIALECT, "$defs": document()["$defs"]}
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    return jsonschema.Draft202012Validator(whole, format_checker=checker)


def valid(value: Any, schema: dict[str, Any]) -> None:
    """Raise where a value, as it is encoded, is not what the schema says."""
    validator(json.dumps(schema)).validate(json.loads(JSON.body(value)))


def is_valid(value: Any, name: str) -> bool:
    """Whether a value is of a type of the contract."""
    try:
        valid(value, {"$ref": f"#/$defs/{name}"})
    except jsonschema.ValidationError:
        return False
    return True


# --- values of any type --------------------------------------------------------------------------

PLAIN: dict[type, Any] = {
    kinds.AnyType: {"anything": [1]},
    kinds.RawType: msgspec.Raw(b"null"),
    kinds.NoneType: None,
    kinds.BoolType: True,
    kinds.FloatType: 0.5,
    kinds.BytesType: "/w==",
    kinds.DateTimeType: "2025-11-23T01:44:07.123456Z",
    kinds.UUIDType: "9d0b0a5e-3c1f-4d0e-8a55-0a4a2f6c1b7e",
}


def sample(kind: Any, *, full: bool) -> Any:
    """A value of a type, with all that it may have or with as little as it must."""
    if isinstance(kind, kinds.Metadata):
        return sample(kind.type, full=full)
    if isinstance(kind, kinds.UnionType):
        real = list(kind.types)
        real.sort(key=lambda one: isinstance(one, kinds.NoneType), reverse=not full)
        return sample(real[0], full=full)
    if isinstance(kind, kinds.StructType):
        return {
            field.encode_name: sample(field.type, full=full)
            for field in kind.fields
            if (full or field.required) and not is_itself(field.type, kind)
        }
    if isinstance(kind, kinds.ListType):
        return [sample(kind.item_type, full=full)] if full else []
    if isinstance(kind, kinds.DictType):
        return {"key": sample(kind.value_type, full=full)} if full else {}
    if isinstance(kind, kinds.EnumType):
        return list(kind.cls)[-1 if full else 0].value
    if isinstance(kind, kinds.LiteralType):
        return kind.values[-1 if full else 0]
    if isinstance(kind, kinds.StrType):
        return "é" * max(1, kind.min_length or 0)
    if isinstance(kind, kinds.IntType):
        return kind.ge or 7
    return PLAIN[type(kind)]


def is_itself(kind: Any, whole: kinds.StructType) -> bool:
    """Whether a field holds what it is a field of: a sample has to end."""
    inner = [*getattr(kind, "types", ()), getattr(kind, "item_type", None)]
    return any(one is whole or getattr(one, "cls", None) is whole.cls for one in inner)


def value_of(declared: Any, *, full: bool) -> Any:
    """A sample as the daemon would have it: the real struct."""
    return msgspec.convert(sample(kinds.type_info(declared), full=full), declared, strict=False)


# --- the document --------------------------------------------------------------------------------


def references(part: Any) -> set[str]:
    """Everything that a schema refers to."""
    if isinstance(part, list):
        return set().union(*map(references, part))
    if not isinstance(part, dict):
        return set()
    inner = references(list(part.values()))
    return inner | {part["$ref"]} if isinstance(part.get("$ref"), str) else inner


def test_the_contract_is_a_schema_that_needs_nothing_else() -> None:
    jsonschema.Draft202012Validator.check_schema(document())
    for name, schema in document()["$defs"].items():
        jsonschema.Draft202012Validator.check_schema(schema), name
    there = {f"#/$defs/{name}" for name in document()["$defs"]}
    assert references(document()) <= there
    assert len(there) > 100


def test_it_is_small_and_built_once() -> None:
    assert len(JSON.frame(Done(contract(), 1))) < MAX_LINE / 20
    assert contract() is contract()


def test_what_concerns_one_operation_stands_alone() -> None:
    for operation in OPERATIONS:
        alone = json.loads(JSON.document(contract_of(operation)))
        jsonschema.Draft202012Validator.check_schema(alone)
        assert [one["name"] for one in alone["operations"]] == [operation.name]
        assert references(alone) <= {f"#/$defs/{name}" for name in alone["$defs"]}
        assert {one["code"] for one in alone["errors"]} == {one.code for one in operation.errors}


def test_everything_that_is_declared_is_in_it() -> None:
    assert [one["name"] for one in document()["operations"]] == sorted(CATALOGUE)
    assert [one["name"] for one in document()["events"]] == sorted(EVENTS)
    assert [one["code"] for one in document()["errors"]] == sorted(SdError.catalogue)


# --- operations and events -----------------------------------------------------------------------


@pytest.mark.parametrize("full", [FULL, SPARSE], ids=["full", "sparse"])
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_an_operation_answers_what_its_schema_says(operation: Operation, full: bool) -> None:  # noqa: FBT001
    described = next(one for one in document()["operations"] if one["name"] == operation.name)
    valid(value_of(operation.request, full=full), described["request"])
    valid(value_of(operation.result, full=full), described["result"])


@pytest.mark.parametrize("full", [FULL, SPARSE], ids=["full", "sparse"])
@pytest.mark.parametrize("cls", EVENTS.values(), ids=list(EVENTS))
def test_an_event_stands_on_the_wire_as_its_schema_says(cls: type[Event], full: bool) -> None:  # noqa: FBT001
    happened = body(value_of(cls, full=full))
    described = next(one for one in document()["events"] if one["name"] == cls.__name__)
    valid(happened, described["schema"])
    valid({"Event": happened}, {"$ref": "#/$defs/Reply"})
    facts = msgspec.to_builtins(value_of(EventFacts, full=full))
    valid({"Event": happened, "id": "w", **facts}, {"$ref": "#/$defs/EventReply"})
    assert not is_valid({"Event": {"Nonsense": {}}}, "Reply")
    assert not is_valid({"Event": happened, "id": "w"}, "EventReply")  # its facts are missing


# --- messages ------------------------------------------------------------------------------------


LARGE = 100_000  # bytes; what is refused for its size or depth no schema can tell
BEYOND_A_SCHEMA = {
    "id-exponent",  # JSON Schema calls 1e2 an integer
    "id-whole-fraction",  # and 7.0
    "subscribe-logs-no-zone",  # a format is what the checker makes of it
    "depth-too-many",
    "two-requests-one-call",  # the daemon is more generous than the contract
}


def refuse(constant: str) -> None:
    """Python's reader takes NaN for JSON."""
    raise ValueError(constant)


@cache
def lines(end: str) -> dict[str, Any]:
    """The vectors whose requests or replies are JSON at all."""
    found = {}
    for name, case in VECTORS.items():
        if end not in case or encoding_of(case) is not JSON or name in BEYOND_A_SCHEMA:
            continue
        with contextlib.suppress(ValueError, RecursionError):
            text = message(case, end).decode()
            value = json.loads(text[:LARGE], parse_constant=refuse)
            json.dumps(value, ensure_ascii=False).encode()
            found[name] = value
    return found


@pytest.mark.parametrize("name", lines("reply"))
def test_a_reply_of_the_vectors_is_a_reply(name: str) -> None:
    valid(lines("reply")[name], {"$ref": "#/$defs/Reply"})


@pytest.mark.parametrize("name", lines("request"))
def test_a_request_of_the_vectors_is_valid_exactly_if_it_is_understood(name: str) -> None:
    understood = "rejected" not in VECTORS[name]["means"]
    assert is_valid(lines("request")[name], "Request") == understood


ANSWERS = {
    "Hello": messages.Welcome,
    "Cancelled": messages.Cancelled,
    "CaughtUp": messages.CaughtUp,
    "Lagged": messages.Lagged,
    "Subscribed": messages.Subscribed,
    "LogsSubscribed": messages.Subscribed,
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_that_has_fields_is_a_reply(name: str) -> None:
    for full in (FULL, SPARSE):
        told = json.loads(JSON.word(name, 7, value_of(ANSWERS[name], full=full)))
        valid(told, {"$ref": f"#/$defs/{name}Reply"})
        valid(told, {"$ref": "#/$defs/Reply"})


def test_every_form_of_a_message_is_described() -> None:
    for whole, struct in (("Request", messages.Envelope), ("Reply", messages.Reply)):
        forms = {name for name in document()["$defs"] if name.endswith(whole)} - {whole}
        expected = {f"{name}{whole}" for name in struct.__struct_fields__ if name[0].isupper()}
        assert forms == expected


def test_an_error_is_a_reply_with_its_details() -> None:
    error = MethodNotFound(method="query:nope", pointer="/method")
    valid(json.loads(JSON.failure(error, 7)), {"$ref": "#/$defs/ErrorReply"})
    assert not is_valid({"Error": {"NoSuchKind": "text"}}, "Reply")
    assert not is_valid({"Error": {}}, "Reply")
    failed = json.loads(JSON.failure(error, 7))
    valid({"Batch": [{"JsonOk": 1, "id": 1}, failed], "id": 2}, {"$ref": "#/$defs/BatchReply"})


# --- in words ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({}, "anything"),
        ({"type": "string", "format": "uuid"}, "UUID"),
        ({"type": "string", "maxLength": 5}, "text (at most 5 characters)"),
        ({"type": "string", "contentEncoding": "base64"}, "base64"),
        ({"type": "integer", "minimum": 1, "maximum": 9}, "integer (1 to 9)"),
        ({"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1}, "integer"),
        ({"type": "integer", "minimum": 1}, "integer (at least 1)"),
        ({"anyOf": [{"$ref": "#/$defs/File"}, {"type": "null"}]}, "File | null"),
        (
            {"type": "array", "items": {"anyOf": [{"type": "number"}, {"type": "null"}]}},
            "list of (number | null)",
        ),
        ({"type": "object", "additionalProperties": {"type": "boolean"}}, "map of boolean"),
        ({"type": "object"}, "object"),
        ({"enum": ["a", "b"]}, '"a" | "b"'),
    ],
)
def test_a_type_in_words(schema: dict[str, Any], words: str) -> None:
    assert kind_of(schema) == words


def test_a_field_in_words() -> None:
    schema = {
        "properties": {"a": {"type": "null"}, "b": {"description": "what", "default": []}},
        "required": ["a"],
    }
    assert fields_of(schema) == [
        ("a", "null", True, "", ""),
        ("b", "anything", False, "[]", "what"),
    ]
